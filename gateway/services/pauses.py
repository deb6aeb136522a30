"""Pausing a subscription and going on with it (PM-18, C16): what is billed and pulled meanwhile is nothing."""

from datetime import datetime

from gateway.db import charge_intents, invoices, subscriptions
from gateway.db.engine import Connection
from gateway.domain import charge_intent as intent_domain
from gateway.domain import course
from gateway.domain import invoice as invoice_domain
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.subscription import Due, Status, Subscription, due, modifiable
from gateway.services import billing, pending_updates, settings
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin


async def pause(
    conn: Connection, gateway: Gateway, *, scope: Scope, subscription_id: str, now: datetime, origin: Origin
) -> Subscription:
    """Stop billing and collecting. A pull that is under way still resolves.

    Raises:
        InvalidRequest: it is over, or not active, past due or in its trial.
        NotFound: there is no such subscription.
    """
    before = await _locked(conn, scope, subscription_id)
    if before.status not in course.PAUSABLE:
        raise InvalidRequest(
            f"Subscription '{before.id}' is {before.status}; only an active, past due or trialing one can be paused.",
            code="subscription_not_pausable",
        )
    changes = Changes()
    before = await pending_updates.withdraw(conn, before, now, changes)
    after = changes.update(course.pause(before, now))
    for draft in await invoices.unsettled_of(conn, [before.id], lock=True):
        if draft.status is invoice_domain.Status.DRAFT and draft.auto_advance:
            changes.update(invoice_domain.stop_advancing(draft, now))
    for intent in await charge_intents.open_of_subscriptions(conn, [before.id], lock=True):
        if intent.next_attempt_at is not None:
            changes.update(intent_domain.schedule(intent, None))
    await changes.write(conn, gateway, origin)
    return after


async def resume(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    subscription_id: str,
    re_anchor: bool,
    now: datetime,
    origin: Origin,
) -> Subscription:
    """Go on. With `re_anchor` a period begins now and is billed at once; else the old grid stays.

    What passed meanwhile is never billed. What was owed before the pause is tried again.

    Raises:
        InvalidRequest: it is over, or not paused.
        NotFound: there is no such subscription.
    """
    now = now.replace(microsecond=0)
    before = await _locked(conn, scope, subscription_id)
    if before.status is not Status.PAUSED:
        raise InvalidRequest(
            f"Subscription '{before.id}' is {before.status}; only a paused one can be resumed.",
            code="subscription_not_paused",
        )
    changes = Changes()
    unsettled = await invoices.unsettled_of(conn, [before.id], lock=True)
    newest = next((i for i in unsettled if i.id == before.latest_invoice_id), None)
    owes = newest is not None and newest.status is invoice_domain.Status.OPEN
    policy = (await settings.policies(conn, gateway, [scope.account_id]))[scope.account_id]
    after = changes.update(course.resume(before, now, re_anchor=re_anchor, owes=owes, notice=policy.notice))
    if owes:
        for intent in await charge_intents.open_of_subscriptions(conn, [before.id], lock=True):
            waits = intent.status is intent_domain.Status.REQUIRES_ACTION or intent.mandate_id is None
            if not waits and intent.status in intent_domain.PAYABLE:
                # Somebody asked for this attempt: it uses up none of the planned ones.
                changes.update(intent_domain.confirm(intent, now))
    if newest is not None and not owes and newest.period_index == after.period_index and not re_anchor:
        # The draft of the running period: its time went on while it was held.
        held = changes.update(invoice_domain.advance(newest, now, now))
        await billing.finalize(conn, gateway, [(held, after, now)], changes)
    if due(after, now) is Due.RENEW:
        await billing.begin_periods(conn, gateway, [(after, now)], changes, at_once=True)
    await changes.write(conn, gateway, origin)
    return changes.current(after)


async def _locked(conn: Connection, scope: Scope, subscription_id: str) -> Subscription:
    found = await subscriptions.get(conn, scope, subscription_id, lock=True)
    if found is None:
        raise NotFound("subscription", subscription_id)
    modifiable(found)
    return found
