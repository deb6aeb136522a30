"""Mails: which events a person is written about, and what becomes of a mail that nobody takes (ST-19, ST-67, SX-17).

A mail is written down with the event that it stems from and delivered later: trouble with mail never holds up money.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import PaymentMethod, Scope
from gateway.domain.events import EventType
from gateway.domain.invoice import BillingReason, Invoice
from gateway.domain.portal import LINK_LIFE
from gateway.domain.settings import MailKind
from gateway.domain.subscription import Subscription
from gateway.domain.transition import Action

RETRY_FIRST_DELAY: Final = timedelta(minutes=1)
RETRY_DELAY_MAX: Final = timedelta(hours=2)
ERROR_LENGTH_MAX: Final = 500
"""How much of a mail server's answer is kept: enough for a person to see what it complained of."""

APPROVAL_PATIENCE: Final = timedelta(minutes=15)
"""Who has just subscribed is most likely looking at the page that asks for the approval: written to only after this."""

_LIFETIME: Final = timedelta(days=3)
_LIFETIMES: Final[Mapping[MailKind, timedelta]] = {
    MailKind.UPCOMING: timedelta(days=1),
    MailKind.TRIAL_ENDING: timedelta(days=1),
    MailKind.RECEIPT: timedelta(days=14),
    MailKind.SIGN_IN: LINK_LIFE,
}
"""How long a mail is worth sending: what is said of the future is soon wrong, a receipt stays true."""

_OF_EVENTS: Final[Mapping[EventType, MailKind]] = {
    EventType.INVOICE_UPCOMING: MailKind.UPCOMING,
    EventType.INVOICE_PAYMENT_FAILED: MailKind.PAYMENT_FAILED,
    EventType.INVOICE_PAYMENT_ACTION_REQUIRED: MailKind.APPROVAL_NEEDED,
    EventType.INVOICE_APPROVAL_REMINDER: MailKind.APPROVAL_NEEDED,
    EventType.INVOICE_SENT: MailKind.INVOICE,
    EventType.INVOICE_WILL_BE_DUE: MailKind.INVOICE_REMINDER,
    EventType.INVOICE_OVERDUE: MailKind.INVOICE_REMINDER,
    EventType.INVOICE_PAID: MailKind.RECEIPT,
    EventType.PAYMENT_METHOD_ALLOWANCE_RUNNING_OUT: MailKind.ALLOWANCE_RUNNING_OUT,
    EventType.SUBSCRIPTION_TRIAL_WILL_END: MailKind.TRIAL_ENDING,
    EventType.SUBSCRIPTION_DELETED: MailKind.CANCELED,
}


class Status(StrEnum):
    """`dropped`: its matter was settled before it could be sent. `failed`: nobody took it; `last_error` says why."""

    PENDING = "pending"
    SENT = "sent"
    DROPPED = "dropped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message to one person. Times are the system's, never a test clock's.

    Attributes:
        dedupe_key: what it is about; there is one mail for each.
        event_id: what it tells of; None when no event stands behind it.
        customer_id: whom it goes to; None = the merchant.
        object_id: what it is about.
        recipient: address that it was last sent to; None before.
    """

    id: str
    scope: Scope
    kind: MailKind
    dedupe_key: str
    created_at: datetime
    object_id: str
    event_id: str | None = None
    customer_id: str | None = None
    status: Status = Status.PENDING
    attempts: int = 0
    next_attempt_at: datetime | None = None
    recipient: str | None = None
    last_error: str | None = None
    sent_at: datetime | None = None


def kind_of(event: EventType, value: object) -> MailKind | None:
    """What is written to the customer about `event` of `value`; None when nothing is.

    Nobody is written to about trouble that is ours (PRODUCT: "the customer never told"), about nothing to pay, or
    about the end of what never began.
    """
    kind = _OF_EVENTS.get(event)
    if kind is None:
        return None
    match value:
        case Invoice():
            return kind if _concerns_customer(kind, value) else None
        case Subscription():
            began = value.activated_at is not None or value.trial_start is not None
            return kind if began and not (kind is MailKind.TRIAL_ENDING and value.cancel_at_period_end) else None
        case PaymentMethod():
            return kind if value.customer_id is not None else None
        case _:
            return None


def _concerns_customer(kind: MailKind, invoice: Invoice) -> bool:
    match kind:
        case MailKind.RECEIPT:
            return invoice.amount_paid > 0
        case MailKind.UPCOMING:
            # The first one ends a trial, and is announced as that.
            return invoice.amount_due > 0 and invoice.period_index > 1
        case MailKind.INVOICE | MailKind.INVOICE_REMINDER:
            return invoice.amount_remaining > 0
        case MailKind.PAYMENT_FAILED | MailKind.APPROVAL_NEEDED:
            return invoice.reason.action in {Action.CUSTOMER_ACTION, Action.NEW_PAYMENT_METHOD}
        case _:
            return True


def first_attempt_at(event: EventType, value: object, now: datetime) -> datetime:
    """When to send a mail that is written down at `now`."""
    first = isinstance(value, Invoice) and value.billing_reason is BillingReason.SUBSCRIPTION_CREATE
    return now + APPROVAL_PATIENCE if event is EventType.INVOICE_PAYMENT_ACTION_REQUIRED and first else now


def retry_delay(attempts: int) -> timedelta:
    """Time to the next try after `attempts` failed ones: doubling."""
    return min(RETRY_FIRST_DELAY * (1 << min(attempts - 1, 16)), RETRY_DELAY_MAX)


def lifetime(kind: MailKind) -> timedelta:
    """How long after it was written a mail is still worth sending."""
    return _LIFETIMES.get(kind, _LIFETIME)


def sent(mail: Mail, recipient: str, now: datetime) -> Mail:
    """The mail server took it over."""
    return replace(
        mail,
        status=Status.SENT,
        attempts=mail.attempts + 1,
        next_attempt_at=None,
        recipient=recipient,
        last_error=None,
        sent_at=now,
    )


def hold(mail: Mail, until: datetime) -> Mail:
    """It was not tried: its turn comes later."""
    return replace(mail, next_attempt_at=until)


def deferred(mail: Mail, error: str, now: datetime) -> Mail:
    """Nobody took it this time: try again later, or give up when it would tell of what is past."""
    attempts = mail.attempts + 1
    next_at = now + retry_delay(attempts)
    if next_at - mail.created_at > lifetime(mail.kind):
        return replace(refused(mail, error), attempts=attempts)
    return replace(mail, attempts=attempts, next_attempt_at=next_at, last_error=error[:ERROR_LENGTH_MAX])


def refused(mail: Mail, error: str, recipient: str | None = None) -> Mail:
    """It can never be delivered."""
    return replace(
        mail,
        status=Status.FAILED,
        next_attempt_at=None,
        last_error=error[:ERROR_LENGTH_MAX],
        recipient=recipient or mail.recipient,
    )


def drop(mail: Mail, reason: str) -> Mail:
    """There is nothing left to write about."""
    return replace(mail, status=Status.DROPPED, next_attempt_at=None, last_error=reason)
