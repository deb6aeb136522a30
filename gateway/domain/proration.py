"""What a change in the middle of a period gives back and adds, to the second and in integers (ST-57).

A credit is what was really billed for the time that is left, discounts taken off; a debit is what the new terms cost
for it. So a change there and back at one instant adds up to nothing, nothing is given back that was not billed, and a
period costs, whatever changes it saw, what its parts cost, give or take one minor unit for each line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from gateway.domain.tax import rounded

_SECOND: Final = timedelta(seconds=1)


class ProrationBehavior(StrEnum):
    """What becomes of the part of a period that is left.

    `always_invoice` bills as `create_prorations` does: at once where a period of the new mandate can still be pulled,
    else on the next invoice.
    """

    CREATE_PRORATIONS = "create_prorations"
    NONE = "none"
    ALWAYS_INVOICE = "always_invoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """So much was billed for [start, end) of a subscription item; negative for a credit.

    Attributes:
        amount: minor units, discounts taken off.
        rate_ids: of the taxes on it.
    """

    item_id: str
    amount: int
    start: datetime
    end: datetime
    rate_ids: tuple[str, ...] = ()


def _seconds(start: datetime, end: datetime) -> int:
    return max((end - start) // _SECOND, 0)


def share(amount: int, start: datetime, end: datetime, at: datetime) -> Fraction:
    """Exact part of an amount for [start, end) that falls to the time from `at` on; all of it where `at` is before."""
    whole = _seconds(start, end)
    return Fraction(amount * _seconds(max(at, start), end), whole) if whole else Fraction(0)


def debit(amount: int, start: datetime, end: datetime, at: datetime) -> int:
    """What `amount` for the whole period comes to for the rest of it, rounded half up."""
    return _rounded(share(amount, start, end, at))


def credit(parts: Iterable[Billed], at: datetime) -> int:
    """What was billed for the time from `at` on, as a negative number: all parts together, rounded once."""
    return -_rounded(sum((share(part.amount, part.start, part.end, at) for part in parts), start=Fraction(0)))


def _rounded(exact: Fraction) -> int:
    return rounded(exact.numerator, exact.denominator)


def by_rates(parts: Sequence[Billed]) -> dict[tuple[str, ...], list[Billed]]:
    """Parts that were taxed alike: each such group is given back by a line of its own."""
    groups: dict[tuple[str, ...], list[Billed]] = {}
    for part in parts:
        groups.setdefault(part.rate_ids, []).append(part)
    return groups
