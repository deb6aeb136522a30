"""How long a signer's native coin lasts, and who is told when it does not."""

import logging
from datetime import timedelta

import pytest

from gateway.db import fuel as rows
from gateway.db.engine import Books
from gateway.services import fuel
from gateway.services.fuel import Fuel
from tests import factories
from tests.services.house import House

DAY = timedelta(days=1)


async def _left(house: House) -> Fuel:
    async with house.gateway.books.read() as conn:
        return await fuel.left(conn, house.gateway, house.chain, house.operator.address, now=house.now)


async def _burning(books: Books) -> tuple[House, int]:
    """A house that has sent transactions for a day, and what it may have paid for them at most, in wei."""
    house = await House.build(books)
    await house.active()
    house.now += DAY
    async with books.read() as conn:
        gas, since = await rows.gas_since(conn, factories.CHAIN_ID, house.operator.address, house.now - 9 * DAY)
    assert since == house.now - DAY
    [network] = house.gateway.networks.values()
    return house, gas * ((await house.chain.head()).base_fee_per_gas + network.tip)


async def test_the_days_left_are_what_is_held_over_what_a_day_takes(books: Books) -> None:
    house, a_day = await _burning(books)
    for days in (0, 1, 6, 7, 30):
        house.chain.fund_native(house.operator.address, days * a_day + a_day // 2)
        house.chain.mine()
        found = await _left(house)
        assert (found.days_left, found.is_low) == (days, days < fuel.LOW_DAYS)


async def test_what_was_sent_long_ago_does_not_count(sqlite_books: Books) -> None:
    house, _ = await _burning(sqlite_books)
    house.now += 40 * DAY
    assert (await _left(house)).days_left is None


async def test_a_signer_that_never_sent_anything_is_low_when_it_holds_next_to_nothing(sqlite_books: Books) -> None:
    house = await House.build(sqlite_books)
    assert not (await _left(house)).is_low
    house.chain.fund_native(house.operator.address, fuel.LOW_WEI - 1)
    house.chain.mine()
    assert await _left(house) == Fuel(signer=house.operator.address, wei=fuel.LOW_WEI - 1, days_left=None)
    assert (await _left(house)).is_low


async def test_a_warning_is_logged_while_it_does_not_last_and_none_when_it_does(
    sqlite_books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    house, a_day = await _burning(sqlite_books)
    for days, warned in ((3, True), (300, False)):
        house.chain.fund_native(house.operator.address, days * a_day + 1)
        house.chain.mine()
        caplog.clear()
        with caplog.at_level(logging.WARNING, "gateway.services.fuel"):
            await fuel.watch(house.gateway, house.chain, house.operator.address, now=house.now)
        assert bool(caplog.records) is warned
