"""Another wallet or token in the middle of a subscription: who pays, from when on, and what is still owed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chain.primitives import address
from gateway.db import catalog
from gateway.db.engine import Books
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain import mandate as mandate_domain
from gateway.domain import setup_intent as setup_domain
from gateway.domain.catalog import PaymentMethod
from gateway.domain.errors import Conflict, InvalidRequest, NotFound
from gateway.domain.subscription import Status, Subscription
from gateway.services import subscriptions as services
from gateway.services.subscriptions import SubscriptionChanges
from tests import factories
from tests.services.house import House, signer

DAY = timedelta(days=1)
PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def other_wallet(house: House, number: int = 2, *, customer: int = 1, **changes: object) -> PaymentMethod:
    """A funded wallet that the customer attached."""
    wallet = signer(0x1000 + number)
    house.wallets[wallet.address] = wallet
    method = replace(
        factories.payment_method(
            id=factories.numbered("pm", number), customer_id=factories.numbered("cus", customer), owner=wallet.address
        ),
        **changes,
    )
    house.chain.fund(method.token, wallet.address, 1_000_000_000)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    async with house.gateway.books.write() as conn:
        await catalog.add_payment_methods(conn, [method])
    return method


async def change(house: House, subscription: Subscription, method_id: str | None) -> Subscription:
    named = SubscriptionChanges(given=frozenset({"default_payment_method"}), default_payment_method_id=method_id)
    async with house.gateway.books.write() as conn:
        return await services.update(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=subscription.id,
            changes=named,
            now=house.now,
            origin=house.origin,
        )


async def test_SX_11_the_old_wallet_goes_on_until_the_new_mandate_is_registered(house: House) -> None:
    active = await house.active()
    new = await other_wallet(house)
    asked = await change(house, active, new.id)
    setup = await house.setup(active)
    assert (asked.payment_method_id, asked.mandate_id) == (active.payment_method_id, active.mandate_id)
    assert asked.pending_setup_intent_id == setup.id
    assert setup.status is setup_domain.Status.REQUIRES_ACTION
    await house.renew(active)
    assert len(house.charged()) == 2
    assert house.balance(new.owner) == 1_000_000_000


async def test_SX_11_once_registered_the_new_wallet_pays_the_next_period_and_only_it(house: House) -> None:
    active = await house.active()
    new = await other_wallet(house)
    await change(house, active, new.id)
    await house.sign_setup(active)
    await house.pump()
    changed = await house.subscription(active)
    assert (changed.payment_method_id, changed.pending_setup_intent_id) == (new.id, None)
    assert changed.mandate_id != active.mandate_id
    assert len(house.charged()) == 1
    old = house.balance(house.wallet(1))
    await house.renew(active)
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert house.balance(house.wallet(1)) == old
    assert house.balance(new.owner) == 1_000_000_000 - PRICE_UNITS
    assert "customer.subscription.updated" in await house.event_types(active.id)


async def test_ST_15_an_open_failed_invoice_is_paid_at_once_with_the_new_wallet(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    assert (await house.subscription(active)).status is Status.PAST_DUE
    new = await other_wallet(house)
    await change(house, active, new.id)
    await house.sign_setup(active)
    await house.pump()
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert (await house.invoice(active)).status is invoice_domain.Status.PAID
    intent = await house.intent(active)
    assert (intent.status, intent.payment_method_id, intent.attempts) == (
        intent_domain.Status.SUCCEEDED,
        new.id,
        1,
    )
    assert house.balance(new.owner) == 1_000_000_000 - PRICE_UNITS


async def test_ST_65_after_the_last_retry_a_new_wallet_brings_an_unpaid_subscription_back(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    for _ in range(3):
        await house.go_to(house.now + DAY)
    assert (await house.subscription(active)).status is Status.UNPAID
    new = await other_wallet(house)
    await change(house, active, new.id)
    await house.sign_setup(active)
    await house.pump()
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert house.balance(new.owner) == 1_000_000_000 - PRICE_UNITS


async def test_ST_15_a_first_payment_that_failed_is_paid_with_another_wallet(house: House) -> None:
    opened = await house.subscribe(balance=0, allowance=10 * PRICE_UNITS)
    await house.sign(opened)
    await house.pump()
    assert (await house.subscription(opened)).status is Status.INCOMPLETE
    new = await other_wallet(house)
    await change(house, opened, new.id)
    await house.sign_setup(opened)
    await house.pump()
    assert (await house.subscription(opened)).status is Status.ACTIVE
    assert len(house.charged()) == 1


async def test_another_token_is_billed_in_its_own_units(house: House) -> None:
    dai = address("0x" + "da" * 20)
    house.chain.deploy_token(dai)
    token = replace(factories.USDC, address=dai, symbol="DAI", decimals=18)
    house.gateway = replace(house.gateway, tokens={**house.gateway.tokens, (factories.CHAIN_ID, dai): token})
    active = await house.active()
    new = await other_wallet(house, token=dai)
    house.chain.fund(dai, new.owner, 100 * 10**18)
    await change(house, active, new.id)
    await house.sign_setup(active)
    await house.pump()
    await house.renew(active)
    assert house.chain.world.balances[dai, new.owner] == 90 * 10**18
    assert (await house.charge(active)).token == dai


async def test_naming_a_third_wallet_asks_the_second_no_more(house: House) -> None:
    active = await house.active()
    second, third = await other_wallet(house, 2), await other_wallet(house, 3)
    await change(house, active, second.id)
    first_setup = await house.setup(active)
    again = await change(house, active, second.id)
    assert again.pending_setup_intent_id == first_setup.id
    await change(house, active, third.id)
    assert (await house.setup(active)).payment_method_id == third.id
    assert "setup_intent.canceled" in await house.event_types(first_setup.id)
    back = await change(house, active, active.payment_method_id)
    assert back.pending_setup_intent_id is None


async def test_a_change_that_is_being_registered_is_waited_for(house: House) -> None:
    active = await house.active()
    second, third = await other_wallet(house, 2), await other_wallet(house, 3)
    await change(house, active, second.id)
    await house.sign_setup(active)
    with pytest.raises(Conflict):
        await change(house, active, third.id)
    await house.pump()
    assert (await house.mandate(await house.subscription(active))).status is mandate_domain.Status.ACTIVE


async def test_only_a_wallet_of_the_customer_can_be_named(house: House) -> None:
    active = await house.active()
    await house.active(4)
    foreign = await other_wallet(house, customer=4)
    with pytest.raises(InvalidRequest, match="not attached"):
        await change(house, active, foreign.id)
    with pytest.raises(NotFound):
        await change(house, active, "pm_x")
    with pytest.raises(InvalidRequest, match="cannot be left without"):
        await change(house, active, None)
    assert (await house.subscription(active)).pending_setup_intent_id is None
