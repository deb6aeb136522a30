import pytest

from chain import fees
from chain.fees import FeePolicy
from chain.primitives import Fees

GWEI = 10**9
POLICY = FeePolicy(tip=2 * GWEI, cap=100 * GWEI)


def of(fee: int, tip: int) -> Fees:
    return Fees(max_fee_per_gas=fee, max_priority_fee_per_gas=tip)


@pytest.mark.parametrize(
    ("base_fee", "expected"),
    [
        (10 * GWEI, of(22 * GWEI, 2 * GWEI)),
        (0, of(2 * GWEI, 2 * GWEI)),
        (49 * GWEI, of(100 * GWEI, 2 * GWEI)),
        (500 * GWEI, of(100 * GWEI, 2 * GWEI)),
    ],
)
def test_market_fees_cover_a_doubling_and_stop_at_the_cap(base_fee: int, expected: Fees) -> None:
    assert fees.market_fees(base_fee, POLICY) == expected


def test_a_chain_without_fees_still_gets_one_wei() -> None:
    assert fees.market_fees(0, FeePolicy(tip=0, cap=GWEI)) == of(1, 0)


@pytest.mark.parametrize(("old", "new"), [(8, 9), (9, 11), (1000, 1125), (1001, 1127), (1, 2), (0, 1)])
def test_a_bump_is_112_5_percent_rounded_up_on_both_fields(old: int, new: int) -> None:
    assert fees.bump(of(old, old)) == of(new, new)


@pytest.mark.parametrize(
    ("old", "market", "expected"),
    [
        (of(40 * GWEI, 2 * GWEI), of(20 * GWEI, 2 * GWEI), of(45 * GWEI, 2_250_000_000)),  # the bump is larger
        (of(40 * GWEI, 2 * GWEI), of(90 * GWEI, 8 * GWEI), of(90 * GWEI, 8 * GWEI)),  # the market is larger
        (of(80 * GWEI, 2 * GWEI), of(300 * GWEI, 2 * GWEI), of(100 * GWEI, 2_250_000_000)),  # the cap holds
        (of(90 * GWEI, 2 * GWEI), of(20 * GWEI, 2 * GWEI), None),  # even the bump is above the cap
        (of(20 * GWEI, 90 * GWEI), of(20 * GWEI, 2 * GWEI), None),
        (of(10 * GWEI, 9 * GWEI), of(11 * GWEI, 50 * GWEI), of(11_250_000_000, 11_250_000_000)),  # tip <= fee
    ],
)
def test_a_replacement_is_the_larger_of_market_and_bump_below_the_cap(
    old: Fees, market: Fees, expected: Fees | None
) -> None:
    assert fees.replacement_fees(old, market, 100 * GWEI) == expected


def test_bumping_ends_at_the_cap_and_never_above() -> None:
    current, steps = of(GWEI, GWEI // 10), 0
    while (bumped := fees.replacement_fees(current, current, 100 * GWEI)) is not None:
        assert bumped.max_fee_per_gas * 1000 >= current.max_fee_per_gas * 1125
        current, steps = bumped, steps + 1
    assert current.max_fee_per_gas <= 100 * GWEI
    assert steps == 39  # 1.125^39 = 98.9


@pytest.mark.parametrize(("tip", "cap"), [(-1, 5), (6, 5), (0, 0)])
def test_a_policy_that_could_never_pay_is_refused(tip: int, cap: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= tip <= cap"):
        FeePolicy(tip=tip, cap=cap)


def test_gas_limits_grow_by_the_item_and_end_below_the_chains_limit() -> None:
    assert fees.gas_limit_for(1) == 60_000 + 75_000 + 400_000
    assert fees.gas_limit_for(50) == 60_000 + 50 * 75_000 + 400_000
    assert fees.gas_limit_for(fees.BATCH_ITEMS_MAX) <= 16_777_216 < 60_000 + 75_000 * 218 + 400_000
    assert fees.BATCH_ITEMS_MAX == 217


def test_the_limits_are_those_of_the_protocol() -> None:
    assert (fees.TRANSACTION_GAS_MAX, fees.NOOP_GAS) == (2**24, 21_000)


@pytest.mark.parametrize("items", [0, -1, fees.BATCH_ITEMS_MAX + 1])
def test_a_batch_of_no_or_too_many_items_has_no_gas_limit(items: int) -> None:
    with pytest.raises(ValueError, match=r"a batch holds 1 to 217 items"):
        fees.gas_limit_for(items)
