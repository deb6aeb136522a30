"""Bulk writes: one statement for any number of rows, on both databases.

PostgreSQL gets one array per column (`unnest`), SQLite one `executemany` of one prepared statement. Which form is fast
was measured: docs/decisions/bulk-writes.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Dialect, Table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.db import failures
from gateway.db.columns import plain
from gateway.db.errors import WriteConflict
from gateway.db.keys import POSTGRESQL

ROWS_MAX: Final = 10_000
"""Rows of one statement: bounds the memory of a huge call; batches of the workers are far smaller."""

Row = Mapping[str, Any]

_Convert = Callable[[Any], Any]
_cache: Final[dict[tuple[str, str, str, tuple[str, ...]], tuple[str, list[_Convert | None]]]] = {}


async def insert(conn: AsyncConnection, table: Table, rows: Sequence[Row], *, ignore_known: bool = False) -> None:
    """Insert rows that all have the columns of the first one.

    With `ignore_known`, rows whose unique key is taken are left out instead of refused.
    """
    for chunk in _chunks(rows):
        names = tuple(chunk[0])
        kind = "insert_new" if ignore_known else "insert"
        statement, converters = _statement(conn.dialect, kind, table, names)
        await _send(conn, statement, converters, names, chunk)


async def update(
    conn: AsyncConnection,
    table: Table,
    rows: Sequence[Row],
    *,
    key: str = "id",
    guard: str | None = None,
) -> None:
    """Set the columns of the rows found by `key`. No row may occur twice.

    `guard` names a column of which each row carries the expected old value as `was`.

    Raises:
        WriteConflict: a row is not there (any more), or its guard has another value; nothing may be committed then.
    """
    for chunk in _chunks(rows):
        fields = [name for name in chunk[0] if name not in {key, "was"}]
        names = (*fields, key, *(("was",) if guard else ()))
        statement, converters = _statement(conn.dialect, f"update by {key} if {guard}", table, names)
        found = await _send(conn, statement, converters, names, chunk)
        if found != len(chunk):
            raise WriteConflict(f"{len(chunk) - found} of {len(chunk)} rows of {table.name} have changed meanwhile")


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), ROWS_MAX):
        yield rows[start : start + ROWS_MAX]


async def _send(
    conn: AsyncConnection, statement: str, converters: list[_Convert | None], names: Sequence[str], rows: Sequence[Row]
) -> int:
    columns = [
        [row[name] for row in rows] if convert is None else [convert(row[name]) for row in rows]
        for name, convert in zip(names, converters, strict=True)
    ]
    parameters = tuple(columns) if conn.dialect.name == POSTGRESQL else list(zip(*columns, strict=True))
    try:
        result = await conn.exec_driver_sql(statement, parameters)
    except IntegrityError as error:
        # Said at once, not when the transaction ends: callers know which rule a write of theirs may break.
        ours = failures.translated(error, conn.engine.url)
        raise ours or error from error
    return result.rowcount


def _statement(dialect: Dialect, kind: str, table: Table, names: tuple[str, ...]) -> tuple[str, list[_Convert | None]]:
    known = _cache.get((dialect.name, kind, table.name, names))
    if known is not None:
        return known
    guard = kind.rpartition(" ")[2] if kind.startswith("update") else ""
    columns = [table.c[guard if name == "was" else name] for name in names]
    converters: list[_Convert | None] = [
        column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns
    ]
    types = [plain(column.type, dialect).compile(dialect=dialect) for column in columns]
    quote = dialect.identifier_preparer.quote
    quoted = [quote(name) for name in names]
    if kind.startswith("insert"):
        text = _insert_text(dialect, quote(table.name), quoted, types)
        text += " ON CONFLICT DO NOTHING" if kind == "insert_new" else ""
    else:
        text = _update_text(dialect, quote(table.name), quoted, types, quote(guard) if names[-1] == "was" else None)
    _cache[dialect.name, kind, table.name, names] = text, converters
    return text, converters


def _unnest(types: Sequence[str]) -> str:
    return ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, 1))


def _insert_text(dialect: Dialect, table: str, names: Sequence[str], types: Sequence[str]) -> str:
    into = f"INSERT INTO {table} ({', '.join(names)})"
    if dialect.name == POSTGRESQL:
        return f"{into} SELECT * FROM unnest({_unnest(types)})"  # noqa: S608 - names of our own schema
    return f"{into} VALUES ({', '.join('?' * len(names))})"


def _update_text(dialect: Dialect, table: str, names: Sequence[str], types: Sequence[str], guard: str | None) -> str:
    fields, key = (names[:-2], names[-2]) if guard else (names[:-1], names[-1])
    if dialect.name == POSTGRESQL:
        assignments = ", ".join(f"{name} = v.{name}" for name in fields)
        condition = f"{table}.{key} = v.{key}" + (f" AND {table}.{guard} = v.was" if guard else "")
        values = f"unnest({_unnest(types)}) AS v ({', '.join(names)})"
        return f"UPDATE {table} SET {assignments} FROM {values} WHERE {condition}"  # noqa: S608 - as above
    assignments = ", ".join(f"{name} = ?" for name in fields)
    condition = f"{key} = ?" + (f" AND {guard} = ?" if guard else "")
    return f"UPDATE {table} SET {assignments} WHERE {condition}"  # noqa: S608 - as above
