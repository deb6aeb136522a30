"""Saving what verbs returned: once per object, with all its history, and never over somebody else's decision."""

from dataclasses import replace

import pytest

from gateway.db import charge_intents, invoices, mandates, state_changes, subscriptions
from gateway.db.engine import Books
from gateway.db.errors import WriteConflict
from gateway.domain import charge_intent as intent_domain
from gateway.domain import mandate as mandate_domain
from gateway.domain import subscription as domain
from gateway.domain.catalog import Scope
from gateway.domain.transition import Action, Moved, StatusReason
from tests import factories as f
from tests.keeping import created, keep, keep_merchant

REASON = StatusReason("insufficient_balance", Action.CUSTOMER_ACTION, {"balance": "12"})


async def test_history_is_written_with_the_change_that_it_tells_of(books: Books) -> None:
    opened = domain.create(f.subscription())
    asked = domain.require_customer(opened.value, REASON, f.NOW)
    async with books.write() as conn:
        await keep_merchant(conn)
        await subscriptions.add_many(conn, [opened])
        await subscriptions.save_many(conn, [asked])
        assert await subscriptions.get(conn, f.SCOPE, f.SUBSCRIPTION_ID) == asked.value
        assert await state_changes.of(conn, f.SCOPE, [f.SUBSCRIPTION_ID]) == [*opened.changes, *asked.changes]
        assert await state_changes.of(conn, Scope(f.ACCOUNT_ID, livemode=True), [f.SUBSCRIPTION_ID]) == []


async def test_an_object_that_moves_twice_is_written_once_and_keeps_both_changes(books: Books) -> None:
    intent = f.charge_intent()
    started = intent_domain.start(intent, f.CHARGE_ID, f.NOW)
    done = intent_domain.succeed(started.value, f.CHARGE_ID, StatusReason("transfer_final"), f.NOW)
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.mandate(), f.subscription(), f.invoice(), intent)
        before = books.statements
        await charge_intents.save_many(conn, [started, done])
        assert books.statements - before == 2
        assert await charge_intents.get(conn, f.SCOPE, f.INTENT_ID) == done.value
        assert await state_changes.of(conn, f.SCOPE, [f.INTENT_ID]) == [*started.changes, *done.changes]


async def test_an_object_that_moves_before_it_is_stored_is_stored_as_it_is_then(books: Books) -> None:
    opened = domain.create(f.subscription())
    asked = domain.require_customer(opened.value, REASON, f.NOW)
    async with books.write() as conn:
        await keep_merchant(conn)
        await subscriptions.add_many(conn, [opened, asked])
        assert await subscriptions.get(conn, f.SCOPE, f.SUBSCRIPTION_ID) == asked.value
        assert await state_changes.of(conn, f.SCOPE, [f.SUBSCRIPTION_ID]) == [*opened.changes, *asked.changes]


async def test_a_decision_on_a_stale_read_overwrites_nothing(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.subscription(), f.subscription(id=f.numbered("sub", 2), items=()))
    stale = domain.require_customer(f.subscription(), REASON, f.NOW)
    other = domain.require_customer(f.subscription(id=f.numbered("sub", 2), items=()), REASON, f.NOW)
    canceled = domain.cancel(f.subscription(), domain.CancellationReason.CUSTOMER, f.NOW)
    async with books.write() as conn:
        await subscriptions.save_many(conn, [canceled])
    with pytest.raises(WriteConflict, match="1 of 2 rows of subscriptions"):
        async with books.write() as conn:
            await subscriptions.save_many(conn, [other, stale])
    async with books.read() as conn:
        assert await subscriptions.get(conn, f.SCOPE, f.SUBSCRIPTION_ID) == canceled.value
        assert await subscriptions.get(conn, f.SCOPE, f.numbered("sub", 2)) == other.before
        assert len(await state_changes.of(conn, f.SCOPE, [f.SUBSCRIPTION_ID, f.numbered("sub", 2)])) == 1


async def test_what_did_not_change_is_not_written(books: Books) -> None:
    mandate = f.active_mandate()
    again = mandate_domain.activate(mandate, REASON, f.NOW)
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, mandate)
        before = books.statements
        await mandates.save_many(conn, [again])
        await mandates.save_many(conn, [])
        assert books.statements == before


async def test_what_was_agreed_stays_whatever_is_saved(books: Books) -> None:
    mandate = f.mandate()
    forged = replace(f.signed_mandate(), terms=f.mandate_terms(amount=1), customer_id="cus_x")
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, mandate)
        await mandates.save_many(conn, [Moved(value=forged, before=mandate)])
        assert await mandates.get(conn, f.SCOPE, mandate.id) == f.signed_mandate()


async def test_items_are_replaced_when_they_changed(books: Books) -> None:
    before = f.subscription()
    items = (f.subscription_item(quantity=2), f.subscription_item(id=f.numbered("si", 0)))
    after = replace(before, items=items)
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, before)
        await subscriptions.save_many(conn, [Moved(value=after, before=before)])
        assert await subscriptions.get(conn, f.SCOPE, before.id) == after


@pytest.mark.parametrize("size", [1, 300])
async def test_saving_takes_as_many_statements_for_one_as_for_hundreds(books: Books, size: int) -> None:
    numbers = range(1, size + 1)
    opened = [
        domain.create(f.subscription(id=f.numbered("sub", n), items=(f.subscription_item(id=f.numbered("si", n)),)))
        for n in numbers
    ]
    drafts = [
        f.draft_invoice(
            id=f.numbered("in", n),
            subscription_id=f.numbered("sub", n),
            lines=(f.invoice_line(id=f.numbered("il", n)),),
        )
        for n in numbers
    ]
    asked = [domain.require_customer(move.value, REASON, f.NOW) for move in opened]
    async with books.write() as conn:
        await keep_merchant(conn)
        before = books.statements
        await subscriptions.add_many(conn, opened)
        await invoices.add_many(conn, [created(draft) for draft in drafts])
        await subscriptions.save_many(conn, asked)
        assert books.statements - before == 3 + 2 + 2
        loaded = await subscriptions.load(conn, [f.numbered("sub", n) for n in numbers], lock=True)
        assert list(loaded.values()) == [move.value for move in asked]
        assert books.statements - before == 3 + 2 + 2 + 2
