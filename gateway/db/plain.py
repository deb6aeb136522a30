"""Objects without a status machine whose columns have the names of their fields: one table and one dataclass each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Table

from gateway.db import bulk, pages, rows
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.catalog import Scope

T = TypeVar("T")


class Shelf(Generic[T]):
    """Reads and writes of one kind. Every field but `scope` has a column of its name; JSON lists are tuples."""

    def __init__(self, table: Table, made_of: type[T], *, kind: str) -> None:
        self.table = table
        self.kind = kind
        self._made_of: Callable[..., T] = made_of
        self._names = [field.name for field in fields(made_of) if field.name != "scope"]  # type: ignore[arg-type]

    def row(self, value: T) -> bulk.Row:
        """Columns of a value."""
        scope: Scope = value.scope  # type: ignore[attr-defined]
        return {**rows.tenant(scope), **{name: getattr(value, name) for name in self._names}}

    def make(self, row: Any) -> T:
        """Return the value of a row."""
        values = {name: getattr(row, name) for name in self._names}
        listed = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return self._made_of(scope=rows.scope(row), **values | listed)

    async def add(self, conn: Connection, values: Sequence[T]) -> None:
        """Insert values."""
        await bulk.insert(conn, self.table, [self.row(value) for value in values])

    async def save(self, conn: Connection, values: Sequence[T]) -> None:
        """Write values as they are now."""
        await bulk.update(conn, self.table, [self.row(value) for value in values])

    async def get(self, conn: Connection, scope: Scope, object_id: str, *, lock: bool = False) -> T | None:
        """Return one of the caller's; None when there is none."""
        return (await self.get_many(conn, scope, [object_id], lock=lock)).get(object_id)

    async def get_many(self, conn: Connection, scope: Scope, ids: Iterable[str], *, lock: bool = False) -> dict[str, T]:
        """Those of the caller's that exist, by id."""
        query = rows.by_id(self.table, ids, lock=lock).where(rows.in_scope(self.table, scope))
        return {row.id: self.make(row) for row in await conn.execute(query)}

    async def load(self, conn: Connection, ids: Iterable[str]) -> dict[str, T]:
        """For workers: those of any tenant, by id."""
        return {row.id: self.make(row) for row in await rows.fetch(conn, self.table, ids, lock=False)}

    async def page(self, conn: Connection, request: PageRequest, *where: ColumnElement[bool] | None) -> Page[T]:
        """List the caller's; conditions that are None do not count."""
        return await pages.read(conn, self.table, request, self.make, *where, kind=self.kind)
