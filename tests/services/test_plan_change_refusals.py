"""Changes of a subscription's items that cannot be made: one precise error, and nothing is different."""

from datetime import datetime, timedelta

import pytest

from gateway.db.engine import Books
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.subscription import Status
from gateway.services import pauses
from gateway.services.item_changes import ItemChange
from tests import factories
from tests.services.house import House
from tests.services.plans import EUROS, LARGE, SMALL, YEARLY, furnished, items, to_price


@pytest.fixture
async def house(books: Books) -> House:
    return await furnished(books)


@pytest.mark.parametrize(
    ("change", "error", "param"),
    [
        (ItemChange(id="si_x", price_id=SMALL), NotFound, "items[0][id]"),
        (ItemChange(price_id="price_x"), NotFound, "items[0][price]"),
        (ItemChange(), InvalidRequest, "items[0][price]"),
        (ItemChange(deleted=True), InvalidRequest, "items[0][id]"),
        (ItemChange(price_id=factories.PRICE_ID), InvalidRequest, "items[0][price]"),
        (ItemChange(price_id=EUROS), InvalidRequest, "items[0][price]"),
        (ItemChange(price_id=YEARLY), InvalidRequest, "items"),
        (ItemChange(price_id=SMALL, quantity=0), InvalidRequest, "items[0][quantity]"),
        (ItemChange(price_id=SMALL, tax_rate_ids=["txr_x"]), NotFound, "items[0][tax_rates]"),
    ],
    ids=lambda value: value.param if isinstance(value, ItemChange) else None,
)
async def test_a_change_that_cannot_be_made_changes_nothing(
    house: House, change: ItemChange, error: type[InvalidRequest], param: str
) -> None:
    active = await house.active()
    with pytest.raises(error) as refused:
        await items(house, active, change)
    assert refused.value.param == param
    assert await house.subscription(active) == active


async def test_a_change_must_leave_an_item_and_name_each_once(house: House) -> None:
    active = await house.active()
    only = active.items[0].id
    with pytest.raises(InvalidRequest, match="at least one item"):
        await items(house, active, ItemChange(id=only, deleted=True))
    with pytest.raises(InvalidRequest, match="named twice"):
        await items(house, active, ItemChange(id=only), ItemChange(id=only, param="items[1]"))
    with pytest.raises(InvalidRequest, match="1 to 20"):
        await items(house, active)


@pytest.mark.parametrize("days", [-1, 40])
async def test_proration_date_lies_in_the_current_period(house: House, days: int) -> None:
    active = await house.active()
    at: datetime = active.period_start + timedelta(days=days)
    with pytest.raises(InvalidRequest) as refused:
        await to_price(house, active, SMALL, prorated_at=at)
    assert refused.value.param == "proration_date"


async def test_items_wait_for_the_first_payment_and_for_the_end_of_a_pause(house: House) -> None:
    opened = await house.subscribe()
    with pytest.raises(InvalidRequest, match="first payment"):
        await to_price(house, opened, SMALL)
    await house.sign(opened)
    await house.pump()
    await to_price(house, opened, LARGE)
    async with house.gateway.books.write() as conn:
        await pauses.pause(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=opened.id,
            now=house.now,
            origin=house.origin,
        )
    paused = await house.subscription(opened)
    assert (paused.status, paused.pending_update, paused.pending_setup_intent_id) == (Status.PAUSED, None, None)
    with pytest.raises(InvalidRequest, match="Resume it"):
        await to_price(house, opened, SMALL)
