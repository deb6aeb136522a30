"""The chain as it was followed: cursor, blocks and events move together; what is final is never taken back."""

import asyncio
from dataclasses import replace

import pytest

from chain.primitives import BlockRef, Canceled, ChargeFailed, ContractEvent, FailReason, Subscribed
from gateway.db import blocks, charges, halts, stranding, transactions
from gateway.db.blocks import Cursor
from gateway.db.engine import Books, Connection
from gateway.db.errors import ConstraintBroken
from gateway.db.transactions import TransactionStatus
from tests import factories as f
from tests.db.parts import planned
from tests.keeping import keep, keep_merchant

CHAIN = f.CHAIN_ID


def one_of_each(block: int) -> list[ContractEvent]:
    return [
        Subscribed(
            at=f.position(block, 0),
            mandate_id=f.ONCHAIN_ID,
            payer=f.WALLET,
            plan_id=2**24 - 1,
            start=2**40 - 1,
            periods=2**16 - 1,
        ),
        f.charged(at=f.position(block, 1), amount=2**96 - 1, period=2**16 - 1),
        ChargeFailed(
            at=f.position(block, 2),
            mandate_id=f.ONCHAIN_ID,
            period=2,
            reason=FailReason.TOKEN_REJECTED,
            token_error=b"\x08\xc3\x79\xa0",
        ),
        Canceled(at=f.position(block, 3), mandate_id=f.ONCHAIN_ID, by=f.WALLET),
    ]


async def follow(conn: Connection, *numbers: int) -> None:
    await blocks.append(
        conn, CHAIN, [f.header(n) for n in numbers], [f.charged(at=f.position(n), period=n) for n in numbers]
    )


async def test_a_chain_that_was_never_followed_stands_nowhere(books: Books) -> None:
    async with books.write() as conn:
        assert await blocks.cursor(conn, CHAIN) == Cursor(chain_id=CHAIN)
        assert await blocks.cursor(conn, CHAIN, lock=True) == Cursor(chain_id=CHAIN)
        assert await blocks.recent(conn, CHAIN, 0) == {}
        await blocks.append(conn, CHAIN, [], [])
        assert await blocks.cursor(conn, CHAIN) == Cursor(chain_id=CHAIN)


async def test_events_are_read_as_they_were_written_in_the_order_of_the_chain(books: Books) -> None:
    events = one_of_each(3)
    async with books.write() as conn:
        await blocks.append(conn, CHAIN, [f.header(2), f.header(3)], list(reversed(events)))
        assert await blocks.cursor(conn, CHAIN) == Cursor(chain_id=CHAIN, head=f.header(3).ref)
        assert await blocks.recent(conn, CHAIN, 3) == {3: f.header(3).hash}
        found = await blocks.unsettled(conn, CHAIN, up_to_number=3, limit=9)
        assert [log.event for log in found] == events
        assert [log.event for log in await blocks.of_mandates(conn, CHAIN, [f.ONCHAIN_ID])] == events
        assert await blocks.unsettled(conn, CHAIN, up_to_number=2, limit=9) == []
        await blocks.mark_settled(conn, [log.id for log in found[:3]], now=f.NOW)
        assert [log.event for log in await blocks.unsettled(conn, CHAIN, up_to_number=3, limit=9)] == events[3:]
        seen = await blocks.find_charged(conn, CHAIN, [(f.ONCHAIN_ID, 2**16 - 1), (f.ONCHAIN_ID, 2), (f.ONCHAIN_ID, 9)])
        assert {key: (log.event, log.settled_at) for key, log in seen.items()} == {
            (f.ONCHAIN_ID, 2**16 - 1): (events[1], f.NOW)
        }


async def test_a_block_is_taken_in_once(books: Books) -> None:
    async with books.write() as conn:
        await follow(conn, 1, 2)
    with pytest.raises(ConstraintBroken):
        await _again(books)


async def _again(books: Books) -> None:
    async with books.write() as conn:
        await follow(conn, 2)


async def test_chains_do_not_touch_each_other(books: Books) -> None:
    async with books.write() as conn:
        await follow(conn, 1, 2, 3)
        await blocks.append(conn, 1, [f.header(2)], [f.charged(at=f.position(2))])
        await blocks.unwind(conn, 1, 1)
        await blocks.set_final(conn, 1, 1)
        assert (await blocks.cursor(conn, CHAIN)).head == f.header(3).ref
        assert len(await blocks.unsettled(conn, CHAIN, up_to_number=9, limit=9)) == 3
        assert await blocks.cursor(conn, 1) == Cursor(chain_id=1, final_number=1)


async def test_unwinding_forgets_what_lay_above_and_nothing_else(books: Books) -> None:
    async with books.write() as conn:
        await follow(conn, 1, 2, 3, 4)
        await blocks.set_final(conn, CHAIN, 2)
        await blocks.unwind(conn, CHAIN, 2)
        assert await blocks.cursor(conn, CHAIN) == Cursor(chain_id=CHAIN, head=f.header(2).ref, final_number=2)
        assert list(await blocks.recent(conn, CHAIN, 0)) == [1, 2]
        assert len(await blocks.unsettled(conn, CHAIN, up_to_number=9, limit=9)) == 2
        other = f.header(3, hash=f.some_hash("another third block"))
        await blocks.append(conn, CHAIN, [other], [])
        assert (await blocks.cursor(conn, CHAIN)).head == BlockRef(3, other.hash)


