"""Any order of things that can happen to a merchant, its payers and the chain: rows, workers and transactions together.

The rules alone are tried in `tests/domain/test_life.py`, in far more steps.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.errors import CallReverted
from chain.mandates import cancel_data
from gateway.db import charge_intents, charges, events, invoices, subscriptions
from gateway.db.engine import Books
from gateway.db.events import EventRecord
from gateway.db.pages import PageRequest
from gateway.domain import charge as charge_domain
from gateway.domain.beginning import Schedule
from gateway.domain.errors import Conflict, IllegalTransition, InvalidRequest
from gateway.domain.subscription import TERMINAL, Status, Subscription
from gateway.services import invoices as invoice_services
from gateway.services import pauses
from gateway.services import subscriptions as subscription_services
from tests import factories
from tests.effort import effort
from tests.services.house import House

T = TypeVar("T")
PRICE = 10_000_000
MINOR = 10_000  # base units of a cent
PULLED = {"pending", "incomplete", "trialing", "active", "past_due"}
REFUSALS = (InvalidRequest, Conflict, IllegalTransition)
SELDOM = st.integers(0, 4).map(lambda number: number == 4)
WHICH = st.integers(0, 2)
MONTHS = st.sampled_from([1, 40, 40])
HOURS = st.sampled_from([1, 6, 24, 24 * 4, 24 * 31])
OPENED_MAX = 3
ACTIONS = [
    *(["renew"] * 4),
    *(["top_up", "pay", "work_without_mining", "resume"] * 2),
    "fall_behind",
    "subscribe",
    "sign",
    "wait",
    "time_passes_without_work",
    "mine",
    "re_org",
    "a_send_goes_wrong",
    "operators_gas",
    "allow",
    "end_the_mandate",
    "pause",
    "cancel",
    "edit",
    "finalize",
    "void",
    "write_off",
]
"""What may happen, as often as it is named here."""


@dataclass(frozen=True)
class Step:
    """To which subscription, with how much, how long, and one or the other."""

    which: int
    months: int
    hours: int
    maybe: bool


class AnyLife(RuleBasedStateMachine):
    """A few subscriptions of one merchant on books of their own."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.opened: list[Subscription] = []
        self.frozen: dict[str, Subscription] = {}
        self.status: dict[str, str] = {}
        self.asked: set[str] = set()
        self.objects: Counter[str] = Counter()
        self.sequence = 0

    def run(self, doing: Awaitable[T]) -> T:
        async def wrapped() -> T:
            return await doing

        return self.runner.run(wrapped())

    @initialize(months=MONTHS, trial=SELDOM)
    def open_the_books(self, months: int, *, trial: bool) -> None:
        shutil.copyfile(self.template, self.folder / "dues.db")
        self.books = Books.open(f"sqlite:///{self.folder}/dues.db")
        self.house = self.run(House.build(self.books))
        self._subscribe(months, 40, trial=trial, signs=True)
        self.run(self.house.pump())

    def teardown(self) -> None:
        try:
            if hasattr(self, "house"):
                self.run(self._come_to_rest())
        finally:
            if hasattr(self, "books"):
                self.run(self.books.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    # One rule: Hypothesis leaves out rules at random, and most of these mean little without the others.

    @rule(what=st.sampled_from(ACTIONS), by=st.builds(Step, WHICH, MONTHS, HOURS, st.booleans()))
    def happens(self, what: str, by: Step) -> None:
        getattr(self, what)(by)

    def subscribe(self, by: Step) -> None:
        if len(self.opened) < OPENED_MAX:
            self._subscribe(by.months, 40 if by.maybe else 1, trial=by.hours == 1, signs=by.hours != 6)

    def sign(self, by: Step) -> None:
        waiting = self._current(by)
        if waiting.latest_invoice_id is not None and waiting.status is Status.INCOMPLETE:
            self._ask(self.house.sign(waiting))

    def wait(self, by: Step) -> None:
        self.run(self.house.go_to(self.house.now + timedelta(hours=by.hours)))

    def time_passes_without_work(self, by: Step) -> None:
        self.house.now += timedelta(hours=by.hours)

    def renew(self, by: Step) -> None:
        ahead = self._current(by).period_end
        if ahead > self.house.now:
            self.run(self.house.go_to(ahead))
        self.run(self.house.go_to(self.house.now + self.house.gateway.finalization_delay))

    def fall_behind(self, by: Step) -> None:
        """A renewal and its retries find an empty wallet."""
        wallet = self._wallet(by)
        if held := self.house.balance(wallet):
            self.house.chain.transfer(factories.TOKEN, wallet, factories.some_address("a shop"), held)
        self.renew(by)
        for _ in range(3 if by.maybe else 1):
            self.wait(replace(by, hours=24))

    def work_without_mining(self, by: Step) -> None:
        self.time_passes_without_work(by)
        for _ in range(2):
            self.run(self.house.bill())
            self.run(self.house.collect())
        if by.maybe:
            self.run(self.house.send())

    def mine(self, _: Step) -> None:
        self.house.chain.mine(2)
        self.run(self.house.watch())

    def re_org(self, by: Step) -> None:
        self.house.chain.reorg(1, keep_transactions=by.maybe)

    def a_send_goes_wrong(self, by: Step) -> None:
        chain = self.house.chain
        if by.maybe:
            chain.drop_next_send()
        else:
            chain.hide_next_send()

    def operators_gas(self, by: Step) -> None:
        self.house.chain.fund_native(self.house.operator.address, 0 if by.hours == 1 else 10**20)
        self.house.chain.mine()

    def top_up(self, by: Step) -> None:
        self.house.chain.mint(factories.TOKEN, self._wallet(by), by.months * PRICE)

    def allow(self, by: Step) -> None:
        self.house.chain.approve(factories.TOKEN, self._wallet(by), 0 if by.hours == 1 else 40 * PRICE)

    def end_the_mandate(self, by: Step) -> None:
        current = self._current(by)
        if current.mandate_id is not None and by.hours == 1 and by.maybe:
            mandate = self.run(self.house.mandate(current))
            with contextlib.suppress(CallReverted):
                self.house.chain.execute(mandate.terms.payer, cancel_data(mandate.onchain_id))

    def pause(self, by: Step) -> None:
        self._do(pauses.pause, by)

    def resume(self, by: Step) -> None:
        self._do(pauses.resume, by, re_anchor=by.maybe)

    def cancel(self, by: Step) -> None:
        if by.hours == 1:
            self._do(subscription_services.cancel, by)

    def edit(self, by: Step) -> None:
        ends = by.hours == 1
        given = frozenset({"metadata"} | ({"cancel_at_period_end"} if ends else set()))
        changes = subscription_services.SubscriptionChanges(
            given=given, metadata={"edited": "yes"}, cancel_at_period_end=ends
        )
        self._do(subscription_services.update, by, changes=changes)

    def pay(self, by: Step) -> None:
        self.asked.add(self._current(by).id)
        self._by_hand(invoice_services.pay, by)

    def finalize(self, by: Step) -> None:
        self.asked.add(self._current(by).id)
        self._by_hand(invoice_services.finalize, by)

    def void(self, by: Step) -> None:
        self._by_hand(invoice_services.void, by)

    def write_off(self, by: Step) -> None:
        self._by_hand(invoice_services.mark_uncollectible, by)

    def _by_hand(self, what: Any, by: Step) -> None:
        """Do something with the newest invoice."""
        newest = self._current(by).latest_invoice_id
        if newest is not None:
            self._ask(self._write(what, invoice_id=newest))

    def _subscribe(self, months: int, allows: int, *, trial: bool, signs: bool) -> None:
        schedule = {"schedule": Schedule(trial_days=10)} if trial else {}
        number, held, allowed = len(self.opened) + 1, months * PRICE, allows * PRICE
        opened = self.run(self.house.subscribe(number, balance=held, allowance=allowed, **schedule))
        self.opened.append(opened)
        if signs:
            self.run(self.house.sign_setup(opened) if trial else self.house.sign(opened))

    # ------------------------------------------------------------------------------------------------- sentences

    @invariant()
    def the_sequences_have_no_gap_and_nothing_is_pulled_where_nothing_may_be(self) -> None:
        if not self.opened:
            return
        for event in self.run(self._news()):
            self.sequence += 1
            self.objects[event.object_id] += 1
            assert (event.sequence, event.object_sequence) == (self.sequence, self.objects[event.object_id])
            shown: dict[str, Any] = msgspec.json.decode(event.snapshot)
            if event.object_kind == "subscription":
                self.status[event.object_id] = shown["status"]
            elif event.type == "charge_intent.processing":
                status, owner = self.status[shown["subscription"]], shown["subscription"]
                assert status in PULLED or (status == "unpaid" and owner in self.asked), status

    @invariant()
    def what_has_ended_is_frozen(self) -> None:
        for current in self.run(self._all()):
            if current.status in TERMINAL:
                assert self.frozen.setdefault(current.id, current) == current

    @invariant()
    def the_chain_collects_no_period_twice_and_the_books_settle_none_twice(self) -> None:
        if not self.opened:
            return
        on_chain = Counter((mandate, period) for mandate, period, _ in self.house.charged())
        assert set(on_chain.values()) <= {1}
        settled = self.run(self._settled())
        for key in ("invoice_id", "charge_intent_id"):
            assert set(Counter(getattr(charge, key) for charge in settled).values()) <= {1}
        assert set(Counter((c.onchain_mandate_id, c.mandate_period) for c in settled).values()) <= {1}

    # ----------------------------------------------------------------------------------------------------- inside

    async def _come_to_rest(self) -> None:
        """At the end everything that moved on the chain is in the books, to the base unit."""
        self.house.chain.fund_native(self.house.operator.address)
        for _ in range(4):
            await self.house.go_to(self.house.now + timedelta(minutes=2))
        moved = sum(amount for _, _, amount in self.house.charged())
        settled = await self._settled()
        assert sum(charge.token_amount for charge in settled) == moved
        assert self.house.balance(factories.PAYEE) == moved
        async with self.books.read() as conn:
            billed = await invoices.page(conn, PageRequest(scope=self.house.scope, limit=1000))
            intents = await charge_intents.of_invoices(conn, [invoice.id for invoice in billed.items])
        assert sum(invoice.amount_paid for invoice in billed.items if invoice.id in intents) * MINOR == moved
        numbers = sorted(invoice.number for invoice in billed.items if invoice.number is not None)
        assert numbers == [f"INV-{number:06d}" for number in range(1, len(numbers) + 1)]
        owners = Counter((invoice.subscription_id, invoice.period_index) for invoice in billed.items)
        assert set(owners.values()) <= {1}

    async def _settled(self) -> list[charge_domain.Charge]:
        async with self.books.read() as conn:
            page = await charges.page(conn, PageRequest(scope=self.house.scope, limit=1000))
        return [charge for charge in page.items if charge.status is charge_domain.Status.SUCCEEDED]

    async def _news(self) -> list[EventRecord]:
        async with self.books.read() as conn:
            return await events.after_sequence(conn, self.house.scope, self.sequence, limit=10_000)

    async def _all(self) -> list[Subscription]:
        async with self.books.read() as conn:
            return list((await subscriptions.load(conn, [each.id for each in self.opened])).values())

    def _current(self, by: Step) -> Subscription:
        return self.run(self.house.subscription(self.opened[by.which % len(self.opened)]))

    def _wallet(self, by: Step) -> Any:
        return self.house.wallet(by.which % len(self.opened) + 1)

    def _do(self, what: Any, by: Step, **options: Any) -> None:
        self._ask(self._write(what, subscription_id=self.opened[by.which % len(self.opened)].id, **options))

    async def _write(self, what: Any, **options: Any) -> None:
        house = self.house
        async with self.books.write() as conn:
            await what(conn, house.gateway, scope=house.scope, now=house.now, origin=house.origin, **options)

    def _ask(self, doing: Awaitable[object]) -> None:
        try:
            self.run(doing)
        except REFUSALS:
            return


def test_in_any_order_the_books_agree_with_the_chain_and_nobody_is_charged_twice(sqlite_template: Path) -> None:
    AnyLife.template = sqlite_template
    machine = AnyLife.TestCase
    machine.settings = effort(examples=5, steps=25)
    machine().runTest()


@pytest.fixture(autouse=True)
def _no_noise(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR")
