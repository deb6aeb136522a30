"""When a renewal that failed is tried again: smart windows, wallets that can pay again, and the end of all retries."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.db import accounts
from gateway.db.engine import Books
from gateway.domain import charge_intent as intent_domain
from gateway.domain.dunning import OnRetriesExhausted, Restart, RetryPolicy
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.settings import AccountSettings, OverdueAction, SendInvoiceSettings
from gateway.domain.subscription import Status, Subscription
from tests import factories
from tests.services.house import House
from tests.services.test_reactivation import PRICE_UNITS, pay

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def decide(house: House, **settings: Any) -> None:
    async with house.gateway.books.write() as conn:
        await accounts.save(conn, factories.account(settings=AccountSettings(**settings)))


async def owing(house: House) -> Subscription:
    """Its second period failed for the first time just now."""
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.renew(active)
    found = await house.subscription(active)
    assert found.status is Status.PAST_DUE
    return found


async def attempts(house: House, of: Subscription, *, until: datetime) -> list[timedelta]:
    """Times of the retries up to `until`, counted from the first failure."""
    began = house.now
    seen = []
    while (planned := (await house.intent(of)).next_attempt_at) is not None and planned <= until:
        await house.go_to(planned)
        seen.append(planned - began)
    return seen


async def test_ST_18_ST_63_smart_retries_happen_at_the_set_times_of_their_window(house: House) -> None:
    await decide(house, retries=RetryPolicy.smart(14))
    subscription = await owing(house)
    seen = await attempts(house, subscription, until=house.now + 40 * DAY)
    assert seen == [DAY, 3 * DAY, 6 * DAY, 11 * DAY, 14 * DAY]
    assert (await house.subscription(subscription)).status is Status.UNPAID
    assert (await house.intent(subscription)).attempts == 6


async def test_ST_63_attempts_by_hand_do_not_stretch_the_window(house: House) -> None:
    await decide(house, retries=RetryPolicy.smart(6))
    subscription = await owing(house)
    began = house.now
    await house.go_to(began + 2 * HOUR)
    await pay(house, subscription.latest_invoice_id or "")
    await house.pump()
    failed = await house.intent(subscription)
    assert (failed.attempts, failed.next_attempt_at) == (1, began + DAY)
    await house.go_to(began + 5 * DAY + 23 * HOUR)
    await pay(house, subscription.latest_invoice_id or "")
    await house.pump()
    assert (await house.intent(subscription)).next_attempt_at == began + 6 * DAY
    await house.go_to(began + 6 * DAY)
    assert (await house.subscription(subscription)).status is Status.UNPAID


async def test_ST_18_a_wallet_that_can_pay_again_is_charged_at_once_and_not_at_the_next_slot(house: House) -> None:
    await decide(house, retries=RetryPolicy.smart(31))
    subscription = await owing(house)
    house.now += 7 * HOUR
    house.chain.mint(factories.TOKEN, house.wallet(), PRICE_UNITS)
    await house.pump()
    assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
    assert (await house.intent(subscription)).attempts == 1
    assert (await house.subscription(subscription)).status is Status.ACTIVE


@pytest.mark.parametrize("restart", list(Restart))
async def test_ST_65_after_the_last_retry_a_restored_wallet_counts_only_if_the_merchant_says_so(
    house: House, restart: Restart
) -> None:
    await decide(house, retries=RetryPolicy((1,), restart=restart))
    subscription = await owing(house)
    await house.go_to(house.now + DAY)
    assert (await house.subscription(subscription)).status is Status.UNPAID
    house.chain.mint(factories.TOKEN, house.wallet(), PRICE_UNITS)
    await house.go_to(house.now + HOUR)
    after = await house.subscription(subscription)
    if restart is Restart.NEW_PAYMENT_METHOD:
        assert (after.status, (await house.intent(subscription)).next_attempt_at) == (Status.UNPAID, None)
    else:
        assert after.status is Status.ACTIVE
        assert (await house.invoice(subscription)).status is InvoiceStatus.PAID


async def test_ST_65_an_allowance_given_back_in_unpaid_is_used_even_after_an_attempt_by_hand(house: House) -> None:
    await decide(house, retries=RetryPolicy((), restart=Restart.WALLET_RESTORED))
    subscription = await owing_to_unpaid(house)
    await pay(house, subscription.latest_invoice_id or "")
    await house.pump()
    assert (await house.subscription(subscription)).status is Status.UNPAID
    house.chain.approve(factories.TOKEN, house.wallet(), 0)
    house.chain.mint(factories.TOKEN, house.wallet(), PRICE_UNITS)
    await house.go_to(house.now + HOUR)
    assert (await house.subscription(subscription)).status is Status.UNPAID
    house.chain.approve(factories.TOKEN, house.wallet(), 5 * PRICE_UNITS)
    await house.go_to(house.now + HOUR)
    assert (await house.subscription(subscription)).status is Status.ACTIVE


async def owing_to_unpaid(house: House) -> Subscription:
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.renew(active)
    found = await house.subscription(active)
    assert found.status is Status.UNPAID
    return found


async def test_ST_66_each_failure_takes_the_policy_of_its_moment(house: House) -> None:
    await decide(house, retries=RetryPolicy((1, 1, 1)))
    subscription = await owing(house)
    await decide(house, retries=RetryPolicy.smart(10, OnRetriesExhausted.PAST_DUE))
    first = await house.intent(subscription)
    assert (first.next_attempt_at, first.policy) == (house.now + DAY, RetryPolicy((1, 1, 1)))
    began = house.now
    await house.go_to(began + DAY)
    second = await house.intent(subscription)
    assert second.policy == RetryPolicy.smart(10, OnRetriesExhausted.PAST_DUE)
    assert (second.next_attempt_at, second.failing_since) == (began + 3 * DAY, began)


def test_ST_61_settings_of_automatic_and_manual_payment_do_not_touch_each_other() -> None:
    automatic = AccountSettings(retries=RetryPolicy.smart(9, OnRetriesExhausted.CANCELED))
    manual = SendInvoiceSettings(
        due_days=14, reminder_days=(-3, 7), overdue_days=30, overdue_action=OverdueAction.UNPAID
    )
    both = replace(automatic, send_invoice=manual)
    assert (both.retries, both.send_invoice) == (automatic.retries, manual)
    assert replace(both, retries=None).send_invoice == manual
    assert replace(both, send_invoice=SendInvoiceSettings()).retries == automatic.retries


def test_ST_63_every_smart_window_ends_with_its_last_slot_and_within_a_month() -> None:
    for window in range(1, 32):
        policy = RetryPolicy.smart(window)
        now, slots = factories.NOW, []
        while (slot := policy.next_attempt_at(len(slots) + 1, now, since=factories.NOW)) is not None:
            slots.append(slot)
            now = slot
        assert slots[-1] == factories.NOW + timedelta(days=window)
        assert slots == sorted(set(slots))
        late = policy.next_attempt_at(1, factories.NOW + timedelta(days=window), since=factories.NOW)
        assert late is None


def test_an_intent_that_failed_once_keeps_the_time_of_that() -> None:
    intent = factories.charge_intent()
    failed = intent_domain.fail(intent, "ch_1", intent.reason, RetryPolicy.smart(5), factories.NOW).value
    later = factories.NOW + 2 * DAY
    again = intent_domain.fail(failed, "ch_2", intent.reason, RetryPolicy.smart(5), later).value
    assert (again.failing_since, again.attempts) == (factories.NOW, 2)
