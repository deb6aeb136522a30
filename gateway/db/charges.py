"""Charges: one row for each attempt to collect."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import select, text

from gateway.db import bulk, keys, moves, pages, rows, schema, stranding
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.charge import KIND, Charge
from gateway.domain.transition import Moved

_T: Final = schema.charges
_CHANGING: Final = frozenset({
    "id", "status", "reason_code", "reason_action", "reason_evidence", "transaction_hash", "block_number",
    "block_hash", "log_index", "settled_at", "amount_refunded",
})  # fmt: skip
_FIXED: Final = frozenset(_T.c.keys()) - _CHANGING


async def add_many(conn: Connection, moved: Sequence[Moved[Charge]]) -> None:
    """Insert charges; the transactions that carry them come first."""
    await moves.insert(conn, _T, moved, _row)


async def save_many(conn: Connection, moved: Sequence[Moved[Charge]]) -> None:
    """Write the outcome of charges."""
    await moves.update(conn, _T, moved, _row, _FIXED)


async def get(conn: Connection, scope: Scope, charge_id: str, *, lock: bool = False) -> Charge | None:
    """Return one charge of the caller's; None when there is none."""
    query = rows.by_id(_T, [charge_id], lock=lock).where(rows.in_scope(_T, scope))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _charge(row)


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, Charge]:
    """For workers: charges of any tenant, by id."""
    return {row.id: _charge(row) for row in await rows.fetch(conn, _T, ids, lock=lock)}


async def pending_of_transactions(
    conn: Connection, transaction_ids: Iterable[str], *, lock: bool = False
) -> list[Charge]:
    """For workers: charges that these transactions carry and whose outcome is open, oldest first."""
    query = (
        select(_T)
        .where(text("charges.status = 'pending'"), keys.any_of(_T.c.transaction_id, transaction_ids))
        .order_by(keys.sort_key(_T.c.id))
    )
    return [_charge(row) for row in await conn.execute(rows.locked(query, _T, lock=lock))]


async def stranded(conn: Connection, chain_id: int, *, limit: int) -> list[Charge]:
    """For workers: pending charges whose transactions are over and moved nothing, oldest first.

    Looks at pending charges only, of which there are as many as transactions in flight carry.
    """
    sent = schema.chain_transactions
    query = (
        select(_T)
        .join_from(_T, sent, _T.c.transaction_id == sent.c.id)
        .where(text("charges.status = 'pending'"), sent.c.chain_id == chain_id, stranding.moved_nothing())
        .order_by(keys.sort_key(_T.c.id))
        .limit(limit)
    )
    return [_charge(row) for row in await conn.execute(query)]


async def page(
    conn: Connection, request: PageRequest, *, customer: str | None = None, charge_intent: str | None = None
) -> Page[Charge]:
    """List charges."""
    return await pages.read(
        conn,
        _T,
        request,
        _charge,
        None if customer is None else _T.c.customer_id == customer,
        None if charge_intent is None else _T.c.charge_intent_id == charge_intent,
        kind=KIND,
    )


def _row(value: Charge) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "charge_intent_id": value.charge_intent_id,
        "invoice_id": value.invoice_id,
        "customer_id": value.customer_id,
        "subscription_id": value.subscription_id,
        "payment_method_id": value.payment_method_id,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "amount": value.amount,
        "currency": value.currency,
        "chain_id": value.chain_id,
        "token": value.token,
        "token_amount": value.token_amount,
        "onchain_mandate_id": value.onchain_mandate_id,
        "mandate_period": value.mandate_period,
        "transaction_id": value.transaction_id,
        "transaction_hash": value.transaction_hash,
        "block_number": value.block_number,
        "block_hash": value.block_hash,
        "log_index": value.log_index,
        "settled_at": value.settled_at,
        "amount_refunded": value.amount_refunded,
        "payer": value.payer,
        "push_payment_id": value.push_payment_id,
    }


def _charge(row: Any) -> Charge:
    return Charge(
        id=row.id,
        scope=rows.scope(row),
        charge_intent_id=row.charge_intent_id,
        invoice_id=row.invoice_id,
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        payment_method_id=row.payment_method_id,
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        amount=row.amount,
        currency=row.currency,
        chain_id=row.chain_id,
        token=row.token,
        token_amount=row.token_amount,
        onchain_mandate_id=row.onchain_mandate_id,
        mandate_period=row.mandate_period,
        transaction_id=row.transaction_id,
        transaction_hash=row.transaction_hash,
        block_number=row.block_number,
        block_hash=row.block_hash,
        log_index=row.log_index,
        settled_at=row.settled_at,
        amount_refunded=row.amount_refunded,
        payer=row.payer,
        push_payment_id=row.push_payment_id,
    )
