"""Tax rates and what they make of an amount (ST-04): integers only, rounded once per line and rate.

There is no tax engine: a merchant says which rates apply. A rate is an integer of millionths, so that 7.25 % is exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.domain.catalog import Scope

PPM: Final = 1_000_000
"""Millionths of one whole: 100 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRate:
    """A rate as a merchant keeps it. What it charges never changes; `active` says whether it may still be chosen.

    Attributes:
        percentage_ppm: millionths; 1 % is 10,000.
        inclusive: whether the amounts that it applies to contain it already.
    """

    id: str
    scope: Scope
    created_at: datetime
    display_name: str
    percentage_ppm: int
    inclusive: bool
    active: bool = True
    country: str | None = None
    state: str | None = None
    jurisdiction: str | None = None
    description: str | None = None
    tax_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxAmount:
    """Tax of one rate on one line, in minor units; `taxable` is what it was taken of."""

    rate_id: str
    amount: int
    inclusive: bool
    taxable: int


def rounded(numerator: int, denominator: int) -> int:
    """Return the quotient rounded half up; a credit is rounded as the charge that it gives back."""
    whole, rest = divmod(abs(numerator), denominator)
    magnitude = whole + (2 * rest >= denominator)
    return magnitude if numerator >= 0 else -magnitude


def taxes(amount: int, rates: Sequence[TaxRate]) -> tuple[TaxAmount, ...]:
    """Tax of each rate on a line of `amount`, in the order of the rates.

    Inclusive rates share the amount they are contained in; exclusive ones are taken of what is left without them.
    """
    contained = sum(rate.percentage_ppm for rate in rates if rate.inclusive)
    inclusive = {rate.id: rounded(amount * rate.percentage_ppm, PPM + contained) for rate in rates if rate.inclusive}
    net = amount - sum(inclusive.values())
    return tuple(
        TaxAmount(
            rate_id=rate.id,
            amount=inclusive[rate.id] if rate.inclusive else rounded(net * rate.percentage_ppm, PPM),
            inclusive=rate.inclusive,
            taxable=net,
        )
        for rate in rates
    )
