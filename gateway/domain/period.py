"""Calendar-true billing periods (PM-12, C20), by the same rule as the contract's calendar.

The n-th period starts at `anchor + n · interval`: counted from the anchor each time, so that 31 January is followed by
28 February and then by 31 March. Periods are half-open, [start, end), numbered from 1, in UTC.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from chain.primitives import PeriodUnit
from gateway.domain.errors import InvalidRequest

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS: Final = 86_400
_MONTHS_PER_YEAR: Final = 12


class IntervalUnit(StrEnum):
    """What an interval counts."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


COUNT_MAX: Final = {IntervalUnit.DAY: 1095, IntervalUnit.WEEK: 156, IntervalUnit.MONTH: 36, IntervalUnit.YEAR: 3}
"""Longest interval: three years, in each unit."""


@dataclass(frozen=True, slots=True)
class Interval:
    """`count` units, such as 3 months.

    Raises:
        InvalidRequest: the count is not between 1 and `COUNT_MAX` (SX-02).
    """

    unit: IntervalUnit
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.count <= COUNT_MAX[self.unit]:
            raise InvalidRequest(
                f"interval_count must be between 1 and {COUNT_MAX[self.unit]} for interval '{self.unit}', "
                f"not {self.count}.",
                code="invalid_interval_count",
                param="recurring[interval_count]",
            )

    @property
    def on_chain(self) -> tuple[PeriodUnit, int]:
        """(unit, every) of the mandate that bills at this interval: days in seconds, years in months."""
        match self.unit:
            case IntervalUnit.DAY:
                return PeriodUnit.SECONDS, self.count * _DAY_SECONDS
            case IntervalUnit.WEEK:
                return PeriodUnit.SECONDS, self.count * 7 * _DAY_SECONDS
            case IntervalUnit.MONTH:
                return PeriodUnit.MONTHS, self.count
            case IntervalUnit.YEAR:
                return PeriodUnit.MONTHS, self.count * _MONTHS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end), number `index` counted from 1."""

    index: int
    start: datetime
    end: datetime


def from_unix(seconds: int) -> datetime:
    """Return the UTC instant of a unix time."""
    return _EPOCH + timedelta(seconds=seconds)


def to_unix(at: datetime) -> int:
    """Whole unix seconds of an instant, rounded down."""
    return (at - _EPOCH) // timedelta(seconds=1)


def add_months(anchor: datetime, months: int) -> datetime:
    """`anchor` moved by calendar months, its day clamped to the length of the month it lands in."""
    month_index = anchor.year * _MONTHS_PER_YEAR + anchor.month - 1 + months
    year, month = divmod(month_index, _MONTHS_PER_YEAR)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def boundary(anchor: datetime, interval: Interval, periods: int) -> datetime:
    """Instant that lies `periods` whole intervals after the anchor (before it, when negative)."""
    unit, every = interval.on_chain
    if unit is PeriodUnit.SECONDS:
        return anchor + timedelta(seconds=every * periods)
    return add_months(anchor, every * periods)


def period(anchor: datetime, interval: Interval, index: int) -> Period:
    """Return period number `index`, which is at least 1."""
    return Period(index, boundary(anchor, interval, index - 1), boundary(anchor, interval, index))


def period_index(anchor: datetime, unit: PeriodUnit, every: int, at: datetime) -> int:
    """Number of the period of `every` units that `at` lies in, from 1; 0 before the anchor."""
    if at < anchor:
        return 0
    if unit is PeriodUnit.SECONDS:
        return (at - anchor) // timedelta(seconds=every) + 1
    months = (at.year - anchor.year) * _MONTHS_PER_YEAR + at.month - anchor.month
    if add_months(anchor, months) > at:
        months -= 1
    return months // every + 1


def period_at(anchor: datetime, interval: Interval, at: datetime) -> Period | None:
    """Return the period that `at` lies in; None before the anchor."""
    index = period_index(anchor, *interval.on_chain, at)
    return period(anchor, interval, index) if index else None
