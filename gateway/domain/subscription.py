"""The subscription: its status machine (PRODUCT, ruling C01) and its schedule.

A subscription knows when it wants to be looked at (`wake_at`) and, looked at, what is due (`due`): both follow from
its fields alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.period import Interval, Period, period, period_at
from gateway.domain.transition import Event, Moved, StateChange, StatusReason, check, only_from

KIND: Final = "subscription"

FIRST_PAYMENT_WINDOW: Final = timedelta(hours=23)
"""How long the first invoice may stay unpaid (ST-31)."""


class Status(StrEnum):
    """Statuses of PRODUCT's machine."""

    PENDING = "pending"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.PENDING: frozenset({_S.ACTIVE, _S.INCOMPLETE, _S.INCOMPLETE_EXPIRED, _S.CANCELED}),
    _S.INCOMPLETE: frozenset({_S.ACTIVE, _S.INCOMPLETE_EXPIRED, _S.CANCELED}),
    _S.INCOMPLETE_EXPIRED: frozenset(),
    _S.TRIALING: frozenset({_S.ACTIVE, _S.PAST_DUE, _S.PAUSED, _S.CANCELED}),
    _S.ACTIVE: frozenset({_S.PAST_DUE, _S.PAUSED, _S.CANCELED}),
    _S.PAST_DUE: frozenset({_S.ACTIVE, _S.UNPAID, _S.PAUSED, _S.CANCELED}),
    _S.UNPAID: frozenset({_S.ACTIVE, _S.CANCELED}),
    _S.PAUSED: frozenset({_S.ACTIVE, _S.CANCELED}),
    _S.CANCELED: frozenset(),
}
TERMINAL: Final = frozenset(status for status, targets in TRANSITIONS.items() if not targets)
AWAITING_FIRST_PAYMENT: Final = frozenset({_S.PENDING, _S.INCOMPLETE})
_BILLED: Final = frozenset({_S.ACTIVE, _S.PAST_DUE, _S.UNPAID, _S.TRIALING})


class CancellationReason(StrEnum):
    """Who or what ended a subscription (SX-13)."""

    CUSTOMER = "customer"
    MERCHANT = "merchant"
    PAYMENT_FAILED = "payment_failed"


