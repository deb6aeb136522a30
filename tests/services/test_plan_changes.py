"""Other prices and quantities in the middle of a subscription: what is billed, when, and what the wallet signs."""

from datetime import timedelta

import pytest

from gateway.db import catalog
from gateway.db.engine import Books
from gateway.domain import invoice as invoice_domain
from gateway.domain import setup_intent as setup_domain
from gateway.domain.beginning import Schedule
from gateway.domain.errors import Conflict
from gateway.domain.period import Interval, IntervalUnit
from gateway.domain.proration import ProrationBehavior
from gateway.domain.subscription import Status
from gateway.services import invoices as invoice_services
from gateway.services import subscriptions as services
from gateway.services.item_changes import ItemChange
from gateway.services.items import NewItem
from gateway.services.plan_changes import TermsRequest
from gateway.services.subscriptions import SubscriptionChanges
from tests import factories
from tests.services.house import House
from tests.services.plans import (
    EXTRA,
    HALF,
    LARGE,
    SMALL,
    YEARLY,
    amounts,
    bills,
    furnished,
    items,
    to_price,
    update,
    waiting,
)
from tests.services.test_method_changes import other_wallet


@pytest.fixture
async def house(books: Books) -> House:
    return await furnished(books)


async def test_ST_57_within_the_cap_a_change_holds_at_once_and_its_prorations_wait(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_start + HALF)
    changed = await to_price(house, active, SMALL)
    assert [item.sold for item in changed.items] == [(SMALL, 1)]
    assert (changed.pending_update, changed.mandate_id) == (None, active.mandate_id)
    assert changed.items[0].id == active.items[0].id
    assert amounts(await waiting(house, active)) == [-500, 200]
    assert "customer.subscription.updated" in await house.event_types(active.id)
    await house.renew(active)
    newest = await house.invoice(active)
    assert (amounts(newest.lines), newest.total, newest.status) == ([400, -500, 200], 100, invoice_domain.Status.PAID)
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 1_000_000]


async def test_a_change_there_and_back_costs_nothing(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_start + timedelta(days=3, seconds=7))
    await to_price(house, active, SMALL)
    await to_price(house, active, factories.PRICE_ID)
    assert sum(amounts(await waiting(house, active))) == 0
    await house.renew(active)
    assert (await house.invoice(active)).total == 1000


async def test_without_proration_only_the_next_period_is_another(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_start + HALF)
    await to_price(house, active, SMALL, proration=ProrationBehavior.NONE)
    assert await waiting(house, active) == []
    await house.renew(active)
    assert (await house.invoice(active)).total == 400


async def test_what_was_never_billed_is_never_given_back(house: House) -> None:
    """The price rose without proration; going back gives nothing for the dearer time, which nobody paid."""
    active = await house.active(items=[NewItem(price_id=LARGE)])
    await house.go_to(active.period_start + timedelta(days=1))
    await to_price(house, active, SMALL)
    await house.renew(active)
    await to_price(house, active, LARGE, proration=ProrationBehavior.NONE)
    await to_price(house, active, SMALL, prorated_at=(await house.subscription(active)).period_start)
    assert sum(amounts(await waiting(house, active))) == 0


async def test_proration_date_says_as_of_when(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_end - timedelta(days=1))
    await to_price(house, active, SMALL, prorated_at=active.period_start + HALF)
    assert amounts(await waiting(house, active)) == [-500, 200]


async def test_items_are_added_and_removed_and_others_stay(house: House) -> None:
    opened = await house.subscribe(items=[NewItem(price_id=LARGE), NewItem(price_id=EXTRA)])
    await house.sign(opened)
    await house.pump()
    await house.go_to(opened.period_start + HALF)
    large, extra = opened.items
    changed = await items(
        house,
        opened,
        ItemChange(id=large.id, deleted=True),
        ItemChange(price_id=SMALL, quantity=2, metadata={"seat": "a"}, param="items[1]"),
    )
    assert [item.sold for item in changed.items] == [(EXTRA, 1), (SMALL, 2)]
    assert changed.items[0] == extra
    assert changed.items[1].metadata == {"seat": "a"}
    assert amounts(await waiting(house, opened)) == [-1500, 400]
    await house.renew(opened)
    assert (await house.invoice(opened)).total == 500 + 800 - 1500 + 400


