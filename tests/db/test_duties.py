"""One look at everything that is due: it misses nothing that a claim would take, and sees nothing that none would."""

from datetime import datetime, timedelta

import pytest

from gateway.db import duties
from gateway.db.duties import Duty
from gateway.db.engine import Books
from tests import factories as f
from tests.keeping import keep, keep_merchant

SECOND = timedelta(seconds=1)


async def _due(books: Books) -> frozenset[Duty]:
    async with books.read() as conn:
        return await duties.due(conn, now=f.NOW)


@pytest.mark.parametrize("clock", [None, f.CLOCK_ID])
@pytest.mark.parametrize(("at", "is_due"), [(f.NOW, True), (f.NOW + SECOND, False), (None, False)])
async def test_what_has_reached_its_time_is_seen_by_the_system_and_by_its_clock(
    books: Books, at: datetime | None, clock: str | None, *, is_due: bool
) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.clock(frozen_at=f.NOW), f.mandate(), f.subscription(expires_at=at, test_clock_id=clock))
    assert (await _due(books) == {Duty.SUBSCRIPTIONS}) is is_due
    async with books.write() as conn:
        await keep(conn, f.draft_invoice(finalizes_at=at, test_clock_id=clock))
    assert (await _due(books) == {Duty.SUBSCRIPTIONS, Duty.DRAFTS}) is is_due


async def test_nothing_on_a_deleted_clock_is_due(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.clock(deleted=True), f.mandate())
        await keep(conn, f.subscription(expires_at=f.NOW, test_clock_id=f.CLOCK_ID))
    assert await _due(books) == frozenset()


async def test_a_chain_that_was_never_followed_has_no_news(books: Books) -> None:
    async with books.read() as conn:
        assert await duties.news(conn, f.CHAIN_ID) is None
