"""What may be refunded, and which transfer pays which refund."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives import Transferred
from gateway.domain import charge as charges
from gateway.domain import refund as domain
from gateway.domain.errors import InvalidRequest
from gateway.domain.refund import Refund, Status
from tests import factories as f

PAID = f.charge(status=charges.Status.SUCCEEDED, amount=1000, token_amount=10_000_000)


def transfer(block: int = 5, **changes: Any) -> Transferred:
    made = Transferred(at=f.position(block), token=f.TOKEN, sender=f.PAYEE, recipient=f.WALLET, amount=10_000_000)
    return replace(made, **changes)


def part(number: int, amount: int, units: int, status: Status = Status.SUCCEEDED) -> Refund:
    return f.refund(id=f.numbered("re", number), amount=amount, token_amount=units, status=status)


def test_without_an_amount_it_is_the_rest() -> None:
    assert domain.portion(PAID, [], None) == domain.Portion(1000, 10_000_000)
    assert domain.portion(PAID, [part(1, 300, 3_000_000)], None) == domain.Portion(700, 7_000_000)


def test_a_canceled_refund_does_not_count() -> None:
    assert domain.portion(PAID, [part(1, 1000, 10_000_000, Status.CANCELED)], None).amount == 1000


@pytest.mark.parametrize(
    ("charge", "others", "amount", "code"),
    [
        (PAID, [], 1001, "amount_too_large"),
        (PAID, [part(1, 600, 6_000_000, Status.REQUIRES_ACTION)], 401, "amount_too_large"),
        (PAID, [part(1, 1000, 10_000_000)], None, "charge_already_refunded"),
        (PAID, [part(1, 300, 3_000_000, Status.REQUIRES_ACTION)], 300, "refund_pending"),
        (replace(PAID, token_amount=10), [], 1, "amount_too_small"),
        (replace(PAID, status=charges.Status.FAILED), [], None, "charge_not_refundable"),
        (replace(PAID, status=charges.Status.PENDING), [], None, "charge_not_refundable"),
        (replace(PAID, status=charges.Status.REVERSED), [], None, "charge_not_refundable"),
    ],
)
def test_what_cannot_be_returned_is_refused(
    charge: charges.Charge, others: list[Refund], amount: int | None, code: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        domain.portion(charge, others, amount)
    assert refused.value.code == code


@given(st.integers(1, 10**6), st.integers(1, 10**24), st.lists(st.integers(1, 10**6), max_size=8))
def test_parts_never_exceed_the_charge_and_add_up_to_it(amount: int, units: int, asked: list[int]) -> None:
    charge = replace(PAID, amount=amount, token_amount=units)
    made: list[Refund] = []
    for number, wanted in enumerate([*asked, None], 1):
        try:
            portion = domain.portion(charge, made, wanted)
        except InvalidRequest:
            continue
        made.append(part(number, portion.amount, portion.token_amount))
    total = sum(refund.amount for refund in made)
    assert total <= amount
    assert sum(refund.token_amount for refund in made) <= units
    if total == amount:
        assert sum(refund.token_amount for refund in made) == units


def test_a_transfer_pays_the_oldest_refund_of_exactly_its_kind() -> None:
    older, newer = f.refund(id=f.numbered("re", 1)), f.refund(id=f.numbered("re", 2), charge_id=f.numbered("ch", 2))
    assert domain.matches([older, newer], [transfer(5), transfer(6), transfer(7)]) == {
        transfer(5).at: older,
        transfer(6).at: newer,
    }


@pytest.mark.parametrize(
    "other",
    [
        {"amount": 9_999_999},
        {"amount": 10_000_001},
        {"token": f.some_address(1)},
        {"sender": f.some_address(2)},
        {"recipient": f.some_address(3)},
        {"block": 4},
    ],
    ids=lambda other: next(iter(other)),
)
def test_any_other_transfer_pays_nothing(other: dict[str, Any]) -> None:
    """Block 4 was final when the refund was asked for."""
    assert domain.matches([f.refund(watched_from=4)], [transfer(**other)]) == {}


def test_a_charge_never_notes_more_than_it_collected() -> None:
    noted = charges.refund(PAID, 600, f.NOW).value
    assert noted.amount_refunded == 600
    with pytest.raises(ValueError, match="1001 of 1000"):
        charges.refund(noted, 401, f.NOW)
