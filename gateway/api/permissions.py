"""Which permission each kind of object asks a restricted key for; an endpoint's follows from what it answers with."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.api.auth import Caller, demand
from gateway.domain.permission import Level, Resource

OF_KIND: Final[Mapping[str, Resource]] = MappingProxyType(
    {
        "account": Resource.ACCOUNT,
        "account_settings": Resource.ACCOUNT,
        "billing.meter": Resource.METERS,
        "billing.meter_event": Resource.METERS,
        "billing.meter_event_summary": Resource.METERS,
        "billing_portal.configuration": Resource.BILLING_PORTAL,
        "billing_portal.session": Resource.BILLING_PORTAL,
        "charge": Resource.CHARGES,
        "charge_intent": Resource.CHARGE_INTENTS,
        "checkout.session": Resource.CHECKOUT_SESSIONS,
        "coupon": Resource.COUPONS,
        "customer": Resource.CUSTOMERS,
        "customer_balance_transaction": Resource.CUSTOMERS,
        "discount": Resource.SUBSCRIPTIONS,
        "event": Resource.EVENTS,
        "forecast": Resource.SUBSCRIPTIONS,
        "invoice": Resource.INVOICES,
        "invoiceitem": Resource.INVOICES,
        "item": Resource.CHECKOUT_SESSIONS,
        "mandate": Resource.MANDATES,
        "payment_intent": Resource.CHARGE_INTENTS,
        "payment_method": Resource.PAYMENT_METHODS,
        "price": Resource.PRICES,
        "pricing_table": Resource.PRICING_TABLES,
        "product": Resource.PRODUCTS,
        "promotion_code": Resource.COUPONS,
        "push_payment": Resource.PUSH_PAYMENTS,
        "refund": Resource.REFUNDS,
        "setup_intent": Resource.SETUP_INTENTS,
        "subscription": Resource.SUBSCRIPTIONS,
        "subscription_item": Resource.SUBSCRIPTIONS,
        "tax_rate": Resource.TAX_RATES,
        "test_helpers.test_clock": Resource.TEST_CLOCKS,
        "timeline_entry": Resource.SUBSCRIPTIONS,
        "webhook_endpoint": Resource.WEBHOOK_ENDPOINTS,
    }
)


def demand_sight(caller: Caller, kinds: Iterable[str]) -> None:
    """What is expanded is read: a key that may not read it may not expand it.

    Raises:
        PermissionDenied: as `demand`.
    """
    if caller.permissions is not None:
        for kind in sorted(kinds):
            demand(caller, OF_KIND[kind], Level.READ)
