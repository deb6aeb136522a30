"""What it costs to claim due subscriptions while the table grows around them (E4): flat, or an index is not used.

    .venv/bin/python -m benchmarks.claims [rows …]

Half of the rows live by test clocks. The last column is the ratio to the smallest table.
"""

import asyncio
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from benchmarks import servers
from benchmarks.bulk_writes import Undone, undo
from gateway.db import bulk, migrate, schema, subscriptions
from gateway.db.engine import Books
from tests import factories as f
from tests.keeping import keep, keep_merchant

CLOCKS = 100
DUE = 500
LIMIT = 100
ROUNDS = 9
FILL = 10_000


def clock_of(number: int) -> str | None:
    """The test clock of every other row."""
    return f.numbered("clock", 1 + number % CLOCKS) if number % 2 else None


async def fill(books: Books, first: int, end: int) -> None:
    """Add subscriptions that are due in days or months."""
    for start in range(first, end, FILL):
        rows = [
            subscriptions._row(  # noqa: SLF001 - the row that the module really writes
                f.subscription(
                    id=f.numbered("sub", n),
                    items=(),
                    expires_at=f.NOW + timedelta(days=1 + n % 300),
                    test_clock_id=clock_of(n),
                )
            )
            for n in range(start, min(start + FILL, end))
        ]
        async with books.write() as conn:
            await bulk.insert(conn, schema.subscriptions, rows)
    async with books.write() as conn:
        await conn.execute(text("ANALYZE"))


async def seconds(books: Books) -> float:
    """Best time of a claim, which is undone."""
    best = float("inf")
    for _ in range(ROUNDS):
        with suppress(Undone):
            async with books.write() as conn:
                start = time.perf_counter()
                claims = await subscriptions.claim_due(conn, now=f.NOW, limit=LIMIT)
                best = min(best, time.perf_counter() - start)
                assert len(claims) == LIMIT
                undo()
    return best


async def measured(url: str, kind: str, sizes: list[int]) -> None:
    """Print a line for each size of the table."""
    books = Books.open(url)
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, *(f.clock(id=f.numbered("clock", n)) for n in range(1, CLOCKS + 1)))
        due = (
            f.subscription(id=f"due_{n}", items=(), expires_at=f.NOW - timedelta(minutes=n), test_clock_id=clock_of(n))
            for n in range(DUE)
        )
        await keep(conn, *due)
    smallest = 0.0
    for size, before in zip(sizes, [0, *sizes], strict=False):
        await fill(books, before, size)
        took = await seconds(books)
        smallest = smallest or took
        print(f"{kind:12} {size:>10,} rows  claim of {LIMIT}: {took * 1000:>8.2f} ms {took / smallest:>6.2f}")
    await books.close()


async def main(sizes: list[int]) -> None:
    """Measure both databases."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/dues.db"
        await migrate.upgrade(url)
        await measured(url, "sqlite", sizes)
    async with servers.postgres() as url:
        await migrate.upgrade(url)
        await measured(url, "postgresql", sizes)


if __name__ == "__main__":
    asyncio.run(main([int(size) for size in sys.argv[1:]] or [1_000, 10_000, 100_000]))
