"""Invoices with their lines, and their numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, text

from gateway.db import bulk, chases, counters, embedded, keys, moves, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.reading import Reader
from gateway.db.rows import Claimed
from gateway.domain.catalog import Scope
from gateway.domain.invoice import KIND, Invoice, InvoiceLine, LineDiscount, Status
from gateway.domain.tax import TaxAmount
from gateway.domain.transition import Moved

_T: Final = schema.invoices
_LINES: Final = schema.invoice_lines
_FIXED: Final = frozenset({
    "account_id", "livemode", "customer_id", "subscription_id", "created_at", "billing_reason", "currency",
    "period_index", "period_start", "period_end", "test_clock_id",
})  # fmt: skip


async def add_many(conn: Connection, moved: Sequence[Moved[Invoice]]) -> None:
    """Insert invoices and their lines.

    Raises:
        ConstraintBroken: `uq_invoices_period`: the period has an invoice that is not void.
    """
    values = await moves.insert(conn, _T, moved, _row)
    await bulk.insert(conn, _LINES, _line_rows(values))


async def save_many(conn: Connection, moved: Sequence[Moved[Invoice]]) -> None:
    """Write what may change of invoices; their lines only where those changed, as they may on a draft."""
    spans = await moves.update(conn, _T, moved, _row, _FIXED)
    changed = [value for before, value in spans if before is not None and before.lines != value.lines]
    if changed:
        await conn.execute(delete(_LINES).where(keys.any_of(_LINES.c.invoice_id, [value.id for value in changed])))
        await bulk.insert(conn, _LINES, _line_rows(changed))


async def get(conn: Connection, scope: Scope, invoice_id: str, *, lock: bool = False) -> Invoice | None:
    """Return one invoice of the caller's; None when there is none."""
    query = rows.by_id(_T, [invoice_id], lock=lock, read=_READ).where(rows.in_scope(_T, scope))
    found = await _whole(conn, (await conn.execute(query)).all())
    return found[0] if found else None


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, Invoice]:
    """For workers: invoices of any tenant, by id."""
    found = await _whole(conn, await rows.fetch(conn, _T, ids, lock=lock, read=_READ))
    return {value.id: value for value in found}


async def due_owners(conn: Connection, *, now: datetime, limit: int, status: Status = Status.DRAFT) -> list[str]:
    """For workers: subscriptions whose drafts (or open invoices) wake up; locks nothing, so that they can be first."""
    due = await rows.claimed(conn, _T, now=now, limit=limit, lock=False, where=[_is(status)], cached_as=status)
    return sorted({row.subscription_id for row, _ in due})


async def claim_due(
    conn: Connection, *, now: datetime, limit: int, status: Status = Status.DRAFT
) -> list[Claimed[Invoice]]:
    """For workers: lock the drafts (or open invoices) that wake up, passing over those claimed elsewhere."""
    due = await rows.claimed(conn, _T, now=now, limit=limit, lock=True, where=[_is(status)], cached_as=status, raw=True)
    values = await _whole(conn, [row for row, _ in due])
    return [Claimed(value, clock_now) for value, (_, clock_now) in zip(values, due, strict=True)]


async def of_subscription(conn: Connection, scope: Scope, subscription_id: str) -> list[Invoice]:
    """Invoices of a subscription that are not void, oldest first."""
    not_void = _T.c.status != bindparam(None, Status.VOID, _T.c.status.type, unique=True, literal_execute=True)
    query = (
        _READ.select()
        .where(rows.in_scope(_T, scope), _T.c.subscription_id == subscription_id, not_void)
        .order_by(keys.sort_key(_T.c.id))
    )
    return await _whole(conn, (await conn.execute(query)).all())


async def open_of(conn: Connection, subscription_ids: Iterable[str], *, lock: bool = False) -> list[Invoice]:
    """For workers: what is owed for these subscriptions, oldest first."""
    query = (
        _READ.select()
        .where(_is(Status.OPEN), keys.any_of(_T.c.subscription_id, subscription_ids))
        .order_by(keys.sort_key(_T.c.id))
    )
    return await _whole(conn, (await conn.execute(rows.locked(query, _T, lock=lock))).all())


