"""What a merchant is told from the creation of a customer on, and what each of the first outcomes leaves behind."""

from datetime import timedelta

import pytest

from gateway.db.engine import Books
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain.cancellation import CancellationReason
from gateway.domain.dunning import OnRetriesExhausted, RetryPolicy
from gateway.domain.failure import FailureCode, action_of
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import Status
from gateway.domain.transition import Action
from gateway.services import catalog as catalog_services
from gateway.services import pauses
from gateway.services import subscriptions as service
from tests import factories
from tests.services.house import House

DAY = timedelta(days=1)
PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def test_ST_49_FR_35_everything_from_the_customer_to_the_first_payment_is_told(house: House) -> None:
    async with house.gateway.books.write() as conn:
        await catalog_services.create_customer(
            conn,
            house.gateway,
            scope=house.scope,
            fields=catalog_services.CustomerFields(given=frozenset(), email="ada@example.com"),
            now=house.now,
            origin=house.origin,
        )
    await house.active()
    told = await house.event_types()
    assert {
        "customer.created",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "charge_intent.created",
        "charge_intent.succeeded",
        "invoice.paid",
    } <= set(told)
    assert told.index("charge_intent.succeeded") < told.index("customer.subscription.created")


async def test_ST_50_FR_20_the_wallet_is_asked_for_and_then_the_subscription_is_active(house: House) -> None:
    opened = await house.subscribe()
    told = await house.event_types()
    assert "invoice.payment_action_required" in told
    assert "customer.subscription.incomplete" in told
    await house.sign(opened)
    await house.pump()
    after = (await house.event_types())[len(told) :]
    assert "invoice.payment_action_required" not in after
    assert after.count("customer.subscription.updated") == 1
    assert (await house.subscription(opened)).status is Status.ACTIVE


@pytest.mark.parametrize(
    ("balance", "allowance", "code"),
    [(0, 10 * PRICE_UNITS, "insufficient_balance"), (10 * PRICE_UNITS, 1, "insufficient_allowance")],
)
async def test_FR_10_FR_28_ST_13_ST_30_a_first_payment_that_fails_leaves_it_incomplete_and_owed(
    house: House, balance: int, allowance: int, code: str
) -> None:
    opened = await house.subscribe(balance=balance, allowance=allowance)
    await house.sign(opened)
    await house.pump()
    failed, invoice, intent = await house.subscription(opened), await house.invoice(opened), await house.intent(opened)
    assert (failed.status, failed.reason.code) == (Status.INCOMPLETE, code)
    assert (invoice.status, invoice.amount_remaining) == (invoice_domain.Status.OPEN, 1000)
    assert (intent.status, intent.next_attempt_at) == (intent_domain.Status.FAILED, None)
    assert house.charged() == []


async def test_ST_52_ST_54_SX_01_a_renewal_is_drafted_finalised_and_attempted_in_this_order(house: House) -> None:
    active = await house.active()
    before = len(await house.event_types())
    await house.renew(active)
    told = (await house.event_types())[before:]
    order = [
        "invoice.created",
        "invoice.finalized",
        "charge_intent.created",
        "charge_intent.processing",
        "charge_intent.succeeded",
        "invoice.paid",
        "customer.subscription.renewed",
    ]
    assert sorted(order, key=told.index) == order


async def test_SX_03_C10_the_next_invoice_exists_within_a_minute_of_the_periods_end(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_end - timedelta(seconds=1))
    assert (await house.subscription(active)).latest_invoice_id == active.latest_invoice_id
    await house.go_to(active.period_end + timedelta(seconds=59))
    draft = await house.invoice(active)
    assert draft.id != active.latest_invoice_id
    assert (draft.status, draft.period_start) == (invoice_domain.Status.DRAFT, active.period_end)


