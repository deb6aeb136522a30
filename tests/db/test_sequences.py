"""Numbers without gaps: events per merchant and per object, invoices per merchant; whoever writes at the same time."""

import asyncio
import random
from collections import Counter, defaultdict

import pytest

from gateway.db import events, invoices
from gateway.db.engine import Books, Connection
from gateway.db.events import EventRecord
from gateway.domain.catalog import Scope
from tests import factories as f
from tests.db.parts import draft
from tests.keeping import keep

SCOPES = [Scope(f.numbered("acct", number), livemode) for number in (1, 2, 3) for livemode in (False, True)]


async def keep_accounts(books: Books) -> None:
    async with books.write() as conn:
        await keep(conn, *(f.account(id=f.numbered("acct", number)) for number in (1, 2, 3)))


async def all_events(conn: Connection, scope: Scope) -> list[EventRecord]:
    return await events.after_sequence(conn, scope, 0, limit=10_000)


async def test_events_are_numbered_in_the_order_of_their_drafts_and_read_as_they_were_written(books: Books) -> None:
    await keep_accounts(books)
    drafts = [
        draft(SCOPES[1], "sub_a"),
        draft(SCOPES[0], "sub_b"),
        draft(SCOPES[1], "sub_c"),
        draft(SCOPES[1], "sub_a"),
    ]
    async with books.write() as conn:
        records = await events.append(conn, drafts)
        again = await events.append(conn, drafts[:1])
        assert await events.append(conn, []) == []
        assert [(r.sequence, r.object_sequence) for r in records] == [(1, 1), (1, 1), (2, 1), (3, 2)]
        assert [(r.sequence, r.object_sequence) for r in again] == [(4, 3)]
        assert await all_events(conn, SCOPES[1]) == [records[0], records[2], records[3], *again]
        assert await events.load(conn, [r.id for r in records]) == {r.id: r for r in records}
        assert await events.get(conn, SCOPES[0], records[1].id) == records[1]


async def test_events_have_no_gap_and_no_double_however_many_write_and_fail_at_once(books: Books) -> None:
    await keep_accounts(books)
    chance = random.Random(7)  # noqa: S311 - a repeatable choice
    kept: Counter[Scope] = Counter()

    async def write(number: int) -> None:
        scopes = chance.sample(SCOPES, chance.randint(1, 4))
        drafts = [draft(scope, f"{scope} {number % 5}") for scope in scopes for _ in range(chance.randint(1, 3))]
        fails = number % 4 == 0
        async with books.write() as conn:
            await events.append(conn, drafts)
            await asyncio.sleep(0)
            if fails:
                raise InterruptedError
        kept.update(draft.scope for draft in drafts)

    ends = await asyncio.gather(*(write(number) for number in range(60)), return_exceptions=True)
    assert {type(end) for end in ends} == {type(None), InterruptedError}
    async with books.read() as conn:
        for scope in SCOPES:
            log = await all_events(conn, scope)
            assert [record.sequence for record in log] == list(range(1, kept[scope] + 1))
            by_object: defaultdict[str, list[int]] = defaultdict(list)
            for record in log:
                by_object[record.object_id].append(record.object_sequence)
            for numbers in by_object.values():
                assert numbers == list(range(1, len(numbers) + 1))


async def test_whoever_has_read_up_to_a_number_misses_nothing_that_is_committed_later(books: Books) -> None:
    """A number is visible only when all smaller ones are: that is what lets a consumer go on from the last it saw."""
    await keep_accounts(books)
    seen = 0
    done = asyncio.Event()

    async def write() -> None:
        for _ in range(15):
            async with books.write() as conn:
                await events.append(conn, [draft(SCOPES[0])])
                await asyncio.sleep(0)

    async def follow() -> None:
        nonlocal seen
        while not done.is_set() or seen < 45:
            async with books.read() as conn:
                for record in await events.after_sequence(conn, SCOPES[0], seen, limit=100):
                    assert record.sequence == seen + 1
                    seen = record.sequence
            await asyncio.sleep(0)

    reader = asyncio.create_task(follow())
    await asyncio.gather(write(), write(), write())
    done.set()
    await asyncio.wait_for(reader, 20)
    assert seen == 45


async def test_an_event_of_an_unknown_merchant_is_refused(books: Books) -> None:
    await keep_accounts(books)
    with pytest.raises(LookupError, match="acct_of_nobody"):
        async with books.write() as conn:
            await events.append(conn, [draft(Scope("acct_of_nobody", livemode=False))])


async def test_appending_takes_three_statements_whatever_the_number_of_events(books: Books) -> None:
    await keep_accounts(books)
    for size in (1, 700):
        async with books.write() as conn:
            before = books.statements
            await events.append(conn, [draft(SCOPES[n % 6], f"sub_{n}") for n in range(size)])
            assert books.statements - before == 3


async def test_invoice_numbers_have_no_gap_and_no_double_however_many_take_and_fail_at_once(books: Books) -> None:
    await keep_accounts(books)
    taken: defaultdict[Scope, list[int]] = defaultdict(list)

    async def take(number: int) -> None:
        counts = {SCOPES[number % 6]: 2, SCOPES[(number * 5 + 1) % 6]: 3}
        async with books.write() as conn:
            firsts = await invoices.take_numbers(conn, counts)
            if number % 3 == 0:
                raise InterruptedError
        for scope, count in counts.items():
            taken[scope].extend(range(firsts[scope], firsts[scope] + count))

    await asyncio.gather(*(take(number) for number in range(36)), return_exceptions=True)
    assert len(taken) == 6
    for numbers in taken.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


async def test_the_events_counter_stands_still_while_invoices_are_numbered(books: Books) -> None:
    await keep_accounts(books)
    async with books.write() as conn:
        await invoices.take_numbers(conn, {SCOPES[0]: 5})
        [record] = await events.append(conn, [draft(SCOPES[0])])
    assert record.sequence == 1
