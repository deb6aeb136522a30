"""Voiding the newest invoice of a subscription, with rows: ST-42, ST-43, ST-47."""

import pytest

from gateway.db.engine import Books
from gateway.domain.subscription import Status, Subscription
from gateway.services import invoices
from tests.services.house import House


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def void_newest(house: House, subscription: Subscription) -> Subscription:
    newest = await house.invoice(subscription)
    async with house.gateway.books.write() as conn:
        await invoices.void(
            conn, house.gateway, scope=house.scope, invoice_id=newest.id, now=house.now, origin=house.origin
        )
    return await house.subscription(subscription)


async def test_ST_42_voiding_a_failed_renewal_after_a_paid_invoice_makes_it_active(house: House) -> None:
    subscription = await house.active(balance=10_000_000)
    await house.renew(subscription)
    assert (await house.subscription(subscription)).status is Status.PAST_DUE
    after = await void_newest(house, subscription)
    assert (after.status, after.reason.code) == (Status.ACTIVE, "invoice_voided")
    assert (await house.intent(subscription)).status == "canceled"
