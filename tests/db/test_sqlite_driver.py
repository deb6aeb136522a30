"""SQLite in the loop's own thread: what may wait does not hold up the loop, and what has begun is ended."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.db import accounts, sqlite_driver
from gateway.db.engine import Books
from tests import factories as f
from tests.keeping import keep


def file_of(url: str) -> Path:
    return Path(str(sqlite_driver.url_of(url).database))


async def test_a_writer_that_waits_for_another_process_lets_the_loop_go_on(
    sqlite_books: Books, sqlite_url: str
) -> None:
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(_add_an_account(sqlite_books))
    for _ in range(10):  # each would take as long as the lock if it were waited for in the loop
        await asyncio.sleep(0.01)
    assert not writing.done()
    async with sqlite_books.read() as conn:
        assert await accounts.get(conn, f.ACCOUNT_ID) is None
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(writing, 5)
    async with sqlite_books.read() as conn:
        assert await accounts.get(conn, f.ACCOUNT_ID) == f.account()


async def test_a_writer_that_waits_can_be_cancelled(sqlite_books: Books, sqlite_url: str) -> None:
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(_add_an_account(sqlite_books))
    await asyncio.sleep(0.05)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    other.execute("COMMIT")
    other.close()
    await _add_an_account(sqlite_books)


async def _add_an_account(books: Books) -> None:
    async with books.write() as conn:
        await keep(conn, f.account())


async def test_a_commit_under_way_is_ended_though_its_task_is_cancelled() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), []

    def commit() -> None:
        begun.set()
        go_on.wait(5)
        ended.append(True)

    task = asyncio.create_task(sqlite_driver._undisturbed(commit))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    await asyncio.sleep(0.02)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_rows_are_read_whole_before_the_transaction_ends(sqlite_books: Books) -> None:
    async with sqlite_books.read() as conn:
        found = await conn.execute(
            text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5) SELECT i FROM n")
        )
    assert [row.i for row in found] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite+aiosqlite:///{}"])
async def test_a_file_is_named_as_sqlite_or_as_older_configurations_do(form: str, sqlite_url: str) -> None:
    opened = Books.open(form.format(file_of(sqlite_url)))
    await opened.check()
    await opened.close()
