"""What a statement on SQLite costs through SQLAlchemy and our driver, beside Python's `sqlite3` in the same run.

    .venv/bin/python -m benchmarks.sqlite_driver

Processor time in microseconds, not wall time: other work on the machine hardly shows. The last column is the ratio to
the limit.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from gateway.db import migrate
from gateway.db.engine import Books

TIMES = 2_000
READ = "SELECT name FROM accounts"
WRITE = "INSERT INTO scribbles DEFAULT VALUES"


async def of_books(path: Path) -> dict[str, float]:
    """Microseconds for each kind of work, through the books."""
    books = Books.open(f"sqlite:///{path}")
    async with books.read() as conn:

        async def statement() -> None:
            (await conn.execute(text(READ))).all()

        alone = await microseconds(statement)

    async def reads() -> None:
        async with books.read() as conn:
            (await conn.execute(text(READ))).all()

    async def writes() -> None:
        async with books.write() as conn:
            await conn.execute(text(WRITE))

    figures = {
        "one statement": alone,
        "a reading transaction": await microseconds(reads),
        "a writing transaction": await microseconds(writes),
    }
    await books.close()
    return figures


async def of_sqlite(path: Path) -> dict[str, float]:
    """Microseconds for the same with nothing between."""
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA synchronous = FULL")

    async def statement() -> None:
        conn.execute(READ).fetchall()

    async def reads() -> None:
        conn.execute("BEGIN")
        conn.execute(READ).fetchall()
        conn.execute("COMMIT")

    async def writes() -> None:
        conn.execute("BEGIN IMMEDIATE")
        conn.execute(WRITE)
        conn.execute("COMMIT")

    figures = {
        "one statement": await microseconds(statement),
        "a reading transaction": await microseconds(reads),
        "a writing transaction": await microseconds(writes),
    }
    conn.close()
    return figures


async def microseconds(work: Callable[[], Awaitable[None]]) -> float:
    """Processor time of this process for one of `TIMES`."""
    await work()
    begun = time.process_time()
    for _ in range(TIMES):
        await work()
    return (time.process_time() - begun) / TIMES * 1e6


async def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "books.db"
        await migrate.upgrade(f"sqlite:///{path}")
        with sqlite3.connect(path) as conn:
            conn.execute("CREATE TABLE scribbles (id INTEGER PRIMARY KEY)")
        conn.close()
        limit, ours = await of_sqlite(path), await of_books(path)
    print(f"{'microseconds of processor':<28}{'books':>8}{'sqlite3':>9}{'ratio':>7}")
    for name, bare in limit.items():
        print(f"{name:<28}{ours[name]:>8.0f}{bare:>9.0f}{ours[name] / bare:>7.1f}")


if __name__ == "__main__":
    asyncio.run(main())
