"""Any order of things that can happen to a subscription, and the sentences that hold after each of them."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.domain import charge_intent as intents
from gateway.domain import invoice as invoices
from gateway.domain import subscription as subscriptions
from gateway.domain.dunning import OnRetriesExhausted, RetryPolicy
from gateway.domain.errors import IllegalTransition, InvalidRequest
from gateway.domain.subscription import Status
from tests.domain.life import PRICE, PULLED, Life
from tests.effort import effort

REFUSALS = (IllegalTransition, InvalidRequest)
HOURS = st.sampled_from([1, 5, 23, 24, 25, 24 * 4, 24 * 31, 24 * 100])
FATES = st.sampled_from(["paid", "paid", "paid", "failed", "lost"])
SELDOM = st.integers(0, 5).map(lambda number: number == 5)
"""What ends a life is done seldom, or no life would be long."""

ACTIONS = [
    *(["go_to_the_next_due_moment"] * 4),
    *(["wait", "mined", "resume"] * 2),
    "re_org_after_finality",
    "hold_so_much",
    "revoke_or_allow",
    "edit",
    "cancel",
    "pause",
    "void",
    "pay_the_newest_by_hand",
    "finalise_the_newest_draft_by_hand",
]
"""What may happen, as often as it is named here."""


@dataclass(frozen=True)
class Step:
    """How long, with what outcome, one or the other, and whether something that ends a life happens."""

    hours: int
    fate: str
    maybe: bool
    seldom: bool


class AnyLife(RuleBasedStateMachine):
    """Subscribe, edit, pause, cancel, void, revoke, top up, charge, re-org, wait: in any order."""

    life: Life

    @initialize(
        days=st.lists(st.integers(1, 7), max_size=3),
        last=st.sampled_from(OnRetriesExhausted),
        waits=SELDOM,
    )
    def subscribe(self, days: list[int], last: OnRetriesExhausted, *, waits: bool) -> None:
        self.life = Life.begin(RetryPolicy(tuple(days), last))
        if not waits:
            self.life.work()
            self.life.mined("paid")

    # One rule: Hypothesis leaves out rules at random, and most of these mean little without the others.

    @rule(what=st.sampled_from(ACTIONS), by=st.builds(Step, HOURS, FATES, st.booleans(), SELDOM))
    def happens(self, what: str, by: Step) -> None:
        getattr(self, what)(by)

    def wait(self, by: Step) -> None:
        self.life.now += timedelta(hours=by.hours)
        self.life.work()

    def go_to_the_next_due_moment(self, by: Step) -> None:
        """What is under way is decided first, as most pulls are."""
        while self.life.flying:
            self.life.mined(by.fate)
        waiting = [self.life.subscription, *self.life.intents.values(), *self.life.invoices.values()]
        moments = [each.wake_at for each in waiting if each.wake_at is not None]
        self.life.now = max(self.life.now, min(moments, default=self.life.now))
        self.life.work()

    def mined(self, by: Step) -> None:
        if self.life.flying:
            self.life.mined(by.fate)
            self.life.work()

    def re_org_after_finality(self, _: Step) -> None:
        if self.life.settled_charges:
            self.life.undo(list(self.life.settled_charges.values())[-1])

    def hold_so_much(self, by: Step) -> None:
        self.life.balance = 30 * PRICE if by.maybe else 0

    def revoke_or_allow(self, by: Step) -> None:
        self.life.allowed = by.maybe

    def edit(self, by: Step) -> None:
        s = self.life.subscription
        try:
            changed = subscriptions.change(
                s,
                description=by.fate,
                metadata={"note": by.fate},
                ends_at=s.period_end if by.seldom else None,
                cancel_at_period_end=by.seldom,
                now=self.life.now,
            )
        except InvalidRequest:
            assert s.status in subscriptions.TERMINAL
            return
        self.life.become(changed.value)

    def cancel(self, by: Step) -> None:
        if by.seldom:
            self._ask(self.life.cancel)

    def pause(self, _: Step) -> None:
        self._ask(self.life.pause)

    def resume(self, by: Step) -> None:
        self._ask(lambda: self.life.resume(re_anchor=by.maybe))
        self.life.work()

    def void(self, by: Step) -> None:
        if by.seldom:
            chosen = list(self.life.invoices.values())[-1 if by.maybe else 0]
            self._ask(lambda: self.life.void(chosen))

    def pay_the_newest_by_hand(self, _: Step) -> None:
        if self.life.intents:
            self._ask(lambda: self.life.pay(list(self.life.intents.values())[-1]))
            self.life.work()

    def finalise_the_newest_draft_by_hand(self, _: Step) -> None:
        drafts = [i for i in self.life.invoices.values() if i.status is invoices.Status.DRAFT]
        if drafts and self.life.subscription.status not in subscriptions.TERMINAL:
            self.life.finalize(drafts[-1])
            self.life.work()

    def _ask(self, what: object) -> None:
        assert callable(what)
        before = self.life.subscription
        try:
            what()
        except REFUSALS:
            assert self.life.subscription == before

    # ------------------------------------------------------------------------------------------------- sentences

    @invariant()
    def no_period_is_settled_twice(self) -> None:
        assert all(count in {0, 1} for count in self.life.settled.values())
        paid_by = [charge.invoice_id for charge in self.life.settled_charges.values()]
        assert len(paid_by) == len(set(paid_by))

    @invariant()
    def nothing_is_pulled_where_nothing_may_be_unless_somebody_asked_in_unpaid(self) -> None:
        assert all(status in PULLED or (asked and status is Status.UNPAID) for status, asked in self.life.pulled_in)

    @invariant()
    def what_is_paid_is_what_the_chain_moved(self) -> None:
        paid = sum(invoice.amount_paid for invoice in self.life.invoices.values())
        assert paid * 10_000 == sum(self.life.moved.values())

    @invariant()
    def an_invoice_is_paid_exactly_when_its_intent_succeeded(self) -> None:
        for intent in self.life.intents.values():
            paid = self.life.invoices[intent.invoice_id].status is invoices.Status.PAID
            assert paid == (intent.status is intents.Status.SUCCEEDED)

    @invariant()
    def what_has_ended_is_frozen(self) -> None:
        if self.life.frozen is not None:
            assert self.life.subscription == self.life.frozen

    @invariant()
    def on_one_grid_no_two_invoices_bill_the_same_time(self) -> None:
        for grid in self.life.grids.values():
            periods = sorted((i.period_start, i.period_end) for i in map(self.life.invoices.__getitem__, grid))
            assert all(end <= start for (_, end), (start, _) in pairwise(periods))

    @invariant()
    def no_period_of_the_subscription_is_billed_twice(self) -> None:
        billed = [invoice.period_index for invoice in self.life.invoices.values()]
        assert len(billed) == len(set(billed))

    @invariant()
    def an_active_subscription_owes_no_newest_invoice_whose_attempt_failed(self) -> None:
        s = self.life.subscription
        newest = self.life.intent_of(s.latest_invoice_id)
        if s.status is Status.ACTIVE and newest is not None:
            assert newest.status is not intents.Status.FAILED or newest.next_attempt_at is not None

    @invariant()
    def no_more_is_tried_by_itself_than_the_policy_says(self) -> None:
        for intent in self.life.intents.values():
            assert intent.attempts <= 1 + len(self.life.policy.days)

    @invariant()
    def numbers_of_invoices_have_no_gap(self) -> None:
        given = sorted(i.number for i in self.life.invoices.values() if i.number is not None)
        assert given == [f"INV-{number:06d}" for number in range(1, len(given) + 1)]


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = effort(examples=60, steps=50)
