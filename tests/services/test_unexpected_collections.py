"""Whatever is collected under one of our mandates is in the books, also where nothing was owed any more."""

import pytest

from chain import mandates as contract
from chain.primitives import ChargeItem
from gateway.db import charges
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain.charge import Charge, Status
from gateway.domain.subscription import Subscription
from gateway.services import invoices
from tests import factories
from tests.services.house import House

PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def settled_charges(house: House) -> list[Charge]:
    async with house.gateway.books.read() as conn:
        page = await charges.page(conn, PageRequest(scope=house.scope, limit=50))
    return [charge for charge in page.items if charge.status is Status.SUCCEEDED]


async def payee_collects(house: House, subscription: Subscription, period: int, amount: int) -> None:
    mandate = await house.mandate(subscription)
    house.chain.execute(factories.PAYEE, contract.charge_data(ChargeItem(mandate.onchain_id, period, amount)))
    await house.pump()


async def failed_renewal(house: House) -> Subscription:
    """A subscription whose wallet was empty at its second period, and is full again."""
    active = await house.active(balance=PRICE_UNITS)
    await house.renew(active)
    return active


async def test_a_period_collected_after_its_invoice_was_voided_is_booked_and_revives_nothing(house: House) -> None:
    active = await failed_renewal(house)
    newest = await house.invoice(active)
    async with house.gateway.books.write() as conn:
        await invoices.void(
            conn, house.gateway, scope=house.scope, invoice_id=newest.id, now=house.now, origin=house.origin
        )
    house.chain.fund(factories.TOKEN, house.wallet(), PRICE_UNITS)
    await payee_collects(house, active, 2, PRICE_UNITS)
    booked = await settled_charges(house)
    assert sum(charge.token_amount for charge in booked) == sum(amount for _, _, amount in house.charged())
    assert booked[0].reason.code == "unexpected_collection"
    assert booked[0].reason.evidence["amount"] == str(PRICE_UNITS)
    assert (await house.invoice(active)).status == "void"
    assert (await house.intent(active)).status == "canceled"
    assert await house.event_types(booked[0].id) == ["charge.succeeded"]


async def test_a_period_collected_for_less_than_it_owes_is_booked_and_stays_owed(house: House) -> None:
    active = await failed_renewal(house)
    house.chain.fund(factories.TOKEN, house.wallet(), 4_000_000)
    await payee_collects(house, active, 2, 4_000_000)
    booked = await settled_charges(house)
    assert sum(charge.token_amount for charge in booked) == sum(amount for _, _, amount in house.charged())
    assert (booked[0].reason.code, booked[0].amount) == ("unexpected_collection", 400)
    assert (await house.invoice(active)).status == "open"
    assert (await house.intent(active)).reason.code == "period_underpaid"


async def test_what_was_booked_is_booked_once(house: House) -> None:
    active = await failed_renewal(house)
    house.chain.fund(factories.TOKEN, house.wallet(), 4_000_000)
    await payee_collects(house, active, 2, 4_000_000)
    await house.pump()
    assert len(await settled_charges(house)) == 2
