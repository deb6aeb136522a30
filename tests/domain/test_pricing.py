"""Invoice arithmetic: ST-04 (tax rates), ST-23 and ST-73 (coupons and credit), for all amounts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import discount, pricing
from gateway.domain.discount import Coupon, Duration, PromotionCode
from gateway.domain.errors import InvalidRequest
from gateway.domain.pricing import Item
from gateway.domain.tax import TaxRate, rounded, taxes
from tests.factories import NOW, SCOPE


def rate(ppm: int, *, inclusive: bool = False, name: str = "txr_1") -> TaxRate:
    return TaxRate(id=name, scope=SCOPE, created_at=NOW, display_name="VAT", percentage_ppm=ppm, inclusive=inclusive)


def coupon(**terms: Any) -> Coupon:
    return replace(Coupon(id="c", scope=SCOPE, created_at=NOW, duration=Duration.FOREVER), **terms)


AMOUNTS = st.integers(0, 10**10)
RATES = st.lists(st.tuples(st.integers(0, 1_000_000), st.booleans()), max_size=4).map(
    lambda drawn: tuple(rate(ppm, inclusive=inside, name=f"txr_{n}") for n, (ppm, inside) in enumerate(drawn))
)
COUPONS = st.lists(
    st.one_of(
        st.integers(1, 10_000).map(lambda points: coupon(percent_off=points)),
        st.integers(1, 10**9).map(lambda amount: coupon(amount_off=amount, currency="usd")),
    ),
    max_size=4,
)
ITEMS = st.lists(st.builds(Item, amount=AMOUNTS, discountable=st.booleans(), rates=RATES), min_size=1, max_size=6)


def total_of(lines: list[pricing.PricedLine]) -> int:
    return sum(line.total for line in lines)


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9), min_size=1, max_size=8))
def test_ST_73_parts_of_an_amount_off_sum_to_it_and_none_is_out_of_proportion(amount: int, weights: list[int]) -> None:
    parts = discount.allocate(amount, weights)
    total = sum(weights)
    assert sum(parts) == (amount if total else 0)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * total - amount * weight) < max(total, 1)


@given(ITEMS, COUPONS)
def test_ST_73_discounts_are_never_negative_nor_more_than_their_line(items: list[Item], coupons: list[Coupon]) -> None:
    for item, line in zip(items, pricing.price(items, coupons), strict=True):
        assert all(part >= 0 for part in line.discounts)
        assert line.discount <= (item.amount if item.discountable else 0)
        assert line.total >= 0


@given(ITEMS, COUPONS)
def test_ST_04_the_total_is_exactly_subtotal_less_discounts_plus_exclusive_tax(
    items: list[Item], coupons: list[Coupon]
) -> None:
    lines = pricing.price(items, coupons)
    exclusive = sum(tax.amount for line in lines for tax in line.taxes if not tax.inclusive)
    assert total_of(lines) == sum(item.amount for item in items) - sum(line.discount for line in lines) + exclusive


@given(st.lists(AMOUNTS, min_size=1, max_size=6), st.lists(st.integers(0, 10**6), max_size=4), COUPONS)
def test_ST_04_inclusive_tax_never_changes_the_total(
    amounts: list[int], ppms: list[int], coupons: list[Coupon]
) -> None:
    rates = tuple(rate(ppm, inclusive=True, name=f"txr_{n}") for n, ppm in enumerate(ppms))
    with_tax = pricing.price([Item(amount=amount, rates=rates) for amount in amounts], coupons)
    without = pricing.price([Item(amount=amount) for amount in amounts], coupons)
    assert total_of(with_tax) == total_of(without)


@given(ITEMS, st.randoms(use_true_random=False), st.integers(1, 10_000))
def test_ST_04_the_order_of_lines_changes_no_sum_before_tax(items: list[Item], random: Any, points: int) -> None:
    """Equal remainders are served in order, so a line's own part may differ by one unit; no sum does."""
    shuffled = list(items)
    random.shuffle(shuffled)
    terms = [coupon(percent_off=points)]
    before, after = pricing.price(items, terms), pricing.price(shuffled, terms)
    assert sum(line.discount for line in before) == sum(line.discount for line in after)
    assert total_of(pricing.price(items, [])) == total_of(pricing.price(shuffled, []))


