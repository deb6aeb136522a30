"""Setup intents: what wallets are asked to sign before anything is owed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, text

from gateway.db import bulk, keys, moves, pages, rows, schema, stranding
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.rows import Claimed
from gateway.domain.catalog import Scope
from gateway.domain.setup_intent import KIND, OPEN, SetupIntent
from gateway.domain.transition import Moved

_T: Final = schema.setup_intents
_FIXED: Final = frozenset({
    "account_id", "livemode", "customer_id", "subscription_id", "created_at", "client_secret", "test_clock_id",
})  # fmt: skip


async def add_many(conn: Connection, moved: Sequence[Moved[SetupIntent]]) -> None:
    """Insert setup intents."""
    await moves.insert(conn, _T, moved, _row)


async def save_many(conn: Connection, moved: Sequence[Moved[SetupIntent]]) -> None:
    """Write what may change of setup intents."""
    await moves.update(conn, _T, moved, _row, _FIXED)


async def get(conn: Connection, scope: Scope, intent_id: str, *, lock: bool = False) -> SetupIntent | None:
    """Return one setup intent of the caller's; None when there is none."""
    query = rows.by_id(_T, [intent_id], lock=lock).where(rows.in_scope(_T, scope))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _intent(row)


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, SetupIntent]:
    """For workers: setup intents of any tenant, by id."""
    return {row.id: _intent(row) for row in await rows.fetch(conn, _T, ids, lock=lock)}


async def open_of_subscriptions(
    conn: Connection, subscription_ids: Iterable[str], *, lock: bool = False
) -> list[SetupIntent]:
    """For workers: setup intents of these subscriptions that are neither succeeded nor canceled."""
    query = (
        select(_T)
        .where(keys.any_of(_T.c.subscription_id, subscription_ids), keys.any_of(_T.c.status, sorted(OPEN)))
        .order_by(keys.sort_key(_T.c.id))
    )
    return [_intent(row) for row in await conn.execute(rows.locked(query, _T, lock=lock))]


async def open_of_mandates(conn: Connection, mandate_ids: Iterable[str], *, lock: bool = False) -> list[SetupIntent]:
    """For workers: setup intents that wait for these mandates."""
    query = (
        select(_T)
        .where(keys.any_of(_T.c.mandate_id, mandate_ids), keys.any_of(_T.c.status, sorted(OPEN)))
        .order_by(keys.sort_key(_T.c.id))
    )
    return [_intent(row) for row in await conn.execute(rows.locked(query, _T, lock=lock))]


async def due(conn: Connection, *, chain_id: int, now: datetime, limit: int) -> list[Claimed[SetupIntent]]:
    """For workers: setup intents of a chain whose registration is due, earliest first; nothing is locked."""
    found = await rows.claimed(
        conn, _T, now=now, limit=limit, lock=False, where=[_T.c.chain_id == chain_id], cached_as=chain_id
    )
    return [Claimed(_intent(row), clock_now) for row, clock_now in found]


async def stranded(conn: Connection, chain_id: int, *, limit: int) -> list[SetupIntent]:
    """For workers: setup intents whose registration is over and registered nothing (see `charges.stranded`)."""
    sent = schema.chain_transactions
    query = (
        select(_T)
        .join_from(_T, sent, _T.c.transaction_id == sent.c.id)
        .where(text("setup_intents.status = 'processing'"), sent.c.chain_id == chain_id, stranding.moved_nothing())
        .order_by(keys.sort_key(_T.c.id))
        .limit(limit)
    )
    return [_intent(row) for row in await conn.execute(query)]


async def page(
    conn: Connection, request: PageRequest, *, customer: str | None = None, subscription: str | None = None
) -> Page[SetupIntent]:
    """List setup intents."""
    return await pages.read(
        conn,
        _T,
        request,
        _intent,
        None if customer is None else _T.c.customer_id == customer,
        None if subscription is None else _T.c.subscription_id == subscription,
        kind=KIND,
    )


def _row(value: SetupIntent) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "customer_id": value.customer_id,
        "subscription_id": value.subscription_id,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "client_secret": value.client_secret,
        "payment_method_id": value.payment_method_id,
        "mandate_id": value.mandate_id,
        "chain_id": value.chain_id,
        "next_attempt_at": value.next_attempt_at,
        "transaction_id": value.transaction_id,
        "description": value.description,
        "metadata": value.metadata,
        "succeeded_at": value.succeeded_at,
        "canceled_at": value.canceled_at,
        "test_clock_id": value.test_clock_id,
        "wake_at": value.wake_at,
    }


def _intent(row: Any) -> SetupIntent:
    return SetupIntent(
        id=row.id,
        scope=rows.scope(row),
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        client_secret=row.client_secret,
        payment_method_id=row.payment_method_id,
        mandate_id=row.mandate_id,
        chain_id=row.chain_id,
        next_attempt_at=row.next_attempt_at,
        transaction_id=row.transaction_id,
        description=row.description,
        metadata=row.metadata,
        succeeded_at=row.succeeded_at,
        canceled_at=row.canceled_at,
        test_clock_id=row.test_clock_id,
    )
