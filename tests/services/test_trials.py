"""Trials and setup intents against a chain in memory: what is asked, told and charged, and when."""

from datetime import timedelta

import pytest

from gateway.db import accounts, catalog, subscriptions
from gateway.db.engine import Books
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain import mandate as mandate_domain
from gateway.domain import setup_intent as setup_domain
from gateway.domain.beginning import Schedule
from gateway.domain.errors import InvalidRequest
from gateway.domain.period import to_unix
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import Status, Subscription
from gateway.services import setup_intents
from gateway.services import subscriptions as service
from tests import factories
from tests.services.house import House, signer

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
PRICE_UNITS = 10_000_000
TWO_WEEKS = Schedule(trial_days=14)


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def _trial(house: House, days: int = 14, **options: object) -> Subscription:
    return await house.subscribe(schedule=Schedule(trial_days=days), **options)


async def test_SX_06_a_trial_begins_without_an_invoice_and_waits_for_the_wallet(house: House) -> None:
    opened = await _trial(house)
    setup = await house.setup(opened)
    assert (opened.status, opened.trial_end) == (Status.TRIALING, house.now + 14 * DAY)
    assert opened.latest_invoice_id is None
    assert opened.pending_setup_intent_id == setup.id
    assert (setup.status, setup.mandate_id) == (setup_domain.Status.REQUIRES_ACTION, opened.mandate_id)
    assert (await house.mandate(opened)).terms.start == to_unix(house.now + 14 * DAY)


async def test_SX_07_created_is_told_before_trial_started(house: House) -> None:
    opened = await _trial(house)
    assert await house.event_types(opened.id) == [
        "customer.subscription.opened",
        "customer.subscription.created",
        "customer.subscription.trial_started",
    ]


async def test_ST_26_the_mandate_is_registered_without_a_charge_and_nothing_is_pending(house: House) -> None:
    opened = await _trial(house)
    await house.sign_setup(opened)
    await house.pump()
    after = await house.subscription(opened)
    assert (await house.setup(opened)).status is setup_domain.Status.SUCCEEDED
    assert (await house.mandate(opened)).status is mandate_domain.Status.ACTIVE
    assert (after.status, after.pending_setup_intent_id) == (Status.TRIALING, None)
    assert house.charged() == []
    assert house.balance(factories.PAYEE) == 0


async def test_ST_29_the_trial_ends_with_period_one_and_is_active_only_when_that_is_final(house: House) -> None:
    opened = await _trial(house)
    await house.sign_setup(opened)
    await house.pump()
    await house.go_to(opened.period_end)
    ended = await house.subscription(opened)
    assert (ended.status, ended.period_index) == (Status.TRIALING, 1)
    await house.go_to(house.now + house.gateway.finalization_delay)
    active = await house.subscription(opened)
    assert (active.status, active.activated_at) == (Status.ACTIVE, house.now)
    assert [(period, amount) for _, period, amount in house.charged()] == [(1, PRICE_UNITS)]
    assert (await house.invoice(active)).status is invoice_domain.Status.PAID


async def test_SX_09_trial_ended_is_told_before_the_invoice_is_made(house: House) -> None:
    opened = await _trial(house)
    await house.sign_setup(opened)
    await house.go_to(opened.period_end)
    kinds = await house.event_types()
    assert kinds.count("customer.subscription.trial_ended") == 1
    assert kinds.index("customer.subscription.trial_ended") < kinds.index("invoice.created")
    await house.go_to(house.now + HOUR)
    told = await house.event_types(opened.id)
    assert told.count("customer.subscription.activated") == 1
    assert told.count("customer.subscription.created") == 1
    assert "customer.subscription.renewed" not in told


async def test_C08_a_first_payment_that_fails_after_the_trial_is_past_due(house: House) -> None:
    opened = await _trial(house, balance=0, allowance=10 * PRICE_UNITS)
    await house.sign_setup(opened)
    await house.pump()
    assert (await house.setup(opened)).status is setup_domain.Status.SUCCEEDED
    await house.go_to(opened.period_end)
    await house.go_to(house.now + HOUR)
    failed = await house.subscription(opened)
    assert (failed.status, failed.reason.code) == (Status.PAST_DUE, "insufficient_balance")
    house.chain.fund(factories.TOKEN, house.wallet(), PRICE_UNITS, 10 * PRICE_UNITS)
    await house.go_to(house.now + DAY)
    assert (await house.subscription(opened)).status is Status.ACTIVE


