"""One key, one effect: answers are stored with the effect, and a second request knows at once."""

import asyncio
from datetime import timedelta

import pytest

from gateway.db import idempotency
from gateway.db.engine import Books, Connection
from gateway.db.idempotency import Fresh, InFlight, Mismatch, Stored
from gateway.domain.catalog import Scope
from tests import factories as f
from tests.keeping import keep

KEY = "key with spaces, and a quote '"
ANSWER = Stored(fingerprint=b"f" * 32, status_code=200, body=b'{"id": "cus_1"}', headers={"Request-Id": "req_1"})


async def claim(
    conn: Connection, *, scope: Scope = f.SCOPE, fingerprint: bytes = ANSWER.fingerprint
) -> Fresh | InFlight | Mismatch | Stored:
    return await idempotency.claim(
        conn, scope, KEY, fingerprint=fingerprint, method="POST", path="/v1/customers", now=f.NOW
    )


async def store(conn: Connection) -> None:
    await idempotency.store(
        conn, f.SCOPE, KEY, status_code=ANSWER.status_code, body=ANSWER.body, headers=ANSWER.headers
    )


@pytest.fixture
async def account_books(books: Books) -> Books:
    async with books.write() as conn:
        await keep(conn, f.account(), f.account(id="acct_2"))
    return books


async def test_the_first_request_has_the_effect_and_later_ones_its_answer(account_books: Books) -> None:
    async with account_books.write() as conn:
        assert await claim(conn) == Fresh()
        assert await idempotency.find(conn, f.SCOPE, KEY) is None
        await store(conn)
    async with account_books.write() as conn:
        assert await claim(conn) == ANSWER
        assert await claim(conn, fingerprint=b"other" * 8) == Mismatch()
        assert await idempotency.find(conn, f.SCOPE, KEY) == ANSWER


async def test_a_key_is_free_again_when_its_effect_was_rolled_back(account_books: Books) -> None:
    async def fails() -> None:
        async with account_books.write() as conn:
            assert await claim(conn) == Fresh()
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await fails()
    async with account_books.write() as conn:
        assert await claim(conn, fingerprint=b"other" * 8) == Fresh()


async def test_of_many_requests_at_once_one_has_the_effect_and_none_waits_for_it_in_vain(account_books: Books) -> None:
    seen: list[object] = []

    async def request() -> None:
        async with account_books.write() as conn:
            claimed = await claim(conn)
            seen.append(claimed)
            if claimed == Fresh():
                await asyncio.sleep(0.05)
                await store(conn)

    await asyncio.gather(*(request() for _ in range(8)))
    assert seen.count(Fresh()) == 1
    assert all(claimed in (Fresh(), InFlight(), ANSWER) for claimed in seen)


async def test_on_postgres_a_second_request_is_told_while_the_first_is_served(postgres_books: Books) -> None:
    async with postgres_books.write() as conn:
        await keep(conn, f.account(), f.account(id="acct_2"))
    async with postgres_books.write() as first:
        assert await claim(first) == Fresh()
        async with postgres_books.write() as second:
            assert await claim(second) == InFlight()
            assert await claim(second, scope=Scope("acct_2", livemode=False)) == Fresh()
        await store(first)
    async with postgres_books.write() as third:
        assert await claim(third) == ANSWER


async def test_a_key_belongs_to_its_account_and_mode(account_books: Books) -> None:
    async with account_books.write() as conn:
        await claim(conn)
        await store(conn)
        for scope in (Scope(f.ACCOUNT_ID, livemode=True), Scope("acct_2", livemode=False)):
            assert await idempotency.find(conn, scope, KEY) is None
            assert await claim(conn, scope=scope) == Fresh()


async def test_an_answer_without_a_claim_is_a_defect(account_books: Books) -> None:
    async with account_books.write() as conn:
        with pytest.raises(LookupError):
            await store(conn)


async def test_old_answers_are_forgotten(account_books: Books) -> None:
    async with account_books.write() as conn:
        await claim(conn)
        await store(conn)
        assert await idempotency.purge(conn, before=f.NOW) == 0
        assert await idempotency.purge(conn, before=f.NOW + timedelta(microseconds=1)) == 1
        assert await claim(conn) == Fresh()
