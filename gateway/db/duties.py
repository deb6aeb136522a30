"""What is due at all, in one look: most rounds find nothing, and asking kind by kind costs a statement each.

A look promises nothing: what it names is claimed under lock afterwards, and may be gone by then.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, bindparam, exists, or_, select, text

from gateway.db import schema
from gateway.db.columns import UtcDateTime
from gateway.db.engine import Connection
from gateway.db.stranding import moved_nothing

_CLOCKS: Final = schema.test_clocks


class Duty(StrEnum):
    """What the billing role does."""

    SUBSCRIPTIONS = "subscriptions"
    DRAFTS = "drafts"
    OPEN_INVOICES = "open_invoices"
    CHECKOUTS = "checkouts"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a chain's indexed blocks leave to do: events to settle, and final blocks that searches have not seen."""

    to_settle: bool
    for_pushes: bool
    for_refunds: bool
    for_wallets: bool


async def due(conn: Connection, *, now: datetime) -> frozenset[Duty]:
    """Kinds of rows of which at least one has reached its time, by the system's clock or its own."""
    row = (await conn.execute(_due_now(), {"looked_at": now})).one()
    return frozenset(duty for duty in Duty if row._mapping[duty.value])  # noqa: SLF001 - SQLAlchemy's public name


async def news(conn: Connection, chain_id: int) -> News | None:
    """What there is to do about a chain; None where nothing is final yet, or the chain is halted."""
    row = (await conn.execute(_news(), {"chain": chain_id})).one_or_none()
    if row is None or row.final_number is None or row.halted_reason is not None:
        return None
    final: int = row.final_number

    def is_behind(number: int | None) -> bool:
        return number is None or number < final

    return News(
        to_settle=bool(row.unsettled or row.stranded or row.unregistered),
        for_pushes=bool(row.watched) and is_behind(row.pushes_number),
        for_refunds=bool(row.awaited) and is_behind(row.transfers_number),
        for_wallets=is_behind(row.wallets_number),
    )


@cache
def _due_now() -> Select[Any]:
    invoices = schema.invoices
    looks: dict[Duty, ColumnElement[Any]] = {
        Duty.SUBSCRIPTIONS: _is_due(schema.subscriptions),
        Duty.DRAFTS: _is_due(invoices, text("invoices.status = 'draft'")),
        Duty.OPEN_INVOICES: _is_due(invoices, text("invoices.status = 'open'")),
        Duty.CHECKOUTS: _is_due(schema.checkout_sessions),
    }
    return select(*(look.label(duty.value) for duty, look in looks.items()))


def _is_due(table: Table, *where: Any) -> ColumnElement[bool]:
    now = bindparam("looked_at", type_=UtcDateTime())
    of_system = exists().where(table.c.test_clock_id.is_(None), table.c.wake_at <= now, *where)
    # A look into the index for each clock: a join would let PostgreSQL read the whole table.
    first = (
        select(table.c.id)
        .where(table.c.test_clock_id == _CLOCKS.c.id, table.c.wake_at <= _CLOCKS.c.frozen_at, *where)
        .limit(1)
        .correlate(_CLOCKS)
        .scalar_subquery()
    )
    of_clocks = exists(select(_CLOCKS.c.id).where(~_CLOCKS.c.deleted, first.is_not(None)))
    return or_(of_system, of_clocks)


@cache
def _news() -> Select[Any]:
    cursors, logs, sent = schema.chain_cursors, schema.chain_logs, schema.chain_transactions
    unsettled = exists().where(
        logs.c.chain_id == cursors.c.chain_id,
        logs.c.block_number <= cursors.c.final_number,
        logs.c.settled_at.is_(None),
    )
    wanted: tuple[ColumnElement[Any], ...] = (
        cursors.c.final_number,
        cursors.c.halted_reason,
        unsettled.label("unsettled"),
        _over(schema.charges, text("charges.status = 'pending'"), sent).label("stranded"),
        _over(schema.setup_intents, text("setup_intents.status = 'processing'"), sent).label("unregistered"),
        exists().where(schema.push_watches.c.chain_id == cursors.c.chain_id).label("watched"),
        exists()
        .where(text("refunds.status = 'requires_action'"), schema.refunds.c.chain_id == cursors.c.chain_id)
        .label("awaited"),
        _number(schema.wallet_cursors).label("wallets_number"),
        _number(schema.push_cursors).label("pushes_number"),
        _number(schema.transfer_cursors).label("transfers_number"),
    )
    return select(*wanted).where(cursors.c.chain_id == bindparam("chain"))


def _number(of: Table) -> ColumnElement[Any]:
    cursors = schema.chain_cursors
    return select(of.c.number).where(of.c.chain_id == cursors.c.chain_id).correlate(cursors).scalar_subquery()


def _over(table: Table, pending: Any, sent: Table) -> ColumnElement[bool]:
    query = select(table.c.id).join_from(table, sent, table.c.transaction_id == sent.c.id)
    cursors = schema.chain_cursors
    return exists(query.where(pending, sent.c.chain_id == cursors.c.chain_id, moved_nothing()).correlate(cursors))
