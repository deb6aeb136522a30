"""Which subscriptions draw on one wallet."""

from typing import Final

from sqlalchemy import select

from chain.primitives import Address
from gateway.db import keys, rows, schema
from gateway.db import subscriptions as subscription_rows
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope
from gateway.domain.subscription import Status, Subscription

_SUBSCRIPTIONS: Final = schema.subscriptions
_METHODS: Final = schema.payment_methods

DRAWING: Final = (Status.PENDING, Status.INCOMPLETE, Status.TRIALING, Status.ACTIVE, Status.PAST_DUE)
"""In any other status nothing is pulled."""


async def on_wallet(
    conn: Connection, scope: Scope, *, chain_id: int, token: Address, owner: Address, limit: int
) -> list[Subscription]:
    """The caller's subscriptions that are paid from this wallet in this token, oldest first."""
    same_owner = _SUBSCRIPTIONS.c.customer_id == _METHODS.c.customer_id
    query = (
        select(_SUBSCRIPTIONS.c.id)
        .join_from(_METHODS, _SUBSCRIPTIONS, same_owner & (_SUBSCRIPTIONS.c.payment_method_id == _METHODS.c.id))
        .where(
            rows.in_scope(_METHODS, scope),
            _METHODS.c.owner == owner,
            _METHODS.c.token == token,
            _METHODS.c.chain_id == chain_id,
            keys.any_of(_SUBSCRIPTIONS.c.status, DRAWING),
        )
        .order_by(keys.sort_key(_SUBSCRIPTIONS.c.id))
        .limit(limit)
    )
    ids = [row.id for row in await conn.execute(query)]
    found = await subscription_rows.load(conn, ids) if ids else {}
    return [found[subscription_id] for subscription_id in ids]
