"""Saving what domain verbs returned: the new values, and in the same transaction the history of every status.

A batch may move one object several times: it is written once, as it is after the last move, and every change is kept.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.db import bulk, schema
from gateway.domain.catalog import Scope
from gateway.domain.transition import Moved


class Stateful(Protocol):
    """What all objects with a status machine have."""

    @property
    def id(self) -> str:
        """Primary key."""
        ...

    @property
    def scope(self) -> Scope:
        """Tenant."""
        ...

    @property
    def status(self) -> Any:
        """Where it stands."""
        ...


T = TypeVar("T", bound=Stateful)


async def insert(
    conn: AsyncConnection, table: Table, moved: Sequence[Moved[T]], row: Callable[[T], bulk.Row]
) -> list[T]:
    """Insert the values after their last move, with their history; return them in the order of their first."""
    values = [last.value for _, last in _spans(moved)]
    await bulk.insert(conn, table, [row(value) for value in values])
    await remember(conn, moved)
    return values


async def update(
    conn: AsyncConnection,
    table: Table,
    moved: Sequence[Moved[T]],
    row: Callable[[T], bulk.Row],
    fixed: frozenset[str],
) -> list[tuple[T | None, T]]:
    """Write the columns that are not `fixed`, with the history; return (first before, last value) of each object.

    Raises:
        WriteConflict: an object does not have the status that its first move started from.
    """
    spans = [(first.before, last.value) for first, last in _spans(moved)]
    rows = []
    for before, value in spans:
        if before != value:
            fields = {name: item for name, item in row(value).items() if name not in fixed or name == "id"}
            rows.append(fields | {"was": value.status if before is None else before.status})
    await bulk.update(conn, table, rows, guard="status")
    await remember(conn, moved)
    return spans


def _spans(moved: Sequence[Moved[T]]) -> list[tuple[Moved[T], Moved[T]]]:
    spans: dict[str, tuple[Moved[T], Moved[T]]] = {}
    for move in moved:
        first, _ = spans.get(move.value.id, (move, move))
        spans[move.value.id] = first, move
    return list(spans.values())


async def remember(conn: AsyncConnection, moved: Sequence[Moved[T]]) -> None:
    """Write the history of moves, of whatever kinds: what `insert` and `update` do for those that carry theirs."""
    rows = [
        {
            "account_id": move.value.scope.account_id,
            "livemode": move.value.scope.livemode,
            "kind": change.kind,
            "object_id": change.object_id,
            "source": change.source,
            "target": change.target,
            "reason_code": change.reason.code,
            "reason_action": change.reason.action,
            "reason_evidence": change.reason.evidence,
            "at": change.at,
        }
        for move in moved
        for change in move.changes
    ]
    await bulk.insert(conn, schema.state_changes, rows)
