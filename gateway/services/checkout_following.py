"""How checkout sessions end: with what becomes of the subscription or the setup intent that they made."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gateway.db import checkout_sessions
from gateway.db.engine import Connection
from gateway.domain import checkout as domain
from gateway.domain.checkout import CheckoutSession, Mode, PaymentStatus
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.setup_intent import Status as SetupStatus
from gateway.domain.subscription import TERMINAL, Subscription
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.transition import Moved


async def follow(conn: Connection, moves: Iterable[Moved[Any]]) -> list[Moved[CheckoutSession]]:
    """The moves of sessions that follow from those of subscriptions and setup intents; locks the sessions.

    Asks the books only when a subscription became active or ended, or a setup intent succeeded.
    """
    subscriptions: dict[str, Subscription] = {}
    setups: dict[str, SetupIntent] = {}
    moments: dict[str, datetime] = {}
    for move in moves:
        if not move.changes:
            continue
        match move.value:
            case Subscription() as value if value.status in {SubscriptionStatus.ACTIVE, *TERMINAL}:
                subscriptions[value.id] = value
                moments[value.id] = move.changes[-1].at
            case SetupIntent() as value if value.status is SetupStatus.SUCCEEDED:
                setups[value.subscription_id] = value
                moments.setdefault(value.subscription_id, move.changes[-1].at)
            case _:
                pass
    if not moments:
        return []
    found = await checkout_sessions.open_of_subscriptions(conn, sorted(moments), lock=True)
    ended = [_end(session, subscriptions, setups, moments[session.subscription_id or ""]) for session in found]
    return [move for move in ended if move is not None]


def _end(
    session: CheckoutSession,
    subscriptions: Mapping[str, Subscription],
    setups: Mapping[str, SetupIntent],
    now: datetime,
) -> Moved[CheckoutSession] | None:
    subscription = subscriptions.get(session.subscription_id or "")
    setup = setups.get(session.subscription_id or "")
    if subscription is not None and subscription.status in TERMINAL:
        return domain.expire(session, "subscription_ended", now)
    if setup is not None and setup.id == session.setup_intent_id:
        return domain.complete(session, PaymentStatus.NO_PAYMENT_REQUIRED, now)
    if subscription is not None and session.mode is Mode.SUBSCRIPTION and session.confirmed_at is not None:
        owed = session.draft is None or session.draft.total
        return domain.complete(session, PaymentStatus.PAID if owed else PaymentStatus.NO_PAYMENT_REQUIRED, now)
    return None
