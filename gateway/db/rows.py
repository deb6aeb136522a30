"""What all modules need between rows and values: the tenant, the reason of a status, locks, claims."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, select, true, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import NullType

from gateway.db import keys, schema
from gateway.db.columns import UtcDateTime
from gateway.db.reading import Raw, Reader
from gateway.domain.catalog import Scope
from gateway.domain.transition import StatusReason

T = TypeVar("T")

_CLOCKS: Final = schema.test_clocks


@dataclass(frozen=True, slots=True)
class Claimed(Generic[T]):
    """A row whose time has come. `now` is the time of its own clock: its test clock's, or else the system's."""

    value: T
    now: datetime


def scope(row: Any) -> Scope:
    """Tenant of a row."""
    return Scope(row.account_id, row.livemode)


def tenant(value: Scope) -> dict[str, Any]:
    """Columns of a tenant."""
    return {"account_id": value.account_id, "livemode": value.livemode}


def in_scope(table: Table, value: Scope) -> ColumnElement[bool]:
    """Whether a row belongs to the caller."""
    return and_(table.c.account_id == value.account_id, table.c.livemode == value.livemode)


def reason(row: Any) -> StatusReason:
    """Reason of a row's status."""
    return StatusReason(row.reason_code, row.reason_action, row.reason_evidence)


def reason_columns(value: StatusReason) -> dict[str, Any]:
    """Columns of a reason."""
    return {"reason_code": value.code, "reason_action": value.action, "reason_evidence": value.evidence}


def by_id(table: Table, ids: Iterable[str], *, lock: bool, read: Reader[Any] | None = None) -> Select[Any]:
    """Select rows by id, in the order of ids so that two callers lock in the same order; raw ones for a reader."""
    query = select(table) if read is None else read.select()
    return locked(query.where(keys.any_of(table.c.id, ids)).order_by(table.c.id), table, lock=lock)


async def fetch(
    conn: AsyncConnection, table: Table, ids: Iterable[str], *, lock: bool, read: Reader[Any] | None = None
) -> Sequence[Any]:
    """Rows by id as `by_id` selects them; nothing is asked for no ids. Building the statement is done once."""
    wanted = list(ids)
    if not wanted:
        return ()
    key = (table.name, lock, read is not None)
    query = _BY_ID.get(key)
    if query is None:
        every = select(table) if read is None else read.select()
        query = every.where(keys.any_bound(table.c.id, "ids")).order_by(table.c.id)
        query = _BY_ID[key] = locked(query, table, lock=lock)
    found: Sequence[Any] = (await conn.execute(query, {"ids": wanted})).all()
    return found


_BY_ID: Final[dict[tuple[str, bool, bool], Select[Any]]] = {}


def locked(query: Select[Any], table: Table, *, lock: bool) -> Select[Any]:
    """Lock what is read until the transaction ends.

    PostgreSQL: FOR NO KEY UPDATE, which lets other writers refer to the rows meanwhile. SQLite has one writer anyway.
    """
    return query.with_for_update(key_share=True, of=table) if lock else query


async def claimed(
    conn: AsyncConnection,
    table: Table,
    *,
    now: datetime,
    limit: int,
    lock: bool,
    where: Sequence[ColumnElement[bool]] = (),
    cached_as: Hashable | None = None,
    raw: bool = False,
) -> list[tuple[Any, datetime]]:
    """Rows of a table whose `wake_at` has been reached, earliest first, with the time of their clock.

    One statement with two branches, each with a partial index of its own: rows without a test clock compare with
    `now`, the others with their clock's `frozen_at`. With `lock`, rows that another worker has claimed are passed over.
    Workers ask many times a second, and building the statement costs more than an empty answer: it is kept under
    `cached_as`, which has to tell every `where` of a table from the others; None where there are too many. With `raw`
    the columns are as a `Reader` of the table wants them.
    """
    query = None
    key = (conn.dialect.name, table.name, limit, lock, raw, cached_as)
    if cached_as is not None or not where:
        query = _STATEMENTS.get(key)
    if query is None:
        query = _claiming(conn, table, limit=limit, lock=lock, where=where, raw=raw)
        if cached_as is not None or not where:
            _STATEMENTS[key] = query
    found = await conn.execute(query, {"claimed_at": now})
    return [(row, row.clock_now) for row in found]


