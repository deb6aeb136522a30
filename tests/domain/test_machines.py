"""Every state against every verb. The tables below are PRODUCT's diagrams, written down a second time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import pytest

from gateway.domain import charge as charges
from gateway.domain import charge_intent as intents
from gateway.domain import course, plan_change, trial_end
from gateway.domain import invoice as invoices
from gateway.domain import mandate as mandates
from gateway.domain import refund as refunds
from gateway.domain import setup_intent as setups
from gateway.domain import subscription as subscriptions
from gateway.domain import test_clock as clocks
from gateway.domain.dunning import RetryPolicy
from gateway.domain.errors import Conflict, IllegalTransition, InvalidRequest
from gateway.domain.subscription import CancellationReason
from gateway.domain.terms import MissingPaymentMethod, PendingUpdate
from gateway.domain.transition import Moved, StatusReason
from tests import factories
from tests.factories import NOW

WHY = StatusReason("a reason")
HASH = factories.some_hash("transaction")
LIVE = ("pending", "incomplete", "trialing", "active", "past_due", "unpaid", "paused")
PAYABLE = ("requires_payment_method", "requires_action", "failed", "reversed")
DAY = timedelta(days=1)
PENDING_UPDATE = PendingUpdate(
    terms=plan_change.terms_of(factories.subscription()), expires_at=NOW + DAY, setup_intent_id=factories.SETUP_ID
)
LATER = NOW + DAY

Verb = Callable[[Any], Moved[Any]]


@dataclass(frozen=True)
class Machine:
    """`moves[verb]` is where the verb leads from each state that allows it; every other state refuses it."""

    make: Callable[..., Any]
    states: type[StrEnum]
    verbs: Mapping[str, Verb]
    moves: Mapping[str, Mapping[str, str]]
    refusals: tuple[type[Exception], ...] = (IllegalTransition,)


SUBSCRIPTION = Machine(
    lambda **changes: factories.subscription(activated_at=NOW, **changes),
    subscriptions.Status,
    {
        "require_customer": lambda s: subscriptions.require_customer(s, WHY, NOW),
        "activate": lambda s: subscriptions.activate(s, NOW),
        "expire": lambda s: subscriptions.expire(s, NOW),
        "renew": lambda s: subscriptions.renew(s, NOW),
        "mark_past_due": lambda s: subscriptions.mark_past_due(s, WHY, NOW),
        "mark_unpaid": lambda s: subscriptions.mark_unpaid(s, WHY, NOW),
        "cancel": lambda s: subscriptions.cancel(s, CancellationReason.MERCHANT, NOW),
        "pause": lambda s: course.pause(s, NOW),
        "resume": lambda s: course.resume(s, NOW, re_anchor=False, owes=False, notice=DAY),
        "resume_owing": lambda s: course.resume(s, NOW, re_anchor=True, owes=True, notice=DAY),
        "resume_trial": lambda s: course.resume(
            replace(s, activated_at=None, trial_end=LATER, period_index=0), NOW, re_anchor=True, owes=False, notice=DAY
        ),
        "announce_trial_end": lambda s: course.announce_trial_end(s, NOW),
        "draw_on": lambda s: course.draw_on(s, "pm_2", "mandate_2", NOW),
        "change": lambda s: subscriptions.change(
            s, description="x", metadata={}, ends_at=None, cancel_at_period_end=False, now=NOW
        ),
        "change_terms": lambda s: plan_change.change_terms(s, plan_change.terms_of(s), NOW),
        "propose": lambda s: plan_change.propose(s, PENDING_UPDATE, NOW),
        "decide_trial_end": lambda s: trial_end.decide(s, MissingPaymentMethod.PAUSE, NOW),
        "end_trial_paused": lambda s: trial_end.end(replace(s, missing_payment_method=MissingPaymentMethod.PAUSE), NOW),
        "end_trial": lambda s: trial_end.end(replace(s, missing_payment_method=MissingPaymentMethod.CANCEL), NOW),
    },
    {
        "require_customer": {"pending": "incomplete", "incomplete": "incomplete"},
        "activate": {"pending": "active", "incomplete": "active"},
        "expire": {"pending": "incomplete_expired", "incomplete": "incomplete_expired"},
        "renew": {"active": "active", "past_due": "active", "unpaid": "active", "trialing": "active"},
        "mark_past_due": {"active": "past_due", "past_due": "past_due", "trialing": "past_due"},
        "mark_unpaid": {"past_due": "unpaid"},
        "cancel": dict.fromkeys(LIVE, "canceled"),
        "pause": dict.fromkeys(("active", "past_due", "trialing"), "paused"),
        "resume": {"paused": "active"},
        "resume_owing": {"paused": "past_due"},
        "resume_trial": {"paused": "trialing"},
        "announce_trial_end": {"trialing": "trialing"},
        "draw_on": {state: state for state in LIVE},
        "change": {state: state for state in LIVE},
        "change_terms": {state: state for state in LIVE},
        "propose": {state: state for state in LIVE},
        "decide_trial_end": {state: state for state in LIVE},
        "end_trial_paused": {"trialing": "paused"},
        "end_trial": {"trialing": "canceled"},
    },
    (IllegalTransition, InvalidRequest),
)
INVOICE = Machine(
    factories.invoice,
    invoices.Status,
    {
        "finalize": lambda i: invoices.finalize(i, "0001", NOW),
        "pay": lambda i: invoices.pay(i, WHY, NOW),
        "void": lambda i: invoices.void(i, WHY, NOW),
        "mark_uncollectible": lambda i: invoices.mark_uncollectible(i, WHY, NOW),
        "reopen": lambda i: invoices.reopen(i, WHY, NOW),
    },
    {
        "finalize": {"draft": "open"},
        "pay": {"open": "paid", "uncollectible": "paid"},
        "void": {"draft": "void", "open": "void", "uncollectible": "void"},
        "mark_uncollectible": {"open": "uncollectible"},
        "reopen": {"paid": "open"},
    },
)
INTENT = Machine(
    factories.charge_intent,
    intents.Status,
    {
        "confirm": lambda i: intents.confirm(i, NOW),
        "redirect": lambda i: intents.redirect(i, factories.mandate(), 3, 7, LATER),
        "ask": lambda i: intents.ask(i, factories.mandate(), 3, 7, LATER),
        "start": lambda i: intents.start(i, "ch_2", NOW),
        "succeed": lambda i: intents.succeed(i, "ch_2", WHY, NOW),
        "fail": lambda i: intents.fail(i, "ch_2", WHY, RetryPolicy(), NOW),
        "postpone": lambda i: intents.postpone(i, WHY, LATER, NOW),
        "cancel": lambda i: intents.cancel(i, WHY, NOW),
        "reverse": lambda i: intents.reverse(i, WHY, NOW),
    },
    {
        "confirm": {state: state for state in PAYABLE},
        "redirect": {state: state for state in PAYABLE},
        "ask": dict.fromkeys(PAYABLE, "requires_action"),
        "start": dict.fromkeys(PAYABLE, "processing"),
        "succeed": dict.fromkeys((*PAYABLE, "processing"), "succeeded"),
        "fail": dict.fromkeys((*PAYABLE, "processing"), "failed"),
        "postpone": {
            "requires_payment_method": "requires_payment_method",
            "requires_action": "requires_action",
            "processing": "failed",
            "failed": "failed",
            "reversed": "reversed",
        },
        "cancel": dict.fromkeys(PAYABLE, "canceled"),
        "reverse": {"succeeded": "reversed"},
    },
)
CHARGE = Machine(
    factories.charge,
    charges.Status,
    {
        "succeed": lambda c: charges.succeed(c, HASH, (1, HASH), 0, NOW),
        "fail": lambda c: charges.fail(c, WHY, HASH, NOW),
        "release": lambda c: charges.release(c, WHY, NOW),
        "refund": lambda c: charges.refund(c, 400, NOW),
        "reverse": lambda c: charges.reverse(c, WHY, NOW),
    },
    {
        "succeed": {"pending": "succeeded"},
        "fail": {"pending": "failed"},
        "release": {"pending": "released"},
        "reverse": {"succeeded": "reversed"},
        "refund": {"succeeded": "succeeded"},
    },
)
REFUND = Machine(
    factories.refund,
    refunds.Status,
    {
        "succeed": lambda r: refunds.succeed(r, factories.position(7), NOW),
        "cancel": lambda r: refunds.cancel(r, NOW),
        "describe": lambda r: refunds.describe(r, {"a": "b"}, NOW),
    },
    {
        "succeed": {"requires_action": "succeeded"},
        "cancel": {"requires_action": "canceled"},
        "describe": {state: state for state in refunds.Status},
    },
)
MANDATE = Machine(
    factories.mandate,
    mandates.Status,
    {
        "sign": lambda m: mandates.sign(m, b"\x01" * 65, None, NOW),
        "activate": lambda m: mandates.activate(m, WHY, NOW),
        "revoke": lambda m: mandates.revoke(m, WHY, NOW),
    },
    {
        "sign": {"pending": "signed", "signed": "signed"},
        "activate": {"pending": "active", "signed": "active", "active": "active"},
        "revoke": {"pending": "revoked", "signed": "revoked", "active": "revoked", "revoked": "revoked"},
    },
)
SETUP = Machine(
    factories.setup_intent,
    setups.Status,
    {
        "ask": lambda i: setups.ask(i, factories.mandate(), NOW),
        "confirm": lambda i: setups.confirm(i, NOW, register=True),
        "start": lambda i: setups.start(i, "tx_1"),
        "postpone": lambda i: setups.postpone(i, WHY, LATER),
        "refuse_wallet": lambda i: setups.refuse(i, WHY, NOW, same_wallet=False),
        "refuse_signature": lambda i: setups.refuse(i, WHY, NOW, same_wallet=True),
        "succeed": lambda i: setups.succeed(i, WHY, NOW),
        "cancel": lambda i: setups.cancel(i, WHY, NOW),
    },
    {
        "ask": {"requires_payment_method": "requires_action"},
        "confirm": {"requires_action": "processing"},
        "start": {"processing": "processing"},
        "postpone": {"processing": "processing"},
        "refuse_wallet": {"processing": "requires_payment_method"},
        "refuse_signature": {"processing": "requires_action"},
        "succeed": dict.fromkeys(("requires_payment_method", "requires_action", "processing"), "succeeded"),
        "cancel": dict.fromkeys(("requires_payment_method", "requires_action", "processing"), "canceled"),
    },
)
CLOCK = Machine(
    lambda **changes: factories.clock(**(changes | {"target_at": LATER if changes["status"] == "advancing" else None})),
    clocks.Status,
    {
        "advance": lambda c: clocks.advance(c, LATER),
        "arrive": clocks.arrive,
        "delete": clocks.delete,
    },
    {
        "advance": {"ready": "advancing"},
        "arrive": {"advancing": "ready"},
        "delete": {"ready": "ready", "internal_failure": "internal_failure"},
    },
    (Conflict, ValueError),
)
MACHINES = {
    "subscription": SUBSCRIPTION,
    "invoice": INVOICE,
    "charge_intent": INTENT,
    "charge": CHARGE,
    "refund": REFUND,
    "mandate": MANDATE,
    "test_clock": CLOCK,
    "setup_intent": SETUP,
}
CASES = [
    pytest.param(machine, verb, state, id=f"{name}-{verb}-from-{state}")
    for name, machine in MACHINES.items()
    for verb in machine.verbs
    for state in machine.states
]


@pytest.mark.parametrize(("machine", "verb", "state"), CASES)
def test_a_verb_leads_where_the_diagram_says_or_is_refused(machine: Machine, verb: str, state: Any) -> None:
    before = machine.make(status=state)
    target = machine.moves[verb].get(state)
    if target is None:
        with pytest.raises(machine.refusals):
            machine.verbs[verb](before)
        return
    moved = machine.verbs[verb](before)
    assert moved.value.status == target
    assert moved.before is not None
    assert moved.before.status == before.status
    assert {(change.source, change.target) for change in moved.changes} <= {(state, target)}
    assert bool(moved.changes) or state == target


@pytest.mark.parametrize("name", MACHINES)
def test_every_table_names_every_state(name: str) -> None:
    module = {
        "subscription": subscriptions,
        "invoice": invoices,
        "charge_intent": intents,
        "charge": charges,
        "mandate": mandates,
        "refund": refunds,
        "test_clock": clocks,
        "setup_intent": setups,
    }[name]
    assert set(module.TRANSITIONS) == set(MACHINES[name].states)


def test_money_states_have_no_way_back_but_the_reorg() -> None:
    """ARCHITECTURE, doctrine 5: a charge never goes back; only `reversed` follows `succeeded`."""
    reachable: dict[Any, set[Any]] = {}
    for state in charges.Status:
        seen: set[Any] = set()
        todo = list(charges.TRANSITIONS[state])
        while todo:
            following = todo.pop()
            if following not in seen:
                seen.add(following)
                todo.extend(charges.TRANSITIONS[following])
        reachable[state] = seen
    assert all(state not in following for state, following in reachable.items())


def test_C11_an_ended_subscription_is_frozen_metadata_included() -> None:
    ended = factories.subscription(status=subscriptions.Status.CANCELED)
    with pytest.raises(InvalidRequest) as refused:
        subscriptions.change(
            ended, description=None, metadata={"a": "b"}, ends_at=None, cancel_at_period_end=False, now=NOW
        )
    assert refused.value.code == "subscription_canceled"


def test_C06_the_created_event_is_written_when_the_first_payment_is_final() -> None:
    opened = subscriptions.create(factories.subscription())
    assert [event.type for event in opened.events] == ["customer.subscription.opened"]
    active = subscriptions.activate(opened.value, NOW)
    assert [event.type for event in active.events][:2] == [
        "customer.subscription.created",
        "customer.subscription.activated",
    ]


def test_ST_32_an_expired_subscription_has_no_deadline_and_an_end() -> None:
    expired = subscriptions.expire(factories.subscription(), NOW).value
    assert expired.expires_at is None
    assert expired.ended_at == NOW
    assert expired.wake_at is None


def test_ST_66_the_retry_policy_is_frozen_at_each_attempt() -> None:
    first = intents.fail(factories.processing_intent(), "ch_1", WHY, RetryPolicy(days=(2,)), NOW).value
    second = intents.fail(first, "ch_2", WHY, RetryPolicy(days=(1, 7, 1)), LATER).value
    assert (first.next_attempt_at, first.policy) == (NOW + timedelta(days=2), RetryPolicy(days=(2,)))
    assert (second.next_attempt_at, second.policy) == (LATER + timedelta(days=7), RetryPolicy(days=(1, 7, 1)))


def test_C05_postponing_counts_no_attempt() -> None:
    postponed = intents.postpone(factories.processing_intent(attempts=1), WHY, LATER, NOW).value
    assert postponed.attempts == 1
    assert postponed.next_attempt_at == LATER


def test_a_clock_goes_forward_and_not_too_far() -> None:
    with pytest.raises(InvalidRequest, match="cannot go back"):
        clocks.advance(factories.clock(), NOW)
    with pytest.raises(InvalidRequest, match="at most"):
        clocks.advance(factories.clock(), NOW + clocks.ADVANCE_MAX + timedelta(seconds=1))
    under_way = clocks.advance(factories.clock(), LATER).value
    halfway = clocks.step(under_way, NOW + timedelta(hours=1)).value
    assert (halfway.frozen_at, halfway.status) == (NOW + timedelta(hours=1), clocks.Status.ADVANCING)
    with pytest.raises(ValueError, match="not between"):
        clocks.step(halfway, NOW)
    assert clocks.arrive(halfway).value.frozen_at == LATER


def test_C08_a_trial_becomes_active_by_its_first_payment_and_is_activated_then() -> None:
    trial = factories.subscription(status=subscriptions.Status.TRIALING, expires_at=None, trial_end=NOW)
    paid = subscriptions.renew(trial, LATER)
    assert (paid.value.status, paid.value.activated_at) == (subscriptions.Status.ACTIVE, LATER)
    assert [event.type for event in paid.events] == ["customer.subscription.activated", "customer.subscription.updated"]


def test_C14_the_grace_runs_from_the_first_failure_and_ends_with_the_payment() -> None:
    first = subscriptions.mark_past_due(factories.active_subscription(), WHY, NOW, grace=5 * DAY).value
    again = subscriptions.mark_past_due(first, WHY, LATER, grace=9 * DAY).value
    assert (first.grace_ends_at, again.grace_ends_at) == (NOW + 5 * DAY, NOW + 5 * DAY)
    assert subscriptions.due(again, NOW + 5 * DAY) is subscriptions.Due.CANCEL
    assert course.ending_reason(again, NOW + 5 * DAY) is CancellationReason.PAYMENT_FAILED
    assert subscriptions.renew(again, LATER).value.grace_ends_at is None


def test_a_re_anchored_grid_goes_on_counting_periods() -> None:
    paused = factories.active_subscription(status=subscriptions.Status.PAUSED, period_index=3)
    resumed = course.resume(paused, LATER, re_anchor=True, owes=False, notice=DAY).value
    assert subscriptions.due(resumed, LATER) is subscriptions.Due.RENEW
    assert (resumed.next_period.index, resumed.next_period.start) == (4, LATER)


def test_ST_51_the_notice_of_a_short_period_is_given_when_it_begins() -> None:
    current = factories.active_subscription().current_period
    assert course.notice_at(current, 3 * DAY) == current.end - 3 * DAY
    assert course.notice_at(current, 45 * DAY) == current.start
