"""All routes of `/v1`, in the order in which they are described."""

from typing import Any, Final

from gateway.api import (
    account,
    charge_intents,
    charges,
    checkout,
    clocks,
    coupons,
    customers,
    events,
    invoice_items,
    invoices,
    mandates,
    outlook,
    payment_methods,
    prices,
    products,
    refunds,
    settings,
    setup_intents,
    subscription_items,
    subscriptions,
    tax_rates,
    webhook_endpoints,
)
from gateway.api.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    *customers.ENDPOINTS,
    *products.ENDPOINTS,
    *prices.ENDPOINTS,
    *payment_methods.ENDPOINTS,
    *subscriptions.ENDPOINTS,
    *outlook.ENDPOINTS,
    *subscription_items.ENDPOINTS,
    *setup_intents.ENDPOINTS,
    *checkout.ENDPOINTS,
    *invoices.ENDPOINTS,
    *invoice_items.ENDPOINTS,
    *tax_rates.ENDPOINTS,
    *coupons.ENDPOINTS,
    *charge_intents.ENDPOINTS,
    *charges.ENDPOINTS,
    *refunds.ENDPOINTS,
    *mandates.ENDPOINTS,
    *events.ENDPOINTS,
    *webhook_endpoints.ENDPOINTS,
    *clocks.ENDPOINTS,
    *account.ENDPOINTS,
    *settings.ENDPOINTS,
)
