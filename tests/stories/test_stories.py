"""Each path of a subscription's life over dates, on a real chain, told in order: what was done, and what came of it.

Dates are those of the test clock, which begins at noon of 31 January 2026; a renewal is finalised an hour later.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chain.erc20 import transfer_data
from chain.primitives import BlockTag
from gateway.db import catalog, refunds
from gateway.db.engine import Books
from gateway.domain import invoice as invoice_domain
from gateway.domain import mandate as mandate_domain
from gateway.domain.beginning import Schedule
from gateway.domain.cancellation import CancellationReason
from gateway.domain.dunning import OnRetriesExhausted, RetryPolicy
from gateway.domain.errors import InvalidRequest
from gateway.domain.refund import Status as RefundStatus
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import Status, Subscription
from gateway.services import allowances, invoices, pauses
from gateway.services import refunds as refund_services
from gateway.services import subscriptions as services
from gateway.services.subscriptions import SubscriptionChanges
from tests import factories
from tests.services.house import signer
from tests.stories.place import Place

PRICE = 10_000_000
DAY = timedelta(days=1)
NOON = 12


def on(month: int, day: int, hour: int = NOON) -> datetime:
    """A moment of 2026."""
    return datetime(2026, month, day, hour, tzinfo=UTC)


@pytest.fixture
async def place(sqlite_books: Books) -> AsyncIterator[Place]:
    async with Place.opened(sqlite_books) as opened:
        yield opened


async def do(place: Place, what: Any, **options: Any) -> Any:
    """A use case at the clock's time."""
    async with place.gateway.books.write() as conn:
        return await what(conn, place.gateway, scope=place.scope, now=place.now, origin=place.origin, **options)


async def status(place: Place, of: Subscription) -> Status:
    return (await place.subscription(of)).status


async def test_ST_29_C08_a_trial_ends_and_its_first_payment_makes_it_active(place: Place) -> None:
    opened = await place.subscribe(schedule=Schedule(trial_days=14))
    await place.sign_setup(opened)
    await place.advance(on(2, 14))
    assert (await status(place, opened), await place.periods()) == (Status.TRIALING, [])
    await place.advance(on(2, 14, 13))
    assert (await status(place, opened), await place.periods()) == (Status.ACTIVE, [1])
    await place.advance(on(3, 14, 13))
    assert (await status(place, opened), await place.periods()) == (Status.ACTIVE, [1, 2])
    told = await place.event_types(opened.id)
    assert told.index("customer.subscription.trial_will_end") < told.index("customer.subscription.trial_ended")
    assert told.count("customer.subscription.created") == 1


async def test_ST_35_ST_36_FR_23_a_trial_that_nobody_pays_is_past_due_unpaid_and_reactivated(place: Place) -> None:
    opened = await place.subscribe(balance=0, allowance=100 * PRICE, schedule=Schedule(trial_days=14))
    await place.sign_setup(opened)
    await place.advance(on(2, 14, 13))
    assert (await status(place, opened), (await place.intent(opened)).attempts) == (Status.PAST_DUE, 1)
    nonce = await place.chain.nonce(place.operator.address, BlockTag.LATEST)
    await place.advance(on(2, 16, 13))
    assert await status(place, opened) is Status.PAST_DUE
    await place.advance(on(2, 17, 13))
    assert (await status(place, opened), (await place.intent(opened)).attempts) == (Status.UNPAID, 4)
    assert await place.chain.nonce(place.operator.address, BlockTag.LATEST) == nonce
    await place.top_up(place.wallet(), 10 * PRICE)
    await place.advance(on(3, 14, 13))
    draft = await place.invoice(opened)
    assert (draft.status, await place.periods()) == (invoice_domain.Status.DRAFT, [])
    await do(place, invoices.finalize, invoice_id=draft.id)
    await do(place, invoices.pay, invoice_id=draft.id)
    await place.pump()
    assert (await status(place, opened), await place.periods()) == (Status.ACTIVE, [2])
    await place.advance(on(4, 14, 13))
    assert (await status(place, opened), await place.periods()) == (Status.ACTIVE, [2, 3])


async def test_ST_32_who_does_not_sign_within_23_hours_has_to_begin_again(place: Place) -> None:
    opened = await place.subscribe()
    await place.advance(on(2, 1, 10))
    assert await status(place, opened) is Status.INCOMPLETE
    await place.advance(on(2, 1, 11))
    assert await status(place, opened) is Status.INCOMPLETE_EXPIRED
    assert (await place.invoice(opened)).status is invoice_domain.Status.VOID
    with pytest.raises(InvalidRequest):
        await do(place, services.update, subscription_id=opened.id, changes=SubscriptionChanges(given=frozenset()))
    await place.advance(on(4, 1))
    assert await place.periods() == []


