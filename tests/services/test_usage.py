"""Metered prices: usage of a period that is over, billed with the one that follows, within what the wallet allowed."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.db import catalog, mandates, meters
from gateway.db import invoices as rows
from gateway.db.engine import Books
from gateway.domain import charge_intent as intent_domain
from gateway.domain.beginning import Schedule
from gateway.domain.errors import InvalidRequest
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.metering import Aggregation, Meter
from gateway.domain.money import AMOUNT_MAX
from gateway.domain.subscription import Status, Subscription
from gateway.services import billing, invoices, previews, usage
from gateway.services import meters as services
from gateway.services.items import NewItem
from tests import factories
from tests.services.house import House
from tests.services.test_reactivation import sign_intent

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
CENT_UNITS = 10_000
METER = factories.numbered("mtr", 1)
USAGE = factories.numbered("price", 7)
CAP = 5_000
METERED = [NewItem(price_id=USAGE)]
BOTH = [NewItem(price_id=factories.PRICE_ID), NewItem(price_id=USAGE)]


@pytest.fixture
async def house(books: Books) -> House:
    return await counting(books)


async def counting(books: Books) -> House:
    """A merchant who counts calls and charges 3 cents for each."""
    built = await House.build(books)
    meter = Meter(
        id=METER,
        scope=built.scope,
        created_at=built.now,
        updated_at=built.now,
        display_name="Calls",
        event_name="call",
        aggregation=Aggregation.SUM,
    )
    async with books.write() as conn:
        await meters.shelf.add(conn, [meter])
        await catalog.add_prices(
            conn, [factories.price(id=USAGE, unit_amount=3, nickname="Calls", meter_id=METER, lookup_key=None)]
        )
    return built


async def tell(house: House, value: int, *, at: datetime | None = None, number: int = 1) -> None:
    async with house.gateway.books.write() as conn:
        await services.tell(
            conn,
            scope=house.scope,
            event_name="call",
            payload={"stripe_customer_id": factories.numbered("cus", number), "value": str(value)},
            happened_at=at,
            system_now=house.now,
        )


async def metered(house: House, number: int = 1, **options: Any) -> Subscription:
    """A subscription to usage alone, whose wallet has signed."""
    opened = await house.subscribe(number, items=METERED, **{"mandate_amount": CAP, **options})
    await house.sign_setup(opened)
    await house.pump()
    return await house.subscription(opened)


async def history(house: House, of: Subscription) -> list[Invoice]:
    async with house.gateway.books.read() as conn:
        return await rows.of_subscription(conn, house.scope, of.id)


def charged(house: House) -> list[tuple[int, int]]:
    return [(period, amount) for _, period, amount in house.charged()]


async def test_ST_74_ST_23_usage_is_billed_in_arrears_and_nothing_is_due_at_the_beginning(house: House) -> None:
    opened = await house.subscribe(items=METERED, mandate_amount=CAP)
    first = await house.invoice(opened)
    assert (first.status, first.total, [line.quantity for line in first.lines]) == (InvoiceStatus.PAID, 0, [0])
    assert (opened.status, opened.pending_setup_intent_id is not None) == (Status.ACTIVE, True)
    assert (await house.mandate(opened)).terms.amount == CAP * CENT_UNITS
    await house.sign_setup(opened)
    await house.pump()
    await tell(house, 40)
    await tell(house, 2, at=house.now - DAY)  # from before it began: nobody's to bill
    house.now += 10 * DAY
    await tell(house, 60)
    assert charged(house) == []
    active = await house.subscription(opened)
    await house.renew(active)
    bill = await house.invoice(active)
    [line] = bill.lines
    assert (bill.status, bill.total, line.quantity, line.amount) == (InvoiceStatus.PAID, 300, 100, 300)
    assert (line.period_start, line.period_end) == (active.period_start, active.period_end)
    assert line.description == "100 x Calls (usage)"
    assert charged(house) == [(2, 300 * CENT_UNITS)]


async def test_ST_23_ST_74_no_usage_is_a_line_of_nothing_and_no_transaction(house: House) -> None:
    active = await metered(house)
    for _ in range(2):
        await house.renew(await house.subscription(active))
    assert [(bill.status, bill.total) for bill in await history(house, active)] == [(InvoiceStatus.PAID, 0)] * 3
    assert (await house.subscription(active)).status is Status.ACTIVE
    assert charged(house) == []


async def test_ST_74_a_fixed_fee_and_usage_stand_on_one_invoice(house: House) -> None:
    opened = await house.subscribe(items=BOTH, mandate_amount=CAP)
    first = await house.invoice(opened)
    assert (first.total, [line.amount for line in first.lines]) == (1_000, [1_000, 0])
    await house.sign(opened)
    await house.pump()
    await tell(house, 7)
    await house.renew(opened)
    bill = await house.invoice(opened)
    assert ([line.amount for line in bill.lines], bill.status) == ([1_000, 21], InvoiceStatus.PAID)
    fee, used = bill.lines
    assert fee.period_start == used.period_end
    assert charged(house) == [(1, 1_000 * CENT_UNITS), (2, 1_021 * CENT_UNITS)]


async def test_ST_74_each_period_and_each_customer_pays_its_own(house: House) -> None:
    first, second = await metered(house, 1), await metered(house, 2)
    await tell(house, 10, number=1)
    await tell(house, 20, number=2)
    await house.renew(first)
    await tell(house, 5, number=1)
    await house.renew(first)
    assert [bill.total for bill in await history(house, first)] == [0, 30, 15]
    assert [bill.total for bill in await history(house, second)] == [0, 60, 0]


async def test_ST_74_what_happened_at_the_boundary_belongs_to_the_next_period(house: House) -> None:
    active = await metered(house)
    await house.go_to(active.period_end)
    await tell(house, 100, at=active.period_end)
    await tell(house, 1, at=active.period_end - timedelta(seconds=1))
    await house.go_to(house.now + HOUR)
    assert (await house.invoice(active)).total == 3
    await house.renew(active)
    assert (await house.invoice(active)).total == 300


async def test_ST_74_a_draft_takes_late_news_and_a_finalised_invoice_refuses_them(house: House) -> None:
    active = await metered(house)
    await tell(house, 10)
    await house.go_to(active.period_end)
    draft = await house.invoice(active)
    assert (draft.status, draft.total) == (InvoiceStatus.DRAFT, 30)
    await tell(house, 5, at=active.period_end - HOUR)
    await house.go_to(house.now + HOUR)
    assert (await house.invoice(active)).total == 45
    with pytest.raises(InvalidRequest) as refused:
        await tell(house, 7, at=active.period_end - HOUR)
    assert (refused.value.code, refused.value.param) == ("meter_event_too_late", "timestamp")
    await tell(house, 7)
    await house.renew(active)
    assert (await house.invoice(active)).total == 21
    assert charged(house) == [(2, 45 * CENT_UNITS), (3, 21 * CENT_UNITS)]


async def test_ST_74_an_invoice_finalised_by_hand_fixes_its_usage(house: House) -> None:
    active = await metered(house)
    await house.go_to(active.period_end)
    draft = await house.invoice(active)
    await tell(house, 4, at=active.period_end - HOUR)
    async with house.gateway.books.write() as conn:
        opened = await invoices.finalize(
            conn, house.gateway, scope=house.scope, invoice_id=draft.id, now=house.now, origin=house.origin
        )
    assert (opened.total, opened.lines[0].quantity) == (12, 4)
    with pytest.raises(InvalidRequest):
        await tell(house, 7, at=active.period_end - HOUR)


async def test_ST_74_an_event_that_is_being_told_of_is_waited_for(postgres_books: Books) -> None:
    """On SQLite there is one writer anyway."""
    house = await counting(postgres_books)
    active = await metered(house)
    await house.go_to(active.period_end)
    house.now += HOUR
    async with postgres_books.write() as conn:
        await services.tell(
            conn,
            scope=house.scope,
            event_name="call",
            payload={"stripe_customer_id": factories.numbered("cus", 1), "value": "4"},
            happened_at=active.period_end - HOUR,
            system_now=house.now,
        )
        finalising = asyncio.create_task(billing.finalize_due(house.gateway, now=house.now))
        await asyncio.sleep(0.5)
        assert not finalising.done()
    await finalising
    assert (await house.invoice(active)).total == 12


async def test_ST_74_usage_of_a_trial_is_free(house: House) -> None:
    opened = await house.subscribe(items=METERED, mandate_amount=CAP, schedule=Schedule(trial_days=14))
    await house.sign_setup(opened)
    await tell(house, 1_000)
    await house.go_to(opened.period_end)
    await house.go_to(house.now + HOUR)
    begun = await house.subscription(opened)
    assert (begun.status, (await house.invoice(begun)).total) == (Status.ACTIVE, 0)
    await tell(house, 2)
    await house.renew(begun)
    assert (await house.invoice(begun)).total == 6


async def test_ST_74_a_preview_shows_the_usage_so_far(house: House) -> None:
    active = await metered(house)
    await tell(house, 11)
    async with house.gateway.books.read() as conn:
        shown = await previews.upcoming(
            conn, house.gateway, scope=house.scope, subscription_id=active.id, customer_id=None, now=house.now
        )
    assert (shown.total, shown.lines[0].quantity) == (33, 11)


async def test_ST_74_for_usage_above_the_cap_the_wallet_is_asked_and_no_attempt_is_used_up(
    house: House,
) -> None:
    active = await metered(house, mandate_amount=100)
    await tell(house, 34)
    await house.renew(active)
    bill, owing = await house.invoice(active), await house.subscription(active)
    assert (bill.total, bill.status, owing.status) == (102, InvoiceStatus.OPEN, Status.PAST_DUE)
    intent = await house.intent(active)
    assert (intent.status, intent.attempts) == (intent_domain.Status.REQUIRES_ACTION, 0)
    assert charged(house) == []
    async with house.gateway.books.read() as conn:
        extra = (await mandates.load(conn, [intent.mandate_id or ""]))[intent.mandate_id or ""]
    await sign_intent(house, intent.id, extra)
    await house.pump()
    assert ((await house.invoice(active)).status, [amount for _, amount in charged(house)]) == (
        InvoiceStatus.PAID,
        [102 * CENT_UNITS],
    )
    assert (await house.subscription(active)).status is Status.ACTIVE


@pytest.mark.parametrize(
    ("items", "amount", "code"),
    [
        (METERED, None, "parameter_missing"),
        (METERED, 0, "invalid_amount"),
        (BOTH, 999, "mandate_amount_low"),
        ([NewItem(price_id=USAGE, quantity=2)], CAP, "quantity_not_allowed"),
    ],
    ids=["missing", "nothing", "less-than-the-fee", "quantity"],
)
async def test_ST_74_what_a_metered_subscription_needs_is_said(
    house: House, items: list[NewItem], amount: int | None, code: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await house.subscribe(items=items, mandate_amount=amount)
    param = "items[0][quantity]" if code == "quantity_not_allowed" else "mandate_options[amount]"
    assert (refused.value.code, refused.value.param) == (code, param)


async def test_a_cap_above_the_price_leaves_room_for_what_comes_later(house: House) -> None:
    opened = await house.subscribe(mandate_amount=CAP)
    assert (await house.mandate(opened)).terms.amount == CAP * CENT_UNITS
    assert (await house.invoice(opened)).total == 1_000


def test_a_line_of_usage_takes_no_more_than_an_invoice_can_hold() -> None:
    price = factories.price(unit_amount=AMOUNT_MAX, meter_id=METER)
    assert (usage.charged(price, 0), usage.charged(price, 10**12)) == (0, AMOUNT_MAX)
