"""Failed charge intents that a top-up of their wallet would rescue: what the watcher of wallets asks for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, func, literal, or_, select, text

from chain.primitives import Address
from gateway.db import keys, schema
from gateway.db.columns import UtcDateTime
from gateway.db.engine import Connection
from gateway.domain.failure import FailureCode
from gateway.domain.subscription import Status as SubscriptionStatus

_INTENTS: Final = schema.charge_intents
_METHODS: Final = schema.payment_methods
_SUBSCRIPTIONS: Final = schema.subscriptions
_CLOCKS: Final = schema.test_clocks

_REMEDIED: Final = (
    FailureCode.INSUFFICIENT_BALANCE.value,
    FailureCode.INSUFFICIENT_ALLOWANCE.value,
    FailureCode.ALLOWANCE_REVOKED.value,
)
"""Reasons that a transfer to the wallet or an approval by it takes away."""

_COLLECTED: Final = (SubscriptionStatus.PENDING, SubscriptionStatus.INCOMPLETE, SubscriptionStatus.PAST_DUE)
"""In others nothing has failed, or nothing is attempted by itself (FR-15): about `unpaid` the merchant decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """An intent that failed for lack of balance or allowance. `amount` in base units; `now` on its own clock.

    `over`: its subscription is `unpaid`, and the merchant lets a restored wallet end that (ST-65).
    """

    intent_id: str
    token: Address
    owner: Address
    amount: int
    now: datetime
    over: bool = False


async def of_chain(conn: Connection, *, chain_id: int, now: datetime, limit: int) -> list[Stalled]:
    """For workers: the oldest `limit` of them whose next attempt is not due yet."""
    clock = func.coalesce(_CLOCKS.c.frozen_at, literal(now, UtcDateTime), type_=UtcDateTime())
    unpaid = _SUBSCRIPTIONS.c.status == SubscriptionStatus.UNPAID
    query = (
        select(
            _INTENTS.c.id,
            _INTENTS.c.token_amount,
            _METHODS.c.token,
            _METHODS.c.owner,
            clock.label("clock_now"),
            unpaid.label("over"),
        )
        .join_from(_INTENTS, _METHODS, _INTENTS.c.payment_method_id == _METHODS.c.id)
        .join(_SUBSCRIPTIONS, _INTENTS.c.subscription_id == _SUBSCRIPTIONS.c.id)
        .outerjoin(_CLOCKS, _INTENTS.c.test_clock_id == _CLOCKS.c.id)
        .where(
            text("charge_intents.status = 'failed'"),
            _INTENTS.c.chain_id == chain_id,
            _INTENTS.c.token_amount.is_not(None),
            keys.any_of(_INTENTS.c.reason_code, _REMEDIED),
            or_(keys.any_of(_SUBSCRIPTIONS.c.status, _COLLECTED), and_(unpaid, _INTENTS.c.restarts)),
            or_(_INTENTS.c.next_attempt_at.is_(None), _INTENTS.c.next_attempt_at > clock),
        )
        .order_by(keys.sort_key(_INTENTS.c.id))
        .limit(limit)
    )
    return [
        Stalled(
            intent_id=row.id,
            token=row.token,
            owner=row.owner,
            amount=row.token_amount,
            now=row.clock_now,
            over=bool(row.over),
        )
        for row in await conn.execute(query)
    ]
