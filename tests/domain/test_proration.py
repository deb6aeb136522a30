"""What a change in the middle of a period gives back and adds (ST-57): exact shares, rounded once per line."""

from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.proration import Billed, by_rates, credit, debit, share
from tests.factories import NOW

END = NOW + timedelta(days=31)
SECONDS = 31 * 86_400

amounts = st.integers(0, 10**12)
moments = st.integers(0, SECONDS).map(lambda seconds: NOW + timedelta(seconds=seconds))


def billed(amount: int, start: datetime = NOW, end: datetime = END) -> Billed:
    return Billed(item_id="si_1", amount=amount, start=start, end=end)


def changed(parts: list[Billed], amount: int, at: datetime) -> list[Billed]:
    """The parts after a change to a price of `amount` for the whole period."""
    return [*parts, billed(credit(parts, at), at), billed(debit(amount, NOW, END, at), at)]


def test_ST_57_half_a_period_gives_half_back_and_asks_for_half() -> None:
    half = NOW + timedelta(seconds=SECONDS // 2)
    assert credit([billed(1000)], half) == -500
    assert debit(3000, NOW, END, half) == 1500


def test_a_second_counts() -> None:
    per_second = billed(SECONDS)
    assert credit([per_second], END - timedelta(seconds=1)) == -1
    assert credit([per_second], NOW + timedelta(seconds=1)) == 1 - SECONDS


def test_nothing_is_left_at_the_end_and_everything_before_the_beginning() -> None:
    assert (credit([billed(1000)], END), debit(1000, NOW, END, END)) == (0, 0)
    assert credit([billed(1000)], NOW - timedelta(days=1)) == -1000
    assert share(1000, END, END, NOW) == 0


def test_a_credit_is_of_what_was_billed_not_of_the_price() -> None:
    """Half of it was given back before, so that only the rest can be."""
    half = NOW + timedelta(seconds=SECONDS // 2)
    assert credit([billed(1000), billed(-500, half)], half) == 0


def test_parts_that_were_taxed_alike_are_given_back_together() -> None:
    taxed = Billed(item_id="si_1", amount=5, start=NOW, end=END, rate_ids=("txr_1",))
    assert by_rates([billed(1), taxed, billed(2)]) == {(): [billed(1), billed(2)], ("txr_1",): [taxed]}


@given(old=amounts, new=amounts, at=moments)
def test_a_change_there_and_back_at_one_instant_costs_nothing(old: int, new: int, at: datetime) -> None:
    there = changed([billed(old)], new, at)
    back = changed(there, old, at)
    assert sum(part.amount for part in back) == old


@given(old=amounts, steps=st.lists(st.tuples(amounts, moments), max_size=8))
def test_a_period_costs_what_its_parts_cost(old: int, steps: list[tuple[int, datetime]]) -> None:
    """One minor unit for each line at most lies between the bill and the exact sum of the parts."""
    steps = sorted(steps, key=lambda step: step[1])
    parts = [billed(old)]
    for amount, at in steps:
        parts = changed(parts, amount, at)
    held = [(old, NOW), *steps, (0, END)]
    exact = sum(
        (Fraction(amount * ((until - since) // timedelta(seconds=1)), SECONDS)
         for (amount, since), (_, until) in pairwise(held)),
        start=Fraction(0),
    )  # fmt: skip
    assert abs(sum(part.amount for part in parts) - exact) <= len(parts)


@given(old=amounts, new=amounts, first=moments, second=moments)
def test_never_more_is_given_back_than_was_billed(old: int, new: int, first: datetime, second: datetime) -> None:
    parts = changed([billed(old)], new, min(first, second))
    assert 0 <= -credit(parts, max(first, second)) <= sum(part.amount for part in parts) + 1


@given(amount=amounts, at=moments)
def test_shares_are_exact(amount: int, at: datetime) -> None:
    left = share(amount, NOW, END, at)
    assert left * SECONDS == amount * ((END - at) // timedelta(seconds=1))
    assert isinstance(left, Fraction)