async def test_ST_31_a_pull_sent_before_the_deadline_and_mined_after_it_is_waited_for(place: Place) -> None:
    opened = await place.subscribe(test_clock_id=None)
    await place.sign(opened)
    await place.local.set_automine(enabled=False)
    place.now += timedelta(hours=22, minutes=59)
    await place.collect()
    await place.send()
    place.now += timedelta(minutes=2)
    await place.bill()
    assert (await status(place, opened), await place.periods()) == (Status.INCOMPLETE, [])
    await place.local.set_automine(enabled=True)
    await place.pump()
    assert (await status(place, opened), await place.periods()) == (Status.ACTIVE, [1])
    assert (await place.invoice(opened)).status is invoice_domain.Status.PAID


async def test_PM_18_C16_a_pause_of_two_months_is_never_billed(place: Place) -> None:
    active = await place.active()
    await place.advance(on(2, 10))
    await do(place, pauses.pause, subscription_id=active.id)
    await place.advance(on(4, 10))
    assert (await status(place, active), await place.periods()) == (Status.PAUSED, [1])
    await do(place, pauses.resume, subscription_id=active.id, re_anchor=False)
    await place.advance(on(4, 30, 13))
    assert (await status(place, active), await place.periods()) == (Status.ACTIVE, [1, 4])


async def test_FR_24_it_ends_with_the_period_that_was_paid(place: Place) -> None:
    active = await place.active()
    ending = SubscriptionChanges(given=frozenset({"cancel_at_period_end"}), cancel_at_period_end=True)
    await do(place, services.update, subscription_id=active.id, changes=ending)
    await place.advance(on(2, 28, 11))
    assert await status(place, active) is Status.ACTIVE
    await place.advance(on(2, 28))
    assert await status(place, active) is Status.CANCELED
    await place.advance(on(4, 1))
    assert await place.periods() == [1]


async def test_PM_09_it_ends_on_the_day_that_was_named(place: Place) -> None:
    active = await place.active(cancel_at=on(3, 15))
    await place.advance(on(3, 15) - timedelta(minutes=1))
    assert (await status(place, active), await place.periods()) == (Status.ACTIVE, [1, 2])
    await place.advance(on(3, 15))
    ended = await place.subscription(active)
    assert (ended.status, ended.ended_at) == (Status.CANCELED, on(3, 15))
    await place.advance(on(5, 1))
    assert await place.periods() == [1, 2]


async def test_C12_SX_24_what_is_left_of_an_allowance_after_the_end_is_taken_back_by_the_payer(place: Place) -> None:
    active = await place.active(allowance=12 * PRICE)
    await do(place, services.cancel, subscription_id=active.id)
    await place.advance(on(4, 1))
    assert (await place.periods(), await place.allowed(place.wallet())) == ([1], 11 * PRICE)
    mandate = await place.mandate(active)
    for call in allowances.revocations([mandate])[mandate.id]:
        receipt = await place.purse(place.wallet()).send(call.to, bytes.fromhex(call.data.removeprefix("0x")))
        assert receipt.succeeded
    await place.pump()
    assert await place.allowed(place.wallet()) == 0
    assert (await place.mandate(active)).status is mandate_domain.Status.REVOKED
    assert await status(place, active) is Status.CANCELED


async def test_ST_34_C14_after_the_last_retry_it_is_canceled_where_the_merchant_says_so(sqlite_books: Books) -> None:
    settings = AccountSettings(retries=RetryPolicy((2, 3), OnRetriesExhausted.CANCELED))
    async with Place.opened(sqlite_books, settings=settings) as place:
        active = await place.active(balance=PRICE, allowance=100 * PRICE)
        await place.advance(on(3, 2, 13))
        assert (await status(place, active), (await place.intent(active)).attempts) == (Status.PAST_DUE, 2)
        await place.advance(on(3, 5, 13))
        ended = await place.subscription(active)
        assert (ended.status, ended.cancellation_reason) == (Status.CANCELED, CancellationReason.PAYMENT_FAILED)
        await place.top_up(place.wallet(), 10 * PRICE)
        await place.advance(on(5, 1))
        assert await place.periods() == [1]


