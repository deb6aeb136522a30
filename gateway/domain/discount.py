"""Coupons, the codes that customers type for them, and discounts: a coupon applied to somebody (ST-73)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.period import Interval, IntervalUnit, boundary

BASIS_POINTS: Final = 10_000
"""Hundredths of a percent in one whole."""

DISCOUNTS_MAX: Final = 20
"""Most discounts of one subscription or invoice."""


class Duration(StrEnum):
    """On how many invoices of a subscription a coupon counts."""

    ONCE = "once"
    REPEATING = "repeating"
    FOREVER = "forever"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """Percent or amount off. Its terms never change; a deleted one goes on where it was applied.

    Attributes:
        percent_off: basis points; exactly one of it and `amount_off` is given.
        amount_off: minor units of `currency`.
        duration_in_months: of a repeating one.
        redeem_by: last instant at which it may be applied.
    """

    id: str
    scope: Scope
    created_at: datetime
    duration: Duration
    percent_off: int | None = None
    amount_off: int | None = None
    currency: str | None = None
    duration_in_months: int | None = None
    max_redemptions: int | None = None
    times_redeemed: int = 0
    redeem_by: datetime | None = None
    name: str | None = None
    deleted: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)

    def valid_at(self, now: datetime) -> bool:
        """Whether it may be applied to somebody new."""
        return (
            not self.deleted
            and (self.redeem_by is None or now <= self.redeem_by)
            and (self.max_redemptions is None or self.times_redeemed < self.max_redemptions)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionCode:
    """What a customer types. Several codes may lead to one coupon, each with limits of its own."""

    id: str
    scope: Scope
    created_at: datetime
    code: str
    coupon_id: str
    active: bool = True
    customer_id: str | None = None
    expires_at: datetime | None = None
    max_redemptions: int | None = None
    times_redeemed: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)

    def valid_at(self, now: datetime) -> bool:
        """Whether it may be redeemed, as far as the code itself says."""
        return (
            self.active
            and (self.expires_at is None or now <= self.expires_at)
            and (self.max_redemptions is None or self.times_redeemed < self.max_redemptions)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """A coupon applied to a subscription. `end` None: it never ends, or has not been used up yet."""

    id: str
    coupon_id: str
    start: datetime
    end: datetime | None = None
    promotion_code_id: str | None = None

    def counts_at(self, at: datetime) -> bool:
        """Whether an invoice of a period that begins at `at` is reduced by it."""
        return self.end is None or at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDiscount:
    """A discount with whom it belongs to: what `customer.discount.…` events are about."""

    scope: Scope
    discount: Discount
    customer_id: str
    subscription_id: str | None = None

    @property
    def id(self) -> str:
        """The discount's."""
        return self.discount.id


def redeem(coupon: Coupon, now: datetime, *, param: str) -> Coupon:
    """Count one more use of a coupon.

    Raises:
        InvalidRequest: it is gone, expired or used up.
    """
    if not coupon.valid_at(now):
        raise InvalidRequest(
            f"Coupon '{coupon.id}' is deleted, expired or used up and cannot be applied any more.",
            code="coupon_expired",
            param=param,
        )
    return replace(coupon, times_redeemed=coupon.times_redeemed + 1)


def redeem_code(code: PromotionCode, customer_id: str, now: datetime, *, param: str) -> PromotionCode:
    """Count one more use of a promotion code by a customer.

    Raises:
        InvalidRequest: it is inactive, expired, used up, or another customer's.
    """
    if not code.valid_at(now):
        raise InvalidRequest(
            f"Promotion code '{code.code}' is inactive, expired or used up.",
            code="promotion_code_expired",
            param=param,
        )
    if code.customer_id not in (None, customer_id):
        raise InvalidRequest(
            f"Promotion code '{code.code}' is for another customer.", code="promotion_code_not_applicable", param=param
        )
    return replace(code, times_redeemed=code.times_redeemed + 1)


def applied(coupon: Coupon, discount_id: str, start: datetime, *, promotion_code_id: str | None = None) -> Discount:
    """Return the discount that a coupon gives from `start` on; one for a single use ends when an invoice used it."""
    end = None
    if coupon.duration is Duration.REPEATING and coupon.duration_in_months is not None:
        end = boundary(start, Interval(IntervalUnit.MONTH), coupon.duration_in_months)
    return Discount(id=discount_id, coupon_id=coupon.id, start=start, end=end, promotion_code_id=promotion_code_id)


def remaining_after(
    discounts: Sequence[Discount], coupons: Mapping[str, Coupon], period_start: datetime
) -> tuple[Discount, ...]:
    """Return the discounts that go on after an invoice of a period: without those used up, and those that are over."""
    return tuple(
        discount
        for discount in discounts
        if discount.counts_at(period_start) and coupons[discount.coupon_id].duration is not Duration.ONCE
    )


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Split `amount` in proportion to `weights`, exactly: what rounding leaves goes to the largest remainders.

    Equal remainders are served in order. All numbers are natural; with no weight at all nothing is given.
    """
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    parts = [divmod(amount * weight, total) for weight in weights]
    shares = [share for share, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda index: (-parts[index][1], index))
    for index in by_remainder[: amount - sum(shares)]:
        shares[index] += 1
    return shares