async def test_ST_57_above_the_cap_the_old_terms_go_on_until_the_wallet_has_signed(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_start + HALF)
    asked = await to_price(house, active, LARGE)
    setup = await house.setup(active)
    assert asked.items == active.items
    assert asked.pending_update is not None
    assert asked.pending_update.setup_intent_id == asked.pending_setup_intent_id == setup.id
    assert [item.sold for item in asked.pending_update.terms.items] == [(LARGE, 1)]
    assert setup.status is setup_domain.Status.REQUIRES_ACTION
    assert await waiting(house, active) == []
    await house.sign_setup(active)
    await house.pump()
    changed = await house.subscription(active)
    assert ([item.sold for item in changed.items], changed.pending_update) == ([(LARGE, 1)], None)
    assert changed.mandate_id != active.mandate_id
    assert (await house.mandate(changed)).terms.amount == 30_000_000
    told = await house.event_types(active.id)
    assert "customer.subscription.pending_update_applied" in told
    # The rest of the period is billed at once, with the new mandate: 15 of the new price, less 5 of the old one.
    newest = await house.invoice(active)
    assert (amounts(newest.lines), newest.status) == ([-500, 1500], invoice_domain.Status.PAID)
    assert newest.billing_reason is invoice_domain.BillingReason.SUBSCRIPTION_UPDATE
    assert "customer.subscription.renewed" not in told
    await house.renew(active)
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 10_000_000, 30_000_000]
    assert (await house.subscription(active)).status is Status.ACTIVE


async def test_a_change_that_nobody_signs_is_dropped_after_23_hours(house: House) -> None:
    active = await house.active()
    asked = await to_price(house, active, LARGE)
    assert asked.pending_update is not None
    await house.go_to(asked.pending_update.expires_at)
    dropped = await house.subscription(active)
    assert (dropped.pending_update, dropped.pending_setup_intent_id, dropped.items) == (None, None, active.items)
    assert (await house.setup(active)).status is setup_domain.Status.CANCELED
    assert "customer.subscription.pending_update_expired" in await house.event_types(active.id)
    await house.renew(active)
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 10_000_000]


async def test_a_change_whose_mandate_is_being_registered_is_waited_for(house: House) -> None:
    active = await house.active()
    asked = await to_price(house, active, LARGE)
    assert asked.pending_update is not None
    await house.sign_setup(active)
    house.now = asked.pending_update.expires_at
    await house.bill()
    held = await house.subscription(active)
    assert held.pending_update is not None
    assert held.pending_update.expires_at > house.now
    with pytest.raises(Conflict):
        await to_price(house, active, SMALL)
    await house.pump()
    assert [item.sold for item in (await house.subscription(active)).items] == [(LARGE, 1)]


async def test_another_change_takes_the_place_of_one_that_waits(house: House) -> None:
    active = await house.active()
    await to_price(house, active, LARGE)
    first = await house.setup(active)
    changed = await to_price(house, active, SMALL)
    assert (changed.pending_update, changed.pending_setup_intent_id) == (None, None)
    assert "setup_intent.canceled" in await house.event_types(first.id)
    assert [item.sold for item in changed.items] == [(SMALL, 1)]


async def test_naming_what_holds_withdraws_what_waits(house: House) -> None:
    active = await house.active()
    await to_price(house, active, LARGE)
    back = await to_price(house, active, factories.PRICE_ID)
    assert (back.pending_update, back.items) == (None, active.items)
    assert await waiting(house, active) == []


