"""Checkout sessions: where each verb leads, and what the payer may answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain import checkout as sessions
from gateway.domain.checkout import CustomField, FieldKind, Offer, Option, PaymentStatus, Status
from gateway.domain.errors import IllegalTransition, InvalidRequest
from gateway.domain.transition import Moved
from tests import factories
from tests.factories import NOW

VERBS: dict[str, Callable[[Any], Moved[Any]]] = {
    "describe": lambda s: sessions.describe(s, email="a@b.example", answers={}, promotion_code_id=None),
    "propose": lambda s: sessions.propose(s, None),
    "confirm": lambda s: sessions.confirm(
        s, customer_id="cus_1", subscription_id="sub_1", setup_intent_id=None, invoice_id=None, now=NOW
    ),
    "complete": lambda s: sessions.complete(s, PaymentStatus.PAID, NOW),
    "expire": lambda s: sessions.expire(s, "time_over", NOW),
}
MOVES = {
    "describe": {"open": "open"},
    "propose": {"open": "open"},
    "confirm": {"open": "open"},
    "complete": {"open": "complete"},
    "expire": {"open": "expired"},
}
ASKED = Offer(
    custom_fields=(
        CustomField(key="nick", kind=FieldKind.TEXT, label="Nickname", length_min=2, length_max=5),
        CustomField(key="seat", kind=FieldKind.NUMERIC, label="Seat", optional=True),
        CustomField(
            key="size",
            kind=FieldKind.DROPDOWN,
            label="Size",
            optional=True,
            options=(Option(label="Small", value="s"),),
        ),
        CustomField(key="ref", kind=FieldKind.HIDDEN, label="ref", value="r-1"),
    )
)


@pytest.mark.parametrize("state", Status)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_leads_where_the_diagram_says_or_is_refused(verb: str, state: Status) -> None:
    before = factories.checkout_session(status=state)
    target = MOVES[verb].get(state)
    if target is None:
        with pytest.raises(IllegalTransition):
            VERBS[verb](before)
        return
    moved = VERBS[verb](before)
    assert moved.value.status == target
    assert bool(moved.changes) == (state != target)


@pytest.mark.parametrize("verb", ["describe", "propose", "confirm"])
def test_PM_17_a_session_is_used_once(verb: str) -> None:
    used = VERBS["confirm"](factories.checkout_session()).value
    with pytest.raises(ValueError, match="used already"):
        VERBS[verb](used)


def test_a_session_that_was_signed_no_longer_ends_by_the_clock() -> None:
    fresh = factories.checkout_session()
    assert fresh.wake_at == NOW + timedelta(hours=24)
    assert VERBS["confirm"](fresh).value.wake_at is None


def test_what_the_wallet_was_shown_holds_for_half_an_hour_and_until_the_payer_says_something_else() -> None:
    draft = sessions.Draft(
        payer=factories.WALLET,
        chain_id=1,
        contract=factories.CONTRACT,
        terms=factories.mandate().terms,
        at=NOW,
        total=1000,
        recurring=1000,
    )
    shown = sessions.propose(factories.checkout_session(), draft).value
    assert shown.is_draft_fresh(NOW + timedelta(minutes=29))
    assert not shown.is_draft_fresh(NOW + timedelta(minutes=30))
    assert VERBS["describe"](shown).value.draft is None


def test_SX_16_answers_and_hidden_fields_become_metadata() -> None:
    answers = sessions.checked_answers(ASKED, {"nick": " ada ", "seat": "", "ref": "forged", "other": "x"})
    assert answers == {"nick": "ada"}
    session = replace(factories.checkout_session(offer=ASKED), answers=answers)
    assert session.field_values == {"nick": "ada", "ref": "r-1"}


@pytest.mark.parametrize(
    ("answers", "param", "code"),
    [
        ({}, "nick", "field_missing"),
        ({"nick": "a"}, "nick", "field_invalid"),
        ({"nick": "adalovelace"}, "nick", "field_invalid"),
        ({"nick": "ada", "seat": "x"}, "seat", "field_invalid"),
        ({"nick": "ada", "seat": "\u0663"}, "seat", "field_invalid"),
        ({"nick": "ada", "size": "xl"}, "size", "field_invalid"),
    ],
)
def test_an_answer_that_does_not_fit_is_named(answers: dict[str, str], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sessions.checked_answers(ASKED, answers)
    assert (refused.value.param, refused.value.code) == (param, code)
