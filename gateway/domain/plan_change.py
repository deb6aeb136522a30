"""Changing what a living subscription is billed by: at once, or once the wallet has signed for it (ST-57)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain import course
from gateway.domain.beginning import AHEAD_MAX
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.period import Period, boundary
from gateway.domain.proration import ProrationBehavior
from gateway.domain.subscription import TRIAL_NOTICE, Status, Subscription, modifiable
from gateway.domain.terms import PendingUpdate, SubscriptionItem, Terms
from gateway.domain.transition import Event, Moved

PRORATED: Final = frozenset({Status.ACTIVE, Status.PAST_DUE, Status.TRIALING})
"""Statuses in which a running period was billed and goes on to be collected; the trial itself has no period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedItem:
    """An item with the subscription that has it, or is to have it."""

    item: SubscriptionItem
    owner: Subscription


def terms_of(subscription: Subscription) -> Terms:
    """What each period costs now."""
    s = subscription
    return Terms(items=s.items, interval=s.interval, discounts=s.discounts, tax_rate_ids=s.tax_rate_ids)


def with_terms(subscription: Subscription, terms: Terms) -> Subscription:
    """The same subscription with other terms; nothing else is different."""
    return replace(
        subscription,
        items=terms.items,
        interval=terms.interval,
        discounts=terms.discounts,
        tax_rate_ids=terms.tax_rate_ids,
    )


def same_length(one: Terms, other: Terms) -> bool:
    """Whether periods are equally long, whatever they are called: twelve months are a year."""
    return one.interval.on_chain == other.interval.on_chain


def _told(before: Subscription, after: Subscription, now: datetime, *events: EventType) -> Moved[Subscription]:
    return Moved(
        value=after,
        before=before,
        events=tuple(Event(type=event, object_id=before.id, at=now) for event in events),
    )


def change_terms(subscription: Subscription, terms: Terms, now: datetime) -> Moved[Subscription]:
    """Bill by other terms from now on. Another length of periods begins a new one now (`due` says `RENEW`).

    A change that was waiting for a signature waits no longer: it is this one, or this one took its place.

    Raises:
        InvalidRequest: it is over, and frozen.
    """
    modifiable(subscription)
    s = subscription
    pending = s.pending_update
    applied = pending is not None and pending.terms == terms
    after = replace(with_terms(s, terms), pending_update=None)
    if not same_length(terms, terms_of(s)) and s.period_index:
        after = replace(after, anchor=now, periods_before=s.period_index, period_end=now, upcoming_at=None)
        if s.cancel_at_period_end:
            after = replace(after, ends_at=boundary(now, terms.interval, 1))
    events = (EventType.SUBSCRIPTION_PENDING_UPDATE_APPLIED,) if applied else ()
    return _told(s, after, now, *events, EventType.SUBSCRIPTION_UPDATED)


def propose(subscription: Subscription, update: PendingUpdate, now: datetime) -> Moved[Subscription]:
    """A change waits for the wallet's signature; the old terms go on.

    Raises:
        InvalidRequest: it is over, and frozen.
    """
    modifiable(subscription)
    after = replace(subscription, pending_update=update, pending_setup_intent_id=update.setup_intent_id)
    return _told(subscription, after, now, EventType.SUBSCRIPTION_UPDATED)


def drop(subscription: Subscription, now: datetime, *, expired: bool = False) -> Moved[Subscription]:
    """The change that was waiting will not happen, and nothing waits for the wallet on its account."""
    update = subscription.pending_update
    waits = update is not None and subscription.pending_setup_intent_id == update.setup_intent_id
    after = replace(
        subscription,
        pending_update=None,
        pending_setup_intent_id=None if waits else subscription.pending_setup_intent_id,
    )
    events = (EventType.SUBSCRIPTION_PENDING_UPDATE_EXPIRED,) if expired else ()
    return _told(subscription, after, now, *events, EventType.SUBSCRIPTION_UPDATED)


def prolong(subscription: Subscription, until: datetime) -> Moved[Subscription]:
    """The time to sign is over, but a registration is on its way: its outcome is waited for."""
    update = subscription.pending_update
    if update is None:
        raise ValueError(f"subscription {subscription.id} has no pending update")
    return Moved(value=replace(subscription, pending_update=replace(update, expires_at=until)), before=subscription)


def draw_on(
    subscription: Subscription, payment_method_id: str, mandate_id: str, setup_intent_id: str | None, now: datetime
) -> Moved[Subscription]:
    """Another mandate pays from now on; `setup_intent_id` still asks the wallet for it, None: nothing is waited for."""
    after = replace(
        subscription,
        payment_method_id=payment_method_id,
        mandate_id=mandate_id,
        pending_setup_intent_id=setup_intent_id,
    )
    return _told(subscription, after, now, EventType.SUBSCRIPTION_UPDATED)


def mandate_start(subscription: Subscription, update: PendingUpdate, now: datetime) -> datetime | None:
    """First instant of the mandate that a change needs; None: the grid as it is, the current period still to spend.

    A period that is paid is left out where nothing is to be billed for the rest of it.
    """
    s = subscription
    if update.trial_end is not None:
        return update.trial_end
    if s.period_index == 0:
        return None
    if not same_length(update.terms, terms_of(s)):
        return now
    return s.period_end if update.proration is ProrationBehavior.NONE else None


def bill(subscription: Subscription, invoice_id: str, now: datetime) -> Moved[Subscription]:
    """An invoice for a change in the middle of a period is its newest one."""
    after = replace(subscription, latest_invoice_id=invoice_id)
    return _told(subscription, after, now, EventType.SUBSCRIPTION_UPDATED)


def trial_end_of(subscription: Subscription, wanted: datetime | None, now: datetime) -> datetime:
    """The end that a trial may get; `wanted` None ends it now.

    Raises:
        InvalidRequest: it is in no trial, or the end is not ahead, or too far.
    """
    s = subscription
    if s.status is not Status.TRIALING or s.period_index:
        raise InvalidRequest(
            f"Subscription '{s.id}' is in no trial whose end could be moved.",
            code="subscription_not_trialing",
            param="trial_end",
        )
    if wanted is not None and not now < wanted <= now + AHEAD_MAX:
        raise InvalidRequest(
            f"trial_end must be 'now' or in the future, at most {AHEAD_MAX.days} days ahead.",
            code="parameter_invalid",
            param="trial_end",
        )
    return wanted or now


def move_trial_end(
    subscription: Subscription, end: datetime, now: datetime, *, notice: timedelta
) -> Moved[Subscription]:
    """End the trial at another time; one that has passed meanwhile is now (`due` says `RENEW`)."""
    s, end = subscription, max(end, now)
    tells = end - now >= TRIAL_NOTICE
    after = replace(
        s,
        trial_end=end,
        anchor=end,
        period_end=end,
        trial_notice_at=end - TRIAL_NOTICE if tells else None,
        upcoming_at=max(now, course.notice_at(Period(0, s.period_start, end), notice)),
    )
    if s.cancel_at_period_end:
        after = replace(after, ends_at=end if end > now else boundary(now, s.interval, 1))
    return _told(s, after, now, EventType.SUBSCRIPTION_UPDATED)
