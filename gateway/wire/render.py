"""One door to all renderings: a domain value in, its shape or its JSON out."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.domain.catalog import Account, Customer, PaymentMethod, Price, Product
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.subscription import Subscription
from gateway.domain.test_clock import TestClock
from gateway.domain.webhook import WebhookEndpoint
from gateway.wire import catalog, invoice, payments, subscription, webhook
from gateway.wire.related import Related

DomainObject = (
    Account
    | Customer
    | Product
    | Price
    | PaymentMethod
    | Mandate
    | Subscription
    | Invoice
    | ChargeIntent
    | Charge
    | WebhookEndpoint
    | TestClock
)

_KINDS: Final[Mapping[type, str]] = {
    Account: "account",
    Customer: "customer",
    Product: "product",
    Price: "price",
    PaymentMethod: "payment_method",
    Mandate: "mandate",
    Subscription: "subscription",
    Invoice: "invoice",
    ChargeIntent: "charge_intent",
    Charge: "charge",
    WebhookEndpoint: "webhook_endpoint",
    TestClock: "test_helpers.test_clock",
}

_encoder: Final = msgspec.json.Encoder(order="deterministic")
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL: Final = msgspec.Raw(b"null")


def render(value: DomainObject, related: Related) -> msgspec.Struct:  # noqa: C901, PLR0911 - one line per kind
    """Return the shape of any object."""
    match value:
        case Customer():
            return catalog.customer(value, related)
        case Product():
            return catalog.product(value, related)
        case Price():
            return catalog.price(value, related)
        case PaymentMethod():
            return catalog.payment_method(value, related)
        case Mandate():
            return payments.mandate(value, related)
        case Subscription():
            return subscription.subscription(value, related)
        case Invoice():
            return invoice.invoice(value, related)
        case ChargeIntent():
            return payments.charge_intent(value, related)
        case Charge():
            return payments.charge(value, related)
        case WebhookEndpoint():
            return webhook.webhook_endpoint(value, related)
        case TestClock():
            return webhook.clock(value, related)
        case Account():
            return catalog.account(value, related)


def kind(value: DomainObject) -> str:
    """Name of an object's kind: the `object` field of its shape."""
    return _KINDS[type(value)]


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
