"""Refunds: transfers that merchants were asked to send back."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import select, text

from gateway.db import bulk, keys, moves, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.refund import KIND, Refund
from gateway.domain.transition import Moved

_T: Final = schema.refunds
_CHANGING: Final = frozenset({
    "id", "status", "reason_code", "reason_action", "reason_evidence", "metadata", "transaction_hash", "block_number",
    "block_hash", "log_index", "succeeded_at", "canceled_at",
})  # fmt: skip
_FIXED: Final = frozenset(_T.c.keys()) - _CHANGING


async def add_many(conn: Connection, moved: Sequence[Moved[Refund]]) -> None:
    """Insert refunds.

    Raises:
        ConstraintBroken: one of the same charge and amount waits for its transfer already.
    """
    await moves.insert(conn, _T, moved, _row)


async def save_many(conn: Connection, moved: Sequence[Moved[Refund]]) -> None:
    """Write what became of refunds."""
    await moves.update(conn, _T, moved, _row, _FIXED)


async def get(conn: Connection, scope: Scope, refund_id: str, *, lock: bool = False) -> Refund | None:
    """Return one refund of the caller's; None when there is none."""
    query = rows.by_id(_T, [refund_id], lock=lock).where(rows.in_scope(_T, scope))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _refund(row)


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, Refund]:
    """For workers: refunds of any tenant, by id."""
    return {row.id: _refund(row) for row in await rows.fetch(conn, _T, ids, lock=lock)}


async def of_charges(conn: Connection, charge_ids: Iterable[str]) -> dict[str, list[Refund]]:
    """All refunds of these charges, by charge, oldest first; the caller has locked the charges."""
    found: dict[str, list[Refund]] = {}
    query = select(_T).where(keys.any_of(_T.c.charge_id, charge_ids)).order_by(_T.c.charge_id, _T.c.id)
    for row in await conn.execute(query):
        found.setdefault(row.charge_id, []).append(_refund(row))
    return found


async def awaited(conn: Connection, chain_id: int) -> list[Refund]:
    """For workers: refunds of a chain whose transfers are waited for, oldest first."""
    query = select(_T).where(text("refunds.status = 'requires_action'"), _T.c.chain_id == chain_id).order_by(_T.c.id)
    return [_refund(row) for row in await conn.execute(query)]


async def page(
    conn: Connection, request: PageRequest, *, charge: str | None = None, charge_intent: str | None = None
) -> Page[Refund]:
    """List refunds."""
    return await pages.read(
        conn,
        _T,
        request,
        _refund,
        None if charge is None else _T.c.charge_id == charge,
        None if charge_intent is None else _T.c.charge_intent_id == charge_intent,
        kind=KIND,
    )


def _row(value: Refund) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "charge_id": value.charge_id,
        "charge_intent_id": value.charge_intent_id,
        "customer_id": value.customer_id,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "amount": value.amount,
        "currency": value.currency,
        "chain_id": value.chain_id,
        "token": value.token,
        "token_amount": value.token_amount,
        "sender": value.sender,
        "recipient": value.recipient,
        "watched_from": value.watched_from,
        "motive": value.motive,
        "metadata": value.metadata,
        "transaction_hash": value.transaction_hash,
        "block_number": value.block_number,
        "block_hash": value.block_hash,
        "log_index": value.log_index,
        "succeeded_at": value.succeeded_at,
        "canceled_at": value.canceled_at,
        "test_clock_id": value.test_clock_id,
    }


def _refund(row: Any) -> Refund:
    return Refund(
        id=row.id,
        scope=rows.scope(row),
        charge_id=row.charge_id,
        charge_intent_id=row.charge_intent_id,
        customer_id=row.customer_id,
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        amount=row.amount,
        currency=row.currency,
        chain_id=row.chain_id,
        token=row.token,
        token_amount=row.token_amount,
        sender=row.sender,
        recipient=row.recipient,
        watched_from=row.watched_from,
        motive=row.motive,
        metadata=row.metadata,
        transaction_hash=row.transaction_hash,
        block_number=row.block_number,
        block_hash=row.block_hash,
        log_index=row.log_index,
        succeeded_at=row.succeeded_at,
        canceled_at=row.canceled_at,
        test_clock_id=row.test_clock_id,
    )
