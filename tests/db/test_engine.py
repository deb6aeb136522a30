"""The one commit: what a transaction leaves behind, what it never leaves behind, and what its failures are called."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.db import accounts, catalog, schema
from gateway.db.engine import Books
from gateway.db.errors import BooksUnavailable, ConstraintBroken, WriteConflict
from gateway.db.migrate import upgrade
from gateway.domain.catalog import ApiKey
from tests import factories as f
from tests.keeping import keep, keep_merchant

SECONDS = 20.0

COUNTING = """
import asyncio, sys
from sqlalchemy import select, update
from gateway.db import rows, schema
from gateway.db.engine import Books

async def main(url, times):
    books, table = Books.open(url), schema.invoice_sequences
    for _ in range(times):
        async with books.write() as conn:
            # Read, then write what follows from it: two writers at once would lose a step.
            query = rows.locked(select(table.c.last).order_by(table.c.livemode), table, lock=True)
            count = (await conn.execute(query)).scalars().first()
            await conn.execute(update(table).values(last=count + 1))
    await books.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""

DYING = """
import asyncio, os, signal, sys
from gateway.db import accounts
from gateway.db.engine import Books
from tests import factories

async def main(url):
    books = Books.open(url)
    async with books.write() as conn:
        await accounts.add(conn, factories.account())
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1]))
"""


