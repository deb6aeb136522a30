"""Changed terms on a real chain: what the contract lets the new mandate collect, and when."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gateway.db import catalog
from gateway.db.engine import Books
from gateway.domain.period import Interval, IntervalUnit
from gateway.domain.subscription import Status
from tests import factories
from tests.services.plans import LARGE, YEARLY, to_price
from tests.services.test_extra_mandates import sign_extra
from tests.services.test_invoicing import add_item
from tests.stories.place import Place


@pytest.fixture
async def place(sqlite_books: Books) -> AsyncIterator[Place]:
    async with Place.opened(sqlite_books) as opened:
        async with opened.gateway.books.write() as conn:
            yearly = Interval(IntervalUnit.YEAR)
            await catalog.add_prices(conn, [factories.price(id=LARGE, unit_amount=3000)])
            await catalog.add_prices(conn, [factories.price(id=YEARLY, unit_amount=10_000, interval=yearly)])
        yield opened


async def amounts(place: Place) -> list[int]:
    return [event.amount for event in await place.collected()]


async def test_ST_57_a_dearer_plan_is_signed_and_the_rest_of_the_period_is_pulled_at_once(place: Place) -> None:
    opened = await place.active()
    await place.advance(datetime(2026, 2, 14, 12, tzinfo=UTC))
    await to_price(place, opened, LARGE)
    await place.sign_setup(opened)
    await place.pump()
    assert await amounts(place) == [10_000_000, 10_000_000]
    await place.advance(datetime(2026, 2, 28, 13, tzinfo=UTC))
    assert await amounts(place) == [10_000_000, 10_000_000, 30_000_000]
    assert (await place.subscription(opened)).status is Status.ACTIVE


async def test_ST_57_a_yearly_plan_begins_when_it_is_signed(place: Place) -> None:
    opened = await place.active()
    await place.advance(datetime(2026, 2, 14, 12, tzinfo=UTC))
    await to_price(place, opened, YEARLY)
    await place.sign_setup(opened)
    await place.pump()
    assert await amounts(place) == [10_000_000, 95_000_000]
    assert (await place.subscription(opened)).period_end == datetime(2027, 2, 14, 12, tzinfo=UTC)


async def test_ST_50_an_invoice_above_the_cap_is_signed_weeks_later_and_pulled_once(place: Place) -> None:
    opened = await place.active()
    await add_item(place, opened, 2500)
    await place.advance(datetime(2026, 2, 28, 13, tzinfo=UTC))
    assert (await place.subscription(opened)).status is Status.PAST_DUE
    await place.advance(datetime(2026, 3, 20, 12, tzinfo=UTC))
    await sign_extra(place, opened)
    await place.pump()
    assert await amounts(place) == [10_000_000, 35_000_000]
    await place.advance(datetime(2026, 3, 31, 13, tzinfo=UTC))
    assert await amounts(place) == [10_000_000, 35_000_000, 10_000_000]