class Due(StrEnum):
    """What has to happen to a subscription now."""

    NOTHING = "nothing"
    EXPIRE = "expire"
    CANCEL = "cancel"
    RENEW = "renew"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionItem:
    """So many of a price."""

    id: str
    price_id: str
    quantity: int
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer's access and its schedule.

    Attributes:
        anchor: first instant of period 1; all periods are counted from it.
        period_index: number of the current period, from 1.
        expires_at: end of the 23 hours for the first payment; None once it was paid.
        ends_at: no period starts at or after this (`cancel_at`).
    """

    id: str
    scope: Scope
    customer_id: str
    status: Status
    reason: StatusReason
    created_at: datetime
    currency: str
    items: tuple[SubscriptionItem, ...]
    interval: Interval
    anchor: datetime
    period_index: int
    period_start: datetime
    period_end: datetime
    payment_method_id: str | None = None
    mandate_id: str | None = None
    latest_invoice_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    activated_at: datetime | None = None
    ends_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    cancellation_reason: CancellationReason | None = None
    test_clock_id: str | None = None

    @property
    def wake_at(self) -> datetime | None:
        """When something falls due next; None when nothing ever will."""
        moments = []
        if self.status in AWAITING_FIRST_PAYMENT and self.expires_at is not None:
            moments.append(self.expires_at)
        if self.status in _BILLED:
            moments.append(self.period_end)
        if self.ends_at is not None and self.status not in TERMINAL:
            moments.append(self.ends_at)
        return min(moments, default=None)

    @property
    def current_period(self) -> Period:
        """The period that was billed last."""
        return Period(self.period_index, self.period_start, self.period_end)

    @property
    def next_period(self) -> Period:
        """The period after the current one."""
        return period(self.anchor, self.interval, self.period_index + 1)


def due(subscription: Subscription, now: datetime) -> Due:
    """What `now` asks for. Ending goes before renewing: no period starts at or after the end (PM-09)."""
    s = subscription
    if s.status in TERMINAL:
        return Due.NOTHING
    if s.status in AWAITING_FIRST_PAYMENT and s.expires_at is not None and s.expires_at <= now:
        return Due.EXPIRE
    if s.ends_at is not None and s.ends_at <= now:
        return Due.CANCEL
    if s.status in _BILLED and s.period_end <= now:
        return Due.RENEW
    return Due.NOTHING


def _move(before: Subscription, after: Subscription, now: datetime, *events: EventType) -> Moved[Subscription]:
    check(KIND, before.id, TRANSITIONS, before.status, after.status)
    return Moved(
        value=after,
        before=before,
        events=tuple(Event(type=event, object_id=before.id, at=now) for event in events),
        changes=(
            StateChange(
                kind=KIND, object_id=before.id, source=before.status, target=after.status, reason=after.reason, at=now
            ),
        ),
    )


def create(subscription: Subscription) -> Moved[Subscription]:
    """Open a subscription that waits for its first payment (FR-17)."""
    if subscription.status is not Status.PENDING or subscription.expires_at is None:
        raise ValueError("a subscription opens as pending, with the end of its 23 hours")
    s = subscription
    return Moved(
        value=s,
        events=(Event(type=EventType.SUBSCRIPTION_OPENED, object_id=s.id, at=s.created_at),),
        changes=(
            StateChange(kind=KIND, object_id=s.id, source=None, target=s.status, reason=s.reason, at=s.created_at),
        ),
    )


def require_customer(subscription: Subscription, reason: StatusReason, now: datetime) -> Moved[Subscription]:
    """The first payment failed or needs the wallet (FR-20, ST-14). Saying so again changes only the reason."""
    after = replace(subscription, status=Status.INCOMPLETE, reason=reason)
    if subscription.status is Status.INCOMPLETE:
        return Moved(value=after, before=subscription)
    return _move(subscription, after, now, EventType.SUBSCRIPTION_INCOMPLETE, EventType.SUBSCRIPTION_UPDATED)


def activate(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """The first payment is final (FR-19, C06)."""
    only_from(KIND, subscription.id, AWAITING_FIRST_PAYMENT, subscription.status, Status.ACTIVE)
    after = replace(
        subscription,
        status=Status.ACTIVE,
        reason=StatusReason("first_payment_succeeded"),
        expires_at=None,
        activated_at=now,
    )
    return _move(
        subscription,
        after,
        now,
        EventType.SUBSCRIPTION_CREATED,
        EventType.SUBSCRIPTION_ACTIVATED,
        EventType.SUBSCRIPTION_UPDATED,
    )


def await_broadcast(subscription: Subscription, until: datetime) -> Moved[Subscription]:
    """The 23 hours passed, but a pull was broadcast before: its outcome is waited for (ST-31)."""
    return Moved(value=replace(subscription, expires_at=until), before=subscription)


def expire(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """The 23 hours passed and nothing was broadcast (ST-32)."""
    after = replace(
        subscription,
        status=Status.INCOMPLETE_EXPIRED,
        reason=StatusReason("first_payment_window_passed"),
        expires_at=None,
        ended_at=now,
    )
    return _move(subscription, after, now, EventType.SUBSCRIPTION_EXPIRED, EventType.SUBSCRIPTION_UPDATED)


def upcoming_period(subscription: Subscription, now: datetime) -> Period:
    """The period to bill at `now`: the next one, or, when whole periods were missed, the one that `now` lies in.

    Missed periods are never charged afterwards (PM-13).
    """
    upcoming = subscription.next_period
    if upcoming.end > now:
        return upcoming
    return period_at(subscription.anchor, subscription.interval, now) or upcoming


def begin_period(subscription: Subscription, upcoming: Period, invoice_id: str, now: datetime) -> Moved[Subscription]:
    """The current period ended: `upcoming` is current and `invoice_id` bills it. The status stays (ST-52).

    Raises:
        ValueError: called before the period's end, in a status that is not billed, or with a period that is not later.
    """
    if due(subscription, now) is not Due.RENEW or upcoming.index <= subscription.period_index:
        raise ValueError(f"subscription {subscription.id} is not due for renewal")
    after = replace(
        subscription,
        period_index=upcoming.index,
        period_start=upcoming.start,
        period_end=upcoming.end,
        latest_invoice_id=invoice_id,
    )
    return Moved(
        value=after,
        before=subscription,
        events=(Event(type=EventType.SUBSCRIPTION_UPDATED, object_id=subscription.id, at=now),),
    )


def renew(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """A renewal is paid and final: `active` stays so, `past_due` and `unpaid` are good again (SX-12, ST-33, ST-36)."""
    if subscription.status is Status.ACTIVE:
        return Moved(
            value=subscription,
            before=subscription,
            events=(Event(type=EventType.SUBSCRIPTION_RENEWED, object_id=subscription.id, at=now),),
        )
    only_from(KIND, subscription.id, _BILLED, subscription.status, Status.ACTIVE)
    after = replace(subscription, status=Status.ACTIVE, reason=StatusReason("payment_recovered"))
    return _move(subscription, after, now, EventType.SUBSCRIPTION_RENEWED, EventType.SUBSCRIPTION_UPDATED)


def mark_past_due(subscription: Subscription, reason: StatusReason, now: datetime) -> Moved[Subscription]:
    """A renewal failed (FR-14). Failing again changes only the reason."""
    after = replace(subscription, status=Status.PAST_DUE, reason=reason)
    if subscription.status is Status.PAST_DUE:
        return Moved(value=after, before=subscription)
    return _move(subscription, after, now, EventType.SUBSCRIPTION_PAST_DUE, EventType.SUBSCRIPTION_UPDATED)


def mark_unpaid(subscription: Subscription, reason: StatusReason, now: datetime) -> Moved[Subscription]:
    """The retries are used up: nothing is attempted any more, drafts go on (FR-15, ST-35)."""
    after = replace(subscription, status=Status.UNPAID, reason=reason)
    return _move(subscription, after, now, EventType.SUBSCRIPTION_UNPAID, EventType.SUBSCRIPTION_UPDATED)


def change(
    subscription: Subscription,
    *,
    description: str | None,
    metadata: Mapping[str, str],
    ends_at: datetime | None,
    cancel_at_period_end: bool,
    now: datetime,
) -> Moved[Subscription]:
    """Take over what a merchant may change while it lives (ST-57).

    Raises:
        InvalidRequest: it is over, and frozen.
    """
    modifiable(subscription)
    after = replace(
        subscription,
        description=description,
        metadata=metadata,
        ends_at=ends_at,
        cancel_at_period_end=cancel_at_period_end,
    )
    event = Event(type=EventType.SUBSCRIPTION_UPDATED, object_id=subscription.id, at=now)
    return Moved(value=after, before=subscription, events=(event,))


def cancel(subscription: Subscription, reason: CancellationReason, now: datetime) -> Moved[Subscription]:
    """End it for ever (FR-24, FR-31, ST-38)."""
    after = replace(
        subscription,
        status=Status.CANCELED,
        reason=StatusReason(f"canceled_by_{reason}" if reason is not CancellationReason.PAYMENT_FAILED else reason),
        canceled_at=now,
        ended_at=now,
        expires_at=None,
        cancellation_reason=reason,
    )
    return _move(subscription, after, now, EventType.SUBSCRIPTION_DELETED)


def modifiable(subscription: Subscription) -> None:
    """Raise unless the subscription may be changed: a canceled one is frozen, metadata included (FR-25, C11)."""
    if subscription.status in TERMINAL:
        raise InvalidRequest(
            f"Subscription '{subscription.id}' is {subscription.status} and can no longer be changed. "
            "Create a new subscription.",
            code="subscription_canceled",
        )