_STATEMENTS: Final[dict[tuple[str, str, int, bool, bool, Hashable | None], Select[Any]]] = {}


def _claiming(
    conn: AsyncConnection, table: Table, *, limit: int, lock: bool, where: Sequence[ColumnElement[bool]], raw: bool
) -> Select[Any]:
    now = bindparam("claimed_at", type_=UtcDateTime())
    system = select(*table.c, now.label("clock_now")).where(
        table.c.test_clock_id.is_(None), table.c.wake_at <= now, *where
    )
    clocked = _clocked(conn, table, limit, where)
    branches = []
    for name, branch in (("unclocked", system), ("clocked", clocked)):
        ordered = branch.order_by(table.c.wake_at, table.c.id).limit(limit)
        if lock:
            ordered = ordered.with_for_update(skip_locked=True, key_share=True, of=table)
        branches.append(select(ordered.subquery(name)))
    both = union_all(*branches).subquery("due")
    names = [column.name for column in table.c]
    wanted = [type_coerce(both.c[name], NullType()).label(name) if raw else both.c[name] for name in names]
    return select(*wanted, both.c.clock_now).order_by(both.c.wake_at, both.c.id).limit(limit)


def _clocked(conn: AsyncConnection, table: Table, limit: int, where: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Rows that are due by their test clock: a look into the index for each clock, never a scan of the table."""
    is_due = and_(table.c.test_clock_id == _CLOCKS.c.id, table.c.wake_at <= _CLOCKS.c.frozen_at, *where)
    if conn.dialect.name != keys.POSTGRESQL:
        query = select(*table.c, _CLOCKS.c.frozen_at.label("clock_now"))
        return query.select_from(keys.from_first(_CLOCKS, table, is_due)).where(~_CLOCKS.c.deleted)
    # PostgreSQL cannot estimate `wake_at <= frozen_at` and would read the whole table to join it.
    earliest = (
        select(table.c.id, table.c.wake_at)
        .where(is_due)
        .order_by(table.c.wake_at, table.c.id)
        .limit(limit)
        .correlate(_CLOCKS)
        .lateral("earliest")
    )
    picked = (
        select(earliest.c.id, _CLOCKS.c.frozen_at)
        .join_from(_CLOCKS, earliest, true())
        .where(~_CLOCKS.c.deleted)
        .order_by(earliest.c.wake_at, earliest.c.id)
        .limit(limit)
        .subquery("picked")
    )
    # The condition again: it must still hold for the row as it is once it is locked.
    still_due = and_(table.c.test_clock_id.is_not(None), table.c.wake_at <= picked.c.frozen_at)
    query = select(*table.c, picked.c.frozen_at.label("clock_now"))
    return query.join_from(table, picked, table.c.id == picked.c.id).where(still_due)


_PARTS: Final[dict[str, Select[Any]]] = {}


async def children(
    conn: AsyncConnection, read: Reader[Any], table: Table, parent: str, ids: Sequence[str]
) -> list[tuple[Raw, ...]]:
    """Raw rows that hang on others, for each of `ids` and in their order."""
    found: dict[str, list[Raw]] = {parent_id: [] for parent_id in ids}
    place = table.c.keys().index(parent)
    query = _PARTS.get(table.name)
    if query is None:
        bound = keys.any_bound(table.c[parent], "ids")
        query = _PARTS[table.name] = read.select().where(bound).order_by(table.c[parent], table.c.position)
    for row in await conn.execute(query, {"ids": list(ids)}):
        found[row[place]].append(row)
    return [tuple(found[parent_id]) for parent_id in ids]


def keyed(values: Iterable[T], key: Callable[[T], str]) -> Mapping[str, T]:
    """Values by key."""
    return {key(value): value for value in values}
