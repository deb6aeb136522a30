"""Test clocks: rows and the local chain's block time move together, from one due moment to the next."""

from datetime import timedelta

import pytest

from chain.testing import FakeChain
from gateway.db import subscriptions, test_clocks
from gateway.db.engine import Books
from gateway.domain.beginning import Schedule
from gateway.domain.errors import Conflict, InvalidRequest
from gateway.domain.period import from_unix, to_unix
from gateway.domain.subscription import Status
from gateway.domain.test_clock import Status as ClockStatus
from gateway.domain.test_clock import TestClock
from gateway.services import test_clocks as service
from tests.services.house import House

PRICE_UNITS = 10_000_000
STEPS_MAX = 800


class LocalChain:
    """A chain in memory whose time can be moved."""

    def __init__(self, chain: FakeChain) -> None:
        self.chain = chain

    async def head_number(self) -> int:
        return len(self.chain.blocks) - 1

    async def head_time(self) -> int:
        return self.chain.head_timestamp

    async def reach(self, unix: int) -> None:
        if self.chain.head_timestamp < unix:
            self.chain.mine(timestamp=unix)

    async def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self.chain.mine(timestamp=self.chain.head_timestamp + 1)


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def _clock(house: House) -> TestClock:
    async with house.gateway.books.write() as conn:
        return await service.create(
            conn,
            house.gateway,
            scope=house.scope,
            frozen_at=house.now,
            name=None,
            chain_time=from_unix(house.chain.head_timestamp),
            origin=house.origin,
        )


async def _advance(house: House, clock: TestClock, by: timedelta) -> TestClock:
    async with house.gateway.books.write() as conn:
        return await service.advance(
            conn,
            house.gateway,
            scope=house.scope,
            clock_id=clock.id,
            target=clock.frozen_at + by,
            chain_time=from_unix(house.chain.head_timestamp),
            origin=house.origin,
        )


async def _arrive(house: House, clock: TestClock) -> TestClock:
    """Let all roles work until the clock is ready."""
    local = LocalChain(house.chain)
    for _ in range(STEPS_MAX):
        await house.bill()
        await house.collect()
        await house.send()
        await house.watch()
        await service.step(house.gateway, {house.chain.chain_id: local}, now=house.now)
        async with house.gateway.books.read() as conn:
            current = (await test_clocks.load(conn, [clock.id]))[clock.id]
        if current.status is ClockStatus.READY:
            return current
    raise AssertionError(f"the clock stands at {current.frozen_at} and does not arrive")


async def test_a_busy_clock_mines_what_makes_a_payment_final_and_then_waits_until_it_is_read(
    sqlite_books: Books,
) -> None:
    house = await House.build(sqlite_books)
    clock = await _clock(house)
    opened = await house.subscribe(test_clock_id=clock.id)
    await house.sign(opened)
    await house.collect()
    await house.send()
    await _advance(house, clock, timedelta(days=1))
    local = LocalChain(house.chain)
    before = len(house.chain.blocks)
    mined = [(await service.step(house.gateway, {house.chain.chain_id: local}, now=house.now)).mined for _ in range(10)]
    confirmations = house.gateway.networks[house.chain.chain_id].confirmations
    assert sum(mined) == len(house.chain.blocks) - before <= confirmations
    assert (await _arrive(house, clock)).status is ClockStatus.READY
    assert (await house.subscription(opened)).status is Status.ACTIVE


async def test_one_request_advances_a_year_and_every_month_is_charged(sqlite_books: Books) -> None:
    house = await House.build(sqlite_books)
    clock = await _clock(house)
    opened = await house.subscribe(test_clock_id=clock.id)
    await house.sign(opened)
    await house.pump()
    assert (await house.subscription(opened)).status is Status.ACTIVE
    await _advance(house, clock, timedelta(days=366))
    arrived = await _arrive(house, clock)
    assert arrived.frozen_at == clock.frozen_at + timedelta(days=366)
    assert [period for _, period, _ in house.charged()] == list(range(1, 14))
    assert house.chain.head_timestamp >= to_unix(arrived.frozen_at)
    assert (await house.subscription(opened)).status is Status.ACTIVE


async def test_ST_29_a_trial_on_a_test_clock_is_set_up_announced_and_charged_in_one_advance(
    sqlite_books: Books,
) -> None:
    house = await House.build(sqlite_books)
    clock = await _clock(house)
    opened = await house.subscribe(test_clock_id=clock.id, schedule=Schedule(trial_days=14))
    await house.sign_setup(opened)
    await _advance(house, clock, timedelta(days=60))
    await _arrive(house, clock)
    assert (await house.subscription(opened)).status is Status.ACTIVE
    assert [period for _, period, _ in house.charged()] == [1, 2]
    kinds = await house.event_types()
    told = [kind for kind in kinds if kind.startswith("customer.subscription.trial") or kind == "invoice.upcoming"]
    assert told[:4] == [
        "customer.subscription.trial_started",
        "customer.subscription.trial_will_end",
        "invoice.upcoming",
        "customer.subscription.trial_ended",
    ]


async def test_rows_of_a_clock_stand_still_while_the_world_goes_on(house: House) -> None:
    clock = await _clock(house)
    opened = await house.subscribe(test_clock_id=clock.id)
    await house.sign(opened)
    await house.pump()
    house.now += timedelta(days=200)
    await house.pump()
    async with house.gateway.books.read() as conn:
        current = (await subscriptions.load(conn, [opened.id]))[opened.id]
    assert (current.status, current.period_index) == (Status.ACTIVE, 1)


async def test_retries_happen_on_the_way_at_their_own_times(house: House) -> None:
    clock = await _clock(house)
    opened = await house.subscribe(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS, test_clock_id=clock.id)
    await house.sign(opened)
    await house.pump()
    await _advance(house, clock, timedelta(days=40))
    await _arrive(house, clock)
    assert (await house.subscription(opened)).status is Status.UNPAID
    assert (await house.intent(opened)).attempts == 4


async def test_a_clock_ahead_of_the_chain_takes_it_along_before_it_is_ready(house: House) -> None:
    house.now += timedelta(days=3)
    clock = await _clock(house)
    assert clock.status is ClockStatus.ADVANCING
    arrived = await _arrive(house, clock)
    assert house.chain.head_timestamp == to_unix(arrived.frozen_at) == to_unix(house.now)


async def test_a_clock_cannot_begin_where_the_chain_has_been(house: House) -> None:
    house.chain.mine(timestamp=to_unix(house.now) + 7200)
    with pytest.raises(InvalidRequest) as caught:
        await _clock(house)
    assert (caught.value.code, caught.value.param) == ("test_clock_behind_chain", "frozen_time")


async def test_an_advancing_clock_takes_no_second_target_and_is_not_deleted(house: House) -> None:
    clock = await _clock(house)
    moving = await _advance(house, clock, timedelta(days=1))
    with pytest.raises(Conflict):
        await _advance(house, moving, timedelta(days=2))
    with pytest.raises(Conflict):
        async with house.gateway.books.write() as conn:
            await service.delete(conn, house.gateway, scope=house.scope, clock_id=clock.id, origin=house.origin)