async def test_a_change_that_waits_ends_with_its_subscription(house: House) -> None:
    active = await house.active()
    await to_price(house, active, LARGE)
    async with house.gateway.books.write() as conn:
        await services.cancel(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=active.id,
            now=house.now,
            origin=house.origin,
        )
    over = await house.subscription(active)
    assert (over.status, over.pending_update) == (Status.CANCELED, None)
    assert (await house.setup(active)).status is setup_domain.Status.CANCELED


async def test_another_wallet_can_be_asked_for_the_dearer_terms(house: House) -> None:
    active = await house.active()
    new = await other_wallet(house)
    current = active.items[0].id
    change = TermsRequest(items=[ItemChange(id=current, price_id=LARGE)])
    asked = await update(house, active, change, default_payment_method=new.id)
    assert asked.pending_update is not None
    assert (await house.setup(active)).payment_method_id == new.id
    await house.sign_setup(active)
    await house.pump()
    changed = await house.subscription(active)
    assert (changed.payment_method_id, [item.sold for item in changed.items]) == (new.id, [(LARGE, 1)])
    await house.renew(active)
    assert house.balance(new.owner) == 1_000_000_000 - 30_000_000 - 20_000_000


async def test_a_wallet_named_later_is_asked_for_what_waits(house: House) -> None:
    active = await house.active()
    await to_price(house, active, LARGE)
    new = await other_wallet(house)
    named = SubscriptionChanges(given=frozenset({"default_payment_method"}), default_payment_method_id=new.id)
    async with house.gateway.books.write() as conn:
        asked = await services.update(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=active.id,
            changes=named,
            now=house.now,
            origin=house.origin,
        )
    setup = await house.setup(active)
    assert asked.pending_update is not None
    assert (setup.payment_method_id, asked.pending_update.setup_intent_id) == (new.id, setup.id)
    await house.sign_setup(active)
    await house.pump()
    assert [item.sold for item in (await house.subscription(active)).items] == [(LARGE, 1)]


async def test_another_interval_begins_a_period_when_it_is_signed(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_start + HALF)
    asked = await to_price(house, active, YEARLY)
    assert asked.pending_update is not None
    await house.go_to(house.now + timedelta(hours=2))
    await house.sign_setup(active)
    await house.pump()
    changed = await house.subscription(active)
    assert (changed.interval.unit, changed.period_start, changed.period_index) == (IntervalUnit.YEAR, house.now, 2)
    assert changed.period_end == house.now.replace(year=house.now.year + 1)
    newest = await house.invoice(active)
    unused = -round(1000 * (active.period_end - house.now) / (active.period_end - active.period_start))
    assert (amounts(newest.lines), newest.status) == ([10_000, unused], invoice_domain.Status.PAID)
    await house.renew(active)
    assert [amount for _, _, amount in house.charged()][-1] == 100_000_000
    assert len(house.charged()) == 3


async def test_twelve_months_are_a_year(house: House) -> None:
    twelve = Interval(IntervalUnit.MONTH, 12)
    async with house.gateway.books.write() as conn:
        await catalog.add_prices(conn, [factories.price(id="price_12", unit_amount=10_000, interval=twelve)])
    active = await house.active(items=[NewItem(price_id=YEARLY)])
    changed = await to_price(house, active, "price_12")
    assert (changed.pending_update, changed.period_end, changed.interval) == (None, active.period_end, twelve)


async def test_a_plan_that_cost_nothing_needs_a_signature_to_cost_something(house: House) -> None:
    async with house.gateway.books.write() as conn:
        await catalog.add_prices(conn, [factories.price(id="price_free", unit_amount=0)])
    free = await house.subscribe(items=[NewItem(price_id="price_free")])
    assert (free.status, free.mandate_id) == (Status.ACTIVE, None)
    asked = await to_price(house, free, factories.PRICE_ID)
    assert asked.pending_update is not None
    await house.sign_setup(free)
    await house.pump()
    assert (await house.invoice(free)).total == 1000
    assert [amount for _, _, amount in house.charged()] == [10_000_000]


