"""The event log of each merchant: gap-free in its order, numbered per object, never changed.

`append` takes the one lock that numbers a merchant's events; it comes last in a transaction.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select

from gateway.db import bulk, counters, keys, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.events import EventType
from gateway.domain.ids import new_id
from gateway.domain.webhook import DeliveryStatus

_T: Final = schema.event_log
_DELIVERIES: Final = schema.deliveries
_ANY_SUFFIX: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """An event that has no number yet. `snapshot` and `previous` are JSON of the object and of what changed."""

    scope: Scope
    type: EventType
    object_kind: str
    object_id: str
    at: datetime
    snapshot: bytes
    previous: bytes | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord(EventDraft):
    """An event of the log. `sequence` counts a merchant's events, `object_sequence` those of the object, from 1."""

    id: str
    sequence: int
    object_sequence: int


async def append(conn: Connection, drafts: Sequence[EventDraft]) -> list[EventRecord]:
    """Number the events in their order and write them down.

    Holds the counters of the merchants concerned until the transaction ends: call it last.
    """
    if not drafts:
        return []
    nexts = await counters.take(conn, schema.event_sequences, Counter(draft.scope for draft in drafts))
    # Only now: the lock that was just taken keeps other writers of these objects away.
    lasts = await _last_object_sequences(conn, sorted({draft.object_id for draft in drafts}))
    records = []
    for draft in drafts:
        lasts[draft.object_id] = lasts.get(draft.object_id, 0) + 1
        records.append(_numbered(draft, nexts[draft.scope], lasts[draft.object_id]))
        nexts[draft.scope] += 1
    await bulk.insert(conn, _T, [_row(record) for record in records])
    return records


async def get(conn: Connection, scope: Scope, event_id: str) -> EventRecord | None:
    """Return one event of the caller's; None when there is none."""
    query = select(_T).where(_T.c.id == event_id, rows.in_scope(_T, scope))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _record(row)


async def load(conn: Connection, ids: Iterable[str]) -> dict[str, EventRecord]:
    """For workers: events of any tenant, by id."""
    return {row.id: _record(row) for row in await rows.fetch(conn, _T, ids, lock=False)}


async def get_many(conn: Connection, scope: Scope, ids: Iterable[str]) -> dict[str, EventRecord]:
    """Return those of the events that are the caller's."""
    query = rows.by_id(_T, ids, lock=False).where(rows.in_scope(_T, scope))
    return {row.id: _record(row) for row in await conn.execute(query)}


async def after_sequence(
    conn: Connection,
    scope: Scope,
    sequence: int,
    *,
    limit: int,
    up_to: int | None = None,
    types: Sequence[str] | None = None,
) -> list[EventRecord]:
    """Return the caller's events that follow number `sequence`, in their order: nothing is left out or repeated."""
    query = select(_T).where(rows.in_scope(_T, scope), _T.c.sequence > sequence).order_by(_T.c.sequence).limit(limit)
    if up_to is not None:
        query = query.where(_T.c.sequence <= up_to)
    if types is not None:
        query = query.where(_of_types(types))
    return [_record(row) for row in await conn.execute(query)]


async def last_sequence(conn: Connection, scope: Scope) -> int:
    """Number of the caller's newest event; 0 when there is none."""
    last = await conn.execute(select(func.max(_T.c.sequence)).where(rows.in_scope(_T, scope)))
    return last.scalar_one() or 0


async def page(
    conn: Connection,
    request: PageRequest,
    *,
    types: Sequence[str] | None = None,
    object_id: str | None = None,
    delivered: bool | None = None,
) -> Page[EventRecord]:
    """List events, the highest number first. A type that ends in `.*` stands for all that begin so.

    `delivered` asks for those that every endpoint has accepted, or for those that one has not.
    """
    return await pages.read(
        conn,
        _T,
        request,
        _record,
        None if types is None else _of_types(types),
        None if object_id is None else _T.c.object_id == object_id,
        None if delivered is None else _was_delivered() if delivered else ~_was_delivered(),
        kind="event",
        order=_T.c.sequence,
        created=_T.c.at,
    )


def _was_delivered() -> ColumnElement[bool]:
    outstanding = select(_DELIVERIES.c.id).where(
        _DELIVERIES.c.event_id == _T.c.id, _DELIVERIES.c.status != DeliveryStatus.DELIVERED
    )
    return ~outstanding.exists()


def _of_types(types: Sequence[str]) -> ColumnElement[bool]:
    wanted = [
        written
        for written in EventType
        if any(
            written.startswith(name.removesuffix(_ANY_SUFFIX)) if name.endswith(_ANY_SUFFIX) else written == name
            for name in types
        )
    ]
    return keys.any_of(_T.c.type, wanted)


async def _last_object_sequences(conn: Connection, object_ids: Sequence[str]) -> dict[str, int]:
    objects = keys.as_table(conn, "objects", object_id=(_T.c.object_id.type, object_ids))
    last = select(func.max(_T.c.object_sequence)).where(_T.c.object_id == objects.c.object_id).scalar_subquery()
    found = await conn.execute(select(objects.c.object_id, last.label("last")))
    return {row.object_id: row.last for row in found if row.last is not None}


def _numbered(draft: EventDraft, sequence: int, object_sequence: int) -> EventRecord:
    return EventRecord(
        id=new_id("evt", draft.at),
        scope=draft.scope,
        type=draft.type,
        object_kind=draft.object_kind,
        object_id=draft.object_id,
        at=draft.at,
        snapshot=draft.snapshot,
        previous=draft.previous,
        request_id=draft.request_id,
        sequence=sequence,
        object_sequence=object_sequence,
    )


def _row(record: EventRecord) -> bulk.Row:
    return {
        "id": record.id,
        **rows.tenant(record.scope),
        "sequence": record.sequence,
        "type": record.type,
        "object_kind": record.object_kind,
        "object_id": record.object_id,
        "object_sequence": record.object_sequence,
        "at": record.at,
        "snapshot": record.snapshot,
        "previous": record.previous,
        "request_id": record.request_id,
    }


def _record(row: Any) -> EventRecord:
    return EventRecord(
        id=row.id,
        scope=rows.scope(row),
        type=row.type,
        object_kind=row.object_kind,
        object_id=row.object_id,
        at=row.at,
        snapshot=row.snapshot,
        previous=row.previous,
        request_id=row.request_id,
        sequence=row.sequence,
        object_sequence=row.object_sequence,
    )