async def test_FR_34_ST_21_ST_56_a_failed_renewal_tells_enough_to_act_on(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    before = len(await house.event_types())
    await house.renew(active)
    told = (await house.event_types())[before:]
    assert {
        "charge_intent.payment_failed",
        "invoice.payment_failed",
        "invoice.updated",
        "customer.subscription.past_due",
        "customer.subscription.updated",
    } <= set(told)
    failed, intent = await house.subscription(active), await house.intent(active)
    assert (failed.status, intent.status) == (Status.PAST_DUE, intent_domain.Status.FAILED)
    assert failed.latest_invoice_id == intent.invoice_id


async def test_ST_22_MX_08_ST_08_FR_29_after_recovery_it_is_active_and_the_invoice_paid(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    house.chain.mint(factories.TOKEN, house.wallet(), PRICE_UNITS)
    await house.pump()
    recovered = await house.subscription(active)
    assert (recovered.status, recovered.reason.code) == (Status.ACTIVE, "payment_recovered")
    assert (await house.invoice(active)).status is invoice_domain.Status.PAID


def test_ST_37_C14_unpaid_is_what_follows_the_last_retry_unless_the_merchant_says_otherwise() -> None:
    assert RetryPolicy().on_exhausted is OnRetriesExhausted.UNPAID
    assert AccountSettings().grace_period_days is None


async def test_SX_13_who_ended_it_is_said(house: House) -> None:
    active = await house.active()
    async with house.gateway.books.write() as conn:
        ended = await service.cancel(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=active.id,
            reason=CancellationReason.CUSTOMER,
            now=house.now,
            origin=house.origin,
        )
    assert ended.cancellation_reason is CancellationReason.CUSTOMER
    assert "customer.subscription.deleted" in await house.event_types(active.id)


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (FailureCode.INSUFFICIENT_BALANCE, Action.CUSTOMER_ACTION),
        (FailureCode.INSUFFICIENT_ALLOWANCE, Action.CUSTOMER_ACTION),
        (FailureCode.PERMIT_EXPIRED, Action.CUSTOMER_ACTION),
        (FailureCode.ALLOWANCE_REVOKED, Action.CUSTOMER_ACTION),
        (FailureCode.WALLET_BLOCKED, Action.NEW_PAYMENT_METHOD),
        (FailureCode.TOKEN_PAUSED, Action.NEW_PAYMENT_METHOD),
        (FailureCode.RPC_UNAVAILABLE, Action.WAIT),
    ],
)
def test_ST_62_FR_06_a_failure_says_who_has_to_do_what(code: FailureCode, action: Action) -> None:
    assert action_of(code) is action


async def test_ST_16_what_the_wallet_is_asked_for_depends_on_what_it_allows_already(house: House) -> None:
    unsigned = await house.subscribe(1, allowance=10 * PRICE_UNITS)
    await house.sign(unsigned)
    await house.pump()
    assert (await house.subscription(unsigned)).status is Status.ACTIVE
    too_little = await house.subscribe(2, allowance=0)
    await house.sign(too_little)
    await house.pump()
    assert (await house.subscription(too_little)).reason.code in {"allowance_revoked", "insufficient_allowance"}
    assert (await house.intent(too_little)).reason.action is Action.CUSTOMER_ACTION


def test_FR_05_FR_27_ST_48_the_statuses_of_all_seeds_are_those_of_the_machine() -> None:
    assert {str(status) for status in Status} == {
        "pending",
        "incomplete",
        "incomplete_expired",
        "trialing",
        "active",
        "past_due",
        "unpaid",
        "canceled",
        "paused",
    }


async def test_C16_C05_resuming_tries_again_and_uses_up_no_planned_retry(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    asked = {"scope": house.scope, "subscription_id": active.id, "now": house.now, "origin": house.origin}
    for _ in range(4):
        async with house.gateway.books.write() as conn:
            await pauses.pause(conn, house.gateway, **asked)
        async with house.gateway.books.write() as conn:
            await pauses.resume(conn, house.gateway, re_anchor=False, **asked)
        await house.pump()
    intent = await house.intent(active)
    assert (intent.attempts, intent.next_attempt_at) == (1, house.now + DAY)
    assert (await house.subscription(active)).status is Status.PAST_DUE
