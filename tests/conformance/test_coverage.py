"""The fields that a reader of the SDK's types finds in our answers: figures that must not fall."""

from tests.conformance.coverage import measured

FLOORS = {
    "account": 7,
    "billing.meter": 13,
    "billing_portal.configuration": 14,
    "billing_portal.session": 13,
    "charge": 21,
    "checkout.session": 38,
    "coupon": 15,
    "customer": 13,
    "discount": 11,
    "event": 9,
    "invoice": 43,
    "invoiceitem": 18,
    "mandate": 8,
    "payment_intent": 23,
    "payment_method": 8,
    "price": 15,
    "product": 13,
    "promotion_code": 13,
    "refund": 14,
    "setup_intent": 16,
    "subscription": 32,
    "subscription_item": 12,
    "tax_rate": 17,
    "test_helpers.test_clock": 8,
    "webhook_endpoint": 11,
}
"""How many fields each object has in common with the SDK's annotations, at least."""


def test_no_field_that_the_sdk_annotates_was_taken_away() -> None:
    found = {each.kind: len(each.annotated & each.returned) for each in measured()}
    assert found.keys() == FLOORS.keys()
    assert {kind: count for kind, count in found.items() if count < FLOORS[kind]} == {}
