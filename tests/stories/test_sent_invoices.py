"""Sent invoices over dates, on a real chain: real tokens move, the test clock goes on, the books keep up with both."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from chain.erc20 import transfer_data
from chain.primitives import Address
from gateway.db.engine import Books
from gateway.domain.push import amount_to_send
from gateway.domain.settings import AccountSettings, OverdueAction, SendInvoiceSettings
from gateway.domain.subscription import CollectionMethod, Status, Subscription
from tests import factories
from tests.services.pushing import in_the_books, pushed
from tests.stories.place import Place

PRICE = 10_000_000
DAY = timedelta(days=1)
TERMS = SendInvoiceSettings(due_days=10, reminder_days=(-3, 0, 5), overdue_days=30, overdue_action=OverdueAction.CANCEL)


@pytest.fixture
async def place(sqlite_books: Books) -> AsyncIterator[Place]:
    async with Place.opened(sqlite_books, settings=AccountSettings(send_invoice=TERMS)) as opened:
        yield opened


async def sent(place: Place, number: int = 1) -> Subscription:
    return await place.subscribe(number, allowance=0, collection_method=CollectionMethod.SEND_INVOICE)


async def pay(place: Place, sender: Address, amount: int) -> None:
    """The wallet sends tokens to the merchant, in a transaction of its own."""
    merchant = place.merchant.address
    assert (await place.purse(sender).send(place.stage.token, transfer_data(merchant, amount))).succeeded
    for _ in range(4):
        await place.local.mine()
        await place.watch()


async def exact(place: Place, subscription: Subscription) -> int:
    [token] = place.gateway.tokens.values()
    return amount_to_send(await place.invoice(subscription), token)


async def test_PM_01_ST_44_ST_69_ST_76_invoices_are_sent_reminded_of_paid_and_late(place: Place) -> None:
    subscription = await sent(place)
    assert (await place.subscription(subscription)).status is Status.ACTIVE
    await place.advance(7 * DAY)
    first = await place.invoice(subscription)
    assert "invoice.will_be_due" in await place.event_types(first.id)
    await pay(place, place.wallet(), await exact(place, subscription))
    assert (await place.invoice(subscription)).status == "paid"
    # The next one is not paid in time.
    await place.advance((await place.subscription(subscription)).period_end + timedelta(hours=1))
    assert (await place.invoice(subscription)).status == "open"
    await place.advance(10 * DAY)
    assert (await place.subscription(subscription)).status is Status.PAST_DUE
    await pay(place, place.wallet(), 4_000_000)
    assert (await place.invoice(subscription)).amount_remaining == 600
    await pay(place, place.wallet(), await exact(place, subscription))
    assert (await place.subscription(subscription)).status is Status.ACTIVE
    assert await in_the_books(place) == await place.held(place.merchant.address)
    assert await place.periods() == []


async def test_ST_70_what_nobody_pays_ends_thirty_days_after_its_date(place: Place) -> None:
    subscription = await sent(place)
    await place.advance(39 * DAY)
    assert (await place.subscription(subscription)).status is Status.PAST_DUE
    await place.advance(1 * DAY)
    ended = await place.subscription(subscription)
    assert (ended.status, ended.cancellation_reason) == (Status.CANCELED, "payment_failed")


async def test_pulls_and_pushes_of_one_merchant_are_told_apart_on_a_real_chain(place: Place) -> None:
    pulled = await place.active(1)
    subscription = await sent(place, 2)
    await place.advance((await place.subscription(pulled)).period_end + timedelta(hours=1))
    assert await place.periods() == [1, 2]
    assert await pushed(place) == []
    await pay(place, place.wallet(1), 3 * PRICE)
    assert [payment.reason.code for payment in await pushed(place)] == ["no_open_invoice"]
    await pay(place, place.wallet(2), 3 * PRICE)
    newest = await place.invoice(subscription)
    assert (newest.status, (await pushed(place))[1].credited) == ("paid", 1000)
    assert await in_the_books(place) == await place.held(place.merchant.address)
    assert place.scope == factories.SCOPE
