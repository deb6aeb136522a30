"""TRUST R8: gas a hundred and a thousand times as dear, in every state of a charge: waited out, never above the cap."""

from datetime import timedelta

import pytest

from gateway.db import transactions
from gateway.db.engine import Books
from gateway.domain.charge_intent import Status
from gateway.domain.subscription import Subscription
from tests import factories
from tests.services.house import House

GWEI = 10**9
ROUNDS = 12
STATES = ("due", "planned", "sent")


async def _owing(books: Books, state: str) -> tuple[House, Subscription]:
    house = await House.build(books)
    opened = await house.subscribe()
    await house.sign(opened)
    if state != "due":
        await house.collect()
    if state == "sent":
        await house.send()
    return house, opened


async def _work(house: House) -> list[int]:
    """Some rounds, a minute and a block each; the fee caps of all attempts that were in flight meanwhile."""
    caps = []
    for _ in range(ROUNDS):
        house.now += timedelta(minutes=1)
        await house.collect()
        await house.send()
        async with house.gateway.books.read() as conn:
            flying = await transactions.open_of_lane(conn, factories.CHAIN_ID, house.operator.address)
        caps += [attempt.fees.max_fee_per_gas for _, attempts in flying for attempt in attempts]
        house.chain.mine()
        await house.watch()
    return caps


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("base_fee", [100 * GWEI, 1_000 * GWEI], ids=["below the cap", "above the cap"])
async def test_R8_dear_gas_is_waited_out_and_no_fee_exceeds_the_cap(
    sqlite_books: Books, state: str, base_fee: int
) -> None:
    house, opened = await _owing(sqlite_books, state)
    [network] = house.gateway.networks.values()
    house.chain.base_fee = base_fee
    house.chain.mine()
    caps = await _work(house)
    is_above = base_fee > network.fee_cap
    assert max(caps, default=0) <= network.fee_cap
    assert len(house.charged()) == (0 if is_above else 1)
    house.chain.base_fee = GWEI
    house.chain.mine()
    await _work(house)
    intent = await house.intent(opened)
    assert (intent.status, len(house.charged())) == (Status.SUCCEEDED, 1)
    assert (await house.charge(opened)).status == "succeeded"


async def test_R8_whoever_waits_for_cheaper_gas_says_so_and_uses_no_attempt(sqlite_books: Books) -> None:
    house, opened = await _owing(sqlite_books, "due")
    house.chain.base_fee = 1_000 * GWEI
    house.chain.mine()
    await house.collect()
    intent = await house.intent(opened)
    assert (intent.attempts, intent.reason.code, intent.reason.action) == (0, "gas_too_high", "wait")
