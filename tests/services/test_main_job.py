"""The main job against a chain in memory, on both databases: what the books say after each thing that can happen."""

from datetime import timedelta

import pytest

from chain.mandates import charge_data
from chain.primitives import ChargeItem, FailReason
from gateway.db import catalog
from gateway.db.engine import Books
from gateway.domain import charge as charge_domain
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain import mandate as mandate_domain
from gateway.domain.subscription import CancellationReason, Status
from gateway.services import invoices as invoice_services
from gateway.services import subscriptions as subscription_services
from gateway.services.items import NewItem
from tests import factories
from tests.services.house import House

DAY = timedelta(days=1)
PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def test_FR_17_C01_a_new_subscription_waits_for_the_wallet_as_incomplete(house: House) -> None:
    opened = await house.subscribe()
    invoice, intent = await house.invoice(opened), await house.intent(opened)
    assert opened.status is Status.INCOMPLETE
    assert opened.reason.code == "mandate_unsigned"
    assert (invoice.status, invoice.total, invoice.number) == (invoice_domain.Status.OPEN, 1000, "INV-000001")
    assert intent.status is intent_domain.Status.REQUIRES_ACTION
    assert (intent.token_amount, intent.mandate_period) == (PRICE_UNITS, 1)


async def test_FR_19_FR_18_MX_16_the_first_final_charge_activates(house: House) -> None:
    active = await house.active()
    assert active.status is Status.ACTIVE
    assert (await house.invoice(active)).status is invoice_domain.Status.PAID
    assert (await house.intent(active)).status is intent_domain.Status.SUCCEEDED
    assert (await house.mandate(active)).status is mandate_domain.Status.ACTIVE
    assert (await house.charge(active)).status is charge_domain.Status.SUCCEEDED
    assert house.balance(factories.PAYEE) == PRICE_UNITS


async def test_C06_SX_10_created_is_announced_only_when_the_money_is_final(house: House) -> None:
    opened = await house.subscribe()
    assert "customer.subscription.created" not in await house.event_types()
    await house.sign(opened)
    await house.pump()
    kinds = await house.event_types(opened.id)
    assert kinds.count("customer.subscription.created") == 1
    assert kinds.index("customer.subscription.incomplete") < kinds.index("customer.subscription.created")


async def test_FR_09_nothing_is_paid_before_the_block_is_final(house: House) -> None:
    opened = await house.subscribe()
    await house.sign(opened)
    await house.collect()
    await house.send()
    house.chain.mine()
    await house.watch()
    assert house.balance(factories.PAYEE) == PRICE_UNITS
    assert (await house.subscription(opened)).status is Status.INCOMPLETE
    assert (await house.intent(opened)).status is intent_domain.Status.PROCESSING


async def test_SX_12_FR_12_FR_22_ST_17_three_months_are_three_charges(house: House) -> None:
    active = await house.active()
    for _ in range(3):
        await house.renew(active)
    renewed = await house.subscription(active)
    assert (renewed.status, renewed.period_index) == (Status.ACTIVE, 4)
    assert [period for _, period, _ in house.charged()] == [1, 2, 3, 4]
    assert house.balance(factories.PAYEE) == 4 * PRICE_UNITS
    assert (await house.event_types(active.id)).count("customer.subscription.renewed") == 3


async def test_C10_ST_53_ST_59_a_renewal_is_a_draft_until_its_hour_has_passed(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_end)
    assert (await house.invoice(active)).status is invoice_domain.Status.DRAFT
    await house.go_to(active.period_end + house.gateway.finalization_delay)
    assert (await house.invoice(active)).status is invoice_domain.Status.PAID


async def test_FR_14_ST_33_a_renewal_that_must_fail_costs_no_gas_and_is_past_due(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS)
    native = house.chain.world.native[house.operator.address]
    await house.renew(active)
    failed, intent, charge = await house.subscription(active), await house.intent(active), await house.charge(active)
    assert failed.status is Status.PAST_DUE
    assert failed.reason.code == "allowance_revoked"
    assert intent.status is intent_domain.Status.FAILED
    assert (charge.status, charge.transaction_id) == (charge_domain.Status.FAILED, None)
    assert house.chain.world.native[house.operator.address] == native
    assert intent.attempts == 1


