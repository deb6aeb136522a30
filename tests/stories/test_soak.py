"""Months of many subscriptions of mixed plans on a real chain, by a test clock: then the books are what the chain says.

make soak                                   36 months of 100 subscriptions
DUES_SOAK=12x20 pytest tests/stories/test_soak.py
"""

import os
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.db import catalog, charges, events, invoices
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain.beginning import Schedule
from gateway.domain.charge import Charge
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.period import Interval, IntervalUnit, add_months, period_index
from gateway.domain.subscription import Status, Subscription
from gateway.services import reconciliation
from gateway.services.items import NewItem
from tests import factories
from tests.stories.place import Place

MONTHS, SUBSCRIPTIONS = map(int, os.environ.get("DUES_SOAK", "2x10").split("x"))
MINOR = 10_000  # base units of a cent
PLENTY = 10**13
CHECKED_EVERY = 12
PAGE = 500


@dataclass(frozen=True)
class Plan:
    """A price, how many of it, and what is special about those who take it."""

    unit: IntervalUnit
    count: int
    cents: int
    quantity: int = 1
    trial_days: int | None = None
    payments: int | None = None
    """So many payments the wallet can make; None = all."""
    ends_after_months: int | None = None

    @property
    def due(self) -> int:
        return self.cents * self.quantity


PLANS = [
    Plan(IntervalUnit.MONTH, 1, 1000),
    Plan(IntervalUnit.MONTH, 1, 700, quantity=3),
    Plan(IntervalUnit.MONTH, 3, 2500),
    Plan(IntervalUnit.WEEK, 2, 450),
    Plan(IntervalUnit.YEAR, 1, 9000),
    Plan(IntervalUnit.MONTH, 1, 1000, trial_days=14),
    Plan(IntervalUnit.MONTH, 1, 1999, payments=2),
    Plan(IntervalUnit.MONTH, 2, 333, ends_after_months=7),
    Plan(IntervalUnit.DAY, 45, 125),
    Plan(IntervalUnit.MONTH, 1, 1),
]


async def _populate(place: Place) -> list[tuple[Plan, Subscription]]:
    async with place.gateway.books.write() as conn:
        prices = [
            factories.price(
                id=factories.numbered("price", 100 + number),
                unit_amount=plan.cents,
                interval=Interval(plan.unit, plan.count),
            )
            for number, plan in enumerate(PLANS)
        ]
        await catalog.add_prices(conn, prices)
    made = []
    for number in range(SUBSCRIPTIONS):
        plan, price = PLANS[number % len(PLANS)], prices[number % len(PLANS)]
        opened = await place.subscribe(
            number + 1,
            balance=PLENTY if plan.payments is None else plan.payments * plan.due * MINOR,
            allowance=PLENTY,
            items=[NewItem(price_id=price.id, quantity=plan.quantity)],
            schedule=Schedule(trial_days=plan.trial_days),
            cancel_at=None if plan.ends_after_months is None else add_months(place.now, plan.ends_after_months),
        )
        await (place.sign_setup(opened) if plan.trial_days else place.sign(opened))
        made.append((plan, opened))
    await place.pump()
    return made


async def _charges(place: Place) -> list[Charge]:
    found: list[Charge] = []
    async with place.gateway.books.read() as conn:
        while True:
            after = found[-1].id if found else None
            page = await charges.page(conn, PageRequest(scope=place.scope, limit=PAGE, starting_after=after))
            found += page.items
            if not page.has_more:
                return [charge for charge in found if charge.status is ChargeStatus.SUCCEEDED]


async def _invoices(place: Place) -> list[Invoice]:
    found: list[Invoice] = []
    async with place.gateway.books.read() as conn:
        while True:
            after = found[-1].id if found else None
            page = await invoices.page(conn, PageRequest(scope=place.scope, limit=PAGE, starting_after=after))
            found += page.items
            if not page.has_more:
                return found


async def _books_are_what_the_chain_says(place: Place) -> int:
    """Compare every collection, and every sum, to the base unit; returns how many there were."""
    collected = Counter({(e.mandate_id, e.period): e.amount for e in await place.collected()})
    assert len(collected) == len(await place.collected()), "a period was collected twice"
    booked = await _charges(place)
    assert len(booked) == len(collected)
    assert {(c.onchain_mandate_id, c.mandate_period): c.token_amount for c in booked} == dict(collected)
    assert await place.held(place.merchant.address) == collected.total()
    billed = await _invoices(place)
    paid = [invoice for invoice in billed if invoice.status is InvoiceStatus.PAID]
    assert sum(invoice.amount_paid for invoice in paid) * MINOR == collected.total()
    assert Counter(c.invoice_id for c in booked) == Counter(invoice.id for invoice in paid)
    numbers = sorted(invoice.number for invoice in billed if invoice.number is not None)
    assert numbers == [f"INV-{number:06d}" for number in range(1, len(numbers) + 1)]
    assert max(Counter((invoice.subscription_id, invoice.period_index) for invoice in billed).values()) == 1
    stretches = [stretch async for stretch in reconciliation.audit(place.gateway, place.chain)]
    assert [difference for stretch in stretches for difference in stretch.differences] == []
    assert sum(stretch.events for stretch in stretches) == len(collected)
    assert [d async for page in reconciliation.unbacked(place.gateway) for d in page] == []
    return len(collected)


async def _events_have_no_gap(place: Place) -> None:
    sequence, objects = 0, Counter[str]()
    while True:
        async with place.gateway.books.read() as conn:
            page = await events.after_sequence(conn, place.scope, sequence, limit=5_000)
        for event in page:
            sequence += 1
            objects[event.object_id] += 1
            assert (event.sequence, event.object_sequence) == (sequence, objects[event.object_id])
        if not page:
            return


def _expected(plan: Plan, began: datetime, until: datetime) -> int:
    """How many payments the calendar asks for; each is finalised an hour after its period began."""
    first = began + timedelta(days=plan.trial_days or 0)
    last = until - timedelta(hours=1)
    if plan.ends_after_months is not None:
        last = min(last, add_months(began, plan.ends_after_months) - timedelta(seconds=1))
    interval = Interval(plan.unit, plan.count)
    due = period_index(first, *interval.on_chain, last)
    return due if plan.payments is None else min(due, plan.payments)


async def test_the_books_of_months_of_mixed_plans_are_what_the_chain_says(sqlite_books: Books) -> None:
    async with Place.opened(sqlite_books) as place:
        began, clock = place.now, time.perf_counter()
        made = await _populate(place)
        for months in [*range(CHECKED_EVERY, MONTHS, CHECKED_EVERY), MONTHS]:
            await place.advance(add_months(began, months) + timedelta(days=5))
            count = await _books_are_what_the_chain_says(place)
        await _events_have_no_gap(place)
        of_mandate = Counter(event.mandate_id for event in await place.collected())
        for plan, opened in made:
            mandate = await place.mandate(opened)
            assert of_mandate[mandate.onchain_id] == _expected(plan, began, place.now), plan
            status = (await place.subscription(opened)).status
            ended = plan.ends_after_months is not None and plan.ends_after_months <= MONTHS
            dry = plan.payments is not None and plan.payments <= MONTHS
            assert status is (Status.CANCELED if ended else Status.UNPAID if dry else Status.ACTIVE), plan
        seconds = time.perf_counter() - clock
        told = f"{MONTHS} months of {SUBSCRIPTIONS} subscriptions: {count} payments, equal to the base unit"
        print(f"\n{told}, in {seconds:.0f} s")
