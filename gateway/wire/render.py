"""One door to all renderings: a domain value in, its shape or its JSON out."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from gateway.domain.catalog import Account, Customer, PaymentMethod, Price, Product
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.checkout import CheckoutSession
from gateway.domain.credit import BalanceTransaction
from gateway.domain.discount import Coupon, CustomerDiscount, PromotionCode
from gateway.domain.invoice import Invoice
from gateway.domain.invoice_item import InvoiceItem
from gateway.domain.mandate import Mandate
from gateway.domain.metering import Meter
from gateway.domain.plan_change import OwnedItem
from gateway.domain.pricing_table import PricingTable
from gateway.domain.push import PushPayment
from gateway.domain.refund import Refund
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.subscription import Subscription
from gateway.domain.tax import TaxRate
from gateway.domain.test_clock import TestClock
from gateway.domain.webhook import WebhookEndpoint
from gateway.wire import (
    catalog,
    checkout,
    invoice,
    mandate,
    metering,
    payments,
    pricing,
    pricing_table,
    push,
    refund,
    setup_intent,
    subscription,
    webhook,
)
from gateway.wire.related import Related

DomainObject = (
    Account
    | Customer
    | Product
    | Price
    | PaymentMethod
    | Mandate
    | Subscription
    | OwnedItem
    | Invoice
    | ChargeIntent
    | Charge
    | Refund
    | PushPayment
    | TaxRate
    | Coupon
    | PromotionCode
    | CustomerDiscount
    | InvoiceItem
    | BalanceTransaction
    | WebhookEndpoint
    | TestClock
    | SetupIntent
    | CheckoutSession
    | PricingTable
    | Meter
)

_Shape = Callable[[Any, Related], msgspec.Struct]

_SHAPES: Final[Mapping[type, tuple[str, _Shape]]] = {
    Account: ("account", catalog.account),
    Customer: ("customer", catalog.customer),
    Product: ("product", catalog.product),
    Price: ("price", catalog.price),
    PaymentMethod: ("payment_method", catalog.payment_method),
    Mandate: ("mandate", mandate.mandate),
    Subscription: ("subscription", subscription.subscription),
    OwnedItem: ("subscription_item", subscription.owned_item),
    Invoice: ("invoice", invoice.invoice),
    ChargeIntent: ("charge_intent", payments.charge_intent),
    Charge: ("charge", payments.charge),
    Refund: ("refund", refund.refund),
    PushPayment: ("push_payment", push.push_payment),
    TaxRate: ("tax_rate", pricing.tax_rate),
    Coupon: ("coupon", pricing.coupon),
    PromotionCode: ("promotion_code", pricing.promotion_code),
    CustomerDiscount: ("discount", pricing.customer_discount),
    InvoiceItem: ("invoiceitem", pricing.invoice_item),
    BalanceTransaction: ("customer_balance_transaction", pricing.balance_transaction),
    SetupIntent: ("setup_intent", setup_intent.setup_intent),
    CheckoutSession: ("checkout.session", checkout.checkout_session),
    PricingTable: ("pricing_table", pricing_table.pricing_table),
    Meter: ("billing.meter", metering.meter),
    WebhookEndpoint: ("webhook_endpoint", webhook.webhook_endpoint),
    TestClock: ("test_helpers.test_clock", webhook.clock),
}
"""What each kind of object is called, and how it looks."""

_encoder: Final = msgspec.json.Encoder(order="deterministic")
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL: Final = msgspec.Raw(b"null")


def render(value: DomainObject, related: Related) -> msgspec.Struct:
    """Return the shape of any object."""
    return _SHAPES[type(value)][1](value, related)


def kind(value: DomainObject) -> str:
    """Name of an object's kind: the `object` field of its shape."""
    return _SHAPES[type(value)][0]


def encode(value: DomainObject, related: Related) -> bytes:
    """JSON of the shape; equal values give equal bytes."""
    return _encoder.encode(render(value, related))


def changed(before: bytes, after: bytes) -> bytes | None:
    """`previous_attributes`: the top-level fields of `before` that `after` has otherwise; None when there are none."""
    old = _fields.decode(before)
    new = _fields.decode(after)
    differing = {name: value for name, value in old.items() if bytes(new.get(name, _NULL)) != bytes(value)}
    differing |= {name: _NULL for name in new if name not in old}
    return _encoder.encode(differing) if differing else None
