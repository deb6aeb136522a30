"""Lanes and signed bytes: a nonce is given once, to whoever holds the lane, and never without its bytes."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chain.primitives import BlockRef, SendResult
from gateway.db import charges, halts, transactions
from gateway.db.engine import Books
from gateway.db.errors import LeaseLost, WriteConflict
from gateway.db.transactions import ChainTransaction, TransactionAttempt, TransactionStatus
from gateway.domain import charge as charge_domain
from tests import factories as f
from tests.db.parts import SIGNER, planned
from tests.keeping import keep, keep_merchant

LEASE = timedelta(seconds=20)


@pytest.fixture
async def lane_books(books: Books) -> Books:
    async with books.write() as conn:
        await transactions.open_lane(conn, f.CHAIN_ID, SIGNER, 7)
    return books


async def take(books: Books, owner: str, *, now: Any = f.NOW) -> transactions.Lane | None:
    async with books.write() as conn:
        return await transactions.take_lane(conn, f.CHAIN_ID, SIGNER, owner=owner, now=now, lease=LEASE)


async def test_a_lane_that_is_opened_again_keeps_its_own_nonce(lane_books: Books) -> None:
    async with lane_books.write() as conn:
        await transactions.open_lane(conn, f.CHAIN_ID, SIGNER, 99)
        lane = await transactions.lock_lane(conn, f.CHAIN_ID, SIGNER)
        assert lane is not None
        assert lane.next_nonce == 7
        assert await transactions.lock_lane(conn, 1, SIGNER) is None


async def test_a_lane_belongs_to_one_owner_until_its_lease_is_over_or_given_back(lane_books: Books) -> None:
    mine = await take(lane_books, "a")
    assert mine is not None
    assert await take(lane_books, "b") is None
    assert await take(lane_books, "b", now=f.NOW + LEASE - timedelta(microseconds=1)) is None
    assert await take(lane_books, "a") == mine
    theirs = await take(lane_books, "b", now=f.NOW + LEASE)
    assert theirs is not None
    async with lane_books.write() as conn:
        await transactions.check_lease(conn, theirs)
        with pytest.raises(LeaseLost):
            await transactions.check_lease(conn, mine)
        await transactions.release_lane(conn, mine)
    assert await take(lane_books, "a", now=f.NOW + LEASE) is None
    async with lane_books.write() as conn:
        await transactions.release_lane(conn, theirs)
    assert await take(lane_books, "a") is not None


async def test_of_many_who_want_a_lane_at_once_one_gets_it(lane_books: Books) -> None:
    lanes = await asyncio.gather(*(take(lane_books, f"worker {number}") for number in range(12)))
    assert sum(lane is not None for lane in lanes) == 1


async def test_nonces_are_given_once_and_without_gaps_whoever_plans_and_fails_at_once(lane_books: Books) -> None:
    given: list[int] = []

    async def plan(number: int) -> None:
        async with lane_books.write() as conn:
            lane = await transactions.lock_lane(conn, f.CHAIN_ID, SIGNER)
            assert lane is not None
            first = await transactions.reserve(conn, lane, 2)
            await asyncio.sleep(0)
            if number % 3 == 0:
                raise InterruptedError
        given.extend((first, first + 1))

    await asyncio.gather(*(plan(number) for number in range(18)), return_exceptions=True)
    assert sorted(given) == list(range(7, 7 + 24))


async def test_a_stale_or_halted_lane_gives_no_nonce(lane_books: Books) -> None:
    lane = await take(lane_books, "a")
    assert lane is not None
    async with lane_books.write() as conn:
        assert await transactions.reserve(conn, lane, 3) == 7
        with pytest.raises(WriteConflict):
            await transactions.reserve(conn, lane, 1)
        await transactions.halt_lane(conn, f.CHAIN_ID, SIGNER, "the key signs elsewhere")
        await transactions.halt_lane(conn, f.CHAIN_ID, SIGNER, "another reason")
        halted = await transactions.lock_lane(conn, f.CHAIN_ID, SIGNER)
        assert halted == replace(lane, next_nonce=10, halted_reason="the key signs elsewhere")
        with pytest.raises(WriteConflict):
            await transactions.reserve(conn, halted, 1)
        await halts.resume_lane(conn, f.CHAIN_ID, SIGNER)
        resumed = await transactions.lock_lane(conn, f.CHAIN_ID, SIGNER)
        assert resumed is not None
        assert await transactions.reserve(conn, resumed, 1) == 10


async def test_what_is_in_flight_comes_lowest_nonce_first_with_its_attempts_oldest_first(books: Books) -> None:
    (second, late), (first, early), (done, last) = planned(1, nonce=8), planned(2, nonce=7), planned(3, nonce=6)
    bump = replace(
        early, hash=f.some_hash("bump"), fees=replace(early.fees, max_fee_per_gas=2**97), made_at_block=9, is_noop=True
    )
    sent = replace(
        bump,
        sent_at=f.NOW,
        sent_at_block=10,
        send_count=2,
        last_result=SendResult.UNKNOWN,
        last_error="connection reset",
    )
    mined = replace(first, status=TransactionStatus.MINED, mined_block=BlockRef(9, f.some_hash(9)), used_since_block=3)
    final = replace(done, status=TransactionStatus.FINAL, mined_block=BlockRef(8, f.some_hash(8)), succeeded=True)
    async with books.write() as conn:
        await transactions.add_many(conn, [(second, late), (first, early), (done, last)])
        await transactions.add_attempts(conn, [bump])
        await transactions.mark_sent(conn, [sent])
        assert await transactions.save_many(conn, [mined, final, second]) == 2
        assert await transactions.save_many(conn, [mined, final, second]) == 0
        assert await transactions.open_of_lane(conn, f.CHAIN_ID, SIGNER) == [(mined, [early, sent]), (second, [late])]
        assert await transactions.open_of_lane(conn, 1, SIGNER) == []
        assert await transactions.count_open(conn, f.CHAIN_ID, SIGNER) == 1
        unwanted = replace(second, wanted=False)
        assert await transactions.save_many(conn, [unwanted]) == 1
        hashes = [bump.hash, last.hash, f.some_hash("of somebody else")]
        assert await transactions.by_hashes(conn, hashes) == {bump.hash: mined, last.hash: final}


async def test_a_transaction_without_bytes_is_not_stored(books: Books) -> None:
    transaction, attempt = planned(1, nonce=1)
    foreign = replace(attempt, transaction_id="tx_of_nobody")
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await _store(books, transaction, foreign)
    async with books.read() as conn:
        assert await transactions.open_of_lane(conn, f.CHAIN_ID, SIGNER) == []


async def _store(books: Books, transaction: ChainTransaction, attempt: TransactionAttempt) -> None:
    async with books.write() as conn:
        await transactions.add_many(conn, [(transaction, attempt)])


async def test_charges_of_a_transaction_are_found_while_their_outcome_is_open(books: Books) -> None:
    transaction, attempt = planned(1, nonce=1)
    charge = f.charge(transaction_id=transaction.id)
    failed = charge_domain.fail(charge, charge.reason, None, f.NOW)
    async with books.write() as conn:
        await keep_merchant(conn)
        await transactions.add_many(conn, [(transaction, attempt)])
        await keep(conn, f.mandate(), f.subscription(), f.invoice(), f.charge_intent(), charge)
        assert await charges.pending_of_transactions(conn, [transaction.id], lock=True) == [charge]
        await charges.save_many(conn, [failed])
        assert await charges.pending_of_transactions(conn, [transaction.id]) == []