async def test_ST_42_a_renewal_that_is_voided_is_forgiven_and_the_next_one_is_billed(place: Place) -> None:
    active = await place.active(balance=PRICE, allowance=100 * PRICE)
    await place.advance(on(2, 28, 13))
    assert await status(place, active) is Status.PAST_DUE
    await do(place, invoices.void, invoice_id=(await place.invoice(active)).id)
    assert await status(place, active) is Status.ACTIVE
    await place.top_up(place.wallet(), 10 * PRICE)
    await place.advance(on(3, 31, 13))
    assert (await status(place, active), await place.periods()) == (Status.ACTIVE, [1, 3])


async def test_a_refund_is_what_the_merchants_wallet_sends_back_and_is_seen_when_it_is_final(place: Place) -> None:
    active = await place.active()
    before = await place.held(place.wallet())
    charge = await place.charge(active)
    async with place.gateway.books.write() as conn:
        asked = await refund_services.create(
            conn, place.gateway, scope=place.scope, charge_id=charge.id, amount=400, origin=place.origin
        )
    assert (asked.status, asked.token_amount) == (RefundStatus.REQUIRES_ACTION, 4_000_000)
    data = transfer_data(asked.recipient, asked.token_amount)
    assert (await place.purse(place.merchant.address).send(asked.token, data)).succeeded
    await place.pump()
    async with place.gateway.books.read() as conn:
        done = (await refunds.load(conn, [asked.id]))[asked.id]
    assert done.status is RefundStatus.SUCCEEDED
    assert (await place.charge(active)).amount_refunded == 400
    assert await place.held(place.wallet()) == before + 4_000_000


async def test_SX_11_another_wallet_takes_over_in_the_middle_of_a_period(place: Place) -> None:
    active = await place.active()
    await place.advance(on(2, 10))
    wallet = signer(0x1002)
    place.wallets[wallet.address] = wallet
    await place.give(wallet, place.stage.token, 100 * PRICE, None)
    method = replace(
        factories.payment_method(),
        id=factories.numbered("pm", 2),
        customer_id=active.customer_id,
        owner=wallet.address,
        token=place.stage.token,
        spender=place.stage.contract,
    )
    async with place.gateway.books.write() as conn:
        await catalog.add_payment_methods(conn, [method])
    named = SubscriptionChanges(given=frozenset({"default_payment_method"}), default_payment_method_id=method.id)
    await do(place, services.update, subscription_id=active.id, changes=named)
    await place.sign_setup(active)
    await place.pump()
    old = await place.held(place.wallet(1))
    await place.advance(on(2, 28, 13))
    assert await status(place, active) is Status.ACTIVE
    assert await place.held(place.wallet(1)) == old
    assert await place.held(wallet.address) == 99 * PRICE


async def test_ST_18_ST_62_a_revoked_allowance_costs_no_gas_and_is_mended_by_allowing_again(place: Place) -> None:
    active = await place.active()
    await place.allow(place.wallet(), 0)
    gas = await place.chain.balances([place.operator.address])
    await place.advance(on(2, 28, 13))
    failed = await place.subscription(active)
    assert (failed.status, failed.reason.code) == (Status.PAST_DUE, "allowance_revoked")
    assert await place.chain.balances([place.operator.address]) == gas
    await place.allow(place.wallet(), 10 * PRICE)
    await place.pump()
    assert (await status(place, active), await place.periods()) == (Status.ACTIVE, [1, 2])
    assert (await place.intent(active)).attempts == 1


async def test_FR_06_a_mandate_that_its_payer_ended_collects_nothing_any_more(place: Place) -> None:
    active = await place.active()
    await place.end_mandate(active)
    await place.advance(on(3, 3, 13))
    ended = await place.subscription(active)
    assert (ended.status, ended.reason.code) == (Status.UNPAID, "mandate_revoked")
    assert await place.periods() == [1]


async def test_FR_09_a_block_that_a_re_org_takes_away_is_charged_again_and_once(place: Place) -> None:
    opened = await place.subscribe(test_clock_id=None)
    await place.local.mine(3)  # wallets and books are below what the re-org takes
    await place.sign(opened)
    await place.collect()
    await place.send()
    assert await place.periods() == [1]
    await place.watch()
    await place.local.reorg(1)
    assert (await place.periods(), await status(place, opened)) == ([], Status.INCOMPLETE)
    await place.pump()
    place.now += timedelta(minutes=3)
    await place.pump()
    assert (await place.periods(), await status(place, opened)) == ([1], Status.ACTIVE)
