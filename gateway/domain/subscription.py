"""The subscription: its status machine (PRODUCT, ruling C01) and its schedule.

A subscription knows when it wants to be looked at (`wake_at`) and, looked at, what is due (`due`): both follow from
its fields alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from gateway.domain import cancellation
from gateway.domain.cancellation import CancellationDetails, CancellationFeedback
from gateway.domain.catalog import Scope
from gateway.domain.discount import Discount
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.period import Interval, Period, period
from gateway.domain.terms import MissingPaymentMethod, PendingUpdate, SubscriptionItem
from gateway.domain.transition import Event, Machine, Moved, StatusReason, only_from

KIND: Final = "subscription"

CancellationReason = cancellation.CancellationReason

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
    # As it was when it was paused.
    _S.PAUSED: frozenset({_S.ACTIVE, _S.TRIALING, _S.PAST_DUE, _S.CANCELED}),
    _S.CANCELED: frozenset(),
}
TERMINAL: Final = frozenset(status for status, targets in TRANSITIONS.items() if not targets)
AWAITING_FIRST_PAYMENT: Final = frozenset({_S.PENDING, _S.INCOMPLETE})
_BILLED: Final = frozenset({_S.ACTIVE, _S.PAST_DUE, _S.UNPAID, _S.TRIALING})
_ANNOUNCED: Final = frozenset({_S.ACTIVE, _S.PAST_DUE, _S.TRIALING})
"""Statuses in which the next renewal is collected, so that it is told of before."""

TRIAL_NOTICE: Final = timedelta(days=3)
"""How long before its end a trial is said to end soon (ST-55)."""


class CollectionMethod(StrEnum):
    """Who moves the money: we pull it, or the customer sends it (C04, ST-76)."""

    CHARGE_AUTOMATICALLY = "charge_automatically"
    SEND_INVOICE = "send_invoice"


class Due(StrEnum):
    """What has to happen to a subscription now."""

    NOTHING = "nothing"
    EXPIRE = "expire"
    CANCEL = "cancel"
    DROP_UPDATE = "drop_update"
    RENEW = "renew"
    ANNOUNCE_TRIAL_END = "announce_trial_end"
    ANNOUNCE_RENEWAL = "announce_renewal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer's access and its schedule.

    Attributes:
        anchor: first instant of a period; all periods are counted from it.
        periods_before: how many periods had been counted when the anchor was set: 0, or more after it was moved.
        period_index: number of the current period, from 1; 0 before the first, in a trial or until the start date.
        expires_at: end of the 23 hours for the first payment; None once it was paid.
        ends_at: no period starts at or after this (`cancel_at`).
        start_at: when it began, or will; the anchor may be moved later.
        trial_notice_at: when to say that the trial ends soon; None when that is done or not wanted.
        upcoming_at: when to announce the next renewal; None when that is done.
        grace_ends_at: when it ends unless it is paid before (C14).
        discounts: coupons that reduce its invoices.
        tax_rate_ids: for items without tax rates of their own.
        pending_update: a change that waits for the wallet's signature.
        mandate_amount: what a period may cost at most, where usage or later changes may cost more than prices say.
        missing_payment_method: what happens when its trial ends and no wallet has signed.
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
    discounts: tuple[Discount, ...] = ()
    tax_rate_ids: tuple[str, ...] = ()
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    activated_at: datetime | None = None
    ends_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    cancellation_reason: CancellationReason | None = None
    cancellation_comment: str | None = None
    cancellation_feedback: CancellationFeedback | None = None
    test_clock_id: str | None = None
    start_at: datetime | None = None
    periods_before: int = 0
    trial_start: datetime | None = None
    trial_end: datetime | None = None
    trial_notice_at: datetime | None = None
    upcoming_at: datetime | None = None
    pending_setup_intent_id: str | None = None
    paused_at: datetime | None = None
    grace_ends_at: datetime | None = None
    collection_method: CollectionMethod = CollectionMethod.CHARGE_AUTOMATICALLY
    days_until_due: int | None = None
    pending_update: PendingUpdate | None = None
    mandate_amount: int | None = None
    missing_payment_method: MissingPaymentMethod = MissingPaymentMethod.CREATE_INVOICE

    @property
    def wake_at(self) -> datetime | None:
        """When something falls due next; None when nothing ever will."""
        if self.status in TERMINAL:
            return None
        moments = [
            self.ends_at,
            self.grace_ends_at,
            self.expires_at if self.status in AWAITING_FIRST_PAYMENT else None,
            self.period_end if self.is_billed else None,
            self.trial_notice_at if self.status is Status.TRIALING else None,
            self.upcoming_at if self.is_announced else None,
            None if self.pending_update is None else self.pending_update.expires_at,
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    @property
    def is_scheduled(self) -> bool:
        """Whether its first period is still to come, without a trial before it."""
        return self.status in AWAITING_FIRST_PAYMENT and self.period_index == 0

    @property
    def is_billed(self) -> bool:
        """Whether another period begins when the current one ends."""
        return self.status in _BILLED or self.is_scheduled

    @property
    def is_announced(self) -> bool:
        """Whether the next renewal is told of before it happens."""
        return self.status in _ANNOUNCED and (self.ends_at is None or self.ends_at > self.period_end)

    @property
    def current_period(self) -> Period:
        """The period that was billed last."""
        return Period(self.period_index, self.period_start, self.period_end)

    @property
    def next_period(self) -> Period:
        """The period after the current one."""
        return self.numbered(period(self.anchor, self.interval, self.period_index - self.periods_before + 1))

    def numbered(self, counted: Period) -> Period:
        """A period counted from the anchor, under its number in the life of the subscription."""
        return replace(counted, index=counted.index + self.periods_before)


def due(subscription: Subscription, now: datetime) -> Due:
    """What `now` asks for. Ending goes before renewing: no period starts at or after the end (PM-09)."""
    s = subscription

    def passed(moment: datetime | None, *, counts: bool = True) -> bool:
        return counts and moment is not None and moment <= now

    asked = (
        (Due.NOTHING, s.status in TERMINAL),
        (Due.EXPIRE, passed(s.expires_at, counts=s.status in AWAITING_FIRST_PAYMENT)),
        (Due.CANCEL, passed(s.ends_at) or passed(s.grace_ends_at)),
        (Due.DROP_UPDATE, s.pending_update is not None and passed(s.pending_update.expires_at)),
        (Due.RENEW, passed(s.period_end, counts=s.is_billed)),
        (Due.ANNOUNCE_TRIAL_END, passed(s.trial_notice_at, counts=s.status is Status.TRIALING)),
        (Due.ANNOUNCE_RENEWAL, passed(s.upcoming_at, counts=s.is_announced)),
    )
    return next((duty for duty, holds in asked if holds), Due.NOTHING)


_MACHINE: Final = Machine[Subscription](KIND, TRANSITIONS)
move: Final = _MACHINE.move
"""A change of status, checked against the table."""


def create(subscription: Subscription) -> Moved[Subscription]:
    """Open a subscription that waits for its first payment (FR-17), or begins with a trial (ST-29, SX-06, SX-07)."""
    s = subscription
    events = [EventType.SUBSCRIPTION_OPENED]
    if s.status is Status.TRIALING and s.trial_end is not None:
        events += [EventType.SUBSCRIPTION_CREATED, EventType.SUBSCRIPTION_TRIAL_STARTED]
    elif s.status is not Status.PENDING or s.expires_at is None:
        raise ValueError("a subscription opens as pending, with the end of its 23 hours, or as trialing, with its end")
    return _MACHINE.begin(s, *events)


def require_customer(subscription: Subscription, reason: StatusReason, now: datetime) -> Moved[Subscription]:
    """The first payment failed or needs the wallet (FR-20, ST-14). Saying so again changes only the reason."""
    after = replace(subscription, status=Status.INCOMPLETE, reason=reason)
    if subscription.status is Status.INCOMPLETE:
        return Moved(value=after, before=subscription)
    return move(subscription, after, now, EventType.SUBSCRIPTION_INCOMPLETE, EventType.SUBSCRIPTION_UPDATED)


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
    return move(
        subscription,
        after,
        now,
        EventType.SUBSCRIPTION_CREATED,
        EventType.SUBSCRIPTION_ACTIVATED,
        EventType.SUBSCRIPTION_UPDATED,
    )


def expire(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """The 23 hours passed and nothing was broadcast (ST-32)."""
    after = replace(
        subscription,
        status=Status.INCOMPLETE_EXPIRED,
        reason=StatusReason("first_payment_window_passed"),
        expires_at=None,
        ended_at=now,
        pending_setup_intent_id=None,
        pending_update=None,
    )
    return move(subscription, after, now, EventType.SUBSCRIPTION_EXPIRED, EventType.SUBSCRIPTION_UPDATED)


def renew(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """A renewal is paid and final: `active` stays so, the others are good (SX-12, ST-33, ST-36, C08)."""
    if subscription.status is Status.ACTIVE:
        return Moved(
            value=subscription,
            before=subscription,
            events=(Event(type=EventType.SUBSCRIPTION_RENEWED, object_id=subscription.id, at=now),),
        )
    only_from(KIND, subscription.id, _BILLED, subscription.status, Status.ACTIVE)
    first = subscription.activated_at is None
    after = replace(
        subscription,
        status=Status.ACTIVE,
        reason=StatusReason("first_payment_succeeded" if first else "payment_recovered"),
        activated_at=subscription.activated_at or now,
        grace_ends_at=None,
    )
    told = EventType.SUBSCRIPTION_ACTIVATED if first else EventType.SUBSCRIPTION_RENEWED
    return move(subscription, after, now, told, EventType.SUBSCRIPTION_UPDATED)


def mark_past_due(
    subscription: Subscription, reason: StatusReason, now: datetime, *, grace: timedelta | None = None
) -> Moved[Subscription]:
    """A renewal failed, or cannot be attempted (FR-14, ST-48). Failing again changes only the reason.

    With `grace` it ends so long after the first failure, unless it is paid before (C14).
    """
    only_from(KIND, subscription.id, _ANNOUNCED, subscription.status, Status.PAST_DUE)
    ends_at = subscription.grace_ends_at or (None if grace is None else now + grace)
    after = replace(subscription, status=Status.PAST_DUE, reason=reason, grace_ends_at=ends_at)
    if subscription.status is Status.PAST_DUE:
        return Moved(value=after, before=subscription)
    return move(subscription, after, now, EventType.SUBSCRIPTION_PAST_DUE, EventType.SUBSCRIPTION_UPDATED)


def mark_unpaid(subscription: Subscription, reason: StatusReason, now: datetime) -> Moved[Subscription]:
    """The retries are used up: nothing is attempted any more, drafts go on (FR-15, ST-35)."""
    after = replace(subscription, status=Status.UNPAID, reason=reason)
    return move(subscription, after, now, EventType.SUBSCRIPTION_UNPAID, EventType.SUBSCRIPTION_UPDATED)


def change(
    subscription: Subscription,
    *,
    description: str | None,
    metadata: Mapping[str, str],
    ends_at: datetime | None,
    cancel_at_period_end: bool,
    details: CancellationDetails | None = None,
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
        **_details(subscription, details),
    )
    event = Event(type=EventType.SUBSCRIPTION_UPDATED, object_id=subscription.id, at=now)
    return Moved(value=after, before=subscription, events=(event,))


def cancel(
    subscription: Subscription,
    reason: CancellationReason,
    now: datetime,
    *,
    details: CancellationDetails | None = None,
) -> Moved[Subscription]:
    """End it for ever (FR-24, FR-31, ST-38)."""
    after = replace(
        subscription,
        status=Status.CANCELED,
        reason=StatusReason(f"canceled_by_{reason}" if reason is not CancellationReason.PAYMENT_FAILED else reason),
        canceled_at=now,
        ended_at=now,
        expires_at=None,
        cancellation_reason=reason,
        pending_setup_intent_id=None,
        pending_update=None,
        **_details(subscription, details),
    )
    return move(subscription, after, now, EventType.SUBSCRIPTION_DELETED)


def _details(subscription: Subscription, given: CancellationDetails | None) -> dict[str, Any]:
    return {
        "cancellation_comment": subscription.cancellation_comment if given is None else given.comment,
        "cancellation_feedback": subscription.cancellation_feedback if given is None else given.feedback,
    }


def modifiable(subscription: Subscription) -> None:
    """Raise unless the subscription may be changed: a canceled one is frozen, metadata included (FR-25, C11)."""
    if subscription.status in TERMINAL:
        raise InvalidRequest(
            f"Subscription '{subscription.id}' is {subscription.status} and can no longer be changed. "
            "Create a new subscription.",
            code="subscription_canceled",
        )
