"""The course of a subscription from period to period: beginning one, announcing the next, pausing, resuming."""

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.period import Period, period_at
from gateway.domain.subscription import (
    KIND,
    CancellationReason,
    Due,
    Status,
    Subscription,
    due,
    modifiable,
    move,
)
from gateway.domain.transition import Event, Moved, StatusReason, only_from


def ending_reason(subscription: Subscription, now: datetime) -> CancellationReason:
    """Why a subscription that is due to end does so: its end was asked for, or its grace is over (SX-13)."""
    if subscription.ends_at is not None and subscription.ends_at <= now:
        return CancellationReason.MERCHANT
    return CancellationReason.PAYMENT_FAILED


def await_broadcast(subscription: Subscription, until: datetime) -> Moved[Subscription]:
    """The 23 hours passed, but a pull was broadcast before: its outcome is waited for (ST-31)."""
    return Moved(value=replace(subscription, expires_at=until), before=subscription)


def upcoming_period(subscription: Subscription, now: datetime) -> Period:
    """The period to bill at `now`: the next one, or, when whole periods were missed, the one that `now` lies in.

    Missed periods are never charged afterwards (PM-13).
    """
    upcoming = subscription.next_period
    if upcoming.end > now:
        return upcoming
    present = period_at(subscription.anchor, subscription.interval, now)
    return upcoming if present is None else subscription.numbered(present)


def notice_at(billed: Period, notice: timedelta) -> datetime:
    """When the renewal at the end of a period is announced: so long before, but not before the period begins (C09)."""
    return max(billed.start, billed.end - notice)


def begin_period(
    subscription: Subscription,
    upcoming: Period,
    invoice_id: str,
    now: datetime,
    *,
    notice: timedelta = timedelta(days=3),
) -> Moved[Subscription]:
    """The current period ended: `upcoming` is current and `invoice_id` bills it. The status stays (ST-52, SX-09).

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
        upcoming_at=notice_at(upcoming, notice),
    )
    ended = subscription.status is Status.TRIALING and subscription.period_end == subscription.trial_end
    events = (*((EventType.SUBSCRIPTION_TRIAL_ENDED,) if ended else ()), EventType.SUBSCRIPTION_UPDATED)
    return Moved(
        value=after,
        before=subscription,
        events=tuple(Event(type=event, object_id=subscription.id, at=now) for event in events),
    )


def _told(before: Subscription, after: Subscription, now: datetime, *events: EventType) -> Moved[Subscription]:
    return Moved(
        value=after,
        before=before,
        events=tuple(Event(type=event, object_id=before.id, at=now) for event in events),
    )


def announce_trial_end(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """Say, once, that the trial ends soon (ST-55)."""
    only_from(KIND, subscription.id, {Status.TRIALING}, subscription.status, Status.TRIALING)
    after = replace(subscription, trial_notice_at=None)
    return _told(subscription, after, now, EventType.SUBSCRIPTION_TRIAL_WILL_END)


def announce_renewal(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """Say, once in a period, that the next one will be billed (SX-14, ST-51)."""
    after = replace(subscription, upcoming_at=None)
    return _told(subscription, after, now, EventType.SUBSCRIPTION_UPCOMING)


def await_setup(subscription: Subscription, setup_intent_id: str | None, now: datetime) -> Moved[Subscription]:
    """Name the setup intent that is still to be completed; None when nothing is needed any more (ST-25, ST-26)."""
    after = replace(subscription, pending_setup_intent_id=setup_intent_id)
    return _told(subscription, after, now, EventType.SUBSCRIPTION_UPDATED)


def draw_on(subscription: Subscription, payment_method_id: str, mandate_id: str, now: datetime) -> Moved[Subscription]:
    """Name the wallet and the mandate that pay from now on (SX-11, MX-17)."""
    modifiable(subscription)
    after = replace(subscription, payment_method_id=payment_method_id, mandate_id=mandate_id)
    return _told(subscription, after, now, EventType.SUBSCRIPTION_UPDATED)


PAUSABLE = frozenset({Status.ACTIVE, Status.PAST_DUE, Status.TRIALING})


def pause(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """Bill and pull nothing until it is resumed (PM-18, C16).

    Raises:
        IllegalTransition: it is not active, past due or in its trial.
    """
    only_from(KIND, subscription.id, PAUSABLE, subscription.status, Status.PAUSED)
    after = replace(
        subscription,
        status=Status.PAUSED,
        reason=StatusReason("paused_by_merchant"),
        paused_at=now,
        grace_ends_at=None,
    )
    return move(subscription, after, now, EventType.SUBSCRIPTION_PAUSED, EventType.SUBSCRIPTION_UPDATED)


def collectable(subscription: Subscription, *, param: str | None = None) -> None:
    """Raise unless a payment may be asked for: a pause collects nothing, whoever asks (C16).

    Raises:
        InvalidRequest: the subscription is over, or paused.
    """
    modifiable(subscription)
    if subscription.status is Status.PAUSED:
        raise InvalidRequest(
            f"Subscription '{subscription.id}' is paused: nothing is collected for it. Resume it first.",
            code="subscription_paused",
            param=param,
        )


def resume(
    subscription: Subscription, now: datetime, *, re_anchor: bool, owes: bool, notice: timedelta
) -> Moved[Subscription]:
    """Go on after a pause: as it was before it, or, with `re_anchor`, with a period that begins now (C16).

    Nothing that passed meanwhile is billed. On the old grid, the period that now lies in is current and the next one is
    billed; a period that begins now is due at once (`due` says `RENEW`). `owes`: the newest invoice is still open.

    Raises:
        IllegalTransition: it is not paused.
    """
    s = subscription
    only_from(KIND, s.id, {Status.PAUSED}, s.status, Status.ACTIVE)
    status = Status.TRIALING if s.activated_at is None and not owes else Status.PAST_DUE if owes else Status.ACTIVE
    in_trial = s.trial_end is not None and now < s.trial_end and s.period_index == 0
    after = replace(s, status=status, reason=StatusReason("resumed"), paused_at=None)
    if not in_trial and (re_anchor or s.period_index == 0):
        after = replace(after, anchor=now, periods_before=s.period_index, period_end=now, upcoming_at=None)
    elif s.period_end <= now:
        present = period_at(s.anchor, s.interval, now)
        if present is not None:
            current = s.numbered(present)
            after = replace(
                after,
                period_index=current.index,
                period_start=current.start,
                period_end=current.end,
                upcoming_at=max(now, current.end - notice),
            )
    return move(s, after, now, EventType.SUBSCRIPTION_RESUMED, EventType.SUBSCRIPTION_UPDATED)
