"""The books against the chain: every kind of difference is found, with what a person needs to look it up."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import delete, update
from sqlalchemy.schema import DropIndex

from chain import mandates as contract
from chain.primitives import ChargeItem, RawLog
from gateway.db import blocks, halts, schema
from gateway.db.engine import Books
from gateway.domain.audit import Difference, Finding
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.subscription import Status
from gateway.services import reconciliation, refunds
from tests import factories
from tests.services.house import House

PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def audited(house: House) -> list[Difference]:
    found = [d async for stretch in reconciliation.audit(house.gateway, house.chain) for d in stretch.differences]
    return found + [d async for page in reconciliation.unbacked(house.gateway) for d in page]


async def tamper(house: House, table: str, **values: object) -> None:
    """Change rows by hand, as no code of ours does."""
    async with house.gateway.books.write() as conn:
        await conn.execute(update(getattr(schema, table)).values(**values))


async def test_books_that_agree_have_no_difference(house: House) -> None:
    active = await house.active()
    await house.renew(active)
    assert await audited(house) == []
    stretches = [stretch async for stretch in reconciliation.audit(house.gateway, house.chain)]
    assert sum(stretch.events for stretch in stretches) == 2


async def test_money_that_moved_without_an_entry_is_missing(house: House) -> None:
    await house.active()
    await tamper(house, "charges", status=ChargeStatus.RELEASED)
    (found, unpaid) = await audited(house)
    assert (found.finding, found.evidence["period"], found.evidence["collected"]) == (
        Finding.MISSING, 1, str(PRICE_UNITS),
    )  # fmt: skip
    assert unpaid.finding is Finding.UNBACKED


async def test_an_entry_without_an_event_is_an_orphan(house: House) -> None:
    active = await house.active()
    charge = await house.charge(active)
    await tamper(house, "charges", log_index=77)
    assert {d.finding for d in await audited(house)} == {Finding.MISSING, Finding.ORPHAN}
    assert {d.object_id for d in await audited(house)} == {None, charge.id}


async def test_an_amount_that_is_not_the_events_is_wrong(house: House) -> None:
    active = await house.active()
    await tamper(house, "charges", token_amount=PRICE_UNITS + 1)
    (found,) = await audited(house)
    assert (found.finding, found.object_id) == (Finding.WRONG_AMOUNT, (await house.charge(active)).id)
    assert (found.evidence["booked"], found.evidence["collected"]) == (str(PRICE_UNITS + 1), str(PRICE_UNITS))


async def test_two_entries_for_one_period_are_a_double(house: House) -> None:
    active = await house.active()
    await house.renew(active)
    async with house.gateway.books.write() as conn:  # books from before the key that refuses this
        await conn.execute(DropIndex(next(i for i in schema.charges.indexes if i.name == "uq_charges_period")))
    await tamper(house, "charges", mandate_period=1)
    assert Finding.DOUBLE in {d.finding for d in await audited(house)}


async def test_an_invoice_that_was_collected_in_full_and_is_open_is_unpaid(house: House) -> None:
    active = await house.active()
    await tamper(house, "invoices", status=InvoiceStatus.OPEN, amount_paid=0)
    (found,) = await audited(house)
    assert (found.finding, found.evidence["invoice"]) == (Finding.UNPAID, (await house.invoice(active)).id)


async def test_a_refund_without_a_transfer_is_an_orphan(house: House) -> None:
    active = await house.active()
    charge = await house.charge(active)
    async with house.gateway.books.write() as conn:
        await refunds.create(conn, house.gateway, scope=house.scope, charge_id=charge.id, origin=house.origin)
    house.chain.transfer(factories.TOKEN, factories.PAYEE, house.wallet(), PRICE_UNITS)
    await house.pump()
    assert await audited(house) == []
    await tamper(house, "refunds", log_index=9)
    assert [d.finding for d in await audited(house)] == [Finding.ORPHAN_REFUND]


async def test_what_is_not_settled_yet_is_no_difference(house: House) -> None:
    opened = await house.subscribe()
    await house.sign(opened)
    await house.collect()
    await house.send()
    house.chain.mine(5)
    assert len(house.charged()) == 1
    assert await audited(house) == []


async def test_another_gateways_collections_on_the_same_contract_are_not_ours(house: House) -> None:
    await house.active()
    await tamper(house, "mandates", onchain_id=factories.mandate().onchain_id)
    assert Finding.MISSING not in {d.finding for d in await audited(house)}


class TestStep:
    async def test_it_waits_for_enough_blocks_and_then_remembers_them(self, house: House) -> None:
        await house.active()
        assert await reconciliation.step(house.gateway, house.chain, patience=1000) == 0
        assert await reconciliation.step(house.gateway, house.chain, patience=1) > 0
        assert await reconciliation.step(house.gateway, house.chain, patience=1) == 0

    async def test_a_difference_stops_charging_on_the_chain_until_a_person_resumes(self, house: House) -> None:
        active = await house.active()
        await tamper(house, "charges", token_amount=1)
        assert await reconciliation.step(house.gateway, house.chain, patience=1) == 0
        async with house.gateway.books.read() as conn:
            reason = (await blocks.cursor(conn, house.chain.chain_id)).halted_reason
        assert reason is not None
        assert "wrong_amount" in reason
        house.now = active.period_end + timedelta(hours=2)
        house.chain.mine(timestamp=int(house.now.timestamp()))
        await house.pump()
        assert len(house.charged()) == 1
        await tamper(house, "charges", token_amount=PRICE_UNITS)
        async with house.gateway.books.write() as conn:
            await halts.resume_chain(conn, house.chain.chain_id)
        await house.pump()
        await house.go_to(house.now + house.gateway.finalization_delay)
        assert len(house.charged()) == 2
        assert await reconciliation.step(house.gateway, house.chain, patience=1) > 0

    async def test_a_node_that_hides_an_old_event_is_found_out(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.active()

        async def silent(*_: object) -> Sequence[RawLog]:
            return []

        monkeypatch.setattr(house.chain, "logs_in_range", silent)
        assert await reconciliation.step(house.gateway, house.chain, patience=1) == 0
        async with house.gateway.books.read() as conn:
            assert "orphan" in ((await blocks.cursor(conn, house.chain.chain_id)).halted_reason or "")


async def test_a_payee_who_collects_early_stops_no_chain(house: House) -> None:
    active = await house.active()
    mandate = await house.mandate(active)
    house.chain.mine(timestamp=int(active.period_end.timestamp()) + 1)
    house.chain.execute(factories.PAYEE, contract.charge_data(ChargeItem(mandate.onchain_id, 2, PRICE_UNITS)))
    house.chain.mine(3)
    await house.watch()
    assert [d.finding for d in await audited(house)] == [Finding.UNBILLED]
    assert await reconciliation.step(house.gateway, house.chain, patience=1) > 0
    await house.go_to(active.period_end)
    assert [d.finding for d in await audited(house)] == [Finding.UNBILLED], "billed, and not attempted yet"
    await house.go_to(house.now + house.gateway.finalization_delay)
    assert await audited(house) == []


async def test_an_event_that_was_never_seen_is_missing_though_its_period_is_unpaid(house: House) -> None:
    active = await house.active()
    mandate = await house.mandate(active)
    house.chain.mine(timestamp=int(active.period_end.timestamp()) + 1)
    house.chain.execute(factories.PAYEE, contract.charge_data(ChargeItem(mandate.onchain_id, 2, PRICE_UNITS)))
    house.chain.mine(3)
    await house.watch()
    async with house.gateway.books.write() as conn:
        await conn.execute(delete(schema.chain_logs).where(schema.chain_logs.c.period == 2))
    assert [d.finding for d in await audited(house)] == [Finding.MISSING]


async def test_a_collection_by_the_payee_before_it_was_billed_is_seen_when_it_is(house: House) -> None:
    active = await house.active()
    mandate = await house.mandate(active)
    house.chain.mine(timestamp=int(active.period_end.timestamp()) + 1)
    house.chain.execute(factories.PAYEE, contract.charge_data(ChargeItem(mandate.onchain_id, 2, PRICE_UNITS)))
    await house.renew(active)
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert await audited(house) == []
