"""Test clocks, and what is still to happen on each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, exists, func, or_, select, text

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


@dataclass(frozen=True, slots=True)
class Standing:
    """A clock on its way.

    Attributes:
        next_due: the earliest moment at which something on it falls due; None when nothing does.
        waits: whether something on it waits for the chain.
    """

    clock: TestClock
    next_due: datetime | None
    waits: bool

    @property
    def is_busy(self) -> bool:
        """Whether something is left to do where it stands."""
        return self.waits or (self.next_due is not None and self.next_due <= self.clock.frozen_at)


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
    return {row.id: _clock(row) for row in await rows.fetch(conn, _T, ids, lock=lock)}


async def standings(conn: Connection) -> list[Standing]:
    """For workers: every clock that is on its way, with what is still to happen on it, in one statement."""
    return [
        Standing(
            clock=_clock(row), next_due=min(filter(None, row[-len(_TIMED) :]), default=None), waits=bool(row.waits)
        )
        for row in await conn.execute(_standings())
    ]


@cache
def _standings() -> Select[Any]:
    intents, setups = schema.charge_intents, schema.setup_intents
    under_way = exists().where(intents.c.test_clock_id == _T.c.id, text("charge_intents.status = 'processing'"))
    registering = exists().where(
        setups.c.test_clock_id == _T.c.id,
        text("setup_intents.status = 'processing'"),
        setups.c.transaction_id.is_not(None),
    )
    earliest = [
        select(func.min(table.c.wake_at)).where(table.c.test_clock_id == _T.c.id).correlate(_T).scalar_subquery()
        for table in _TIMED
    ]
    moments = [moment.label(f"due_{number}") for number, moment in enumerate(earliest)]
    query = select(*_T.c, or_(under_way, registering).label("waits"), *moments)
    return query.where(text("test_clocks.status = 'advancing'")).order_by(_T.c.id)


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
