"""Changes that wait for a signature: giving them up, when their time is over or something else came."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.db import setup_intents
from gateway.db.engine import Connection
from gateway.domain import plan_change
from gateway.domain import setup_intent as setup_domain
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.subscription import Subscription
from gateway.domain.transition import StatusReason
from gateway.services.changes import Changes


async def drop_due(
    conn: Connection, expired: Sequence[tuple[Subscription, datetime]], changes: Changes, *, wait: timedelta
) -> None:
    """Drop updates that nobody signed in time; one whose registration is on its way is waited for, `wait` long."""
    asked = await _asked(conn, [s for s, _ in expired])
    for s, at in expired:
        setup = asked.get(s.id)
        if setup is not None and setup.status is setup_domain.Status.PROCESSING:
            changes.update(plan_change.prolong(s, at + wait))
            continue
        if setup is not None:
            changes.update(setup_domain.cancel(setup, StatusReason("pending_update_expired"), at))
        changes.update(plan_change.drop(s, at, expired=True))


async def withdraw(conn: Connection, subscription: Subscription, now: datetime, changes: Changes) -> Subscription:
    """Drop the update of a locked subscription, and ask no wallet for it any more."""
    if subscription.pending_update is None:
        return subscription
    setup = (await _asked(conn, [subscription])).get(subscription.id)
    if setup is not None:
        changes.update(setup_domain.cancel(setup, StatusReason("pending_update_withdrawn"), now))
    return changes.update(plan_change.drop(subscription, now))


async def _asked(conn: Connection, subscriptions: Sequence[Subscription]) -> dict[str, SetupIntent]:
    """The open setup intents that ask for the mandates of pending updates, by subscription."""
    wanted = {s.pending_update.setup_intent_id for s in subscriptions if s.pending_update is not None}
    if not wanted:
        return {}
    found = await setup_intents.open_of_subscriptions(conn, sorted(s.id for s in subscriptions), lock=True)
    return {setup.subscription_id: setup for setup in found if setup.id in wanted}