async def newest_open(conn: Connection, subscription_ids: Iterable[str]) -> dict[str, str]:
    """For workers: the newest invoice of each of these subscriptions that is open, by subscription."""
    query = (
        select(_T.c.subscription_id, func.max(_T.c.id).label("newest"))
        .where(_is(Status.OPEN), keys.any_of(_T.c.subscription_id, subscription_ids))
        .group_by(_T.c.subscription_id)
    )
    return {row.subscription_id: row.newest for row in await conn.execute(query)}


async def unsettled_of(conn: Connection, subscription_ids: Iterable[str], *, lock: bool = False) -> list[Invoice]:
    """For workers: drafts and what is owed for these subscriptions, oldest first."""
    query = (
        _READ.select()
        .where(
            or_(_is(Status.OPEN), _is(Status.DRAFT)),
            keys.any_of(_T.c.subscription_id, subscription_ids),
        )
        .order_by(keys.sort_key(_T.c.id))
    )
    return await _whole(conn, (await conn.execute(rows.locked(query, _T, lock=lock))).all())


async def open_of_customers(conn: Connection, customer_ids: Iterable[str]) -> list[Invoice]:
    """For workers: what these customers owe, oldest first; nothing is locked."""
    query = (
        _READ.select()
        .where(_is(Status.OPEN), keys.any_of(_T.c.customer_id, customer_ids))
        .order_by(keys.sort_key(_T.c.id))
    )
    return await _whole(conn, (await conn.execute(query)).all())


async def by_references(conn: Connection, wanted: Sequence[tuple[Scope, int, int]]) -> list[Invoice]:
    """For workers: invoices that these (tenant, amount, reference)s name, oldest first; nothing is locked."""
    named = keys.as_table(
        conn,
        "named",
        account_id=(_T.c.account_id.type, [scope.account_id for scope, _, _ in wanted]),
        livemode=(_T.c.livemode.type, [scope.livemode for scope, _, _ in wanted]),
        amount=(_T.c.push_amount.type, [amount for _, amount, _ in wanted]),
        reference=(_T.c.push_reference.type, [reference for _, _, reference in wanted]),
    )
    same = and_(
        _T.c.account_id == named.c.account_id,
        _T.c.livemode == named.c.livemode,
        _T.c.push_amount == named.c.amount,
        _T.c.push_reference == named.c.reference,
    )
    query = (
        _READ.select()
        .join_from(_T, named, same)
        # As the index says it, so that it serves.
        .where(text("invoices.push_reference IS NOT NULL"))
        .order_by(keys.sort_key(_T.c.id))
    )
    return await _whole(conn, (await conn.execute(query)).all())


async def take_numbers(conn: Connection, counts: Mapping[Scope, int]) -> dict[Scope, int]:
    """For workers: take so many invoice numbers for each tenant; return the first of each, without gaps."""
    return await counters.take(conn, schema.invoice_sequences, counts)


async def page(
    conn: Connection,
    request: PageRequest,
    *,
    customer: str | None = None,
    subscription: str | None = None,
    status: Status | None = None,
) -> Page[Invoice]:
    """List invoices."""
    found = await pages.read(
        conn,
        _T,
        request,
        lambda row: row,
        None if customer is None else _T.c.customer_id == customer,
        None if subscription is None else _T.c.subscription_id == subscription,
        None if status is None else _is(status),
        kind=KIND,
        reader=_READ,
    )
    return replace(found, items=await _whole(conn, found.items))


def _is(status: Status) -> ColumnElement[bool]:
    """Compare with the status spelt out in the statement: only then does a partial index serve."""
    return _T.c.status == bindparam(None, status, _T.c.status.type, unique=True, literal_execute=True)


async def _whole(conn: Connection, found: Sequence[Any]) -> list[Invoice]:
    if not found:
        return []
    lines = await rows.children(conn, _READ_LINES, _LINES, "invoice_id", [row.id for row in found])
    return _READ.whole(conn.dialect, found, lines)