async def test_in_a_trial_nothing_is_prorated_and_an_unsigned_mandate_is_asked_for_anew(house: House) -> None:
    trial = Schedule(trial_days=14)
    trialing = await house.subscribe(schedule=trial)
    first = await house.setup(trialing)
    changed = await to_price(house, trialing, LARGE)
    again = await house.setup(trialing)
    assert ([item.sold for item in changed.items], changed.pending_update) == ([(LARGE, 1)], None)
    assert again.id != first.id
    assert changed.pending_setup_intent_id == again.id
    assert (await house.mandate(changed)).terms.amount == 30_000_000
    await house.sign_setup(trialing)
    await house.pump()
    await house.renew(trialing)
    assert [amount for _, _, amount in house.charged()] == [30_000_000]


async def test_in_a_trial_a_signed_mandate_holds_the_old_terms(house: House) -> None:
    trialing = await house.subscribe(schedule=Schedule(trial_days=14))
    await house.sign_setup(trialing)
    await house.pump()
    asked = await to_price(house, trialing, LARGE)
    assert asked.items == trialing.items
    assert asked.pending_update is not None
    await house.sign_setup(trialing)
    await house.pump()
    assert await waiting(house, trialing) == []
    await house.renew(trialing)
    assert [amount for _, _, amount in house.charged()] == [30_000_000]


async def test_a_draft_of_the_old_terms_is_paid_with_the_old_mandate(house: House) -> None:
    active = await house.active()
    asked_at = active.period_end - timedelta(hours=2)
    await house.go_to(asked_at)
    await to_price(house, active, LARGE)
    await house.go_to(active.period_end)
    assert (await house.invoice(active)).status is invoice_domain.Status.DRAFT
    await house.sign_setup(active)
    await house.pump()
    old, new = (await bills(house, active))[-2:]
    assert (old.total, old.status) == (1000, invoice_domain.Status.PAID)
    assert (new.total, new.status) == (2000, invoice_domain.Status.PAID)
    await house.renew(active)
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 10_000_000, 20_000_000, 30_000_000]


async def test_what_is_owed_stays_with_the_old_mandate(house: House) -> None:
    active = await house.active(balance=10_000_000, allowance=1_000_000_000)
    await house.renew(active)
    assert (await house.subscription(active)).status is Status.PAST_DUE
    asked = await to_price(house, active, LARGE, proration=ProrationBehavior.NONE)
    assert asked.pending_update is not None
    house.chain.fund(factories.TOKEN, house.wallet(), 100_000_000, 1_000_000_000)
    await house.sign_setup(active)
    await house.pump()
    await house.go_to(house.now + timedelta(days=1))
    current = await house.subscription(active)
    assert (current.status, [item.sold for item in current.items]) == (Status.ACTIVE, [(LARGE, 1)])
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 10_000_000]


async def test_a_voided_period_is_not_given_back(house: House) -> None:
    active = await house.active(balance=10_000_000, allowance=1_000_000_000)
    await house.renew(active)
    owed = await house.invoice(active)
    async with house.gateway.books.write() as conn:
        await invoice_services.void(
            conn, house.gateway, scope=house.scope, invoice_id=owed.id, now=house.now, origin=house.origin
        )
    await to_price(house, active, SMALL)
    assert amounts(await waiting(house, active)) == [399]


async def test_a_batch_of_signed_changes_takes_effect_together(house: House) -> None:
    subscriptions = [await house.active(number) for number in (1, 2, 3)]
    await house.go_to(subscriptions[0].period_start + HALF)
    for subscription in subscriptions:
        await to_price(house, subscription, LARGE)
        await house.sign_setup(subscription)
    await house.pump()
    for subscription in subscriptions:
        assert [item.sold for item in (await house.subscription(subscription)).items] == [(LARGE, 1)]
    assert sorted(amount for _, _, amount in house.charged())[-3:] == [10_000_000] * 3
