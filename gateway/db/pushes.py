"""Push payments: what customers sent, where it is watched for, and how far each chain was searched."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, select

from chain.primitives import Address
from gateway.db import bulk, keys, moves, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.transfers import NOWHERE
from gateway.domain.catalog import Scope
from gateway.domain.push import KIND, PushPayment, Status
from gateway.domain.transition import Moved

_T: Final = schema.push_payments
_WATCHES: Final = schema.push_watches
_CURSORS: Final = schema.push_cursors
_METHODS: Final = schema.payment_methods
_CHANGING: Final = frozenset({
    "id", "status", "reason_code", "reason_action", "reason_evidence", "customer_id", "applied", "credited",
    "credited_token_amount", "invoice_ids", "test_clock_id",
})  # fmt: skip
_FIXED: Final = frozenset(_T.c.keys()) - _CHANGING


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A wallet to which a merchant's customers send; transfers of blocks up to `watched_from` are not looked at."""

    chain_id: int
    recipient: Address
    scope: Scope
    watched_from: int


async def add_many(conn: Connection, moved: Sequence[Moved[PushPayment]]) -> None:
    """Insert push payments.

    Raises:
        ConstraintBroken: one was written down before.
    """
    await moves.insert(conn, _T, moved, _row)


async def save_many(conn: Connection, moved: Sequence[Moved[PushPayment]]) -> None:
    """Write what became of push payments."""
    await moves.update(conn, _T, moved, _row, _FIXED)


async def get(conn: Connection, scope: Scope, push_id: str, *, lock: bool = False) -> PushPayment | None:
    """Return one push payment of the caller's; None when there is none."""
    query = rows.by_id(_T, [push_id], lock=lock).where(rows.in_scope(_T, scope))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _push(row)


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, PushPayment]:
    """For workers: push payments of any tenant, by id."""
    return {row.id: _push(row) for row in await rows.fetch(conn, _T, ids, lock=lock)}


async def page(
    conn: Connection, request: PageRequest, *, customer: str | None = None, status: Status | None = None
) -> Page[PushPayment]:
    """List push payments."""
    return await pages.read(
        conn,
        _T,
        request,
        _push,
        None if customer is None else _T.c.customer_id == customer,
        None if status is None else _T.c.status == status,
        kind=KIND,
    )


async def add_watches(conn: Connection, watches: Iterable[Watch]) -> None:
    """Look for transfers to these wallets from now on; those that are looked for already stay as they are."""
    found = [
        {
            "chain_id": watch.chain_id,
            "recipient": watch.recipient,
            **rows.tenant(watch.scope),
            "watched_from": watch.watched_from,
        }
        for watch in watches
    ]
    if found:
        await bulk.insert(conn, _WATCHES, found, ignore_known=True)


async def watches(conn: Connection, chain_id: int) -> list[Watch]:
    """For workers: the wallets of a chain to which somebody may send, oldest account first."""
    query = (
        select(_WATCHES)
        .where(_WATCHES.c.chain_id == chain_id)
        .order_by(_WATCHES.c.recipient, _WATCHES.c.account_id, _WATCHES.c.livemode)
    )
    return [
        Watch(chain_id=row.chain_id, recipient=row.recipient, scope=rows.scope(row), watched_from=row.watched_from)
        for row in await conn.execute(query)
    ]


async def searched_to(conn: Connection, chain_id: int) -> int:
    """For workers: newest block that was searched."""
    query = select(_CURSORS.c.number).where(_CURSORS.c.chain_id == chain_id)
    number: int | None = (await conn.execute(query)).scalar_one_or_none()
    return NOWHERE if number is None else number


async def searched(conn: Connection) -> dict[int, int]:
    """For workers and payers' pages: newest block that was searched, by chain; one row for each."""
    return {row.chain_id: row.number for row in await conn.execute(select(_CURSORS.c.chain_id, _CURSORS.c.number))}


async def advance(conn: Connection, chain_id: int, *, was: int, number: int) -> None:
    """For workers: the search of a chain went from block `was` to `number`.

    Raises:
        WriteConflict: somebody else moved it; nothing may be committed then.
    """
    if was == NOWHERE:
        await bulk.insert(conn, _CURSORS, [{"chain_id": chain_id, "number": NOWHERE}], ignore_known=True)
    await bulk.update(
        conn, _CURSORS, [{"chain_id": chain_id, "number": number, "was": was}], key="chain_id", guard="number"
    )


async def customers_of_wallets(
    conn: Connection, chain_id: int, wallets: Iterable[Address]
) -> dict[tuple[Scope, Address], list[str]]:
    """For workers: customers to whom these wallets of a chain belong, by tenant and wallet."""
    query = (
        select(_METHODS.c.account_id, _METHODS.c.livemode, _METHODS.c.owner, _METHODS.c.customer_id)
        .where(
            and_(
                keys.any_of(_METHODS.c.owner, wallets),
                _METHODS.c.chain_id == chain_id,
                _METHODS.c.customer_id.is_not(None),
            )
        )
        .distinct()
        .order_by(_METHODS.c.customer_id)
    )
    found: dict[tuple[Scope, Address], list[str]] = {}
    for row in await conn.execute(query):
        found.setdefault((rows.scope(row), row.owner), []).append(row.customer_id)
    return found


def _row(value: PushPayment) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "chain_id": value.chain_id,
        "token": value.token,
        "sender": value.sender,
        "recipient": value.recipient,
        "token_amount": value.token_amount,
        "amount": value.amount,
        "currency": value.currency,
        "transaction_hash": value.transaction_hash,
        "block_number": value.block_number,
        "block_hash": value.block_hash,
        "log_index": value.log_index,
        "customer_id": value.customer_id,
        "applied": value.applied,
        "credited": value.credited,
        "credited_token_amount": value.credited_token_amount,
        "invoice_ids": list(value.invoice_ids),
        "test_clock_id": value.test_clock_id,
    }


def _push(row: Any) -> PushPayment:
    return PushPayment(
        id=row.id,
        scope=rows.scope(row),
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        chain_id=row.chain_id,
        token=row.token,
        sender=row.sender,
        recipient=row.recipient,
        token_amount=row.token_amount,
        amount=row.amount,
        currency=row.currency,
        transaction_hash=row.transaction_hash,
        block_number=row.block_number,
        block_hash=row.block_hash,
        log_index=row.log_index,
        customer_id=row.customer_id,
        applied=row.applied,
        credited=row.credited,
        credited_token_amount=row.credited_token_amount,
        invoice_ids=tuple(row.invoice_ids),
        test_clock_id=row.test_clock_id,
    )
