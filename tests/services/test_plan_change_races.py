"""A change that is signed while something else happens to its subscription."""

from datetime import timedelta

import pytest

from gateway.db.engine import Books
from gateway.domain.beginning import Schedule
from gateway.domain.subscription import Status
from gateway.services import subscriptions as services
from tests.services.house import House
from tests.services.plans import LARGE, YEARLY, furnished, to_price


@pytest.fixture
async def house(books: Books) -> House:
    return await furnished(books)


async def test_a_change_that_is_signed_while_the_first_payment_is_open_is_dropped(house: House) -> None:
    """What the first payment is for was sold; the change can be asked for again once it is made."""
    begins = house.now + timedelta(hours=10)
    opened = await house.subscribe(schedule=Schedule(start_date=begins), balance=0, allowance=1_000_000_000)
    await house.sign_setup(opened)
    await house.pump()
    asked = await to_price(house, opened, YEARLY)
    assert asked.pending_update is not None
    await house.go_to(begins)
    assert (await house.subscription(opened)).status is Status.INCOMPLETE
    await house.sign_setup(opened)
    await house.pump()
    kept = await house.subscription(opened)
    assert (kept.pending_update, kept.items, kept.interval) == (None, opened.items, opened.interval)
    assert (kept.period_end, kept.mandate_id) == (opened.next_period.end, opened.mandate_id)


async def test_a_subscription_that_ends_with_its_signature_is_not_changed(house: House) -> None:
    active = await house.active()
    await to_price(house, active, LARGE)
    await house.sign_setup(active)
    await house.collect()
    await house.send()
    async with house.gateway.books.write() as conn:
        await services.cancel(
            conn, house.gateway, scope=house.scope, subscription_id=active.id, now=house.now, origin=house.origin
        )
    await house.pump()
    over = await house.subscription(active)
    assert (over.status, over.items) == (Status.CANCELED, active.items)
    assert len(house.charged()) == 1
