"""TRUST R8: a re-org of any depth below finality, in every state of a charge: paid once, and nothing final undone.

Two depths in every state by default; `make faults` tries all from 1 to 64, with the transactions kept and lost.
"""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.db import blocks, transactions
from gateway.db.engine import Books
from gateway.domain.charge_intent import Status
from gateway.domain.period import to_unix
from gateway.domain.subscription import Subscription
from tests import factories
from tests.services.house import House

CONFIRMATIONS = 66
DEPTH_MAX = 64
IS_THOROUGH = int(os.environ.get("DUES_FAULT_SEEDS", "3")) >= 50
DEPTHS = range(1, DEPTH_MAX + 1) if IS_THOROUGH else (2, DEPTH_MAX)
KEEPS = (True, False) if IS_THOROUGH else (False,)
"""Whether the transactions of orphaned blocks return to the pool, or are lost as well."""

ROUNDS_MAX = 12


async def _planned(house: House, _depth: int) -> None:
    """Signed bytes are in the books, and nobody has seen them."""
    await house.collect()


async def _sent(house: House, depth: int) -> None:
    """The transaction waits in the pool."""
    await _planned(house, depth)
    await house.send()


async def _mined(house: House, depth: int) -> None:
    """It was mined so deep that the re-org takes its block, and the gateway has seen that."""
    await _sent(house, depth)
    house.chain.mine()
    for _ in range(depth - 1):
        house.chain.mine()
    await house.watch()
    await house.send()


async def _nearly_final(house: House, depth: int) -> None:
    """One block is missing until it is final."""
    await _sent(house, depth)
    for _ in range(CONFIRMATIONS - 1):
        house.chain.mine()
    while await house.watch():
        pass
    await house.send()


async def _final(house: House, depth: int) -> None:
    """It is final and settled: no re-org that is allowed reaches it."""
    await _nearly_final(house, depth)
    await _come_to_rest(house)


STATES: dict[str, Callable[[House, int], Awaitable[None]]] = {
    "planned": _planned,
    "sent": _sent,
    "mined": _mined,
    "nearly final": _nearly_final,
    "final": _final,
}


def _mine_at(house: House) -> None:
    """A block at the time of the rows, or after it: a re-org takes the chain's time back as well."""
    house.chain.mine(timestamp=max(house.chain.head_timestamp + 1, to_unix(house.now)))


async def _come_to_rest(house: House) -> None:
    """Let the gateway work while the chain goes on, until everything is final."""
    for _ in range(ROUNDS_MAX):
        await house.bill()
        await house.collect()
        await house.send()
        _mine_at(house)
        for _ in range(CONFIRMATIONS // 2):
            house.chain.mine()
        await house.watch()
        await house.watch()


@pytest.fixture
async def owing(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[tuple[House, Subscription]]:
    """A house whose chain needs many confirmations, and a subscription whose first payment is due."""
    path = shutil.copy(sqlite_template, tmp_path / "dues.db")
    books = Books.open(f"sqlite+aiosqlite:///{path}")
    house = await House.build(books)
    [network] = house.gateway.networks.values()
    networks = {network.chain_id: replace(network, confirmations=CONFIRMATIONS)}
    house.gateway = replace(house.gateway, networks=networks)
    opened = await house.subscribe()
    await house.sign(opened)
    for _ in range(DEPTH_MAX + 2):
        house.chain.mine()
    for _ in range(4):
        await house.watch()
    yield house, opened
    await books.close()


@pytest.mark.parametrize("keeps", KEEPS)
@pytest.mark.parametrize("state", STATES)
async def test_R8_a_re_org_of_any_depth_below_finality_costs_blocks_and_no_money(
    owing: tuple[House, Subscription], state: str, *, keeps: bool
) -> None:
    house, opened = owing
    for number, depth in enumerate(DEPTHS, 1):
        await STATES[state](house, depth)
        paid_before = len(house.charged())
        house.chain.reorg(depth, blocks=depth + 1, keep_transactions=keeps)
        await _come_to_rest(house)
        await _come_to_rest(house)
        charged = house.charged()
        assert len(charged) == len(set(charged)) == number, f"depth {depth}: {charged}"
        assert (await house.intent(opened)).status is Status.SUCCEEDED, f"depth {depth}"
        if state == "final":
            assert paid_before == number
        async with house.gateway.books.read() as conn:
            assert (await blocks.cursor(conn, factories.CHAIN_ID)).halted_reason is None
            assert await transactions.open_of_lane(conn, factories.CHAIN_ID, house.operator.address) == []
        await _to_the_next_payment(house, opened)


async def _to_the_next_payment(house: House, opened: Subscription) -> None:
    """Go to where the next renewal is owed, without collecting it."""
    house.now = (await house.subscription(opened)).period_end
    while await house.bill():
        pass
    house.now += house.gateway.finalization_delay
    _mine_at(house)
    while await house.bill():
        pass
    await house.watch()
