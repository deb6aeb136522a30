"""How many of the fields that the official SDK annotates are in our answers, object by object.

python -m tests.conformance.coverage            prints the table (`make conformance` does, too)
python -m tests.conformance.coverage --missing  names the fields that are not there
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import stripe

from gateway.wire import catalog, checkout, invoice, mandate, metering, payments, portal, pricing, refund, setup_intent
from gateway.wire import subscription as subscriptions
from gateway.wire import webhook as webhooks

OBJECTS: Final[dict[str, tuple[Any, type[msgspec.Struct]]]] = {
    "account": (stripe.Account, catalog.AccountObject),
    "billing.meter": (stripe.billing.Meter, metering.MeterObject),
    "billing_portal.configuration": (stripe.billing_portal.Configuration, portal.PortalConfigurationObject),
    "billing_portal.session": (stripe.billing_portal.Session, portal.PortalSessionObject),
    "charge": (stripe.Charge, payments.ChargeObject),
    "checkout.session": (stripe.checkout.Session, checkout.CheckoutSessionObject),
    "coupon": (stripe.Coupon, pricing.CouponObject),
    "customer": (stripe.Customer, catalog.CustomerObject),
    "discount": (stripe.Discount, pricing.DiscountObject),
    "event": (stripe.Event, webhooks.EventObject),
    "invoice": (stripe.Invoice, invoice.InvoiceObject),
    "invoiceitem": (stripe.InvoiceItem, pricing.InvoiceItemObject),
    "mandate": (stripe.Mandate, mandate.MandateObject),
    "payment_intent": (stripe.PaymentIntent, payments.ChargeIntentObject),
    "payment_method": (stripe.PaymentMethod, catalog.PaymentMethodObject),
    "price": (stripe.Price, catalog.PriceObject),
    "product": (stripe.Product, catalog.ProductObject),
    "promotion_code": (stripe.PromotionCode, pricing.PromotionCodeObject),
    "refund": (stripe.Refund, refund.RefundObject),
    "setup_intent": (stripe.SetupIntent, setup_intent.SetupIntentObject),
    "subscription": (stripe.Subscription, subscriptions.SubscriptionObject),
    "subscription_item": (stripe.SubscriptionItem, subscriptions.SubscriptionItemObject),
    "tax_rate": (stripe.TaxRate, pricing.TaxRateObject),
    "test_helpers.test_clock": (stripe.test_helpers.TestClock, webhooks.TestClockObject),
    "webhook_endpoint": (stripe.WebhookEndpoint, webhooks.WebhookEndpointObject),
}

_NO_FIELDS: Final = frozenset({"OBJECT_NAME", "deleted"})


@dataclass(frozen=True)
class Coverage:
    """Of one object: the fields that the SDK annotates, and which of them we return."""

    kind: str
    annotated: frozenset[str]
    returned: frozenset[str]

    @property
    def missing(self) -> list[str]:
        """What a reader of the SDK's types would look for in vain."""
        return sorted(self.annotated - self.returned)

    @property
    def ours(self) -> list[str]:
        """What we add."""
        return sorted(self.returned - self.annotated)

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return len(self.annotated & self.returned) / len(self.annotated)


def measured() -> Iterator[Coverage]:
    """The coverage of every object that we share with the SDK."""
    for kind, (theirs, ours) in sorted(OBJECTS.items()):
        annotated = frozenset(name for name in theirs.__annotations__ if not name.startswith("_")) - _NO_FIELDS
        returned = frozenset(field.encode_name for field in msgspec.structs.fields(ours))
        yield Coverage(kind, annotated, returned)


def main() -> None:
    """Print the table."""
    found = list(measured())
    print(f"{'object':<26}{'SDK':>5}{'ours':>6}{'share':>7}   added by us")
    for each in found:
        both = len(each.annotated & each.returned)
        print(f"{each.kind:<26}{len(each.annotated):>5}{both:>6}{each.share:>7.0%}   {len(each.ours)}")
        if "--missing" in sys.argv:
            print(f"    {', '.join(each.missing)}")
    total = sum(len(each.annotated) for each in found)
    both = sum(len(each.annotated & each.returned) for each in found)
    print(f"{'all':<26}{total:>5}{both:>6}{both / total:>7.0%}")


if __name__ == "__main__":
    main()
