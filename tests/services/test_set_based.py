"""A renewal run in sets: what it costs depends on the number of batches, not on the number of subscriptions."""

import shutil
from pathlib import Path

from chain.fake_world import Entry, Plan
from gateway.db import subscriptions
from gateway.db.engine import Books
from gateway.domain.subscription import Status
from tests import crowd, factories
from tests.services.house import House

PRICE_UNITS = 10_000_000
STATEMENTS_PER_1000_MAX = 140
"""One batch in each of five phases, one look at all other duties in each round, and one at the wallets that
paid. It may not grow unseen."""


async def _house_with(books: Books, count: int) -> tuple[House, crowd.Crowd]:
    house = await House.build(books)
    many = crowd.crowd(count)
    await crowd.write(books, many)
    world = house.chain.world
    terms = many.terms[0]
    plan = Plan(terms.payee, terms.token, terms.amount, terms.unit, terms.every, terms.fee_bps, terms.arrears)
    world.plans[1], world.plan_ids[plan] = plan, 1
    for mandate in many.mandates:
        world.entries[mandate.onchain_id] = Entry(mandate.terms.payer, 1, mandate.terms.start, 4094, 1, 1)
        house.chain.fund(factories.TOKEN, mandate.terms.payer, PRICE_UNITS)
    return house, many


async def _renew_all(house: House, many: crowd.Crowd) -> tuple[int, int]:
    """Run everything that is due from end to end; returns (SQL statements, calls of the chain)."""
    gateway = house.gateway
    house.now = many.subscriptions[0].period_end
    house.chain.mine(timestamp=int(house.now.timestamp()))
    await house.watch()
    statements, calls = gateway.books.statements, house.chain.call_counts.total()
    while await house.bill():
        pass
    house.now += gateway.finalization_delay
    while await house.bill():
        pass
    while await house.collect():
        await house.send()
        house.chain.mine()
        await house.send()
    house.chain.mine()
    while await house.watch():
        pass
    return gateway.books.statements - statements, house.chain.call_counts.total() - calls


async def _paid(house: House, many: crowd.Crowd) -> int:
    async with house.gateway.books.read() as conn:
        found = await subscriptions.load(conn, [subscription.id for subscription in many.subscriptions])
    assert all(subscription.period_index == 2 for subscription in found.values())
    assert all(subscription.status is Status.ACTIVE for subscription in found.values())
    return len({mandate for mandate, period, _ in house.charged() if period == 2})


async def test_1000_renewals_cost_statements_and_calls_by_the_batch(books: Books) -> None:
    house, many = await _house_with(books, 1000)
    statements, calls = await _renew_all(house, many)
    assert await _paid(house, many) == 1000
    print(f"\n1,000 renewals: {statements} statements, {calls} calls of the chain")
    assert statements <= STATEMENTS_PER_1000_MAX
    assert calls <= 60


async def test_eight_times_as_many_in_one_batch_cost_no_more_statements(
    sqlite_books: Books, sqlite_template: Path, tmp_path: Path
) -> None:
    other = shutil.copy(sqlite_template, tmp_path / "other.db")
    others = Books.open(f"sqlite:///{other}")
    few, crowd_of_few = await _house_with(sqlite_books, 50)
    many, crowd_of_many = await _house_with(others, 400)
    cost_of_few, cost_of_many = await _renew_all(few, crowd_of_few), await _renew_all(many, crowd_of_many)
    assert (await _paid(few, crowd_of_few), await _paid(many, crowd_of_many)) == (50, 400)
    await others.close()
    assert cost_of_many == cost_of_few