async def test_C08_a_trial_whose_wallet_never_signed_is_past_due_and_recovers_by_signing(house: House) -> None:
    opened = await _trial(house)
    await house.go_to(opened.period_end)
    await house.go_to(house.now + HOUR)
    waiting = await house.subscription(opened)
    assert (waiting.status, waiting.reason.code) == (Status.PAST_DUE, "mandate_unsigned")
    assert (await house.intent(waiting)).status is intent_domain.Status.REQUIRES_ACTION
    await house.sign_setup(opened)
    await house.pump()
    after = await house.subscription(opened)
    assert (after.status, after.pending_setup_intent_id) == (Status.ACTIVE, None)
    assert [period for _, period, _ in house.charged()] == [1]


async def test_a_charge_that_registers_the_mandate_completes_the_setup_intent_too(house: House) -> None:
    opened = await _trial(house)
    await house.go_to(opened.period_end)
    await house.go_to(house.now + HOUR)
    await house.sign(await house.subscription(opened))
    await house.pump()
    assert (await house.setup(opened)).status is setup_domain.Status.SUCCEEDED
    assert (await house.subscription(opened)).pending_setup_intent_id is None


@pytest.mark.parametrize(("days", "told"), [(2, 0), (3, 1), (14, 1)])
async def test_ST_55_trial_will_end_is_told_three_days_before_and_never_for_shorter_trials(
    house: House, days: int, told: int
) -> None:
    opened = await _trial(house, days)
    end = opened.period_end
    if days > 3:
        await house.go_to(end - 3 * DAY - timedelta(seconds=1))
        assert "customer.subscription.trial_will_end" not in await house.event_types(opened.id)
        await house.go_to(end - 3 * DAY)
        assert "customer.subscription.trial_will_end" in await house.event_types(opened.id)
    await house.go_to(end)
    assert (await house.event_types(opened.id)).count("customer.subscription.trial_will_end") == told


async def test_the_second_period_of_the_contract_follows_the_first_after_a_trial(house: House) -> None:
    opened = await _trial(house)
    await house.sign_setup(opened)
    await house.go_to(opened.period_end)
    await house.go_to(house.now + HOUR)
    await house.renew(opened)
    assert [period for _, period, _ in house.charged()] == [1, 2]
    assert (await house.subscription(opened)).period_index == 2


async def test_ST_25_a_free_trial_of_something_free_needs_no_setup(house: House, books: Books) -> None:
    async with books.write() as conn:
        free = factories.price(id=factories.numbered("price", 2), unit_amount=0)
        await catalog.add_prices(conn, [free])
    opened = await _trial(house, items=[service.NewItem(price_id=free.id)])
    assert opened.pending_setup_intent_id is None
    await house.go_to(opened.period_end)
    await house.go_to(house.now + HOUR)
    assert (await house.subscription(opened)).status is Status.ACTIVE


async def test_ST_27_a_wallet_that_the_token_refuses_has_to_be_replaced(house: House) -> None:
    opened = await _trial(house)
    house.chain.world.blacklisted.add((factories.TOKEN, house.wallet()))
    await house.sign_setup(opened)
    await house.pump()
    setup = await house.setup(opened)
    assert (setup.status, setup.reason.code) == (setup_domain.Status.REQUIRES_PAYMENT_METHOD, "wallet_blocked")
    assert (await house.subscription(opened)).pending_setup_intent_id == setup.id


async def test_ST_26_a_wallet_that_allows_nothing_is_asked_again_and_then_succeeds(house: House) -> None:
    opened = await _trial(house, allowance=0)
    await house.sign_setup(opened)
    await house.pump()
    setup = await house.setup(opened)
    assert (setup.status, setup.reason.code) == (setup_domain.Status.REQUIRES_ACTION, "insufficient_allowance")
    house.chain.fund(factories.TOKEN, house.wallet(), 0, 10 * PRICE_UNITS)
    await house.sign_setup(opened)
    await house.pump()
    assert (await house.setup(opened)).status is setup_domain.Status.SUCCEEDED


async def test_an_operator_without_gas_is_waited_for(house: House) -> None:
    opened = await _trial(house)
    house.chain.world.native[house.operator.address] = 0
    await house.sign_setup(opened)
    await house.pump()
    setup = await house.setup(opened)
    assert (setup.status, setup.reason.code) == (setup_domain.Status.PROCESSING, "operator_unfunded")
    house.chain.fund_native(house.operator.address)
    await house.go_to(house.now + timedelta(minutes=2))
    assert (await house.setup(opened)).status is setup_domain.Status.SUCCEEDED