def _row(value: Invoice) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "customer_id": value.customer_id,
        "subscription_id": value.subscription_id,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "billing_reason": value.billing_reason,
        "currency": value.currency,
        "total": value.total,
        "amount_paid": value.amount_paid,
        "period_index": value.period_index,
        "period_start": value.period_start,
        "period_end": value.period_end,
        "number": value.number,
        "description": value.description,
        "metadata": value.metadata,
        "auto_advance": value.auto_advance,
        "finalizes_at": value.finalizes_at,
        "finalized_at": value.finalized_at,
        "paid_at": value.paid_at,
        "voided_at": value.voided_at,
        "charge_intent_id": value.charge_intent_id,
        "test_clock_id": value.test_clock_id,
        "wake_at": value.wake_at,
        "discounts": embedded.discounts_json(value.discounts),
        "starting_balance": value.starting_balance,
        "ending_balance": value.ending_balance,
        "access_token": value.access_token,
        "collection_method": value.collection_method,
        "due_at": value.due_at,
        "payee": value.payee,
        "push_reference": value.push_reference,
        "push_amount": _push_amount(value),
        "chase": chases.chase_json(value.chase),
    }


def _push_amount(value: Invoice) -> int | None:
    """What its reference stands for: what is owed, and once it is closed what it was for."""
    if value.push_reference is None:
        return None
    return value.amount_remaining if value.status is Status.OPEN else value.amount_due


def _invoice(row: Any, lines: Sequence[Any]) -> Invoice:
    return Invoice(
        id=row.id,
        scope=rows.scope(row),
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        billing_reason=row.billing_reason,
        currency=row.currency,
        lines=tuple(map(_line, lines)),
        total=row.total,
        amount_paid=row.amount_paid,
        period_index=row.period_index,
        period_start=row.period_start,
        period_end=row.period_end,
        number=row.number,
        description=row.description,
        metadata=row.metadata,
        auto_advance=row.auto_advance,
        finalizes_at=row.finalizes_at,
        finalized_at=row.finalized_at,
        paid_at=row.paid_at,
        voided_at=row.voided_at,
        charge_intent_id=row.charge_intent_id,
        test_clock_id=row.test_clock_id,
        discounts=embedded.discounts(row.discounts),
        starting_balance=row.starting_balance,
        ending_balance=row.ending_balance,
        access_token=row.access_token,
        collection_method=row.collection_method,
        due_at=row.due_at,
        payee=row.payee,
        push_reference=row.push_reference,
        chase=chases.chase(row.chase),
    )


def _line_rows(values: Sequence[Invoice]) -> list[bulk.Row]:
    return [
        {
            "id": line.id,
            "invoice_id": value.id,
            "position": position,
            "description": line.description,
            "amount": line.amount,
            "quantity": line.quantity,
            "price_id": line.price_id,
            "subscription_item_id": line.subscription_item_id,
            "period_start": line.period_start,
            "period_end": line.period_end,
            "discountable": line.discountable,
            "proration": line.proration,
            "invoice_item_id": line.invoice_item_id,
            "meter_id": line.meter_id,
            "discount_amounts": [[part.discount_id, part.amount] for part in line.discount_amounts],
            "tax_amounts": [[tax.rate_id, tax.amount, tax.inclusive, tax.taxable] for tax in line.tax_amounts],
        }
        for value in values
        for position, line in enumerate(value.lines)
    ]


def _line(row: Any) -> InvoiceLine:
    return InvoiceLine(
        discountable=row.discountable,
        proration=row.proration,
        invoice_item_id=row.invoice_item_id,
        meter_id=row.meter_id,
        discount_amounts=tuple(LineDiscount(discount_id=id_, amount=amount) for id_, amount in row.discount_amounts),
        tax_amounts=tuple(
            TaxAmount(rate_id=id_, amount=amount, inclusive=inclusive, taxable=taxable)
            for id_, amount, inclusive, taxable in row.tax_amounts
        ),
        id=row.id,
        description=row.description,
        amount=row.amount,
        quantity=row.quantity,
        price_id=row.price_id,
        subscription_item_id=row.subscription_item_id,
        period_start=row.period_start,
        period_end=row.period_end,
    )


_READ: Final = Reader(_T, _invoice, parts=_LINES)
_READ_LINES: Final = Reader(_LINES, _line)
