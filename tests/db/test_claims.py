"""Finding what is due: by the right clock, in order, never twice, and by an index."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from gateway.db import charge_intents, invoices, subscriptions
from gateway.db.engine import Books
from tests import factories as f
from tests.keeping import keep, keep_merchant

HOUR = timedelta(hours=1)
BEHIND = f.numbered("clock", 1)
AHEAD = f.numbered("clock", 2)
DELETED = f.numbered("clock", 3)


def due_subscription(number: int, *, after: timedelta = timedelta(), clock: str | None = None) -> object:
    """A subscription that wants to be looked at `after` NOW."""
    return f.subscription(
        id=f.numbered("sub", number),
        items=(f.subscription_item(id=f.numbered("si", number)),),
        expires_at=f.NOW + after,
        test_clock_id=clock,
    )


async def keep_clocks(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(
            conn,
            f.clock(id=BEHIND, frozen_at=f.NOW - HOUR),
            f.clock(id=AHEAD, frozen_at=f.NOW + HOUR),
            f.clock(id=DELETED, frozen_at=f.NOW + HOUR, deleted=True),
        )


async def claimed(books: Books, limit: int = 100) -> list[tuple[str, object]]:
    async with books.write() as conn:
        return [(claim.value.id, claim.now) for claim in await subscriptions.claim_due(conn, now=f.NOW, limit=limit)]


async def test_rows_are_due_by_their_own_clock_and_come_earliest_first(books: Books) -> None:
    await keep_clocks(books)
    async with books.write() as conn:
        await keep(
            conn,
            due_subscription(1),
            due_subscription(2, after=timedelta(microseconds=1)),
            due_subscription(3, after=-2 * HOUR),
            due_subscription(4, after=HOUR, clock=AHEAD),
            due_subscription(5, after=HOUR + timedelta(microseconds=1), clock=AHEAD),
            due_subscription(6, after=-HOUR, clock=BEHIND),
            due_subscription(7, clock=BEHIND),
            due_subscription(8, after=-2 * HOUR, clock=DELETED),
        )
    assert await claimed(books) == [
        (f.numbered("sub", 3), f.NOW),
        (f.numbered("sub", 6), f.NOW - HOUR),
        (f.numbered("sub", 1), f.NOW),
        (f.numbered("sub", 4), f.NOW + HOUR),
    ]
    assert [name for name, _ in await claimed(books, limit=2)] == [f.numbered("sub", 3), f.numbered("sub", 6)]


async def test_what_nothing_will_ever_happen_to_is_not_due(books: Books) -> None:
    await keep_clocks(books)
    async with books.write() as conn:
        await keep(conn, f.subscription(expires_at=None), f.draft_invoice(auto_advance=False), f.charge_intent(
            next_attempt_at=None, mandate_id=None))  # fmt: skip
        assert await subscriptions.claim_due(conn, now=f.NOW.replace(year=2099), limit=9) == []
        assert await invoices.claim_due(conn, now=f.NOW.replace(year=2099), limit=9) == []
        assert await charge_intents.due(conn, chain_id=f.CHAIN_ID, now=f.NOW.replace(year=2099), limit=9) == []


async def test_two_workers_never_claim_the_same_row(books: Books) -> None:
    await keep_clocks(books)
    async with books.write() as conn:
        await keep(conn, *(due_subscription(n, clock=AHEAD if n % 3 == 0 else None) for n in range(1, 61)))
    takers = 3
    all_hold = asyncio.Barrier(takers)
    taken: list[str] = []

    async def take() -> None:
        async with books.write() as conn:
            claims = await subscriptions.claim_due(conn, now=f.NOW, limit=10)
            taken.extend(claim.value.id for claim in claims)
            if conn.dialect.name == "postgresql":
                await asyncio.wait_for(all_hold.wait(), 15)
            # What a worker does to them: they are not due any more.
            await conn.execute(
                text("UPDATE subscriptions SET wake_at = NULL WHERE id = :id"), [{"id": c.value.id} for c in claims]
            )

    await asyncio.gather(*(take() for _ in range(takers)))
    assert len(taken) == len(set(taken)) == 30
    rest = [name for name, _ in await claimed(books)]
    assert not set(rest) & set(taken)
    assert len(rest) == 30


async def test_a_claim_that_is_rolled_back_is_free_again(books: Books) -> None:
    await keep_clocks(books)
    async with books.write() as conn:
        await keep(conn, due_subscription(1))

    async def fails() -> None:
        async with books.write() as conn:
            assert await subscriptions.claim_due(conn, now=f.NOW, limit=1)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await fails()
    assert len(await claimed(books)) == 1


async def test_drafts_are_claimed_when_they_become_open(books: Books) -> None:
    await keep_clocks(books)
    draft = f.draft_invoice(finalizes_at=f.NOW)
    async with books.write() as conn:
        await keep(conn, f.subscription(), draft, f.draft_invoice(id="in_later", lines=(), period_index=2))
        claims = await invoices.claim_due(conn, now=f.NOW, limit=9)
    assert [(claim.value, claim.now) for claim in claims] == [(draft, f.NOW)]


async def test_due_intents_are_paged_by_chain_without_missing_or_repeating_any(books: Books) -> None:
    await keep_clocks(books)
    intents = [
        f.charge_intent(
            id=f.numbered("ci", n),
            invoice_id=f.numbered("in", n),
            mandate_id=None,
            chain_id=f.CHAIN_ID if n % 5 else 1,
            test_clock_id=AHEAD if n % 2 else None,
            next_attempt_at=f.NOW - HOUR * (n % 3),
        )
        for n in range(1, 41)
    ]
    async with books.write() as conn:
        await keep(
            conn,
            f.subscription(),
            *(f.invoice(id=f.numbered("in", n), period_index=n, lines=()) for n in range(1, 41)),
            *intents,
        )
    seen = []
    async with books.read() as conn:
        batch = await charge_intents.due(conn, chain_id=f.CHAIN_ID, now=f.NOW, limit=7)
        while batch:
            seen.extend(claim.value for claim in batch)
            batch = await charge_intents.due(conn, chain_id=f.CHAIN_ID, now=f.NOW, limit=7, after=batch[-1].value)
        of_other_chain = await charge_intents.due(conn, chain_id=1, now=f.NOW, limit=100)
    expected = sorted((i for i in intents if i.chain_id == f.CHAIN_ID), key=lambda i: (i.wake_at, i.id))
    assert seen == expected
    assert len(of_other_chain) == 8
