"""Lists, newest first, cut into pages by the id of a neighbour: a page costs the same however deep it lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.db import rows
from gateway.db.reading import Reader
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; `has_more` says whether it goes on in the direction that was read.

    Attributes:
        number: which page it is of `per_page` entries each, where it was asked for by its number.
    """

    items: list[T]
    has_more: bool
    number: int | None = field(default=None, kw_only=True)
    per_page: int = field(default=0, kw_only=True)

    def of(self, items: list[U]) -> "Page[U]":
        """The same part of the list, of something else."""
        return Page(items, self.has_more, number=self.number, per_page=self.per_page)


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """When listed objects were made: `created[gte]` and so on."""

    gt: datetime | None = None
    gte: datetime | None = None
    lt: datetime | None = None
    lte: datetime | None = None

    def conditions(self, column: Column[Any]) -> list[ColumnElement[bool]]:
        """Comparisons of the column with the bounds that are given."""
        bounds = (
            (self.gt, column.__gt__),
            (self.gte, column.__ge__),
            (self.lt, column.__lt__),
            (self.lte, column.__le__),
        )
        return [compare(bound) for bound, compare in bounds if bound is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which page of which caller's list.

    Attributes:
        starting_after: id of the last object of the page before; the page continues with older ones.
        ending_before: id of the first object of the page after; the page holds the newer ones next to it.
        number: the page by its number instead, from 1.
    """

    scope: Scope
    limit: int
    starting_after: str | None = None
    ending_before: str | None = None
    created: Created = field(default_factory=Created)
    number: int | None = None


async def read(
    conn: AsyncConnection,
    table: Table,
    request: PageRequest,
    make: Callable[[Any], T],
    *where: ColumnElement[bool] | None,
    kind: str,
    order: Column[Any] | None = None,
    created: Column[Any] | None = None,
    reader: Reader[Any] | None = None,
) -> Page[T]:
    """Read one page. Conditions that are None do not count; `order` is the column that lists follow (the id).

    `make` gets typed rows, or with `reader` raw ones.

    Raises:
        InvalidRequest: both neighbours are given.
        NotFound: the caller has no such object as the neighbour.
    """
    order = table.c.id if order is None else order
    query = (select(table) if reader is None else reader.select()).where(
        rows.in_scope(table, request.scope),
        *(condition for condition in where if condition is not None),
        *request.created.conditions(table.c.created_at if created is None else created),
    )
    if request.starting_after is not None and request.ending_before is not None:
        raise InvalidRequest(
            "Give starting_after or ending_before, not both.", code="parameter_conflict", param="ending_before"
        )
    if request.ending_before is not None:
        place = await _place(conn, table, request.scope, order, request.ending_before)
        if place is None:
            raise NotFound(kind, request.ending_before, param="ending_before")
        query = query.where(order > place).order_by(order.asc())
    else:
        if request.starting_after is not None:
            place = await _place(conn, table, request.scope, order, request.starting_after)
            if place is None:
                raise NotFound(kind, request.starting_after, param="starting_after")
            query = query.where(order < place)
        query = query.order_by(order.desc())
    if request.number is not None:
        query = query.offset((request.number - 1) * request.limit)
    found: Sequence[Any] = (await conn.execute(query.limit(request.limit + 1))).all()
    items = [make(row) for row in found[: request.limit]]
    if request.ending_before is not None:
        items.reverse()
    return Page(items, has_more=len(found) > request.limit, number=request.number, per_page=request.limit)


async def _place(conn: AsyncConnection, table: Table, scope: Scope, order: Column[Any], neighbour: str) -> Any:
    query = select(order).where(table.c.id == neighbour, rows.in_scope(table, scope))
    return (await conn.execute(query)).scalar_one_or_none()
