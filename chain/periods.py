"""The contract's periods, in Python: which period an instant lies in, and when a period starts. Pure integers.

Periods are numbered from 1 and half-open: period k is [start + (k-1)·every, start + k·every). Months are calendar
months in UTC; the day of the start is kept and clamped to short months, so 31 January is followed by 28 February and
31 March. The gateway's own calendar is in its domain; this one serves fakes and audits, and follows the contract's
arithmetic (proleptic Gregorian, no leap seconds) beyond the years that `datetime` knows.
"""

from typing import Final

from chain.primitives import PeriodUnit

_DAY_SECONDS: Final = 86_400
_DAYS_PER_ERA: Final = 146_097  # 400 Gregorian years
_DAYS_TO_1970: Final = 719_468  # from 1 March of year 0
_FEBRUARY: Final = 1  # months of a year counted from 0
_LONG_MONTHS: Final = frozenset({0, 2, 4, 6, 7, 9, 11})


def period_at(start: int, unit: PeriodUnit, every: int, timestamp: int) -> int:
    """Number of the period that `timestamp` lies in; 0 before `start`. Instants in unix seconds."""
    if timestamp < start:
        return 0
    if unit is PeriodUnit.SECONDS:
        return 1 + (timestamp - start) // every
    start_month, start_day, start_second = _civil(start)
    month, day, second = _civil(timestamp)
    anchor_day = min(start_day, _last_day(month))
    months = month - start_month - ((day, second) < (anchor_day, start_second))
    return 1 + months // every


def period_start(start: int, unit: PeriodUnit, every: int, period: int) -> int:
    """First instant of `period` in unix seconds; period 1 starts at `start`.

    Raises:
        ValueError: `period` is below 1.
    """
    if period < 1:
        raise ValueError(f"periods are numbered from 1, not {period}")
    elapsed = (period - 1) * every
    if unit is PeriodUnit.SECONDS:
        return start + elapsed
    start_month, start_day, second = _civil(start)
    month = start_month + elapsed
    return _days(month, min(start_day, _last_day(month))) * _DAY_SECONDS + second


def _civil(timestamp: int) -> tuple[int, int, int]:
    """Months since January of year 0, day of the month from 1, second of the day."""
    days, second = divmod(timestamp, _DAY_SECONDS)
    era, day_of_era = divmod(days + _DAYS_TO_1970, _DAYS_PER_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march = (5 * day_of_year + 2) // 153  # 0 = March … 11 = February: leap days stand at the end
    day = day_of_year - (153 * march + 2) // 5 + 1
    return (era * 400 + year_of_era) * 12 + march + 2, day, second


def _days(month: int, day: int) -> int:
    """Days since 1970 of a day in the month that lies `month` months after January of year 0."""
    year, march = divmod(month - 2, 12)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * march + 2) // 5 + day - 1 - _DAYS_TO_1970


def _last_day(month: int) -> int:
    year, month_of_year = divmod(month, 12)
    if month_of_year == _FEBRUARY:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 31 if month_of_year in _LONG_MONTHS else 30
