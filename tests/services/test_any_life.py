"""Any order of things that can happen to a merchant, its payers and the chain: rows, workers and transactions together.

The rules alone are tried in `tests/domain/test_life.py`, in far more steps.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

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

    @initialize()
    def open_the_books(self) -> None:
        shutil.copyfile(self.template, self.folder / "dues.db")
        self.books = Books.open(f"sqlite+aiosqlite:///{self.folder}/dues.db")
        self.house = self.run(House.build(self.books))

    def teardown(self) -> None:
        try:
            if hasattr(self, "house"):
                self.run(self._come_to_rest())
        finally:
            if hasattr(self, "books"):
                self.run(self.books.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    # ----------------------------------------------------------------------------------------------- what happens

    @precondition(lambda self: len(self.opened) < 3)
    @rule(months=st.sampled_from([1, 2, 40]), allows=st.sampled_from([0, 1, 40]), trial=SELDOM, signs=st.booleans())
    def subscribe(self, months: int, allows: int, *, trial: bool, signs: bool) -> None:
        opened = self.run(
            self.house.subscribe(
                len(self.opened) + 1,
                balance=months * PRICE,
                allowance=allows * PRICE,
                **({"schedule": Schedule(trial_days=10)} if trial else {}),
            )
        )
        self.opened.append(opened)
        if signs:
            self.run(self.house.sign_setup(opened) if trial else self.house.sign(opened))

    @precondition(lambda self: self.opened)
    @rule(which=WHICH)
    def sign(self, which: int) -> None:
        waiting = self._current(which)
        if waiting.latest_invoice_id is not None and waiting.status is Status.INCOMPLETE:
            self._ask(self.house.sign(waiting))

    @rule(hours=st.sampled_from([1, 6, 24, 24, 24 * 4, 24 * 31, 24 * 31, 24 * 80]))
    def wait(self, hours: int) -> None:
        self.run(self.house.go_to(self.house.now + timedelta(hours=hours)))

    @precondition(lambda self: self.opened)
    @rule(which=WHICH)
    def go_through_a_renewal(self, which: int) -> None:
        ahead = self._current(which).period_end
        if ahead > self.house.now:
            self.run(self.house.go_to(ahead))
        self.run(self.house.go_to(self.house.now + self.house.gateway.finalization_delay))

    @precondition(lambda self: self.opened)
    @rule(which=WHICH)
    def fall_behind(self, which: int) -> None:
        """A renewal and its retries find an empty wallet."""
        self.spend_everything(which=which)
        self.go_through_a_renewal(which=which)
        for _ in range(3):
            self.wait(hours=24)

    @rule(hours=st.sampled_from([1, 1, 24, 24 * 31]))
    def let_time_pass_without_work(self, hours: int) -> None:
        self.house.now += timedelta(hours=hours)

    @rule(send=st.booleans())
    def work_without_mining(self, *, send: bool) -> None:
        for _ in range(2):
            self.run(self.house.bill())
            self.run(self.house.collect())
        if send:
            self.run(self.house.send())

    @rule(blocks=st.integers(1, 3))
    def mine(self, blocks: int) -> None:
        self.house.chain.mine(blocks)
        self.run(self.house.watch())

    @rule(lost=st.booleans())
    def re_org_of_the_newest_block(self, *, lost: bool) -> None:
        self.house.chain.reorg(1, keep_transactions=not lost)

    @rule(fault=st.sampled_from(["drop", "hide", "fail"]))
    def a_send_goes_wrong(self, fault: str) -> None:
        chain = self.house.chain
        {"drop": chain.drop_next_send, "hide": chain.hide_next_send, "fail": lambda: chain.fail_next("send")}[fault]()

    @rule(wei=st.sampled_from([0, 10**20]))
    def fund_the_operator(self, wei: int) -> None:
        self.house.chain.fund_native(self.house.operator.address, wei)
        self.house.chain.mine()

    # ----------------------------------------------------------------------------------------------- what payers do

    @precondition(lambda self: self.opened)
    @rule(which=WHICH, months=st.sampled_from([1, 5]))
    def top_up(self, which: int, months: int) -> None:
        self.house.chain.mint(factories.TOKEN, self._wallet(which), months * PRICE)

    @precondition(lambda self: self.opened)
    @rule(which=WHICH)
    def spend_everything(self, which: int) -> None:
        wallet = self._wallet(which)
        held = self.house.balance(wallet)
        if held:
            self.house.chain.transfer(factories.TOKEN, wallet, factories.some_address("a shop"), held)

    @precondition(lambda self: self.opened)
    @rule(which=WHICH, months=st.sampled_from([0, 1, 40]))
    def allow(self, which: int, months: int) -> None:
        self.house.chain.approve(factories.TOKEN, self._wallet(which), months * PRICE)

    @precondition(lambda self: self.opened)
    @rule(which=WHICH, sure=SELDOM)
    def revoke_the_mandate(self, which: int, *, sure: bool) -> None:
        current = self._current(which)
        if sure and current.mandate_id is not None:
            mandate = self.run(self.house.mandate(current))
            try:
                self.house.chain.execute(mandate.terms.payer, cancel_data(mandate.onchain_id))
            except CallReverted:
                return

    # ------------------------------------------------------------------------------------------- what merchants do

    @precondition(lambda self: self.opened)
    @rule(which=WHICH, do=st.sampled_from(["pause", "resume", "begin anew"]))
    def pause_or_resume(self, which: int, do: str) -> None:
        if do == "pause":
            self._do(pauses.pause, which)
        else:
            self._do(pauses.resume, which, re_anchor=do == "begin anew")

    @precondition(lambda self: self.opened)
    @rule(which=WHICH, sure=SELDOM)
    def cancel(self, which: int, *, sure: bool) -> None:
        if sure:
            self._do(subscription_services.cancel, which)

    @precondition(lambda self: self.opened)
    @rule(which=WHICH, note=st.sampled_from("abc"), ends=SELDOM)
    def edit(self, which: int, note: str, *, ends: bool) -> None:
        given = frozenset({"metadata"} | ({"cancel_at_period_end"} if ends else set()))
        changes = subscription_services.SubscriptionChanges(
            given=given, metadata={"note": note}, cancel_at_period_end=ends
        )
        self._do(subscription_services.update, which, changes=changes)

    @precondition(lambda self: self.opened)
    @rule(which=WHICH, do=st.sampled_from(["pay", "pay", "finalize", "void", "mark_uncollectible"]))
    def do_by_hand_with_the_newest_invoice(self, which: int, do: str) -> None:
        current = self._current(which)
        if current.latest_invoice_id is None:
            return
        if do in {"pay", "finalize"}:
            self.asked.add(current.id)
        self._ask(self._write(getattr(invoice_services, do), invoice_id=current.latest_invoice_id))

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

    def _current(self, which: int) -> Subscription:
        return self.run(self.house.subscription(self.opened[which % len(self.opened)]))

    def _wallet(self, which: int) -> Any:
        return self.house.wallet(which % len(self.opened) + 1)

    def _do(self, what: Any, which: int, **options: Any) -> None:
        self._ask(self._write(what, subscription_id=self.opened[which % len(self.opened)].id, **options))

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
    machine.settings = effort(examples=8, steps=30)
    machine().runTest()


@pytest.fixture(autouse=True)
def _no_noise(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR")
