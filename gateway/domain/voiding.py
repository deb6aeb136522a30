"""What voiding an invoice leaves of its subscription: the four steps of ST-41 to ST-45, as a pure function."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.domain import subscription as subscriptions
from gateway.domain.dunning import OnRetriesExhausted
from gateway.domain.events import EventType
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.subscription import Status, Subscription
from gateway.domain.transition import Moved, StatusReason, only_from

_SETTLED: Final = frozenset({InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE})
_AFTER_DUNNING: Final = {
    OnRetriesExhausted.CANCELED: Status.CANCELED,
    OnRetriesExhausted.UNPAID: Status.UNPAID,
    OnRetriesExhausted.PAST_DUE: Status.PAST_DUE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An invoice with what decides about its subscription.

    Attributes:
        dunning_over: what the policy that its attempts followed says about the end of all retries; None while retries
            go on or none was needed.
        due_at: when a sent invoice has to be paid; None for one that is charged automatically.
    """

    invoice: Invoice
    dunning_over: OnRetriesExhausted | None = None
    due_at: datetime | None = None


def status_after(standings: Sequence[Standing], now: datetime) -> Status:
    """Walk a subscription's invoices from the newest to the oldest and return the status that the first match gives.

    Void invoices and drafts say nothing; without any match the subscription is good.
    """
    for standing in sorted(standings, key=lambda one: one.invoice.id, reverse=True):
        if standing.invoice.status in _SETTLED:
            return Status.ACTIVE
        if standing.invoice.status is not InvoiceStatus.OPEN:
            continue
        if standing.dunning_over is not None and standing.due_at is None:
            return _AFTER_DUNNING[standing.dunning_over]
        if standing.due_at is not None and standing.due_at < now:
            return Status.PAST_DUE
    return Status.ACTIVE


def excuse(subscription: Subscription, reason: StatusReason, now: datetime) -> Moved[Subscription]:
    """What was owed is owed no more, and nothing older is: it is good again (ST-42, ST-45)."""
    only_from(subscriptions.KIND, subscription.id, {Status.PAST_DUE, Status.UNPAID}, subscription.status, Status.ACTIVE)
    after = replace(subscription, status=Status.ACTIVE, reason=reason, grace_ends_at=None)
    return subscriptions.move(subscription, after, now, EventType.SUBSCRIPTION_UPDATED)
