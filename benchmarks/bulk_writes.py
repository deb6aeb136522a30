"""Which form of a bulk write is fast: invoices per second, written by each form in the same run.

    .venv/bin/python -m benchmarks.bulk_writes [rows] [rounds]

Forms that lost stand here, so that the choice in `gateway.db.bulk` can be judged again with newer drivers. The last
column is the ratio to the form that is used. docs/decisions/bulk-writes.md keeps a run.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import bindparam, insert, text, update

from benchmarks import servers
from gateway.db import bulk, invoices, migrate, schema
from gateway.db.engine import Books, Connection
from tests import factories as f
from tests.keeping import keep, keep_merchant

TABLE = schema.invoices
KEY = "id"

Form = Callable[[Connection, Sequence[bulk.Row]], Awaitable[None]]


def converted(conn: Connection, rows: Sequence[bulk.Row]) -> tuple[list[str], list[list[Any]]]:
    """Names and columns as the driver takes them."""
    names = [name for name in rows[0] if name != "was"]
    statement, converters = bulk._statement(conn.dialect, "insert", TABLE, tuple(names))  # noqa: SLF001 - measured
    del statement
    columns = [
        [row[name] if convert is None else convert(row[name]) for row in rows]
        for name, convert in zip(names, converters, strict=True)
    ]
    return names, columns


async def ours_insert(conn: Connection, rows: Sequence[bulk.Row]) -> None:
    """What is used."""
    await bulk.insert(conn, TABLE, rows)


async def core_insert(conn: Connection, rows: Sequence[bulk.Row]) -> None:
    """SQLAlchemy's own executemany, each value through its type."""
    await conn.execute(insert(TABLE), list(rows))


async def json_insert(conn: Connection, rows: Sequence[bulk.Row]) -> None:
    """All rows as one JSON document."""
    names, columns = converted(conn, rows)
    fields = ", ".join(f"value ->> {number}" for number in range(len(names)))
    statement = f"INSERT INTO invoices ({', '.join(names)}) SELECT {fields} FROM json_each(?)"  # noqa: S608
    await conn.exec_driver_sql(statement, (json.dumps(list(zip(*columns, strict=True))),))


async def driver_insert(conn: Connection, rows: Sequence[bulk.Row]) -> None:
    """The driver's executemany, without SQLAlchemy's types."""
    names, columns = converted(conn, rows)
    places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    statement = f"INSERT INTO invoices ({', '.join(names)}) VALUES ({places})"  # noqa: S608
    await conn.exec_driver_sql(statement, list(zip(*columns, strict=True)))


async def copy_insert(conn: Connection, rows: Sequence[bulk.Row]) -> None:
    """PostgreSQL's COPY."""
    names, columns = converted(conn, rows)
    await conn.execute(text("SELECT 1"))  # begins the transaction that the driver's own call is part of
    raw = await conn.get_raw_connection()
    await raw.driver_connection.copy_records_to_table("invoices", records=zip(*columns, strict=True), columns=names)


async def ours_update(conn: Connection, rows: Sequence[bulk.Row]) -> None:
    """What is used."""
    await bulk.update(conn, TABLE, [{**row, "was": row["status"]} for row in rows], guard="status")


async def core_update(conn: Connection, rows: Sequence[bulk.Row]) -> None:
    """SQLAlchemy's own executemany."""
    statement = (
        update(TABLE)
        .where(TABLE.c.id == bindparam("key"))
        .values({name: bindparam(f"v_{name}") for name in rows[0] if name != KEY})
    )
    given = [{"key": row[KEY], **{f"v_{name}": value for name, value in row.items() if name != KEY}} for row in rows]
    await conn.execute(statement, given)


async def json_update(conn: Connection, rows: Sequence[bulk.Row]) -> None:
    """All rows as one JSON document."""
    names, columns = converted(conn, rows)
    fields = ", ".join(f"{name} = v.value ->> {number}" for number, name in enumerate(names) if name != KEY)
    place = names.index(KEY)
    statement = f"UPDATE invoices SET {fields} FROM json_each(?) AS v WHERE invoices.id = v.value ->> {place}"  # noqa: S608
    await conn.exec_driver_sql(statement, (json.dumps(list(zip(*columns, strict=True))),))


INSERTS: dict[str, dict[str, Form]] = {
    "sqlite": {"executemany (used)": ours_insert, "SQLAlchemy Core": core_insert, "json_each": json_insert},
    "postgresql": {
        "unnest (used)": ours_insert,
        "SQLAlchemy Core": core_insert,
        "driver executemany": driver_insert,
        "COPY": copy_insert,
    },
}
UPDATES: dict[str, dict[str, Form]] = {
    "sqlite": {"executemany (used)": ours_update, "SQLAlchemy Core": core_update, "json_each": json_update},
    "postgresql": {"unnest (used)": ours_update, "SQLAlchemy Core": core_update},
}


class Undone(Exception):
    """Ends a measurement without keeping its rows; a savepoint would slow SQLite's updates down."""


def undo() -> None:
    """Leave the transaction."""
    raise Undone


async def seconds(books: Books, form: Form, rows: Sequence[bulk.Row]) -> float:
    """Time of one write, which is undone: the commit is the same for all forms."""
    took = 0.0
    with suppress(Undone):
        async with books.write() as conn:
            start = time.perf_counter()
            await form(conn, rows)
            took = time.perf_counter() - start
            undo()
    return took


async def measured(url: str, kind: str, count: int, rounds: int) -> None:
    """Print a table of one database."""
    books = Books.open(url)
    drafts = [f.draft_invoice(id=f.numbered("in", n), period_index=n, lines=()) for n in range(count)]
    rows = [invoices._row(draft) for draft in drafts]  # noqa: SLF001 - the rows that the module really writes
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.subscription())
    await compare(books, f"{kind}: insert", INSERTS[kind], rows, rounds)
    async with books.write() as conn:
        await bulk.insert(conn, TABLE, rows)
    changed = [
        {name: value for name, value in row.items() if name not in invoices._FIXED}  # noqa: SLF001 - as it saves
        for row in rows
    ]
    await compare(books, f"{kind}: update", UPDATES[kind], changed, rounds)
    await books.close()


async def compare(books: Books, title: str, forms: dict[str, Form], rows: Sequence[bulk.Row], rounds: int) -> None:
    """Print each form's best round of several, which alternate."""
    best = dict.fromkeys(forms, float("inf"))
    for _ in range(rounds):
        for name, form in forms.items():
            best[name] = min(best[name], await seconds(books, form, rows))
    used = best[next(iter(forms))]
    for name, took in best.items():
        print(f"{title:20} {name:20} {len(rows) / took:>10,.0f} rows/s {used / took:>6.2f}")


async def main(count: int, rounds: int) -> None:
    """Measure both databases."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/dues.db"
        await migrate.upgrade(url)
        await measured(url, "sqlite", count, rounds)
    async with servers.postgres() as url:
        await migrate.upgrade(url)
        await measured(url, "postgresql", count, rounds)


if __name__ == "__main__":
    asyncio.run(main(int((sys.argv[1:2] or ["5000"])[0]), int((sys.argv[2:3] or ["5"])[0])))
