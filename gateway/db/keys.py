"""Sets of keys as one bound parameter, so that a statement is the same for one key and for a thousand.

`IN (?, ?, …)` would be another statement for each number of keys and ends at the databases' limits of parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    FunctionElement,
    Join,
    Table,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

from gateway.db.columns import ArrayParameter, plain

POSTGRESQL: Final = "postgresql"


class _AnyOf(FunctionElement[Any]):
    # Without a type: a Boolean would be compared `= 1` on SQLite, and no index serves that.
    inherit_cache = True


@compiles(_AnyOf, "postgresql")
def _any_of_array(element: _AnyOf, compiler: Any, **kw: Any) -> str:
    left, right = element.clauses
    return f"({compiler.process(left, **kw)} = ANY ({compiler.process(right, **kw)}))"


@compiles(_AnyOf, "sqlite")
def _any_of_json(element: _AnyOf, compiler: Any, **kw: Any) -> str:
    left, right = element.clauses
    return f"({compiler.process(left, **kw)} IN (SELECT value FROM json_each({compiler.process(right, **kw)})))"  # noqa: S608 - compiled


def any_of(target: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether the column has one of the values; an index on the column serves it."""
    return _AnyOf(target, bindparam(None, list(values), ArrayParameter(target.type), unique=True))


def any_bound(target: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """As `any_of`, with the values given when the statement is executed, as the parameter `name`."""
    return _AnyOf(target, bindparam(name, type_=ArrayParameter(target.type)))


class _Sorted(FunctionElement[Any]):
    inherit_cache = True


@compiles(_Sorted, "postgresql")
def _sorted_plainly(element: _Sorted, compiler: Any, **kw: Any) -> str:
    (target,) = element.clauses
    return f"{compiler.process(target, **kw)}"


@compiles(_Sorted, "sqlite")
def _sorted_at_last(element: _Sorted, compiler: Any, **kw: Any) -> str:
    (target,) = element.clauses
    return f"+{compiler.process(target, **kw)}"


def sort_key(target: Column[Any]) -> ColumnElement[Any]:
    """Order a limited search, or one that a partial index serves, by a column that is not its index.

    SQLite would rather walk the whole table in that order; `+column` forbids it.
    """
    return _Sorted(target)


class _FromFirst(Join):
    inherit_cache = True


@compiles(_FromFirst, "sqlite")
def _cross_join(element: _FromFirst, compiler: Any, **kw: Any) -> str:
    kw["asfrom"] = True
    left, right = (compiler.process(side, **kw) for side in (element.left, element.right))
    return f"{left} CROSS JOIN {right} ON {compiler.process(element.onclause, **kw)}"


def from_first(left: Table, right: Table, condition: ColumnElement[bool]) -> Join:
    """Join so that SQLite goes through `left` and looks into an index of `right`, never the other way round."""
    return _FromFirst(left, right, condition)


def as_table(conn: AsyncConnection, name: str, **columns: tuple[TypeEngine[Any], Sequence[Any]]) -> FromClause:
    """Give values the form of a table called `name`, to join with: each column is (type, values), all equally long."""
    if conn.dialect.name == POSTGRESQL:
        arrays = [bindparam(None, list(values), ArrayParameter(kind), unique=True) for kind, values in columns.values()]
        names = [column(label, kind) for label, (kind, _) in columns.items()]
        return func.unnest(*arrays).table_valued(*names, name=name).render_derived()
    return _rows_of_json(conn, name, columns)


def _rows_of_json(
    conn: AsyncConnection, name: str, columns: Mapping[str, tuple[TypeEngine[Any], Sequence[Any]]]
) -> FromClause:
    """One JSON list of rows. A list for each column would have to be joined by position: a scan of it for every row."""
    converters = [kind.dialect_impl(conn.dialect).bind_processor(conn.dialect) for kind, _ in columns.values()]
    converted = [
        values if convert is None else [convert(value) for value in values]
        for convert, (_, values) in zip(converters, columns.values(), strict=True)
    ]
    blob = msgspec.json.encode(list(zip(*converted, strict=True))).decode()
    listed = func.json_each(bindparam(None, blob, Text(), unique=True)).table_valued("value", name=f"{name}_rows")
    fields = [
        func.json_extract(listed.c.value, literal_column(f"'$[{place}]'"), type_=plain(kind, conn.dialect)).label(label)
        for place, (label, (kind, _)) in enumerate(columns.items())
    ]
    return select(*fields).select_from(listed).subquery(name)
