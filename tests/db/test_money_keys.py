"""The unique keys that keep money from moving twice: each refuses the second row and lets through what is allowed."""

from typing import Any

import pytest

from gateway.db import events, idempotency, invoices, transactions
from gateway.db.engine import Books
from gateway.db.errors import ConstraintBroken
from gateway.domain import charge, charge_intent, invoice
from gateway.domain.catalog import Scope
from tests import factories as f
from tests.db.parts import draft, planned
from tests.keeping import keep, keep_merchant

SECOND = {"id": f.numbered("in", 2), "lines": ()}


async def store(books: Books, *values: object) -> None:
    async with books.write() as conn:
        await keep(conn, *values)


@pytest.fixture
async def shop(books: Books) -> Books:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.mandate(), f.subscription(), f.invoice())
    return books


@pytest.mark.parametrize("status", [s for s in invoice.Status if s is not invoice.Status.VOID])
async def test_a_period_has_one_invoice(shop: Books, status: invoice.Status) -> None:
    with pytest.raises(ConstraintBroken) as broken:
        await store(shop, f.invoice(status=status, **SECOND))
    assert broken.value.constraint == "uq_invoices_period"


async def test_a_period_whose_invoice_is_void_may_have_another(shop: Books) -> None:
    voided = invoice.void(f.invoice(), f.invoice().reason, f.NOW)
    async with shop.write() as conn:
        await keep(conn, f.invoice(period_index=2, **SECOND))
        await invoices.save_many(conn, [voided])
        await keep(conn, f.invoice(id=f.numbered("in", 3), lines=()))


@pytest.mark.parametrize("status", [s for s in charge_intent.Status if s is not charge_intent.Status.CANCELED])
async def test_a_period_of_a_mandate_is_spent_by_one_intent(shop: Books, status: charge_intent.Status) -> None:
    async with shop.write() as conn:
        await keep(conn, f.charge_intent(), f.invoice(period_index=2, **SECOND))
    with pytest.raises(ConstraintBroken) as broken:
        await store(shop, f.charge_intent(id=f.numbered("ci", 2), invoice_id=SECOND["id"], status=status))
    assert broken.value.constraint == "uq_charge_intents_mandate_period"


async def test_a_canceled_intent_leaves_its_period_to_another(shop: Books) -> None:
    async with shop.write() as conn:
        await keep(
            conn,
            f.charge_intent(status=charge_intent.Status.CANCELED),
            f.invoice(period_index=2, **SECOND),
            f.charge_intent(id=f.numbered("ci", 2), invoice_id=SECOND["id"]),
        )


async def test_a_period_of_a_mandate_is_collected_once(shop: Books) -> None:
    await store(shop, f.charge_intent(), charge_of(1, charge.Status.SUCCEEDED))
    # Another period, and the same terms on another chain, are other money.
    await store(shop, charge_of(2, charge.Status.SUCCEEDED, mandate_period=2))
    await store(shop, charge_of(3, charge.Status.SUCCEEDED, chain_id=1))
    with pytest.raises(ConstraintBroken) as broken:
        await store(shop, charge_of(4, charge.Status.SUCCEEDED))
    assert broken.value.constraint == "uq_charges_period"


@pytest.mark.parametrize("status", [s for s in charge.Status if s is not charge.Status.SUCCEEDED])
async def test_attempts_that_collected_nothing_leave_the_period_free(shop: Books, status: charge.Status) -> None:
    await store(shop, f.charge_intent(), charge_of(1, status), charge_of(2, status))
    await store(shop, charge_of(3, charge.Status.SUCCEEDED))


def charge_of(number: int, status: charge.Status, **changes: Any) -> charge.Charge:
    return f.charge(id=f.numbered("ch", number), status=status, **changes)


async def test_intents_without_a_mandate_do_not_stand_in_each_others_way(shop: Books) -> None:
    bare: dict[str, Any] = {"mandate_id": None, "mandate_period": None}
    async with shop.write() as conn:
        await keep(
            conn,
            f.charge_intent(**bare),
            f.invoice(period_index=2, **SECOND),
            f.charge_intent(id=f.numbered("ci", 2), invoice_id=SECOND["id"], **bare),
        )


async def test_an_invoice_has_one_intent(shop: Books) -> None:
    await store(shop, f.charge_intent())
    with pytest.raises(ConstraintBroken) as broken:
        await store(shop, f.charge_intent(id=f.numbered("ci", 2), mandate_period=2))
    assert broken.value.constraint == "uq_charge_intents_invoice_id"


async def test_the_same_terms_are_written_down_once_on_each_chain(shop: Books) -> None:
    await store(shop, f.mandate(id=f.numbered("mandate", 2), chain_id=1))
    with pytest.raises(ConstraintBroken) as broken:
        await store(shop, f.mandate(id=f.numbered("mandate", 3)))
    assert broken.value.constraint == "uq_mandates_onchain_id"


async def test_a_nonce_has_one_transaction(shop: Books) -> None:
    async with shop.write() as conn:
        await transactions.add_many(conn, [planned(1, nonce=7), planned(2, nonce=7, chain_id=2)])
    with pytest.raises(ConstraintBroken) as broken:
        await _plan(shop, planned(3, nonce=7))
    assert broken.value.constraint == "uq_chain_transactions_nonce"
    with pytest.raises(ConstraintBroken) as broken:
        await _plan(shop, (planned(3, nonce=8)[0], planned(1, nonce=7)[1]))
    assert broken.value.constraint == "pk_transaction_attempts"


async def _plan(books: Books, plan: tuple[Any, Any]) -> None:
    async with books.write() as conn:
        await transactions.add_many(conn, [plan])


async def test_a_number_has_one_event(shop: Books) -> None:
    async with shop.write() as conn:
        [record] = await events.append(conn, [draft(f.SCOPE)])
    again = events._row(record) | {"id": "evt_2", "object_sequence": 2}
    with pytest.raises(ConstraintBroken) as broken:
        await _insert_event(shop, again)
    assert broken.value.constraint == "uq_events_sequence"
    with pytest.raises(ConstraintBroken) as broken:
        await _insert_event(shop, again | {"sequence": 2, "object_sequence": 1})
    assert broken.value.constraint == "uq_events_object_sequence"


async def _insert_event(books: Books, row: dict[str, Any]) -> None:
    async with books.write() as conn:
        await events.bulk.insert(conn, events._T, [row])


async def test_a_key_has_one_answer_for_each_account_and_mode(shop: Books) -> None:
    for livemode in (False, True):
        async with shop.write() as conn:
            claimed = await idempotency.claim(
                conn,
                Scope(f.ACCOUNT_ID, livemode),
                "k",
                fingerprint=b"f",
                method="POST",
                path="/v1/customers",
                now=f.NOW,
            )
            assert claimed == idempotency.Fresh()
