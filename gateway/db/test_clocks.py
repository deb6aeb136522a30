"""Test clocks, and what is still to happen on each."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, func, literal, or_, select, text, union_all

from gateway.db import bulk, moves, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.test_clock import KIND, TestClock
from gateway.domain.transition import Moved

_T: Final = schema.test_clocks
_TIMED: Final = (
    schema.subscriptions,
    schema.invoices,
    schema.charge_intents,
    schema.setup_intents,
    schema.checkout_sessions,
)
"""Tables whose rows wake up."""

_FIXED: Final = frozenset({"account_id", "livemode", "created_at"})


async def add_many(conn: Connection, moved: Sequence[Moved[TestClock]]) -> None:
    """Insert clocks."""
    await moves.insert(conn, _T, moved, _row)


async def save_many(conn: Connection, moved: Sequence[Moved[TestClock]]) -> None:
    """Write what may change of clocks."""
    await moves.update(conn, _T, moved, _row, _FIXED)


async def get(conn: Connection, scope: Scope, clock_id: str, *, lock: bool = False) -> TestClock | None:
    """Return one clock of the caller's, deleted ones included; None when there is none."""
    query = rows.by_id(_T, [clock_id], lock=lock).where(rows.in_scope(_T, scope))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _clock(row)


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, TestClock]:
    """For workers: clocks of any tenant, by id."""
    return {row.id: _clock(row) for row in await conn.execute(rows.by_id(_T, ids, lock=lock))}


async def advancing(conn: Connection) -> list[TestClock]:
    """For workers: every clock that is on its way."""
    query = select(_T).where(text("test_clocks.status = 'advancing'")).order_by(_T.c.id)
    return [_clock(row) for row in await conn.execute(query)]


async def next_due(conn: Connection, clock_id: str) -> datetime | None:
    """For workers: the earliest moment at which something on this clock falls due; None when nothing does."""
    moments = union_all(
        *(select(func.min(table.c.wake_at).label("at")).where(table.c.test_clock_id == clock_id) for table in _TIMED)
    ).subquery("moments")
    found: datetime | None = (await conn.execute(select(func.min(moments.c.at)))).scalar_one()
    return found


async def busy(conn: Connection, clock_id: str) -> bool:
    """For workers: whether something on this clock is due at its time, or waits for the chain."""
    intents = schema.charge_intents
    due = [exists().where(table.c.test_clock_id == clock_id, table.c.wake_at <= _T.c.frozen_at) for table in _TIMED]
    under_way = exists().where(intents.c.test_clock_id == clock_id, text("charge_intents.status = 'processing'"))
    setups = schema.setup_intents
    registering = exists().where(
        setups.c.test_clock_id == clock_id,
        text("setup_intents.status = 'processing'"),
        setups.c.transaction_id.is_not(None),
    )
    query = select(literal(1)).where(_T.c.id == clock_id, or_(under_way, registering, *due))
    return (await conn.execute(query)).one_or_none() is not None


async def page(conn: Connection, request: PageRequest) -> Page[TestClock]:
    """List clocks that are not deleted."""
    return await pages.read(conn, _T, request, _clock, ~_T.c.deleted, kind=KIND)


def _row(value: TestClock) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "created_at": value.created_at,
        "frozen_at": value.frozen_at,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "name": value.name,
        "target_at": value.target_at,
        "deleted": value.deleted,
    }


def _clock(row: Any) -> TestClock:
    return TestClock(
        id=row.id,
        scope=rows.scope(row),
        created_at=row.created_at,
        frozen_at=row.frozen_at,
        status=row.status,
        reason=rows.reason(row),
        name=row.name,
        target_at=row.target_at,
        deleted=row.deleted,
    )
