"""The lane of one signer against a chain that drops, hides, delays and re-orders."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from chain.errors import RpcUnavailable
from chain.lifecycle import LOST_AFTER_BLOCKS, REPLACE_AFTER_BLOCKS, RESEND_EVERY_BLOCKS
from chain.primitives import Fees, SendResult, TransactionRequest
from gateway.db import blocks, transactions
from gateway.db.engine import Books
from gateway.db.errors import WriteConflict
from gateway.db.transactions import ChainTransaction, TransactionAttempt, TransactionStatus
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.period import to_unix
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.services import submission
from gateway.services.submission import IN_FLIGHT_MAX
from tests.services.house import House, signer

GWEI = 10**9


@pytest.fixture
async def house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books)


@pytest.fixture
async def on_both(books: Books) -> House:
    """The test runs on SQLite and on PostgreSQL."""
    return await House.build(books)


async def planned(house: House) -> None:
    """A subscription whose first charge is signed and committed, and has never left."""
    await house.sign(await house.subscribe())
    house.chain.mine()  # what was funded stands in a block that no re-org of the test takes away
    await house.bill()
    assert await house.collect() == 1


async def lane(house: House) -> list[tuple[ChainTransaction, list[TransactionAttempt]]]:
    async with house.gateway.books.read() as conn:
        return await transactions.open_of_lane(conn, house.chain.chain_id, house.operator.address)


async def first(house: House) -> tuple[ChainTransaction, list[TransactionAttempt]]:
    return (await lane(house))[0]


async def stored(house: House) -> ChainTransaction:
    """The one transaction, whatever its status."""
    [known] = {tx.hash for block in house.chain.blocks for tx in block.transactions}
    async with house.gateway.books.read() as conn:
        return (await transactions.by_hashes(conn, [known]))[known]


async def test_committed_bytes_are_sent_once_and_noted(house: House) -> None:
    await planned(house)
    assert await house.send() == 1
    assert await house.send() == 0
    _, [attempt] = await first(house)
    assert (attempt.send_count, attempt.last_result) == (1, SendResult.ACCEPTED)
    assert attempt.hash in house.chain.pool.waiting


async def test_with_nothing_open_it_asks_the_chain_nothing(house: House) -> None:
    house.chain.call_counts.clear()
    assert await house.send() == 0
    assert house.chain.call_counts.total() == 0


async def test_a_mined_transaction_is_final_only_when_the_index_says_so(on_both: House) -> None:
    await planned(on_both)
    await on_both.send()
    on_both.chain.mine()
    await on_both.send()
    transaction, _ = await first(on_both)
    assert (transaction.status, transaction.succeeded) == (TransactionStatus.MINED, None)
    on_both.chain.mine()
    assert await on_both.send() == 0
    await on_both.watch()
    assert await on_both.send() == 1
    final = await stored(on_both)
    assert (final.status, final.succeeded) == (TransactionStatus.FINAL, True)
    assert await lane(on_both) == []


async def test_a_reorg_before_finality_takes_it_back_to_open_and_it_is_mined_again(house: House) -> None:
    await planned(house)
    await house.send()
    house.chain.mine()
    await house.send()
    house.chain.reorg(1)
    await house.send()
    transaction, [attempt] = await first(house)
    assert (transaction.status, transaction.mined_block) == (TransactionStatus.OPEN, None)
    assert attempt.hash in house.chain.pool.waiting
    await house.pump()
    assert (await stored(house)).succeeded is True


async def test_a_reorg_that_loses_the_transaction_has_the_same_bytes_sent_again(house: House) -> None:
    await planned(house)
    await house.send()
    house.chain.mine()
    await house.send()
    house.chain.reorg(1, keep_transactions=False)
    house.chain.mine(RESEND_EVERY_BLOCKS)
    await house.send()
    _, [attempt] = await first(house)
    assert (attempt.hash in house.chain.pool.waiting, attempt.send_count) == (True, 2)
    await house.pump()
    assert (await stored(house)).succeeded is True


async def test_accepted_but_dropped_is_sent_again_after_some_blocks(house: House) -> None:
    await planned(house)
    house.chain.drop_next_send()
    await house.send()
    assert not house.chain.pool.waiting
    house.chain.mine(RESEND_EVERY_BLOCKS)
    await house.send()
    assert len(house.chain.pool.waiting) == 1


async def test_accepted_but_dropped_is_sent_again_after_some_time_when_no_block_comes(house: House) -> None:
    await planned(house)
    house.chain.drop_next_send()
    await house.send()
    house.now += submission.RESEND_AFTER - timedelta(seconds=1)
    assert await house.send() == 0
    house.now += timedelta(seconds=1)
    assert await house.send() == 1


async def test_a_lost_reply_decides_nothing_and_the_same_bytes_go_again_soon(house: House) -> None:
    await planned(house)
    house.chain.hide_next_send()
    await house.send()
    house.now += submission.RESEND_UNKNOWN_AFTER
    await house.send()
    _, [attempt] = await first(house)
    assert (attempt.send_count, attempt.last_result) == (2, SendResult.ALREADY_KNOWN)
    await house.pump()
    assert (await stored(house)).succeeded is True


async def test_a_send_that_never_arrived_is_repeated(house: House) -> None:
    await planned(house)
    house.chain.fail_next("send")
    await house.send()
    assert not house.chain.pool.waiting
    house.now += submission.RESEND_UNKNOWN_AFTER
    await house.send()
    assert len(house.chain.pool.waiting) == 1


async def test_nonce_too_low_is_no_outcome_when_our_own_transaction_was_mined(house: House) -> None:
    await planned(house)
    house.chain.hide_next_send()
    await house.send()
    house.chain.mine()
    house.chain.fail_next("receipts")
    with pytest.raises(RpcUnavailable):
        await house.send()
    await house.pump()
    assert (await stored(house)).succeeded is True


async def test_a_node_that_is_away_changes_nothing(house: House) -> None:
    await planned(house)
    before = await lane(house)
    house.chain.fail_next("head")
    with pytest.raises(RpcUnavailable):
        await house.send()
    assert await lane(house) == before
    assert await house.send() == 1


async def test_a_fee_spike_is_outbid_with_bytes_that_are_committed_before_they_leave(house: House) -> None:
    await planned(house)
    await house.send()
    house.chain.base_fee = 20 * GWEI
    house.chain.mine(1)
    await house.send()
    _, attempts = await first(house)
    assert [attempt.send_count for attempt in attempts] == [1, 1]
    old, new = attempts
    assert new.fees.max_fee_per_gas * 1000 >= old.fees.max_fee_per_gas * 1125
    assert new.fees.max_priority_fee_per_gas * 1000 >= old.fees.max_priority_fee_per_gas * 1125
    house.chain.mine()
    assert [tx.hash for tx in house.chain.blocks[-1].transactions] == [new.hash]
    await house.pump()
    assert (await stored(house)).succeeded is True


async def test_a_slow_transaction_is_replaced_and_whichever_attempt_is_mined_counts(house: House) -> None:
    await planned(house)
    await house.send()
    [waiting] = house.chain.pool.waiting.values()
    house.chain.drop(waiting.hash)
    house.chain.mine(REPLACE_AFTER_BLOCKS)
    await house.send()
    _, attempts = await first(house)
    assert len(attempts) == 2
    house.chain.drop(attempts[1].hash)
    house.chain.pool.waiting[waiting.hash] = waiting
    await house.pump()
    assert (await stored(house)).succeeded is True
    assert [tx.hash for block in house.chain.blocks for tx in block.transactions] == [waiting.hash]


async def test_at_the_fee_cap_it_waits_and_never_goes_above(house: House) -> None:
    await planned(house)
    await house.send()
    cap = house.gateway.networks[house.chain.chain_id].fee_cap
    house.chain.base_fee = cap * 2
    for _ in range(60):
        house.chain.mine()
        await house.send()
    _, attempts = await first(house)
    assert max(attempt.fees.max_fee_per_gas for attempt in attempts) <= cap
    house.chain.base_fee = GWEI
    await house.pump()
    assert (await stored(house)).succeeded is True


async def test_what_nobody_wants_any_more_is_replaced_by_a_noop(house: House) -> None:
    await planned(house)
    await house.send()
    async with house.gateway.books.write() as conn:
        transaction, _ = (await transactions.open_of_lane(conn, house.chain.chain_id, house.operator.address))[0]
        await transactions.save_many(conn, [replace(transaction, wanted=False)])
    await house.send()
    house.chain.mine(2)
    [mined] = house.chain.blocks[-2].transactions
    assert (mined.to, mined.data) == (house.operator.address, b"")
    await house.watch()
    await house.send()
    assert await lane(house) == []


async def test_a_nonce_that_somebody_else_used_pauses_the_lane_and_is_never_guessed_at(house: House) -> None:
    await planned(house)
    thief = house.operator.sign(
        TransactionRequest(
            chain_id=house.chain.chain_id,
            nonce=0,
            to=house.operator.address,
            data=b"",
            gas=21_000,
            fees=Fees(max_fee_per_gas=50 * GWEI, max_priority_fee_per_gas=2 * GWEI),
        )
    )
    await house.chain.send([thief.raw])
    house.chain.mine()
    await house.send()
    transaction, _ = await first(house)
    assert transaction.used_since_block is not None
    house.chain.mine(LOST_AFTER_BLOCKS - 1)
    await house.send()
    assert (await first(house))[0].status is TransactionStatus.OPEN
    house.chain.mine()
    await house.send()
    async with house.gateway.books.write() as conn:
        held = await transactions.lock_lane(conn, house.chain.chain_id, house.operator.address)
    assert held is not None
    assert "nonce 0 was used" in (held.halted_reason or "")


async def test_a_halted_lane_is_watched_but_sends_nothing(house: House) -> None:
    await planned(house)
    async with house.gateway.books.write() as conn:
        await transactions.halt_lane(conn, house.chain.chain_id, house.operator.address, "a person looks at it")
    assert await house.send() == 0
    assert not house.chain.pool.waiting


async def test_two_workers_never_drive_one_lane_at_once(on_both: House) -> None:
    await planned(on_both)
    async with on_both.gateway.books.write() as conn:
        await transactions.take_lane(
            conn, on_both.chain.chain_id, on_both.operator.address, owner="another", now=on_both.now
        )
    assert await on_both.send() == 0
    on_both.now += submission.LEASE
    assert await on_both.send() == 1


async def test_workers_that_step_at_once_send_each_transaction_once(on_both: House) -> None:
    await planned(on_both)

    async def advance(owner: str) -> int:
        try:
            return await submission.advance(
                on_both.gateway, on_both.chain, on_both.operator, now=on_both.now, owner=owner
            )
        except WriteConflict:
            return 0

    done = await asyncio.gather(*(advance(f"worker {number}") for number in range(6)))
    assert sum(done) == 1
    assert on_both.chain.call_counts["send"] == 1


async def test_a_step_gives_the_lease_back(house: House) -> None:
    await planned(house)
    await house.send()
    async with house.gateway.books.write() as conn:
        held = await transactions.lock_lane(conn, house.chain.chain_id, house.operator.address)
    assert held is not None
    assert held.owner is None


async def test_no_more_are_in_flight_than_a_pool_keeps_and_lower_nonces_go_first(house: House) -> None:
    for number in range(1, IN_FLIGHT_MAX + 3):
        await house.sign(await house.subscribe(number))
    await house.bill()
    while await house.collect():
        pass
    await house.send()
    sent = sorted(tx.nonce for tx in house.chain.pool.waiting.values())
    assert sent == list(range(IN_FLIGHT_MAX))
    await house.pump()
    nonces = [tx.nonce for block in house.chain.blocks for tx in block.transactions]
    assert nonces == list(range(IN_FLIGHT_MAX + 2))


async def test_an_operator_without_gas_keeps_the_nonce_and_goes_on_when_funded(house: House) -> None:
    await planned(house)
    house.chain.fund_native(house.operator.address, 0)
    await house.send()
    _, [attempt] = await first(house)
    assert attempt.last_result is SendResult.INSUFFICIENT_FUNDS
    house.chain.fund_native(house.operator.address)
    house.chain.mine(RESEND_EVERY_BLOCKS)
    await house.pump()
    assert (await stored(house)).succeeded is True


async def test_a_batch_that_reverts_as_a_whole_is_final_and_failed_and_its_charges_are_made_anew(house: House) -> None:
    subscription = await house.active()
    house.now = subscription.period_end
    await house.bill()
    house.now += house.gateway.finalization_delay
    house.chain.mine(timestamp=to_unix(house.now))
    await house.bill()
    assert await house.collect() == 1
    house.chain.world.operators.discard(house.operator.address)
    await house.send()
    house.chain.mine(3)
    await house.watch()
    await house.send()
    charge = await house.charge(subscription)
    await house.watch()
    async with house.gateway.books.read() as conn:
        cursor = await blocks.cursor(conn, house.chain.chain_id)
    assert cursor.halted_reason is None
    assert (await house.charge(subscription)).status is ChargeStatus.RELEASED
    house.chain.world.operators.add(house.operator.address)
    house.now += timedelta(minutes=2)
    await house.pump()
    again = await house.charge(subscription)
    assert (again.id != charge.id, again.status) == (True, ChargeStatus.SUCCEEDED)
    assert (await house.intent(subscription)).status is IntentStatus.SUCCEEDED
    assert (await house.subscription(subscription)).status is SubscriptionStatus.ACTIVE
    assert len(house.charged()) == 2


async def test_another_signer_has_a_lane_of_its_own(house: House) -> None:
    await planned(house)
    other = signer(0xBB)
    await submission.open_lane(house.gateway, house.chain, other)
    assert await submission.advance(house.gateway, house.chain, other, now=house.now, owner="test") == 0
    assert await house.send() == 1
