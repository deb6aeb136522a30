"""Which subscriptions draw on which wallets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, select

from chain.primitives import Address
from gateway.db import keys, rows, schema
from gateway.db import subscriptions as subscription_rows
from gateway.db.engine import Connection
from gateway.db.rows import Claimed
from gateway.domain.catalog import Scope
from gateway.domain.subscription import Status, Subscription

_SUBSCRIPTIONS: Final = schema.subscriptions
_METHODS: Final = schema.payment_methods

DRAWING: Final = (Status.PENDING, Status.INCOMPLETE, Status.TRIALING, Status.ACTIVE, Status.PAST_DUE)
"""In any other status nothing is pulled."""


@dataclass(frozen=True, slots=True, order=True)
class Wallet:
    """One account's token, as one merchant draws on it; `contract` is the spender that it approved."""

    scope: Scope
    chain_id: int
    token: Address
    owner: Address
    contract: Address


async def on_wallets(conn: Connection, wallets: Sequence[Wallet]) -> Mapping[Wallet, list[Subscription]]:
    """For workers and a wallet's own merchant: the subscriptions that are paid from each wallet, oldest first."""
    wanted = keys.as_table(
        conn,
        "wanted",
        number=(_METHODS.c.chain_id.type, list(range(len(wallets)))),
        account_id=(_METHODS.c.account_id.type, [wallet.scope.account_id for wallet in wallets]),
        livemode=(_METHODS.c.livemode.type, [wallet.scope.livemode for wallet in wallets]),
        owner=(_METHODS.c.owner.type, [wallet.owner for wallet in wallets]),
        token=(_METHODS.c.token.type, [wallet.token for wallet in wallets]),
        chain_id=(_METHODS.c.chain_id.type, [wallet.chain_id for wallet in wallets]),
    )
    same_wallet = and_(
        _METHODS.c.owner == wanted.c.owner,
        _METHODS.c.token == wanted.c.token,
        _METHODS.c.chain_id == wanted.c.chain_id,
        _METHODS.c.account_id == wanted.c.account_id,
        _METHODS.c.livemode == wanted.c.livemode,
    )
    same_owner = and_(
        _SUBSCRIPTIONS.c.customer_id == _METHODS.c.customer_id, _SUBSCRIPTIONS.c.payment_method_id == _METHODS.c.id
    )
    query = (
        select(wanted.c.number, _SUBSCRIPTIONS.c.id)
        .join_from(wanted, _METHODS, same_wallet)
        .join(_SUBSCRIPTIONS, same_owner)
        .where(keys.any_of(_SUBSCRIPTIONS.c.status, DRAWING))
        .order_by(keys.sort_key(_SUBSCRIPTIONS.c.id))
    )
    pairs = [(row.number, row.id) for row in await conn.execute(query)]
    found = await subscription_rows.load(conn, [subscription_id for _, subscription_id in pairs]) if pairs else {}
    shared: dict[Wallet, list[Subscription]] = {wallet: [] for wallet in wallets}
    for number, subscription_id in pairs:
        shared[wallets[number]].append(found[subscription_id])
    return shared


async def to_announce(conn: Connection, *, now: datetime, limit: int) -> list[Claimed[Subscription]]:
    """For workers: subscriptions whose next renewal is to be announced now; nothing is locked."""
    where = [_SUBSCRIPTIONS.c.upcoming_at.is_not(None)]
    due = await rows.claimed(conn, _SUBSCRIPTIONS, now=now, limit=limit, lock=False, where=where, cached_as="announced")
    named = [(row.id, clock_now) for row, clock_now in due if row.upcoming_at <= clock_now]
    found = await subscription_rows.load(conn, [subscription_id for subscription_id, _ in named]) if named else {}
    return [Claimed(found[subscription_id], clock_now) for subscription_id, clock_now in named]
