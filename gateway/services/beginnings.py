"""The first state of a subscription: what is subscribed to, by which wallet, and from when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.db import catalog
from gateway.db.engine import Connection
from gateway.domain import course
from gateway.domain import subscription as domain
from gateway.domain.beginning import Beginning, Schedule, begin
from gateway.domain.catalog import Customer, PaymentMethod, Price
from gateway.domain.ids import new_id
from gateway.domain.period import Interval, to_unix
from gateway.domain.subscription import Status, Subscription
from gateway.domain.terms import SubscriptionItem
from gateway.domain.transition import Action, StatusReason
from gateway.services import setup_intents


@dataclass(frozen=True, slots=True)
class Plan:
    """What is subscribed to, and the wallet that pays, if it is known; `salt` of the mandate that it signed already."""

    items: tuple[SubscriptionItem, ...]
    prices: Mapping[str, Price]
    interval: Interval
    method: PaymentMethod | None
    salt: int | None = None


def blank(customer: Customer, plan: Plan, beginning: Beginning, notice: timedelta, now: datetime) -> Subscription:
    """A subscription as it begins, before anything particular is said of it."""
    current, trial_end = beginning.current, beginning.trial_end
    first_payment_from = max(now, current.start if beginning.has_begun else current.end)
    return Subscription(
        id=new_id("sub", now),
        scope=customer.scope,
        customer_id=customer.id,
        status=Status.PENDING if trial_end is None else Status.TRIALING,
        reason=_first_reason(beginning),
        created_at=now,
        currency=next(iter(plan.prices.values())).currency,
        items=plan.items,
        interval=plan.interval,
        anchor=beginning.anchor,
        periods_before=beginning.periods_before,
        period_index=current.index,
        period_start=current.start,
        period_end=current.end,
        payment_method_id=plan.method.id if plan.method else None,
        expires_at=first_payment_from + domain.FIRST_PAYMENT_WINDOW if trial_end is None else None,
        test_clock_id=customer.test_clock_id,
        start_at=now if trial_end else beginning.anchor,
        trial_start=None if trial_end is None else now,
        trial_end=trial_end,
        trial_notice_at=_trial_notice(trial_end, now),
        upcoming_at=course.notice_at(current, notice),
    )


def end_of_first(subscription: Subscription) -> datetime:
    """Where the current period ends; of a subscription that is still to start, the one that it starts with."""
    return subscription.next_period.end if subscription.is_scheduled else subscription.period_end


def _first_reason(beginning: Beginning) -> StatusReason:
    if beginning.trial_end is not None:
        return StatusReason("trial_started", evidence={"trial_end": to_unix(beginning.trial_end)})
    if not beginning.has_begun:
        return StatusReason("scheduled", Action.WAIT, {"start_date": to_unix(beginning.anchor)})
    return StatusReason("created", Action.WAIT)


def _trial_notice(trial_end: datetime | None, now: datetime) -> datetime | None:
    """When the end of a trial is announced; never for one that is shorter than the notice (ST-55)."""
    if trial_end is None or trial_end - now < domain.TRIAL_NOTICE:
        return None
    return trial_end - domain.TRIAL_NOTICE


async def beginning_of(
    conn: Connection, customer: Customer, plan: Plan, schedule: Schedule, now: datetime
) -> Beginning:
    """Work out the beginning: a product's trial must be used, and a wallet gets one trial of a product (SX-08)."""
    product_ids = sorted({price.product_id for price in plan.prices.values()})
    products = await catalog.get_products(conn, customer.scope, product_ids)
    prescribed = max((product.trial_period_days or 0 for product in products.values()), default=0)
    if plan.method is None or not (prescribed or schedule.wants_trial):
        return begin(schedule, plan.interval, now, product_trial_days=prescribed)
    used = await setup_intents.had_trial(conn, customer.scope, plan.prices.values(), plan.method)
    if used and schedule.wants_trial:
        raise setup_intents.trial_used("trial_end" if schedule.trial_end is not None else "trial_period_days")
    return begin(schedule, plan.interval, now, product_trial_days=0 if used else prescribed)
