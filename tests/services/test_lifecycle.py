"""The life of a subscription over dates: announced, paused, unpaid, reactivated, started and ended by date."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.db import accounts, events
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain.beginning import AnchorConfig, Schedule
from gateway.domain.cancellation import CancellationDetails, CancellationFeedback
from gateway.domain.dunning import OnRetriesExhausted, RetryPolicy
from gateway.domain.errors import InvalidRequest
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import CancellationReason, Status, Subscription
from gateway.services import invoices, pauses
from gateway.services import subscriptions as service
from tests import factories
from tests.services.house import House

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def _decide(house: House, **settings: Any) -> None:
    async with house.gateway.books.write() as conn:
        await accounts.save(conn, factories.account(settings=AccountSettings(**settings)))


async def _pause(house: House, of: Subscription) -> Subscription:
    async with house.gateway.books.write() as conn:
        return await pauses.pause(
            conn, house.gateway, scope=house.scope, subscription_id=of.id, now=house.now, origin=house.origin
        )


async def _resume(house: House, of: Subscription, *, re_anchor: bool) -> Subscription:
    async with house.gateway.books.write() as conn:
        return await pauses.resume(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=of.id,
            re_anchor=re_anchor,
            now=house.now,
            origin=house.origin,
        )


def _periods(house: House) -> list[int]:
    return [period for _, period, _ in house.charged()]


# ------------------------------------------------------------------------------------------------------- announced


async def test_ST_51_SX_14_a_renewal_is_announced_once_with_its_invoice(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_end - 3 * DAY - timedelta(seconds=1))
    assert "invoice.upcoming" not in await house.event_types()
    await house.go_to(active.period_end - 3 * DAY)
    await house.go_to(active.period_end - DAY)
    kinds = await house.event_types()
    assert (kinds.count("invoice.upcoming"), kinds.count("customer.subscription.upcoming")) == (1, 1)
    async with house.gateway.books.read() as conn:
        page = await events.page(conn, PageRequest(scope=house.scope, limit=10))
    told = next(event for event in page.items if event.type == "invoice.upcoming")
    assert b'"total":1000' in told.snapshot
    assert b'"status":"draft"' in told.snapshot
    await house.renew(active)
    await house.go_to((await house.subscription(active)).period_end - DAY)
    assert (await house.event_types()).count("invoice.upcoming") == 2


async def test_C09_how_long_before_is_the_merchants_to_say(house: House) -> None:
    await _decide(house, upcoming_days=10)
    active = await house.active()
    await house.go_to(active.period_end - 10 * DAY)
    assert "invoice.upcoming" in await house.event_types()


async def test_a_renewal_that_will_not_happen_is_not_announced(house: House) -> None:
    active = await house.active(cancel_at_period_end=True)
    await house.go_to(active.period_end)
    assert "invoice.upcoming" not in await house.event_types()
    assert (await house.subscription(active)).status is Status.CANCELED
    assert _periods(house) == [1]


# ---------------------------------------------------------------------------------------------------------- paused


async def test_PM_18_C16_nothing_is_billed_or_pulled_in_a_pause_and_missed_periods_never_are(house: House) -> None:
    active = await house.active()
    house.now += 10 * DAY
    paused = await _pause(house, active)
    assert (paused.status, paused.paused_at) == (Status.PAUSED, house.now)
    await house.go_to(datetime(2026, 5, 10, tzinfo=UTC))
    assert _periods(house) == [1]
    resumed = await _resume(house, active, re_anchor=False)
    assert (resumed.status, resumed.period_start) == (Status.ACTIVE, datetime(2026, 4, 30, 12, tzinfo=UTC))
    await house.pump()
    assert _periods(house) == [1]
    await house.renew(active)
    assert _periods(house) == [1, 5]
    kinds = await house.event_types(active.id)
    assert (kinds.count("customer.subscription.paused"), kinds.count("customer.subscription.resumed")) == (1, 1)


async def test_C16_a_pause_within_a_paid_period_changes_no_date(house: House) -> None:
    active = await house.active()
    house.now += DAY
    await _pause(house, active)
    house.now += DAY
    resumed = await _resume(house, active, re_anchor=False)
    assert (resumed.period_index, resumed.period_end) == (1, active.period_end)
    await house.renew(active)
    assert _periods(house) == [1, 2]


async def test_C16_resuming_now_bills_a_period_that_begins_now(house: House) -> None:
    active = await house.active()
    await _pause(house, active)
    await house.go_to(datetime(2026, 4, 10, tzinfo=UTC))
    resumed = await _resume(house, active, re_anchor=True)
    assert (resumed.anchor, resumed.period_start, resumed.period_index) == (house.now, house.now, 2)
    await house.pump()
    assert (await house.invoice(resumed)).status is invoice_domain.Status.PAID
    assert _periods(house) == [1, 3]
    await house.renew(active)
    assert (await house.subscription(active)).period_start == datetime(2026, 5, 10, tzinfo=UTC)
    assert _periods(house) == [1, 3, 4]


async def test_C16_a_second_invoice_in_one_period_of_the_contract_waits_for_the_next(house: House) -> None:
    active = await house.active()
    house.now += 10 * DAY
    await _pause(house, active)
    house.now += DAY
    resumed = await _resume(house, active, re_anchor=True)
    waiting = await house.intent(resumed)
    assert (waiting.mandate_period, waiting.next_attempt_at) == (2, datetime(2026, 2, 28, 12, tzinfo=UTC))
    await house.pump()
    assert _periods(house) == [1]
    await house.go_to(datetime(2026, 2, 28, 12, tzinfo=UTC))
    assert _periods(house) == [1, 2]
    assert (await house.subscription(active)).status is Status.ACTIVE
    await house.renew(active)
    assert (await house.intent(active)).mandate_period == 3
    assert _periods(house) == [1, 2]
    await house.go_to(datetime(2026, 3, 31, 12, tzinfo=UTC))
    assert _periods(house) == [1, 2, 3]


async def test_C16_what_was_owed_before_a_pause_is_owed_after_it(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    assert (await house.subscription(active)).status is Status.PAST_DUE
    await _pause(house, active)
    house.chain.fund(factories.TOKEN, house.wallet(), 5 * PRICE_UNITS, 10 * PRICE_UNITS)
    await house.go_to(house.now + 3 * DAY)
    assert _periods(house) == [1]
    assert (await _resume(house, active, re_anchor=False)).status is Status.PAST_DUE
    await house.pump()
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert _periods(house) == [1, 2]


async def test_C16_a_draft_of_the_running_period_is_billed_after_a_pause(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_end)
    await _pause(house, active)
    await house.go_to(house.now + DAY)
    assert (await house.invoice(active)).status is invoice_domain.Status.DRAFT
    await _resume(house, active, re_anchor=False)
    await house.pump()
    assert (await house.invoice(active)).status is invoice_domain.Status.PAID


async def test_a_paused_trial_goes_on_as_a_trial(house: House) -> None:
    opened = await house.subscribe(schedule=Schedule(trial_days=14))
    await house.sign_setup(opened)
    await house.pump()
    await _pause(house, opened)
    house.now += 2 * DAY
    assert (await _resume(house, opened, re_anchor=True)).status is Status.TRIALING
    await _pause(house, opened)
    await house.go_to(opened.period_end + 20 * DAY)
    assert _periods(house) == []
    resumed = await _resume(house, opened, re_anchor=False)
    assert (resumed.status, resumed.period_start, resumed.period_index) == (Status.TRIALING, house.now, 1)
    await house.pump()
    assert (await house.subscription(opened)).status is Status.ACTIVE
    assert len(_periods(house)) == 1


async def test_what_cannot_be_paused_or_resumed_is_refused(house: House) -> None:
    opened = await house.subscribe()
    with pytest.raises(InvalidRequest) as refused:
        await _pause(house, opened)
    assert refused.value.code == "subscription_not_pausable"
    with pytest.raises(InvalidRequest) as refused:
        await _resume(house, opened, re_anchor=False)
    assert refused.value.code == "subscription_not_paused"


# ---------------------------------------------------------------------------------------------- unpaid, grace, end


async def _unpaid(house: House) -> Subscription:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    for _ in range(3):
        await house.go_to(house.now + DAY)
    unpaid = await house.subscription(active)
    assert unpaid.status is Status.UNPAID
    return unpaid


async def test_ST_35_C19_an_unpaid_subscription_gets_drafts_that_nobody_attempts(house: House) -> None:
    unpaid = await _unpaid(house)
    first = await house.invoice(unpaid)
    house.chain.fund(factories.TOKEN, house.wallet(), 5 * PRICE_UNITS, 10 * PRICE_UNITS)
    await house.renew(unpaid)
    draft = await house.invoice(unpaid)
    assert (draft.status, draft.auto_advance) == (invoice_domain.Status.DRAFT, False)
    assert first.status is invoice_domain.Status.OPEN
    assert _periods(house) == [1]


async def test_ST_36_finalising_and_paying_the_newest_invoice_reactivates(house: House) -> None:
    unpaid = await _unpaid(house)
    await house.renew(unpaid)
    draft = await house.invoice(unpaid)
    house.chain.fund(factories.TOKEN, house.wallet(), 5 * PRICE_UNITS, 10 * PRICE_UNITS)
    async with house.gateway.books.write() as conn:
        await invoices.finalize(
            conn, house.gateway, scope=house.scope, invoice_id=draft.id, now=house.now, origin=house.origin
        )
        await invoices.pay(
            conn, house.gateway, scope=house.scope, invoice_id=draft.id, now=house.now, origin=house.origin
        )
    await house.pump()
    assert (await house.invoice(unpaid)).status is invoice_domain.Status.PAID
    assert (await house.subscription(unpaid)).status is Status.ACTIVE
    assert _periods(house) == [1, 3]


async def test_FR_15_a_payment_asked_for_in_unpaid_is_tried_once(house: House) -> None:
    unpaid = await _unpaid(house)
    async with house.gateway.books.write() as conn:
        await invoices.pay(
            conn,
            house.gateway,
            scope=house.scope,
            invoice_id=unpaid.latest_invoice_id or "",
            now=house.now,
            origin=house.origin,
        )
    await house.pump()
    intent = await house.intent(unpaid)
    assert (intent.status, intent.attempts, intent.next_attempt_at) == (intent_domain.Status.FAILED, 4, None)
    assert (await house.subscription(unpaid)).status is Status.UNPAID


@pytest.mark.parametrize(
    ("policy", "status"),
    [(OnRetriesExhausted.CANCELED, Status.CANCELED), (OnRetriesExhausted.PAST_DUE, Status.PAST_DUE)],
)
async def test_ST_34_ST_40_what_follows_the_last_retry_is_the_merchants_to_say(
    house: House, policy: OnRetriesExhausted, status: Status
) -> None:
    await _decide(house, retries=RetryPolicy((1,), policy))
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    await house.go_to(house.now + DAY)
    exhausted = await house.subscription(active)
    assert exhausted.status is status
    if status is Status.CANCELED:
        assert exhausted.cancellation_reason is CancellationReason.PAYMENT_FAILED
        return
    await house.renew(active)
    assert (await house.intent(active)).attempts == 1
    assert (await house.intent(active)).next_attempt_at is not None


@pytest.mark.parametrize("paid", [False, True])
async def test_C14_SX_13_what_is_not_paid_within_the_grace_period_is_canceled(house: House, *, paid: bool) -> None:
    await _decide(house, grace_period_days=5)
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    failed = await house.subscription(active)
    assert failed.grace_ends_at == house.now + 5 * DAY
    if paid:
        house.chain.fund(factories.TOKEN, house.wallet(), PRICE_UNITS, 10 * PRICE_UNITS)
        await house.go_to(house.now + DAY)
    await house.go_to(failed.grace_ends_at + HOUR)
    ended = await house.subscription(active)
    assert ended.status is (Status.ACTIVE if paid else Status.CANCELED)
    assert ended.cancellation_reason is (None if paid else CancellationReason.PAYMENT_FAILED)


async def test_ST_38_a_canceled_subscription_opens_no_draft(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_end)
    details = CancellationDetails(comment="moving", feedback=CancellationFeedback.UNUSED)
    async with house.gateway.books.write() as conn:
        ended = await service.cancel(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=active.id,
            reason=CancellationReason.CUSTOMER,
            details=details,
            now=house.now,
            origin=house.origin,
        )
    await house.go_to(house.now + 40 * DAY)
    assert (await house.invoice(active)).status is invoice_domain.Status.DRAFT
    assert _periods(house) == [1]
    assert (ended.cancellation_comment, ended.cancellation_feedback) == ("moving", CancellationFeedback.UNUSED)


# ---------------------------------------------------------------------------------------------------------- by date


async def test_PM_13_a_start_date_in_the_past_bills_now_and_never_the_missed_periods(house: House) -> None:
    start = datetime(2025, 10, 5, tzinfo=UTC)
    opened = await house.subscribe(schedule=Schedule(start_date=start))
    assert (opened.period_start, opened.period_index) == (datetime(2026, 1, 5, tzinfo=UTC), 1)
    await house.sign(opened)
    await house.pump()
    await house.renew(opened)
    renewed = await house.subscription(opened)
    assert (renewed.period_start, renewed.status) == (datetime(2026, 2, 5, tzinfo=UTC), Status.ACTIVE)
    assert _periods(house) == [4, 5]


async def test_PM_08_a_start_date_to_come_bills_then(house: House) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    opened = await house.subscribe(schedule=Schedule(start_date=start, anchor_config=AnchorConfig(hour=10)))
    assert (opened.status, opened.reason.code, opened.latest_invoice_id) == (Status.PENDING, "scheduled", None)
    await house.sign_setup(opened)
    await house.go_to(start)
    assert _periods(house) == []
    await house.go_to(start + 10 * HOUR)
    begun = await house.subscription(opened)
    assert (begun.status, begun.period_start, begun.period_index) == (Status.ACTIVE, start + 10 * HOUR, 1)
    assert _periods(house) == [1]
    assert (await house.event_types(opened.id)).count("customer.subscription.created") == 1


async def test_PM_08_a_start_that_nobody_signed_for_expires_a_day_after_it(house: House) -> None:
    start = house.now + 5 * DAY
    opened = await house.subscribe(schedule=Schedule(start_date=start))
    await house.go_to(start)
    assert (await house.subscription(opened)).status is Status.INCOMPLETE
    await house.go_to(start + timedelta(hours=23))
    expired = await house.subscription(opened)
    assert (expired.status, expired.pending_setup_intent_id) == (Status.INCOMPLETE_EXPIRED, None)
    assert (await house.invoice(opened)).status is invoice_domain.Status.VOID


async def test_PM_09_no_period_begins_at_or_after_the_end(house: House) -> None:
    opened = await house.subscribe(cancel_at=datetime(2026, 3, 31, 12, tzinfo=UTC))
    assert (await house.mandate(opened)).terms.periods == 2
    await house.sign(opened)
    await house.pump()
    await house.renew(opened)
    await house.renew(opened)
    ended = await house.subscription(opened)
    assert ended.status is Status.CANCELED
    assert _periods(house) == [1, 2]


async def test_a_start_to_come_that_ends_with_its_first_period_has_that_period(house: House) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    opened = await house.subscribe(schedule=Schedule(start_date=start), cancel_at_period_end=True)
    assert opened.ends_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert (await house.mandate(opened)).terms.periods == 1
