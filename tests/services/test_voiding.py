"""Voiding the newest invoice of a subscription, with rows: ST-42, ST-43, ST-47."""

from datetime import timedelta

import pytest

from gateway.db.engine import Books
from gateway.domain.errors import Conflict
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


async def test_ST_46_a_written_off_invoice_is_pulled_no_more_and_may_stand_behind_a_voided_one(house: House) -> None:
    subscription = await house.active(balance=10_000_000)
    await house.renew(subscription)
    owed = await house.invoice(subscription)
    async with house.gateway.books.write() as conn:
        written_off = await invoices.mark_uncollectible(
            conn, house.gateway, scope=house.scope, invoice_id=owed.id, now=house.now, origin=house.origin
        )
    intent = await house.intent(subscription)
    assert (written_off.status, intent.status, intent.next_attempt_at) == ("uncollectible", "canceled", None)
    await house.go_to((await house.subscription(subscription)).period_end)
    after = await void_newest(house, subscription)
    assert (after.status, len(house.charged())) == (Status.ACTIVE, 1)


async def test_ST_43_voiding_after_an_older_invoice_whose_retries_are_over_stays_unpaid(house: House) -> None:
    subscription = await house.active(balance=10_000_000)
    await house.renew(subscription)
    for _ in range(3):
        await house.go_to(house.now + timedelta(days=1))
    assert (await house.subscription(subscription)).status is Status.UNPAID
    await house.go_to((await house.subscription(subscription)).period_end)
    after = await void_newest(house, subscription)
    assert after.status is Status.UNPAID


async def test_ST_41_voiding_the_first_invoice_of_an_incomplete_subscription_expires_it(house: House) -> None:
    opened = await house.subscribe()
    after = await void_newest(house, opened)
    assert (after.status, (await house.intent(opened)).status) == (Status.INCOMPLETE_EXPIRED, "canceled")
    await house.pump()
    assert house.charged() == []


async def test_ST_47_an_invoice_whose_pull_is_on_its_way_cannot_be_voided(house: House) -> None:
    opened = await house.subscribe()
    await house.sign(opened)
    await house.collect()
    with pytest.raises(Conflict) as refused:
        await void_newest(house, opened)
    assert refused.value.code == "charge_intent_processing"
    await house.pump()
    assert (await house.invoice(opened)).status == "paid"
