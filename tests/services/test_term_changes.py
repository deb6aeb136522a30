"""Discounts, tax rates and the end of a trial, changed on a living subscription (ST-57, ST-73, SX-08)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.db import catalog
from gateway.db.engine import Books
from gateway.domain import invoice as invoice_domain
from gateway.domain import setup_intent as setup_domain
from gateway.domain.beginning import Schedule
from gateway.domain.discount import Duration
from gateway.domain.errors import InvalidRequest
from gateway.domain.subscription import Status, Subscription
from gateway.domain.terms import MissingPaymentMethod
from gateway.services import pauses
from gateway.services.discounts import DiscountRequest
from gateway.services.plan_changes import TermsRequest
from tests import factories
from tests.services.house import House
from tests.services.plans import HALF, LARGE, furnished, to_price, update, waiting
from tests.services.test_invoicing import HALF as HALF_OFF
from tests.services.test_invoicing import VAT, keep_coupon, keep_rates

DAY = timedelta(days=1)
NOW = TermsRequest(ends_trial=True)


@pytest.fixture
async def house(books: Books) -> House:
    return await furnished(books)


async def trialing(house: House, *, signed: bool = True) -> Subscription:
    """In the fourth day of a trial of fourteen."""
    opened = await house.subscribe(schedule=Schedule(trial_days=14))
    if signed:
        await house.sign_setup(opened)
    await house.go_to(house.now + 4 * DAY)
    return await house.subscription(opened)


async def test_ST_57_ST_73_a_coupon_on_a_living_subscription_reduces_its_next_invoice(house: House) -> None:
    active = await house.active()
    coupon = await keep_coupon(house, HALF_OFF)
    changed = await update(house, active, TermsRequest(discounts=[coupon]))
    assert [discount.coupon_id for discount in changed.discounts] == ["HALF"]
    assert "customer.discount.created" in await house.event_types(changed.discounts[0].id)
    assert await waiting(house, active) == []
    await house.renew(active)
    assert (await house.invoice(active)).total == 500


async def test_ST_73_discounts_are_kept_replaced_and_taken_away(house: House) -> None:
    active = await house.active()
    once = replace(HALF_OFF, id="ONCE", duration=Duration.ONCE)
    first = await update(house, active, TermsRequest(discounts=[await keep_coupon(house, HALF_OFF)]))
    held = first.discounts[0]
    both = await update(
        house,
        active,
        TermsRequest(discounts=[DiscountRequest(discount_id=held.id), await keep_coupon(house, once)]),
    )
    assert both.discounts[0] == held
    none = await update(house, active, TermsRequest(discounts=[]))
    assert (none.discounts, none.pending_update) == ((), None)
    assert "customer.discount.deleted" in await house.event_types(held.id)


async def test_a_coupon_that_kept_the_cap_low_is_taken_away_once_the_wallet_has_signed(house: House) -> None:
    reduced = await house.active(discounts=[await keep_coupon(house, HALF_OFF)])
    asked = await update(house, reduced, TermsRequest(discounts=[]))
    assert (asked.discounts, asked.pending_update is None) == (reduced.discounts, False)
    await house.sign_setup(reduced)
    await house.pump()
    assert (await house.subscription(reduced)).discounts == ()
    assert await waiting(house, reduced) == []
    await house.renew(reduced)
    assert [amount for _, _, amount in house.charged()] == [5_000_000, 10_000_000]


async def test_without_waiting_what_needs_a_signature_is_refused(house: House) -> None:
    reduced = await house.active(discounts=[await keep_coupon(house, HALF_OFF)])
    with pytest.raises(InvalidRequest) as refused:
        await update(house, reduced, TermsRequest(discounts=[], waits=False))
    assert (refused.value.code, refused.value.param) == ("signature_required", "payment_behavior")
    assert await house.subscription(reduced) == reduced


async def test_prorations_are_net_of_the_coupon_and_none_reduces_them_again(house: House) -> None:
    """Half of half the price is given back, not half of the price: a coupon never becomes money."""
    reduced = await house.active(discounts=[await keep_coupon(house, HALF_OFF)])
    await house.go_to(reduced.period_start + HALF)
    await to_price(house, reduced, "price_small")
    assert [item.amount for item in await waiting(house, reduced)] == [-250, 100]
    await house.renew(reduced)
    assert (await house.invoice(reduced)).total == 200 - 250 + 100


async def test_ST_04_a_tax_that_raises_the_price_above_the_cap_waits_for_the_wallet(house: House) -> None:
    await keep_rates(house, VAT)
    active = await house.active()
    asked = await update(house, active, TermsRequest(tax_rate_ids=[VAT.id]))
    assert (asked.tax_rate_ids, asked.pending_update is None) == ((), False)
    await house.sign_setup(active)
    await house.pump()
    await house.renew(active)
    assert (await house.invoice(active)).total == 1190
    back = await update(house, active, TermsRequest(tax_rate_ids=[]))
    assert (back.tax_rate_ids, back.pending_update) == ((), None)


async def test_prorations_keep_the_taxes_of_their_time(house: House) -> None:
    await keep_rates(house, VAT)
    taxed = await house.active(default_tax_rate_ids=[VAT.id])
    await house.go_to(taxed.period_start + HALF)
    await to_price(house, taxed, "price_small")
    await update(house, taxed, TermsRequest(tax_rate_ids=[]))
    assert {item.tax_rate_ids for item in await waiting(house, taxed)} == {(VAT.id,)}
    await house.renew(taxed)
    assert (await house.invoice(taxed)).total == 400 - 595 + 238


async def test_a_trial_can_be_made_longer_and_the_signed_mandate_serves(house: House) -> None:
    trial = await trialing(house)
    later = house.now + 20 * DAY
    changed = await update(house, trial, TermsRequest(trial_end=later))
    assert (changed.trial_end, changed.period_end, changed.mandate_id) == (later, later, trial.mandate_id)
    assert changed.pending_update is None
    await house.go_to(later - timedelta(hours=1))
    assert house.charged() == []
    await house.renew(trial)
    assert (await house.subscription(trial)).status is Status.ACTIVE
    await house.renew(trial)
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 10_000_000]


async def test_a_trial_ends_early_once_the_wallet_has_signed_for_it(house: House) -> None:
    """The signed mandate collects nothing before its start."""
    trial = await trialing(house)
    asked = await update(house, trial, NOW)
    assert (asked.status, asked.trial_end) == (Status.TRIALING, trial.trial_end)
    assert asked.pending_update is not None
    await house.go_to(house.now + timedelta(hours=2))
    await house.sign_setup(trial)
    await house.pump()
    ended = await house.subscription(trial)
    assert (ended.status, ended.trial_end, ended.period_start) == (Status.ACTIVE, house.now, house.now)
    assert "customer.subscription.trial_ended" in await house.event_types(trial.id)
    assert [amount for _, _, amount in house.charged()] == [10_000_000]


async def test_an_unsigned_trial_ends_at_once_and_its_first_invoice_asks_the_wallet(house: House) -> None:
    trial = await trialing(house, signed=False)
    setup = await house.setup(trial)
    ended = await update(house, trial, NOW)
    assert (ended.status, ended.trial_end, ended.period_index) == (Status.PAST_DUE, house.now, 1)
    assert (await house.setup(trial)).status is setup_domain.Status.CANCELED
    assert (await house.setup(trial)).id == setup.id
    assert (await house.intent(ended)).status == "requires_action"
    await house.sign(ended)
    await house.pump()
    assert (await house.subscription(trial)).status is Status.ACTIVE
    assert (await house.invoice(trial)).status is invoice_domain.Status.PAID


async def test_a_trial_and_its_plan_change_together(house: House) -> None:
    trial = await trialing(house)
    await to_price(house, trial, LARGE, ends_trial=True)
    await house.sign_setup(trial)
    await house.pump()
    assert [amount for _, _, amount in house.charged()] == [30_000_000]


async def test_only_a_trial_has_an_end_to_move_and_it_lies_ahead(house: House) -> None:
    trial = await trialing(house)
    with pytest.raises(InvalidRequest, match="future"):
        await update(house, trial, TermsRequest(trial_end=house.now - DAY))
    active = await house.active(2)
    with pytest.raises(InvalidRequest) as refused:
        await update(house, active, NOW)
    assert (refused.value.code, refused.value.param) == ("subscription_not_trialing", "trial_end")


async def test_SX_08_a_trial_that_the_product_prescribes_must_be_used(house: House) -> None:
    async with house.gateway.books.write() as conn:
        await catalog.save_products(conn, [factories.product(trial_period_days=14)])
    opened = await house.subscribe()
    assert opened.trial_end is not None
    with pytest.raises(InvalidRequest) as refused:
        await update(house, opened, NOW)
    assert (refused.value.code, refused.value.param) == ("trial_mandatory", "trial_end")
    longer = await update(house, opened, TermsRequest(trial_end=opened.trial_end + DAY))
    assert longer.trial_end == opened.trial_end + DAY


@pytest.mark.parametrize(
    ("behavior", "status"),
    [
        (MissingPaymentMethod.CREATE_INVOICE, Status.PAST_DUE),
        (MissingPaymentMethod.CANCEL, Status.CANCELED),
        (MissingPaymentMethod.PAUSE, Status.PAUSED),
    ],
)
async def test_ST_29_a_trial_that_ends_unsigned_does_what_the_merchant_wants(
    house: House, behavior: MissingPaymentMethod, status: Status
) -> None:
    opened = await house.subscribe(schedule=Schedule(trial_days=14), missing_payment_method=behavior)
    await house.renew(opened)
    ended = await house.subscription(opened)
    assert ended.status is status
    assert (ended.latest_invoice_id is None) is (behavior is not MissingPaymentMethod.CREATE_INVOICE)
    canceled = (await house.setup(opened)).status is setup_domain.Status.CANCELED
    assert canceled is (behavior is MissingPaymentMethod.CANCEL)
    assert "customer.subscription.trial_ended" in await house.event_types(opened.id)


async def test_a_trial_that_ends_signed_goes_on_whatever_was_wanted(house: House) -> None:
    opened = await house.subscribe(schedule=Schedule(trial_days=14), missing_payment_method=MissingPaymentMethod.CANCEL)
    await house.sign_setup(opened)
    await house.pump()
    await house.renew(opened)
    assert (await house.subscription(opened)).status is Status.ACTIVE


async def test_a_trial_that_was_paused_at_its_end_is_billed_when_it_is_resumed(house: House) -> None:
    opened = await house.subscribe(schedule=Schedule(trial_days=14), missing_payment_method=MissingPaymentMethod.PAUSE)
    await house.renew(opened)
    await house.sign_setup(opened)
    await house.pump()
    assert house.charged() == []
    async with house.gateway.books.write() as conn:
        await pauses.resume(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=opened.id,
            re_anchor=True,
            now=house.now,
            origin=house.origin,
        )
    await house.pump()
    assert (await house.subscription(opened)).status is Status.ACTIVE
    assert len(house.charged()) == 1
