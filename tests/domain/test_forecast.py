"""What the coming pulls from one wallet will meet (ST-51: the collectability forecast)."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.failure import FailureCode
from gateway.domain.forecast import UNLIMITED, Draw, Forecast, Means, foresee
from tests.factories import NOW

DAY = timedelta(days=1)


def draw(day: int, amount: int, subscription: str = "sub_1", *, retried: bool = False) -> Draw:
    return Draw(subscription_id=subscription, at=NOW + day * DAY, amount=amount, retried=retried)


def codes(*draws: Draw, balance: int, allowance: int) -> list[FailureCode | None]:
    return [forecast.code for forecast in foresee(draws, Means(balance, allowance))]


DRAWS = st.lists(st.builds(draw, st.integers(0, 9), st.integers(1, 50), st.sampled_from(["sub_1", "sub_2", "sub_3"])))


def test_ST_51_the_third_renewal_fails_and_says_by_how_much() -> None:
    found = list(foresee([draw(0, 10), draw(30, 10), draw(60, 10)], Means(balance=26, allowance=100)))
    assert [f.code for f in found] == [None, None, FailureCode.INSUFFICIENT_BALANCE]
    assert (found[2].number, found[2].missing_balance, found[2].missing_allowance) == (3, 4, 0)
    assert found[2].before == Means(6, 80)


def test_SX_24_an_allowance_of_two_payments_ends_with_the_third() -> None:
    assert codes(draw(0, 10), draw(30, 10), draw(60, 10), balance=1000, allowance=20) == [
        None, None, FailureCode.ALLOWANCE_REVOKED,
    ]  # fmt: skip


def test_subscriptions_that_share_a_wallet_take_from_each_other() -> None:
    assert codes(draw(2, 10, "late"), draw(1, 10, "early"), balance=15, allowance=99) == [
        None, FailureCode.INSUFFICIENT_BALANCE,
    ]  # fmt: skip


def test_a_draw_that_fails_leaves_what_there_is_to_a_smaller_one() -> None:
    assert codes(draw(0, 30), draw(1, 10), balance=20, allowance=99) == [FailureCode.INSUFFICIENT_BALANCE, None]


def test_what_is_owed_comes_before_what_falls_due_at_the_same_time() -> None:
    found = list(foresee([draw(0, 10, "a"), draw(0, 10, "z", retried=True)], Means(10, 99)))
    assert [(f.draw.subscription_id, f.code is None) for f in found] == [("z", True), ("a", False)]


def test_when_both_are_lacking_the_allowance_is_named_as_the_contract_names_it() -> None:
    assert codes(draw(0, 10), balance=5, allowance=9) == [FailureCode.INSUFFICIENT_ALLOWANCE]


def test_an_unlimited_allowance_is_never_used_up() -> None:
    found = list(foresee([draw(day, 10) for day in range(5)], Means(10**6, UNLIMITED)))
    assert all(f.code is None and f.before.allowance == UNLIMITED for f in found)


@given(DRAWS, st.integers(0, 200), st.integers(0, 200))
def test_what_is_collectable_never_exceeds_balance_or_allowance(
    draws: list[Draw], balance: int, allowance: int
) -> None:
    found = list(foresee(draws, Means(balance, allowance)))
    assert sorted(f.draw.at for f in found) == [f.draw.at for f in found]
    assert sum(f.draw.amount for f in found if f.code is None) <= min(balance, allowance)
    assert all(f.missing_balance or f.missing_allowance for f in found if f.code is not None)
    assert not any(f.missing_balance or f.missing_allowance for f in found if f.code is None)


@given(DRAWS, st.integers(0, 200), st.integers(0, 200), st.integers(0, 50))
def test_more_of_both_never_makes_the_first_failure_come_earlier(
    draws: list[Draw], balance: int, allowance: int, more: int
) -> None:
    def first(found: list[Forecast]) -> int:
        return next((n for n, f in enumerate(found) if f.code is not None), len(found))

    poor, rich = Means(balance, allowance), Means(balance + more, allowance + more)
    assert first(list(foresee(draws, rich))) >= first(list(foresee(draws, poor)))