async def test_FR_06_lack_of_balance_is_told_with_its_evidence(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    reason = (await house.subscription(active)).reason
    assert reason.code == "insufficient_balance"
    assert reason.action == "customer_action"
    assert reason.evidence["balance"] == "0"
    assert reason.evidence["needed"] == str(PRICE_UNITS)


async def test_FR_13_FR_23_FR_30_ST_64_C05_three_retries_a_day_apart_and_then_unpaid(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    first_failure = house.now
    for attempt in range(2, 5):
        intent = await house.intent(active)
        assert intent.next_attempt_at == first_failure + (attempt - 1) * DAY
        await house.go_to(intent.next_attempt_at)
        assert (await house.intent(active)).attempts == attempt
    assert (await house.subscription(active)).status is Status.UNPAID
    assert (await house.intent(active)).next_attempt_at is None


async def test_payments_asked_for_by_hand_use_up_no_planned_retry(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.renew(active)
    for _ in range(4):
        invoice = await house.invoice(active)
        async with house.gateway.books.write() as conn:
            await invoice_services.pay(
                conn, house.gateway, scope=house.scope, invoice_id=invoice.id, now=house.now, origin=house.origin
            )
        await house.pump()
    intent = await house.intent(active)
    assert (await house.subscription(active)).status is Status.PAST_DUE
    assert (intent.attempts, intent.next_attempt_at) == (1, house.now + DAY)


async def test_FR_15_FR_32_C19_nothing_is_pulled_while_unpaid_even_when_the_wallet_is_full_again(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.renew(active)
    for _ in range(3):
        await house.go_to(house.now + DAY)
    assert (await house.subscription(active)).status is Status.UNPAID
    house.chain.mint(factories.TOKEN, house.wallet(), 100 * PRICE_UNITS)
    before = len(house.charged())
    await house.renew(active)
    assert len(house.charged()) == before
    assert (await house.invoice(active)).status is invoice_domain.Status.DRAFT


async def test_ST_18_a_topped_up_wallet_recovers_at_once_and_uses_up_no_retry(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.renew(active)
    assert (await house.subscription(active)).status is Status.PAST_DUE
    house.chain.mint(factories.TOKEN, house.wallet(), 5 * PRICE_UNITS)
    await house.pump()
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert (await house.intent(active)).attempts == 1
    assert [period for _, period, _ in house.charged()] == [1, 2]


async def test_ST_32_after_23_hours_it_expires_and_can_never_be_charged(house: House) -> None:
    opened = await house.subscribe()
    await house.go_to(house.now + timedelta(hours=23))
    expired = await house.subscription(opened)
    assert expired.status is Status.INCOMPLETE_EXPIRED
    assert (await house.invoice(opened)).status is invoice_domain.Status.VOID
    assert (await house.intent(opened)).status is intent_domain.Status.CANCELED
    assert house.charged() == []


async def test_ST_31_a_pull_broadcast_before_the_deadline_still_counts(house: House) -> None:
    opened = await house.subscribe()
    await house.sign(opened)
    house.now += timedelta(hours=22, minutes=59)
    await house.collect()
    house.now += timedelta(minutes=2)
    await house.bill()
    assert (await house.subscription(opened)).status is Status.INCOMPLETE
    await house.pump()
    assert (await house.subscription(opened)).status is Status.ACTIVE


async def test_FR_24_FR_31_a_canceled_subscription_is_never_charged_again(house: House) -> None:
    active = await house.active()
    async with house.gateway.books.write() as conn:
        await subscription_services.cancel(
            conn, house.gateway, scope=house.scope, subscription_id=active.id, now=house.now, origin=house.origin
        )
    await house.go_to(active.period_end + 2 * DAY)
    canceled = await house.subscription(active)
    assert (canceled.status, canceled.cancellation_reason) == (Status.CANCELED, CancellationReason.MERCHANT)
    assert len(house.charged()) == 1


async def test_PM_13_missed_periods_are_never_charged_afterwards(house: House) -> None:
    active = await house.active()
    house.now = factories.NOW + timedelta(days=95)
    await house.pump()
    await house.go_to(house.now + house.gateway.finalization_delay)
    assert [period for _, period, _ in house.charged()] == [1, 4]
    assert (await house.subscription(active)).period_index == 4


async def test_C05_infrastructure_trouble_costs_no_attempt(house: House) -> None:
    active = await house.active()
    house.chain.world.native[house.operator.address] = 0
    await house.renew(active)
    intent = await house.intent(active)
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert (intent.attempts, intent.reason.code) == (0, "operator_unfunded")
    house.chain.fund_native(house.operator.address)
    await house.go_to(house.now + timedelta(minutes=2))
    assert (await house.intent(active)).status is intent_domain.Status.SUCCEEDED


async def test_a_pull_that_fails_on_the_chain_after_its_simulation_is_a_failed_charge(house: House) -> None:
    active = await house.active(balance=2 * PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await house.go_to(active.period_end)
    house.now += house.gateway.finalization_delay
    await house.bill()
    await house.collect()
    house.chain.world.balances[factories.TOKEN, house.wallet()] = 0
    await house.pump()
    charge = await house.charge(active)
    assert (charge.status, charge.reason.code) == (charge_domain.Status.FAILED, "insufficient_balance")
    assert charge.reason.evidence["chain_reason"] == FailReason.BALANCE.name.lower()
    assert (await house.subscription(active)).status is Status.PAST_DUE


async def test_a_period_that_somebody_else_collected_is_paid_without_a_second_pull(house: House) -> None:
    active = await house.active()
    mandate = await house.mandate(active)
    await house.go_to(active.period_end)
    house.chain.execute(factories.PAYEE, charge_data(ChargeItem(mandate.onchain_id, 2, PRICE_UNITS)))
    await house.pump()
    await house.go_to(house.now + house.gateway.finalization_delay)
    assert [period for _, period, _ in house.charged()] == [1, 2]
    assert (await house.invoice(active)).status is invoice_domain.Status.PAID
    assert (await house.charge(active)).reason.code == "observed_on_chain"


async def test_a_re_org_below_finality_takes_nothing_back_and_charges_once(house: House) -> None:
    opened = await house.subscribe()
    await house.sign(opened)
    await house.collect()
    await house.send()
    house.chain.mine()
    await house.watch()
    house.chain.reorg(1)
    await house.pump()
    assert (await house.subscription(opened)).status is Status.ACTIVE
    assert len(house.charged()) == 1


async def test_ST_23_nothing_owed_is_active_at_once_without_a_transaction(house: House, books: Books) -> None:
    async with books.write() as conn:
        free = factories.price(id=factories.numbered("price", 2), unit_amount=0)
        await catalog.add_prices(conn, [free])
    opened = await house.subscribe(items=[NewItem(price_id=free.id)])
    assert opened.status is Status.ACTIVE
    assert (await house.invoice(opened)).status is invoice_domain.Status.PAID
    assert house.charged() == []