async def test_a_setup_without_a_wallet_takes_one_and_then_its_signature(house: House, books: Books) -> None:
    opened = await _trial(house)
    async with books.write() as conn:
        await setup_intents.cancel(
            conn, house.gateway, scope=house.scope, intent_id=(await house.setup(opened)).id,
            now=house.now, origin=house.origin,
        )  # fmt: skip
        made = await setup_intents.create(
            conn, house.gateway, scope=house.scope, subscription_id=opened.id, now=house.now + HOUR,
            origin=house.origin,
        )  # fmt: skip
        assert made.status is setup_domain.Status.REQUIRES_PAYMENT_METHOD
        asked = await setup_intents.confirm(
            conn, house.gateway, scope=house.scope, intent_id=made.id, payment_method_id=opened.payment_method_id,
            now=house.now, origin=house.origin,
        )  # fmt: skip
    assert asked.status is setup_domain.Status.REQUIRES_ACTION
    await house.sign_setup(opened)
    await house.pump()
    after = await house.subscription(opened)
    assert (after.pending_setup_intent_id, after.mandate_id) == (None, asked.mandate_id)


async def test_a_registration_that_reverted_is_made_again(house: House) -> None:
    opened = await _trial(house)
    await house.sign_setup(opened)
    await house.collect()
    house.chain.world.is_paused = True
    await house.send()
    house.chain.mine()
    house.chain.world.is_paused = False
    await house.pump()
    assert (await house.setup(opened)).status is setup_domain.Status.SUCCEEDED
    assert (await house.subscription(opened)).pending_setup_intent_id is None


async def test_canceling_a_trial_cancels_its_setup_and_nothing_is_billed(house: House, books: Books) -> None:
    opened = await _trial(house)
    async with books.write() as conn:
        await service.cancel(
            conn, house.gateway, scope=house.scope, subscription_id=opened.id, now=house.now, origin=house.origin
        )
    assert (await house.setup(opened)).status is setup_domain.Status.CANCELED
    await house.go_to(opened.period_end + DAY)
    ended = await house.subscription(opened)
    assert (ended.status, ended.latest_invoice_id) == (Status.CANCELED, None)


async def test_SX_08_a_product_with_a_trial_begins_with_it(house: House, books: Books) -> None:
    async with books.write() as conn:
        await catalog.save_products(conn, [factories.product(trial_period_days=7)])
    opened = await house.subscribe()
    assert (opened.status, opened.trial_end) == (Status.TRIALING, house.now + 7 * DAY)
    with pytest.raises(InvalidRequest) as refused:
        await house.subscribe(2, schedule=Schedule(trial_days=30))
    assert (refused.value.code, refused.value.param) == ("trial_mandatory", "trial_period_days")


async def _second_customer_of_the_same_wallet(house: House, schedule: Schedule) -> Subscription:
    customer = factories.customer(id=factories.numbered("cus", 9))
    method = factories.payment_method(
        id=factories.numbered("pm", 9), customer_id=customer.id, owner=signer(0x1001).address
    )
    async with house.gateway.books.write() as conn:
        await catalog.add_customers(conn, [customer])
        await catalog.add_payment_methods(conn, [method])
        return await service.create(
            conn, house.gateway, scope=house.scope, customer_id=customer.id,
            items=[service.NewItem(price_id=factories.PRICE_ID)], default_payment_method_id=method.id,
            schedule=schedule, now=house.now, origin=house.origin,
        )  # fmt: skip


async def test_SX_08_a_wallet_gets_one_trial_of_a_product(house: House) -> None:
    await _trial(house)
    with pytest.raises(InvalidRequest) as refused:
        await _second_customer_of_the_same_wallet(house, TWO_WEEKS)
    assert (refused.value.code, refused.value.param) == ("trial_already_used", "trial_period_days")


async def test_SX_08_a_prescribed_trial_that_the_wallet_has_had_is_left_out(house: House, books: Books) -> None:
    async with books.write() as conn:
        await catalog.save_products(conn, [factories.product(trial_period_days=7)])
    await house.subscribe()
    second = await _second_customer_of_the_same_wallet(house, Schedule())
    assert (second.status, second.trial_end) == (Status.INCOMPLETE, None)


async def test_SX_08_a_merchant_may_allow_more_trials(house: House, books: Books) -> None:
    async with books.write() as conn:
        await accounts.save(conn, factories.account(settings=AccountSettings(one_trial_per_wallet=False)))
    await _trial(house)
    second = await _second_customer_of_the_same_wallet(house, TWO_WEEKS)
    assert second.status is Status.TRIALING
    async with books.read() as conn:
        assert (await subscriptions.load(conn, [second.id]))[second.id] == second
