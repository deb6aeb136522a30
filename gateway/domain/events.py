"""The catalog of events, and which of them a profile hears.

`customer.subscription.created` tells consumers to provision (FR-19, SX-10), so in the default profile it is written
when a subscription first becomes `active` or `trialing`. An endpoint with `event_profile=stripe` hears it at creation
instead (ruling C06): `SUBSCRIPTION_OPENED` is that moment, and is delivered under the public name. The same profile
hears of charge intents as `payment_intent.*`, in that alias's shape (ST-49, ST-54, C07).
"""

from enum import StrEnum
from typing import Final


class EventProfile(StrEnum):
    """When an endpoint hears of a new subscription (ruling C06), and what it calls a charge intent (C07)."""

    DEFAULT = "default"
    STRIPE = "stripe"


class EventType(StrEnum):
    """Every type of event that is written. Values are the names on the wire."""

    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_UPDATED = "customer.updated"
    CUSTOMER_DELETED = "customer.deleted"
    PRODUCT_CREATED = "product.created"
    PRODUCT_UPDATED = "product.updated"
    PRODUCT_DELETED = "product.deleted"
    PRICE_CREATED = "price.created"
    PRICE_UPDATED = "price.updated"
    TAX_RATE_CREATED = "tax_rate.created"
    TAX_RATE_UPDATED = "tax_rate.updated"
    COUPON_CREATED = "coupon.created"
    COUPON_UPDATED = "coupon.updated"
    COUPON_DELETED = "coupon.deleted"
    PROMOTION_CODE_CREATED = "promotion_code.created"
    PROMOTION_CODE_UPDATED = "promotion_code.updated"
    CUSTOMER_DISCOUNT_CREATED = "customer.discount.created"
    CUSTOMER_DISCOUNT_DELETED = "customer.discount.deleted"
    INVOICEITEM_CREATED = "invoiceitem.created"
    INVOICEITEM_UPDATED = "invoiceitem.updated"
    INVOICEITEM_DELETED = "invoiceitem.deleted"
    PAYMENT_METHOD_ATTACHED = "payment_method.attached"
    PAYMENT_METHOD_DETACHED = "payment_method.detached"
    PAYMENT_METHOD_UPDATED = "payment_method.updated"
    PAYMENT_METHOD_ALLOWANCE_RUNNING_OUT = "payment_method.allowance_running_out"
    MANDATE_CREATED = "mandate.created"
    MANDATE_UPDATED = "mandate.updated"
    SUBSCRIPTION_OPENED = "customer.subscription.opened"
    SUBSCRIPTION_CREATED = "customer.subscription.created"
    SUBSCRIPTION_ACTIVATED = "customer.subscription.activated"
    SUBSCRIPTION_INCOMPLETE = "customer.subscription.incomplete"
    SUBSCRIPTION_UPDATED = "customer.subscription.updated"
    SUBSCRIPTION_RENEWED = "customer.subscription.renewed"
    SUBSCRIPTION_PAST_DUE = "customer.subscription.past_due"
    SUBSCRIPTION_UNPAID = "customer.subscription.unpaid"
    SUBSCRIPTION_PAUSED = "customer.subscription.paused"
    SUBSCRIPTION_RESUMED = "customer.subscription.resumed"
    SUBSCRIPTION_EXPIRED = "customer.subscription.incomplete_expired"
    SUBSCRIPTION_DELETED = "customer.subscription.deleted"
    SUBSCRIPTION_TRIAL_STARTED = "customer.subscription.trial_started"
    SUBSCRIPTION_TRIAL_ENDED = "customer.subscription.trial_ended"
    SUBSCRIPTION_TRIAL_WILL_END = "customer.subscription.trial_will_end"
    SUBSCRIPTION_UPCOMING = "customer.subscription.upcoming"
    SUBSCRIPTION_PENDING_UPDATE_APPLIED = "customer.subscription.pending_update_applied"
    SUBSCRIPTION_PENDING_UPDATE_EXPIRED = "customer.subscription.pending_update_expired"
    SETUP_INTENT_CREATED = "setup_intent.created"
    SETUP_INTENT_REQUIRES_ACTION = "setup_intent.requires_action"
    SETUP_INTENT_PROCESSING = "setup_intent.processing"
    SETUP_INTENT_SUCCEEDED = "setup_intent.succeeded"
    SETUP_INTENT_SETUP_FAILED = "setup_intent.setup_failed"
    SETUP_INTENT_CANCELED = "setup_intent.canceled"
    INVOICE_UPCOMING = "invoice.upcoming"
    INVOICE_CREATED = "invoice.created"
    INVOICE_FINALIZED = "invoice.finalized"
    INVOICE_SENT = "invoice.sent"
    INVOICE_WILL_BE_DUE = "invoice.will_be_due"
    INVOICE_OVERDUE = "invoice.overdue"
    INVOICE_APPROVAL_REMINDER = "invoice.approval_reminder"
    INVOICE_UPDATED = "invoice.updated"
    INVOICE_PAID = "invoice.paid"
    INVOICE_PAYMENT_SUCCEEDED = "invoice.payment_succeeded"
    INVOICE_PAYMENT_FAILED = "invoice.payment_failed"
    INVOICE_PAYMENT_ACTION_REQUIRED = "invoice.payment_action_required"
    INVOICE_VOIDED = "invoice.voided"
    INVOICE_MARKED_UNCOLLECTIBLE = "invoice.marked_uncollectible"
    CHARGE_INTENT_CREATED = "charge_intent.created"
    CHARGE_INTENT_REQUIRES_ACTION = "charge_intent.requires_action"
    CHARGE_INTENT_PROCESSING = "charge_intent.processing"
    CHARGE_INTENT_SUCCEEDED = "charge_intent.succeeded"
    CHARGE_INTENT_PAYMENT_FAILED = "charge_intent.payment_failed"
    CHARGE_INTENT_CANCELED = "charge_intent.canceled"
    CHARGE_INTENT_REVERSED = "charge_intent.reversed"
    CHARGE_PENDING = "charge.pending"
    CHARGE_SUCCEEDED = "charge.succeeded"
    CHARGE_FAILED = "charge.failed"
    CHARGE_REVERSED = "charge.reversed"
    CHARGE_REFUNDED = "charge.refunded"
    CHECKOUT_SESSION_COMPLETED = "checkout.session.completed"
    CHECKOUT_SESSION_EXPIRED = "checkout.session.expired"
    PRICING_TABLE_CREATED = "pricing_table.created"
    PRICING_TABLE_UPDATED = "pricing_table.updated"
    PUSH_PAYMENT_APPLIED = "push_payment.applied"
    PUSH_PAYMENT_UNMATCHED = "push_payment.unmatched"
    PUSH_PAYMENT_DISMISSED = "push_payment.dismissed"
    REFUND_CREATED = "refund.created"
    REFUND_UPDATED = "refund.updated"
    METER_CREATED = "billing.meter.created"
    METER_UPDATED = "billing.meter.updated"
    METER_DEACTIVATED = "billing.meter.deactivated"
    METER_REACTIVATED = "billing.meter.reactivated"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    TEST_CLOCK_CREATED = "test_helpers.test_clock.created"
    TEST_CLOCK_ADVANCING = "test_helpers.test_clock.advancing"
    TEST_CLOCK_READY = "test_helpers.test_clock.ready"
    TEST_CLOCK_DELETED = "test_helpers.test_clock.deleted"


_PUBLIC_NAMES: Final = {
    (EventProfile.STRIPE, EventType.SUBSCRIPTION_OPENED): EventType.SUBSCRIPTION_CREATED,
    (EventProfile.STRIPE, EventType.SUBSCRIPTION_CREATED): None,
    (EventProfile.DEFAULT, EventType.SUBSCRIPTION_OPENED): None,
}


_INTENT: Final = "charge_intent."
PAYMENT_INTENT: Final = "payment_intent."
"""How the public names of a charge intent's events begin for the profile that knows it as a payment intent."""


def public_type(written: EventType, profile: EventProfile) -> str | None:
    """Name under which an endpoint of `profile` hears of `written`; None when it does not hear of it."""
    if profile is EventProfile.STRIPE and written.startswith(_INTENT):
        return PAYMENT_INTENT + written.removeprefix(_INTENT)
    return _PUBLIC_NAMES.get((profile, written), written)
