"""What the outcome of a payment means for the subscription behind it (PRODUCT's status machine, C05, C08, C14)."""

from datetime import datetime

from gateway.domain import subscription as subscriptions
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.dunning import OnRetriesExhausted, RetryPolicy
from gateway.domain.invoice import BillingReason, Invoice
from gateway.domain.subscription import CancellationReason, Status, Subscription
from gateway.domain.transition import Moved, StatusReason

NO_RETRIES = RetryPolicy(days=())
"""A first payment is not tried again by itself: the customer is at hand, or the wallet recovers (FR-10, ST-13)."""


def policy_for(invoice: Invoice, renewals: RetryPolicy) -> RetryPolicy:
    """Retry policy of an invoice; `renewals` is the merchant's."""
    return NO_RETRIES if invoice.billing_reason is BillingReason.SUBSCRIPTION_CREATE else renewals


def after_payment(subscription: Subscription, invoice: Invoice, now: datetime) -> Moved[Subscription] | None:
    """`invoice` is paid and final. None when that changes nothing for the subscription.

    An older invoice of an unpaid or past due subscription does not bring it back: the newest one does (ST-36).
    """
    match subscription.status:
        case Status.PENDING | Status.INCOMPLETE:
            return subscriptions.activate(subscription, now)
        case Status.ACTIVE | Status.PAST_DUE | Status.UNPAID | Status.TRIALING:
            return subscriptions.renew(subscription, now) if invoice.id == subscription.latest_invoice_id else None
        case Status.PAUSED | Status.INCOMPLETE_EXPIRED | Status.CANCELED:
            return None


def after_failure(
    subscription: Subscription, intent: ChargeIntent, reason: StatusReason, now: datetime
) -> list[Moved[Subscription]]:
    """An attempt to pay `intent` failed and counted; `intent` is the value after it. The moves follow one another."""
    match subscription.status:
        case Status.PENDING | Status.INCOMPLETE:
            return [subscriptions.require_customer(subscription, reason, now)]
        case Status.ACTIVE | Status.TRIALING | Status.PAST_DUE:
            moves = [subscriptions.mark_past_due(subscription, reason, now)]
        case Status.UNPAID | Status.PAUSED | Status.INCOMPLETE_EXPIRED | Status.CANCELED:
            return []
    policy = intent.policy
    if intent.next_attempt_at is not None or policy is None:
        return moves
    match policy.on_exhausted:
        case OnRetriesExhausted.UNPAID:
            moves.append(subscriptions.mark_unpaid(moves[-1].value, reason, now))
        case OnRetriesExhausted.CANCELED:
            moves.append(subscriptions.cancel(moves[-1].value, CancellationReason.PAYMENT_FAILED, now))
        case OnRetriesExhausted.PAST_DUE:
            pass
    return moves