@given(AMOUNTS, RATES)
def test_ST_04_the_order_of_rates_changes_no_tax(amount: int, rates: tuple[TaxRate, ...]) -> None:
    forth = {tax.rate_id: tax for tax in taxes(amount, rates)}
    back = {tax.rate_id: tax for tax in taxes(amount, rates[::-1])}
    assert forth == back


@given(AMOUNTS, RATES)
def test_ST_04_a_credit_gives_back_exactly_the_tax_that_its_charge_took(
    amount: int, rates: tuple[TaxRate, ...]
) -> None:
    assert [-tax.amount for tax in taxes(-amount, rates)] == [tax.amount for tax in taxes(amount, rates)]


@pytest.mark.parametrize(
    ("amount", "ppm", "inclusive", "expected"),
    [
        (1000, 190_000, False, 190),
        (1190, 190_000, True, 190),
        (1000, 72_500, False, 73),  # 72.5, half up
        (999, 200_000, True, 167),  # 166.5, half up
        (0, 190_000, False, 0),
    ],
)
def test_ST_04_tax_is_rounded_half_up_once(amount: int, ppm: int, *, inclusive: bool, expected: int) -> None:
    assert taxes(amount, [rate(ppm, inclusive=inclusive)])[0].amount == expected


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**7))
def test_rounding_is_within_half_a_unit_and_symmetric(numerator: int, denominator: int) -> None:
    result = rounded(numerator, denominator)
    assert 2 * abs(result * denominator - numerator) <= denominator
    assert rounded(-numerator, denominator) == -result


@given(st.integers(-(10**10), 10**10), st.integers(-(10**10), 10**10))
def test_ST_73_credit_pays_down_to_nothing_and_the_rest_stays(total: int, balance: int) -> None:
    settled = pricing.settle(total, balance)
    assert settled.amount_due >= 0
    assert settled.ending_balance <= 0
    assert settled.amount_due + settled.ending_balance == total + balance
    assert settled.amount_due == 0 or settled.ending_balance == 0


def test_ST_73_a_percentage_applies_to_what_the_coupon_before_it_left() -> None:
    [line] = pricing.price([Item(amount=1000)], [coupon(amount_off=200, currency="usd"), coupon(percent_off=5000)])
    assert line.discounts == (200, 400)


def test_ST_73_a_credit_is_no_further_reduced_by_a_coupon() -> None:
    lines = pricing.price([Item(amount=-300), Item(amount=1000)], [coupon(percent_off=5000)])
    assert [line.discount for line in lines] == [0, 500]


def test_ST_73_a_coupon_is_refused_when_it_is_used_up_expired_or_deleted() -> None:
    for spent in (
        coupon(percent_off=1, max_redemptions=2, times_redeemed=2),
        coupon(percent_off=1, redeem_by=NOW - timedelta(seconds=1)),
        coupon(percent_off=1, deleted=True),
    ):
        with pytest.raises(InvalidRequest) as refused:
            discount.redeem(spent, NOW, param="discounts[0][coupon]")
        assert (refused.value.code, refused.value.param) == ("coupon_expired", "discounts[0][coupon]")
    assert (
        discount.redeem(coupon(percent_off=1, max_redemptions=2, times_redeemed=1), NOW, param="").times_redeemed == 2
    )


def test_ST_73_a_promotion_code_of_another_customer_is_refused() -> None:
    code = PromotionCode(id="promo_1", scope=SCOPE, created_at=NOW, code="ADA", coupon_id="c", customer_id="cus_1")
    assert discount.redeem_code(code, "cus_1", NOW, param="p").times_redeemed == 1
    with pytest.raises(InvalidRequest) as refused:
        discount.redeem_code(code, "cus_2", NOW, param="p")
    assert refused.value.code == "promotion_code_not_applicable"


def test_ST_73_a_repeating_coupon_ends_after_its_calendar_months_and_one_for_once_after_one_invoice() -> None:
    repeating = discount.applied(coupon(percent_off=1, duration=Duration.REPEATING, duration_in_months=1), "di_1", NOW)
    assert repeating.end is not None
    assert (repeating.end.month, repeating.end.day) == (2, 28)
    assert repeating.counts_at(NOW)
    assert not repeating.counts_at(repeating.end)
    once = coupon(id="once", percent_off=1, duration=Duration.ONCE)
    forever = coupon(id="ever", percent_off=1)
    held = [discount.applied(once, "di_2", NOW), discount.applied(forever, "di_3", NOW)]
    left = discount.remaining_after(held, {"once": once, "ever": forever}, NOW)
    assert [kept.coupon_id for kept in left] == ["ever"]
