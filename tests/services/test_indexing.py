"""Following a chain: what is appended, what is undone, what is never undone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chain.errors import AnswerInvalid, RpcRejected, RpcUnavailable
from chain.primitives import BlockTag, Charged, Hash32
from gateway.db import blocks
from gateway.db.blocks import Cursor
from gateway.db.engine import Books
from gateway.db.errors import WriteConflict
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.services import indexing
from gateway.services.indexing import NEAR_BLOCKS_MAX, RANGE_BLOCKS_MAX
from tests import factories
from tests.services.house import House

CHAIN = factories.CHAIN_ID


@pytest.fixture
async def house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books)


@pytest.fixture
async def on_both(books: Books) -> House:
    """The test runs on SQLite and on PostgreSQL."""
    return await House.build(books)


async def built(books: Books, **network: Any) -> House:
    """A house whose chain is configured otherwise."""
    house = await House.build(books)
    networks = {CHAIN: replace(house.gateway.networks[CHAIN], **network)}
    house.gateway = replace(house.gateway, networks=networks)
    return house


async def converge(house: House) -> int:
    return await indexing.converge(house.gateway, house.chain, now=house.now)


async def follow(house: House) -> None:
    for _ in range(200):
        if not await converge(house):
            return
    raise AssertionError("the indexer does not come to rest")


async def cursor(house: House) -> Cursor:
    async with house.gateway.books.read() as conn:
        return await blocks.cursor(conn, CHAIN)


async def own_blocks(house: House) -> dict[int, Hash32]:
    async with house.gateway.books.read() as conn:
        return await blocks.recent(conn, CHAIN, 0)


async def stored_charges(house: House) -> list[tuple[int, str, int]]:
    """(block, mandate, period) of all stored `Charged` logs, settled or not."""
    async with house.gateway.books.read() as conn:
        logs = await blocks.unsettled(conn, CHAIN, up_to_number=1 << 40, limit=10_000)
    return [
        (log.event.at.block_number, log.event.mandate_id, log.event.period)
        for log in logs
        if isinstance(log.event, Charged)
    ]


def canonical(house: House) -> dict[int, Hash32]:
    return {block.header.number: block.header.hash for block in house.chain.blocks}


async def charged_at_head(house: House) -> None:
    """A first charge in the newest block; nothing of it is indexed."""
    await house.sign(await house.subscribe())
    house.chain.mine()  # what was funded stands in a block that no re-org of the test takes away
    await house.bill()
    await house.collect()
    await house.send()
    house.chain.mine()


async def test_it_reads_from_the_start_to_the_head_and_then_rests(house: House) -> None:
    house.chain.mine(5)
    newest = house.chain.blocks[-1].header
    assert await converge(house) == newest.number + 1
    assert await converge(house) == 0
    assert (await cursor(house)).head == newest.ref
    assert (await cursor(house)).final_number == newest.number - 1


async def test_at_rest_a_step_costs_two_calls(house: House) -> None:
    house.chain.mine(5)
    await follow(house)
    house.chain.call_counts.clear()
    await converge(house)
    assert dict(house.chain.call_counts) == {"head": 1, "headers": 1}


async def test_rows_and_cursor_agree_with_the_chain_however_the_steps_fall(house: House) -> None:
    for count in (1, 3, NEAR_BLOCKS_MAX + 5, 2):
        house.chain.mine(count)
        await converge(house)
    await follow(house)
    kept = await own_blocks(house)
    assert kept.items() <= canonical(house).items()
    assert max(kept) == house.chain.blocks[-1].header.number


async def test_an_old_chain_is_read_in_ranges(house: House) -> None:
    await charged_at_head(house)
    block = house.chain.blocks[-1].header.number
    house.chain.mine(RANGE_BLOCKS_MAX * 2)
    house.chain.call_counts.clear()
    await follow(house)
    assert house.chain.call_counts["logs_in_range"] <= 4
    assert [charge[0] for charge in await stored_charges(house)] == [block]
    assert len(await own_blocks(house)) <= NEAR_BLOCKS_MAX * 5


async def test_a_range_that_a_node_refuses_is_halved(house: House) -> None:
    house.chain.mine(RANGE_BLOCKS_MAX)
    house.chain.fail_next("logs_in_range", RpcRejected(-32005, "query returned too many results"), times=3)
    assert await converge(house) == pytest.approx(RANGE_BLOCKS_MAX / 8, abs=1)
    await follow(house)
    assert (await cursor(house)).head == house.chain.blocks[-1].header.ref


@pytest.mark.parametrize("depth", [1, 2, 5, 13])
async def test_a_reorg_is_undone_down_to_the_common_ancestor(books: Books, depth: int) -> None:
    house = await built(books, confirmations=20)
    house.chain.mine(30)
    await follow(house)
    house.chain.reorg(depth, blocks=depth + 1)
    await follow(house)
    assert (await cursor(house)).head == house.chain.blocks[-1].header.ref
    assert (await own_blocks(house)).items() <= canonical(house).items()


async def test_a_reorg_to_a_shorter_chain_is_followed(sqlite_books: Books) -> None:
    house = await built(sqlite_books, confirmations=20)
    house.chain.mine(30)
    await follow(house)
    house.chain.reorg(6, blocks=2)
    await follow(house)
    assert (await cursor(house)).head == house.chain.blocks[-1].header.ref


async def test_a_node_that_lags_on_our_own_chain_undoes_nothing(sqlite_books: Books) -> None:
    house = await built(sqlite_books, confirmations=20)
    house.chain.mine(30)
    await follow(house)
    before = await own_blocks(house)
    hidden = house.chain.blocks[-4:]
    del house.chain.blocks[-4:]
    assert await converge(house) == 0
    assert await own_blocks(house) == before
    house.chain.blocks.extend(hidden)
    assert await converge(house) == 0


async def test_logs_of_a_reorged_block_disappear_and_come_back_where_they_are_mined_again(house: House) -> None:
    await charged_at_head(house)
    await converge(house)
    [(block, mandate, period)] = await stored_charges(house)
    house.chain.reorg(1)
    await follow(house)
    assert await stored_charges(house) == []
    house.chain.mine()
    await follow(house)
    assert await stored_charges(house) == [(block + 1, mandate, period)]


async def test_a_charge_is_settled_once_though_its_block_is_reorged_at_every_depth_below_finality(
    sqlite_books: Books,
) -> None:
    house = await built(sqlite_books, confirmations=6)
    opened = await house.subscribe()
    await house.sign(opened)
    house.chain.mine()
    await house.bill()
    await house.collect()
    await house.send()
    for depth in (1, 2, 3, 4, 5):
        house.chain.mine(depth)
        await house.watch()
        await house.send()
        assert (await house.intent(opened)).status is IntentStatus.PROCESSING
        house.chain.reorg(depth)
        await house.watch()
        await house.send()
    await house.pump()
    await house.pump()
    assert (await house.intent(opened)).status is IntentStatus.SUCCEEDED
    assert len(house.charged()) == 1


async def test_a_different_block_below_finality_halts_the_chain_and_changes_nothing(house: House) -> None:
    subscription = await house.active()
    before = await own_blocks(house)
    house.chain.reorg(5, blocks=6)
    assert await converge(house) == 1
    halted = await cursor(house)
    assert "was final" in (halted.halted_reason or "")
    assert await own_blocks(house) == before
    assert (await house.charge(subscription)).status is ChargeStatus.SUCCEEDED
    assert await converge(house) == 0


async def test_a_reset_node_far_below_us_is_waited_for_and_is_no_alarm(house: House) -> None:
    house.chain.mine(30)
    await follow(house)
    del house.chain.blocks[5:]
    assert await converge(house) == 0
    assert (await cursor(house)).halted_reason is None


async def test_the_networks_own_finality_is_used_where_it_has_one(sqlite_books: Books) -> None:
    house = await built(sqlite_books, final_tag=BlockTag.FINALIZED)
    house.chain.finality_depth = 7
    house.chain.mine(30)
    await follow(house)
    newest = house.chain.blocks[-1].header.number
    assert (await cursor(house)).final_number == newest - 7
    house.chain.finality_depth = 3
    assert await converge(house) == 1
    assert (await cursor(house)).final_number == newest - 3


async def test_what_is_final_stays_final(house: House) -> None:
    house.chain.mine(10)
    await follow(house)
    final = (await cursor(house)).final_number
    house.chain.reorg(1)
    await follow(house)
    assert (await cursor(house)).final_number == final


@pytest.mark.parametrize("method", ["head", "headers", "logs_of_blocks"])
async def test_a_call_that_fails_leaves_the_cursor_where_it_was(house: House, method: str) -> None:
    house.chain.mine(3)
    await follow(house)
    before = await cursor(house)
    house.chain.mine(3)
    house.chain.fail_next(method)
    with pytest.raises(RpcUnavailable):
        await converge(house)
    assert await cursor(house) == before
    await follow(house)
    assert (await cursor(house)).head == house.chain.blocks[-1].header.ref


async def test_a_block_that_vanishes_between_header_and_logs_is_read_again(house: House) -> None:
    house.chain.mine(3)
    house.chain.fail_next("logs_of_blocks", RpcRejected(-32000, "unknown block"))
    with pytest.raises(RpcRejected):
        await converge(house)
    assert (await cursor(house)).head is None
    await follow(house)


async def test_a_log_that_was_not_asked_for_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await charged_at_head(house)
    honest = house.chain.logs_of_blocks

    async def lying(hashes: Sequence[Hash32], query: object) -> list[list[object]]:
        found = await honest(hashes, query)  # type: ignore[arg-type]
        return [[replace(log, address=factories.TOKEN) for log in of_block] for of_block in found]

    monkeypatch.setattr(house.chain, "logs_of_blocks", lying)
    with pytest.raises(AnswerInvalid):
        await converge(house)
    assert (await cursor(house)).head is None


async def test_two_indexers_write_no_block_twice(on_both: House) -> None:
    on_both.chain.mine(20)
    results = await asyncio.gather(*(converge(on_both) for _ in range(4)), return_exceptions=True)
    assert sum(result for result in results if isinstance(result, int)) == len(on_both.chain.blocks)
    assert all(isinstance(result, int | WriteConflict) for result in results)


class TestRecovery:
    async def test_a_top_up_charges_within_two_blocks_and_uses_up_no_attempt(self, on_both: House) -> None:
        subscription = await on_both.active(balance=10_000_000, allowance=1_000_000_000)
        await on_both.renew(subscription)
        failed = await on_both.intent(subscription)
        assert (failed.status, failed.attempts) == (IntentStatus.FAILED, 1)
        on_both.chain.mint(factories.TOKEN, on_both.wallet(), 10_000_000)
        await on_both.watch()
        assert (await on_both.intent(subscription)).next_attempt_at == on_both.now
        assert await on_both.collect() == 1
        await on_both.pump()
        recovered = await on_both.intent(subscription)
        assert (recovered.status, recovered.attempts) == (IntentStatus.SUCCEEDED, 1)
        assert (await on_both.subscription(subscription)).status is SubscriptionStatus.ACTIVE

    async def test_an_approval_recovers_as_well(self, house: House) -> None:
        subscription = await house.active(balance=1_000_000_000, allowance=10_000_000)
        await house.renew(subscription)
        house.chain.approve(factories.TOKEN, house.wallet(), 10_000_000)
        await house.watch()
        assert (await house.intent(subscription)).next_attempt_at == house.now
        await house.pump()
        assert (await house.intent(subscription)).status is IntentStatus.SUCCEEDED

    async def test_a_top_up_that_is_too_small_changes_nothing(self, house: House) -> None:
        subscription = await house.active(balance=10_000_000, allowance=1_000_000_000)
        await house.renew(subscription)
        before = await house.intent(subscription)
        house.chain.mint(factories.TOKEN, house.wallet(), 9_999_999)
        await house.watch()
        assert await house.intent(subscription) == before

    async def test_somebody_elses_top_up_changes_nothing_and_asks_no_balances(self, house: House) -> None:
        subscription = await house.active(balance=10_000_000, allowance=1_000_000_000)
        await house.renew(subscription)
        before = await house.intent(subscription)
        house.chain.call_counts.clear()
        house.chain.mint(factories.TOKEN, house.operator.address, 10_000_000)
        await house.watch()
        assert await house.intent(subscription) == before
        assert house.chain.call_counts["calls"] == 0

    async def test_with_nobody_owing_no_transfers_are_asked_for(self, house: House) -> None:
        await house.active()
        house.chain.call_counts.clear()
        house.chain.mine()
        await house.watch()
        assert house.chain.call_counts["logs_of_blocks"] == 1
