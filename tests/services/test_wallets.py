"""What wallets allow: told when their owners change it, and said in time when it runs out (ST-67, SX-24)."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.db import accounts, catalog
from gateway.db.engine import Books
from gateway.domain.catalog import PaymentMethod
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import Status
from tests import factories
from tests.services.house import House

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
PRICE_UNITS = 10_000_000
METHOD = factories.numbered("pm", 1)
RUNNING_OUT = "payment_method.allowance_running_out"


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def decide(house: House, **settings: Any) -> None:
    async with house.gateway.books.write() as conn:
        await accounts.save(conn, factories.account(settings=AccountSettings(**settings)))


async def method(house: House, number: int = 1) -> PaymentMethod:
    async with house.gateway.books.read() as conn:
        found = await catalog.load_payment_methods(conn, [factories.numbered("pm", number)])
    return found[factories.numbered("pm", number)]


async def settled(house: House) -> None:
    """Let what was just mined become final, and be looked at."""
    await house.pump()


async def told(house: House, kind: str, number: int = 1) -> int:
    return (await house.event_types(factories.numbered("pm", number))).count(kind)


async def test_ST_67_SX_24_an_approval_is_told_with_what_it_allows(house: House) -> None:
    await house.active(balance=50 * PRICE_UNITS, allowance=20 * PRICE_UNITS)
    assert await told(house, "payment_method.updated") == 0
    house.chain.approve(factories.TOKEN, house.wallet(), 7 * PRICE_UNITS)
    await settled(house)
    seen = (await method(house)).standing
    assert seen is not None
    assert (seen.allowance, seen.balance, seen.renewals_left) == (7 * PRICE_UNITS, 49 * PRICE_UNITS, 7)
    assert await told(house, "payment_method.updated") == 1
    await settled(house)
    assert await told(house, "payment_method.updated") == 1


async def test_ST_67_the_notice_comes_once_when_two_renewals_are_left(house: House) -> None:
    active = await house.active(balance=50 * PRICE_UNITS, allowance=4 * PRICE_UNITS)
    assert (await method(house)).standing is not None
    counts = []
    for _ in range(3):
        counts.append(await told(house, RUNNING_OUT))
        await house.renew(active)
    assert counts == [0, 1, 1]
    assert await told(house, RUNNING_OUT) == 1
    assert (await house.subscription(active)).status is Status.ACTIVE
    left = (await method(house)).standing
    assert left is not None
    assert left.renewals_left == 0


async def test_ST_67_each_crossing_is_told_again_after_the_allowance_was_raised(house: House) -> None:
    active = await house.active(balance=50 * PRICE_UNITS, allowance=3 * PRICE_UNITS)
    assert await told(house, RUNNING_OUT) == 1
    house.chain.approve(factories.TOKEN, house.wallet(), 4 * PRICE_UNITS)
    await settled(house)
    raised = (await method(house)).standing
    assert raised is not None
    assert raised.warned_at is None
    await house.renew(active)
    assert await told(house, RUNNING_OUT) == 1
    await house.renew(active)
    assert await told(house, RUNNING_OUT) == 2


async def test_ST_67_how_early_is_the_merchants_to_say(house: House) -> None:
    await decide(house, allowance_notice_renewals=5)
    await house.active(balance=50 * PRICE_UNITS, allowance=6 * PRICE_UNITS)
    assert await told(house, RUNNING_OUT) == 1


async def test_ST_67_an_allowance_that_lasts_until_the_end_does_not_run_out(house: House) -> None:
    await house.active(
        balance=50 * PRICE_UNITS, allowance=3 * PRICE_UNITS, cancel_at=factories.NOW + timedelta(days=80)
    )
    seen = (await method(house)).standing
    assert seen is not None
    assert seen.renewals_left == 2
    assert await told(house, RUNNING_OUT) == 0
    house.chain.approve(factories.TOKEN, house.wallet(), PRICE_UNITS)
    await settled(house)
    assert await told(house, RUNNING_OUT) == 1


async def test_SX_24_subscriptions_on_one_wallet_share_what_it_allows(house: House) -> None:
    await house.active(1, balance=50 * PRICE_UNITS, allowance=40 * PRICE_UNITS)
    await house.active(2, balance=50 * PRICE_UNITS, allowance=40 * PRICE_UNITS)
    first, second = (await method(house, 1)).standing, (await method(house, 2)).standing
    assert first is not None
    assert second is not None
    assert (first.renewals_left, second.renewals_left) == (39, 39)
    house.chain.approve(factories.TOKEN, house.wallet(2), 2 * PRICE_UNITS)
    await settled(house)
    assert (await told(house, RUNNING_OUT, 1), await told(house, RUNNING_OUT, 2)) == (0, 1)


async def test_ST_18_an_approval_that_suffices_again_is_told_and_charged_at_once(house: House) -> None:
    active = await house.active(balance=50 * PRICE_UNITS, allowance=PRICE_UNITS)
    await house.renew(active)
    assert (await house.subscription(active)).status is Status.PAST_DUE
    house.now += HOUR
    house.chain.approve(factories.TOKEN, house.wallet(), 30 * PRICE_UNITS)
    await settled(house)
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert (await house.intent(active)).attempts == 1
    seen = (await method(house)).standing
    assert seen is not None
    assert seen.renewals_left == 29


async def test_a_strangers_approval_is_nobodys_business(house: House) -> None:
    await house.active()
    before = await house.event_types()
    house.chain.approve(factories.TOKEN, factories.some_address(77), 5)
    await settled(house)
    assert await house.event_types() == before


async def test_an_unlimited_allowance_is_counted_without_end(house: House) -> None:
    await house.active(balance=50 * PRICE_UNITS, allowance=2**256 - 1)
    seen = (await method(house)).standing
    assert seen is not None
    assert (seen.allowance > 2**200, seen.renewals_left) == (True, 10_000)
    assert await told(house, RUNNING_OUT) == 0
