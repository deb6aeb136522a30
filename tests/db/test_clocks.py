"""What is still to happen on a test clock."""

from datetime import datetime, timedelta

import pytest

from gateway.db import test_clocks
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain import charge_intent, test_clock
from gateway.domain.catalog import Scope
from tests import factories as f
from tests.keeping import keep, keep_merchant

DAY = timedelta(days=1)


async def keep_subscription(books: Books, *, due: datetime | None, clock: str = f.CLOCK_ID) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.clock(), f.clock(id=f.numbered("clock", 2)))
        await test_clocks.save_many(conn, [test_clock.advance(f.clock(), f.NOW + 30 * DAY)])
        await keep(conn, f.mandate(), f.subscription(expires_at=due, test_clock_id=clock))


async def standing(books: Books) -> test_clocks.Standing:
    async with books.read() as conn:
        (only,) = await test_clocks.standings(conn)
    assert only.clock.id == f.CLOCK_ID
    return only


async def busy(books: Books) -> bool:
    return (await standing(books)).is_busy


async def next_due(books: Books) -> datetime | None:
    return (await standing(books)).next_due


async def test_the_next_moment_is_the_earliest_of_all_kinds_of_rows(books: Books) -> None:
    await keep_subscription(books, due=f.NOW + 3 * DAY)
    assert await next_due(books) == f.NOW + 3 * DAY
    async with books.write() as conn:
        await keep(conn, f.draft_invoice(finalizes_at=f.NOW + 2 * DAY, test_clock_id=f.CLOCK_ID))
    assert await next_due(books) == f.NOW + 2 * DAY
    async with books.write() as conn:
        await keep(conn, f.charge_intent(next_attempt_at=f.NOW + DAY, test_clock_id=f.CLOCK_ID))
    assert await next_due(books) == f.NOW + DAY


async def test_what_lives_by_another_clock_does_not_count(books: Books) -> None:
    await keep_subscription(books, due=f.NOW - DAY, clock=f.numbered("clock", 2))
    assert await next_due(books) is None
    assert not await busy(books)


@pytest.mark.parametrize(("due", "is_busy"), [(f.NOW, True), (f.NOW + timedelta(microseconds=1), False), (None, False)])
async def test_a_clock_is_busy_while_something_is_due_at_its_time(
    books: Books, due: datetime | None, *, is_busy: bool
) -> None:
    await keep_subscription(books, due=due)
    assert await busy(books) is is_busy


@pytest.mark.parametrize("status", charge_intent.Status)
async def test_a_clock_is_busy_while_money_waits_for_the_chain(books: Books, status: charge_intent.Status) -> None:
    await keep_subscription(books, due=None)
    async with books.write() as conn:
        intent = f.charge_intent(status=status, next_attempt_at=None, test_clock_id=f.CLOCK_ID)
        await keep(conn, f.invoice(test_clock_id=f.CLOCK_ID), intent)
    assert await busy(books) is (status is charge_intent.Status.PROCESSING)


async def test_advancing_clocks_are_found_until_they_arrive(books: Books) -> None:
    started = test_clock.advance(f.clock(), f.NOW + DAY)
    arrived = test_clock.arrive(started.value)
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.clock(), f.clock(id=f.numbered("clock", 2)))
        assert await test_clocks.standings(conn) == []
        await test_clocks.save_many(conn, [started])
        assert [standing.clock for standing in await test_clocks.standings(conn)] == [started.value]
        assert await test_clocks.load(conn, [f.CLOCK_ID, "clock_x"], lock=True) == {f.CLOCK_ID: started.value}
        await test_clocks.save_many(conn, [arrived])
        assert await test_clocks.standings(conn) == []


async def test_deleted_clocks_are_not_listed(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.clock(), f.clock(id=f.numbered("clock", 2), deleted=True))
        page = await test_clocks.page(conn, PageRequest(scope=f.SCOPE, limit=9))
        assert page.items == [f.clock()]
        assert await test_clocks.get(conn, Scope(f.ACCOUNT_ID, livemode=True), f.CLOCK_ID) is None