async def python(code: str, *arguments: str) -> int:
    """Run `code` in a process of its own; return what it ended with."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, cwd=Path(__file__).parents[2]
    )
    return await asyncio.wait_for(process.wait(), SECONDS)


async def test_a_block_that_ends_is_committed(books: Books) -> None:
    async with books.write() as conn:
        await keep(conn, f.account())
    async with books.read() as conn:
        assert await accounts.get(conn, f.ACCOUNT_ID) == f.account()


async def test_a_block_that_raises_changes_nothing(books: Books) -> None:
    async def fails() -> None:
        async with books.write() as conn:
            await keep(conn, f.account())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    async with books.read() as conn:
        assert await accounts.get(conn, f.ACCOUNT_ID) is None


async def test_an_error_of_the_block_is_raised_as_it_is(books: Books) -> None:
    async def fails() -> None:
        async with books.write():
            raise ConnectionResetError("somebody else's connection")

    with pytest.raises(ConnectionResetError, match="somebody else's"):
        await fails()


async def test_a_canceled_task_changes_nothing_and_leaves_the_books_usable(books: Books) -> None:
    written = asyncio.Event()

    async def never_ends() -> None:
        async with books.write() as conn:
            await keep(conn, f.account())
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with books.write() as conn:
        assert await accounts.get(conn, f.ACCOUNT_ID) is None
        await keep(conn, f.account())


async def test_a_process_killed_in_a_transaction_changes_nothing(books: Books, books_url: str) -> None:
    assert await python(DYING, books_url) == -signal.SIGKILL
    async with books.write() as conn:
        assert await accounts.get(conn, f.ACCOUNT_ID) is None
        await keep(conn, f.account())


async def test_a_reader_cannot_write(books: Books) -> None:
    with pytest.raises(Exception, match=r"(?i)read-?only"):
        async with books.read() as conn:
            await keep(conn, f.account())


async def test_a_reader_sees_one_moment(books: Books) -> None:
    async with books.read() as conn:
        assert await accounts.get_many(conn, [f.ACCOUNT_ID]) == {}
        async with books.write() as writer:
            await keep(writer, f.account())
        assert await accounts.get_many(conn, [f.ACCOUNT_ID]) == {}
    async with books.read() as conn:
        assert await accounts.get(conn, f.ACCOUNT_ID) == f.account()


async def test_many_tasks_write_one_after_the_other(books: Books) -> None:
    async def add(number: int) -> None:
        async with books.write() as conn:
            await keep(conn, f.account(id=f.numbered("acct", number)))

    await asyncio.gather(*(add(number) for number in range(40)))
    async with books.read() as conn:
        assert len(await accounts.get_many(conn, [f.numbered("acct", number) for number in range(40)])) == 40


async def test_many_processes_write_one_after_the_other(books: Books, books_url: str) -> None:
    async with books.write() as conn:
        await keep(conn, f.account())
    assert await asyncio.gather(*(python(COUNTING, books_url, "50") for _ in range(3))) == [0, 0, 0]
    async with books.read() as conn:
        assert (await conn.execute(text("SELECT DISTINCT last FROM invoice_sequences"))).scalar_one() == 150


async def test_a_lock_that_is_held_too_long_is_a_write_conflict(books: Books, books_url: str) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
    impatient = Books.open(books_url, lock_timeout_ms=50)
    try:
        async with books.write() as conn:
            await catalog.get_customer(conn, f.SCOPE, f.CUSTOMER_ID, lock=True)
            with pytest.raises(WriteConflict):
                async with impatient.write() as other:
                    await catalog.get_customer(other, f.SCOPE, f.CUSTOMER_ID, lock=True)
    finally:
        await impatient.close()


async def test_a_deadlock_is_a_write_conflict_for_one_and_none_for_the_other(postgres_books: Books) -> None:
    async with postgres_books.write() as conn:
        await keep(conn, f.account(), *(f.customer(id=f.numbered("cus", number)) for number in (1, 2)))
    both_hold_one = asyncio.Barrier(2)

    async def lock(first: int, second: int) -> None:
        async with postgres_books.write() as conn:
            await catalog.get_customer(conn, f.SCOPE, f.numbered("cus", first), lock=True)
            await both_hold_one.wait()
            await catalog.get_customer(conn, f.SCOPE, f.numbered("cus", second), lock=True)

    ends = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert sorted(type(end) for end in ends if end is not None) == [WriteConflict]


async def _store(books: Books, *values: object) -> None:
    async with books.write() as conn:
        await keep(conn, *values)


async def _store_keys(books: Books, *keys: ApiKey) -> None:
    async with books.write() as conn:
        for key in keys:
            await accounts.add_key(conn, key)


async def test_a_broken_unique_key_is_told_by_its_name(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
    with pytest.raises(ConstraintBroken) as broken:
        await _store(books, *(f.price(id=f.numbered("price", number), lookup_key="k") for number in (2, 3)))
    assert broken.value.constraint == "uq_prices_lookup_key"
    with pytest.raises(ConstraintBroken) as broken:
        await _store(books, f.account())
    assert broken.value.constraint == "pk_accounts"
    with pytest.raises(ConstraintBroken) as broken:
        await _store_keys(books, f.api_key(), f.api_key(id="key_2"))
    assert broken.value.constraint == "uq_api_keys_digest"


async def test_a_row_that_refers_to_nothing_is_refused(books: Books) -> None:
    with pytest.raises(ConstraintBroken):
        await _store(books, f.account(), f.subscription(customer_id="cus_of_nobody"))


async def test_statements_are_counted_and_transactions_are_not(books: Books) -> None:
    async with books.write() as conn:
        before = books.statements
        await catalog.get_customers(conn, f.SCOPE, ["a", "b", "c"])
        assert books.statements == before + 1
        await conn.execute(schema.accounts.insert(), [{**row, "name": "n"} for row in _plain_accounts(3)])
        assert books.statements == before + 2
    assert books.statements == before + 2


def _plain_accounts(count: int) -> list[dict[str, object]]:
    return [
        {"id": f.numbered("acct", number), "payout_address": f.PAYEE, "created_at": f.NOW} for number in range(count)
    ]


@pytest.mark.parametrize(
    "url",
    [
        "mysql+aiomysql://host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://host/name",
        "not a url",
    ],
)
def test_another_kind_of_url_is_refused_with_the_form_that_is_expected(url: str) -> None:
    with pytest.raises(BooksUnavailable, match=r"Expected|expected"):
        Books.open(url)


async def _checked(url: str) -> None:
    opened = Books.open(url)
    try:
        await opened.check()
    finally:
        await opened.close()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////no/such/folder/dues.db",
        "postgresql+asyncpg://dues:top-secret@127.0.0.1:1/dues",
    ],
)
async def test_a_database_that_cannot_be_opened_is_told_without_its_password(url: str) -> None:
    for attempt in (_checked(url), upgrade(url)):
        with pytest.raises(BooksUnavailable) as unavailable:
            await attempt
        assert url.rpartition("@")[2].rpartition("/")[2] in str(unavailable.value)
        assert "top-secret" not in str(unavailable.value)


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "dues.db").write_bytes(b"these are not the books you are looking for" * 100)
    with pytest.raises(BooksUnavailable, match="not a database"):
        await _checked(f"sqlite:///{tmp_path}/dues.db")


async def test_a_database_that_went_away_is_unavailable_and_used_again_when_it_is_back(postgres_books: Books) -> None:
    async def loses_its_connection() -> None:
        async with postgres_books.write() as conn:
            pid = (await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with postgres_books.write() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await keep(conn, f.account())

    with pytest.raises(BooksUnavailable):
        await loses_its_connection()
    async with postgres_books.write() as conn:
        await keep(conn, f.account())