async def test_what_is_final_is_never_unwound_and_never_becomes_less(books: Books) -> None:
    async with books.write() as conn:
        await follow(conn, 1, 2, 3)
        await blocks.set_final(conn, CHAIN, 2)
        await blocks.set_final(conn, CHAIN, 1)
        assert (await blocks.cursor(conn, CHAIN)).final_number == 2
        with pytest.raises(ValueError, match="2 is final"):
            await blocks.unwind(conn, CHAIN, 1)


async def test_blocks_far_below_finality_are_forgotten_and_their_events_stay(books: Books) -> None:
    async with books.write() as conn:
        await follow(conn, *range(1, 401))
        await blocks.set_final(conn, CHAIN, 390)
        await blocks.forget(conn, CHAIN, 390)
        assert min(await blocks.recent(conn, CHAIN, 0)) == 390 - blocks.KEPT_BLOCKS
        assert len(await blocks.unsettled(conn, CHAIN, up_to_number=400, limit=500)) == 400


async def test_the_first_reason_of_a_halt_stays_until_somebody_resumes(books: Books) -> None:
    async with books.write() as conn:
        await blocks.halt(conn, CHAIN, "a final block changed")
        await blocks.halt(conn, CHAIN, "something else")
        assert (await blocks.cursor(conn, CHAIN)).halted_reason == "a final block changed"
        await halts.resume_chain(conn, CHAIN)
        assert (await blocks.cursor(conn, CHAIN)).halted_reason is None


async def test_two_indexers_that_start_at_once_take_turns(books: Books) -> None:
    async def step() -> None:
        async with books.write() as conn:
            cursor = await blocks.cursor(conn, CHAIN, lock=True)
            await follow(conn, 1 if cursor.head is None else cursor.head.number + 1)

    await asyncio.gather(*(step() for _ in range(6)))
    async with books.read() as conn:
        assert list(await blocks.recent(conn, CHAIN, 0)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("status", "succeeded", "wanted", "final_number", "settles", "expected"),
    [
        (TransactionStatus.OPEN, None, True, 9, True, ""),
        (TransactionStatus.MINED, None, True, 9, True, ""),
        (TransactionStatus.LOST, None, True, 0, False, "stranded"),
        (TransactionStatus.FINAL, False, True, 0, False, "stranded"),
        (TransactionStatus.FINAL, True, True, 9, True, "unheard"),
        (TransactionStatus.FINAL, True, True, 9, False, ""),
        (TransactionStatus.FINAL, True, True, 4, True, ""),
        (TransactionStatus.FINAL, True, False, 9, True, "stranded"),
        (TransactionStatus.FINAL, True, False, 9, False, ""),
        (TransactionStatus.FINAL, True, False, 4, True, ""),
    ],
)
async def test_a_charge_is_stranded_when_its_transaction_moved_nothing_and_unheard_when_it_must_have(
    books: Books,
    *,
    status: TransactionStatus,
    succeeded: bool | None,
    wanted: bool,
    final_number: int,
    settles: bool,
    expected: str,
) -> None:
    transaction, attempt = planned(1, nonce=1)
    block = f.header(5).ref if status in {TransactionStatus.MINED, TransactionStatus.FINAL} else None
    after = replace(transaction, status=status, mined_block=block, succeeded=succeeded, wanted=wanted)
    charge = f.charge(transaction_id=transaction.id)
    async with books.write() as conn:
        await keep_merchant(conn)
        await transactions.add_many(conn, [(transaction, attempt)])
        await keep(conn, f.mandate(), f.subscription(), f.invoice(), f.charge_intent(), charge)
        await transactions.save_many(conn, [after])
        await follow(conn, *range(1, 10))
        await blocks.set_final(conn, CHAIN, final_number)
        if settles:
            logs = await blocks.unsettled(conn, CHAIN, up_to_number=9, limit=99)
            await blocks.mark_settled(conn, [log.id for log in logs], now=f.NOW)
        assert await charges.stranded(conn, CHAIN, limit=9) == ([charge] if expected == "stranded" else [])
        assert await stranding.unheard(conn, CHAIN, limit=9) == ([block] if expected == "unheard" else [])
        assert await charges.stranded(conn, 1, limit=9) == []
        assert await stranding.unheard(conn, 1, limit=9) == []


async def test_only_events_that_are_missing_are_added(books: Books) -> None:
    first, second = f.charged(at=f.position(5, 0)), f.charged(at=f.position(5, 1))
    async with books.write() as conn:
        await blocks.append(conn, CHAIN, [f.header(5)], [first])
        assert await blocks.add_missing(conn, CHAIN, [first, second]) == 1
        assert await blocks.add_missing(conn, CHAIN, [first, second]) == 0
        found = await blocks.unsettled(conn, CHAIN, up_to_number=5, limit=9)
    assert [log.event for log in found] == [first, second]
