"""What the outcome of an attempt means for the intent, the invoice and the subscription behind it.

PRODUCT's status machine; rulings C05, C08, C14. The same rules serve an attempt that the chain decided and one that a
simulation refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.domain import charge_intent as intents
from gateway.domain import invoice as invoices
from gateway.domain import subscription as subscriptions
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.dunning import OnRetriesExhausted, RetryPolicy
from gateway.domain.failure import FailureCode, failed, needs_wallet
from gateway.domain.invoice import BillingReason, Invoice
from gateway.domain.reminder import of_approval
from gateway.domain.settings import ApprovalSettings
from gateway.domain.subscription import CancellationReason, Status, Subscription
from gateway.domain.transition import Action, Moved, StatusReason

NO_RETRIES = RetryPolicy(days=())
"""A first payment is not tried again by itself: the customer is at hand, or the wallet recovers (FR-10, ST-13)."""


def policy_for(subscription: Subscription, invoice: Invoice, renewals: RetryPolicy) -> RetryPolicy:
    """Retry policy of an invoice; `renewals` is the merchant's. What is asked for in `unpaid` is tried once (ST-35)."""
    if invoice.billing_reason is BillingReason.SUBSCRIPTION_CREATE:
        return NO_RETRIES
    return replace(NO_RETRIES, restart=renewals.restart) if subscription.status is Status.UNPAID else renewals


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What an attempt is about, as it stands before its outcome.

    Attributes:
        is_newest: no later invoice of the subscription is open.
    """

    intent: ChargeIntent
    invoice: Invoice
    subscription: Subscription
    is_newest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The moves that an outcome makes; those of a subscription follow one another."""

    intent: Moved[ChargeIntent]
    invoice: Moved[Invoice]
    subscription: tuple[Moved[Subscription], ...]


def collected(owed: Owed, charge_id: str, evidence: Mapping[str, Any], now: datetime) -> Outcome:
    """The transfer is final: the intent succeeded, the invoice is paid, the subscription is good (ST-12, FR-09)."""
    reason = StatusReason("transfer_final", Action.SUCCESS, evidence)
    paid = invoices.pay(owed.invoice, reason, now)
    change = after_payment(owed.subscription, paid.value, now, is_newest=owed.is_newest)
    return Outcome(
        intent=intents.succeed(owed.intent, charge_id, reason, now),
        invoice=paid,
        subscription=(change,) if change else (),
    )


def taken_away(owed: Owed, evidence: Mapping[str, Any], now: datetime) -> Outcome:
    """A re-org took a transfer away that was final: what it paid is owed again, and tried again (C07)."""
    reason = failed(FailureCode.REVERSED, evidence)
    change = None
    if owed.subscription.status in {Status.TRIALING, Status.ACTIVE, Status.PAST_DUE}:
        change = subscriptions.mark_past_due(owed.subscription, reason, now)
    return Outcome(
        intent=intents.reverse(owed.intent, reason, now),
        invoice=invoices.reopen(owed.invoice, reason, now),
        subscription=(change,) if change else (),
    )


def refused(
    owed: Owed,
    charge_id: str,
    code: FailureCode,
    evidence: Mapping[str, Any],
    *,
    renewals: RetryPolicy,
    grace: timedelta | None = None,
    approvals: ApprovalSettings | None = None,
    now: datetime,
) -> Outcome:
    """An attempt failed for a reason that counts (FR-10, FR-14, FR-15).

    `renewals`, `grace` and `approvals` are the merchant's: when to try again, how long it may stay unpaid (C14), and
    how a wallet is reminded to approve (ST-71).
    """
    chase = None if approvals is None else of_approval(approvals, now)
    reason = failed(code, evidence)
    policy = policy_for(owed.subscription, owed.invoice, renewals)
    intent = intents.fail(owed.intent, charge_id, reason, policy, now)
    return Outcome(
        intent=intent,
        invoice=invoices.note_failure(owed.invoice, reason, now, needs_wallet=needs_wallet(code), chase=chase),
        subscription=tuple(after_failure(owed.subscription, intent.value, reason, now, grace=grace)),
    )


def after_payment(
    subscription: Subscription, invoice: Invoice, now: datetime, *, is_newest: bool
) -> Moved[Subscription] | None:
    """`invoice` is paid and final. None when that changes nothing for the subscription.

    An older invoice of an unpaid or past due subscription does not bring it back: the newest of those that are open
    does, whatever drafts there are (ST-36).
    """
    match subscription.status:
        case Status.PENDING | Status.INCOMPLETE:
            return subscriptions.activate(subscription, now)
        case Status.PAST_DUE | Status.UNPAID | Status.TRIALING:
            return subscriptions.renew(subscription, now) if is_newest else None
        case Status.ACTIVE:
            renewed = invoice.id == subscription.latest_invoice_id and (
                invoice.billing_reason is not BillingReason.SUBSCRIPTION_UPDATE
            )
            return subscriptions.renew(subscription, now) if renewed else None
        case Status.PAUSED | Status.INCOMPLETE_EXPIRED | Status.CANCELED:
            return None


def after_refusal(
    subscription: Subscription, reason: StatusReason, now: datetime, *, grace: timedelta | None = None
) -> list[Moved[Subscription]]:
    """An invoice cannot be attempted at all, for example because the wallet has not signed (ST-14, ST-48, C08)."""
    match subscription.status:
        case Status.PENDING | Status.INCOMPLETE:
            return [subscriptions.require_customer(subscription, reason, now)]
        case Status.ACTIVE | Status.TRIALING | Status.PAST_DUE:
            return [subscriptions.mark_past_due(subscription, reason, now, grace=grace)]
        case Status.UNPAID | Status.PAUSED | Status.INCOMPLETE_EXPIRED | Status.CANCELED:
            return []


def after_failure(
    subscription: Subscription,
    intent: ChargeIntent,
    reason: StatusReason,
    now: datetime,
    *,
    grace: timedelta | None = None,
) -> list[Moved[Subscription]]:
    """An attempt to pay `intent` failed and counted; `intent` is the value after it. The moves follow one another."""
    moves = after_refusal(subscription, reason, now, grace=grace)
    policy = intent.policy
    if not moves or moves[-1].value.status is not Status.PAST_DUE:
        return moves
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
