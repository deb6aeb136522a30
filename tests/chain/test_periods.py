import calendar
from datetime import UTC, datetime, timedelta

import pytest

from chain.periods import period_at, period_start
from chain.primitives import PeriodUnit

DAY = 86_400


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def with_months(start: datetime, months: int) -> datetime:
    """The oracle: the same day `months` later, clamped to the month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, calendar.monthrange(year, month + 1)[1]))


def test_month_ends_are_clamped_and_never_drift() -> None:
    start = unix("2024-01-31T12:00:00")
    starts = [period_start(start, PeriodUnit.MONTHS, 1, period) for period in range(1, 5)]
    expected = ["2024-01-31T12:00:00", "2024-02-29T12:00:00", "2024-03-31T12:00:00", "2024-04-30T12:00:00"]
    assert starts == [unix(text) for text in expected]


def test_every_month_from_1970_to_2200_is_that_of_datetime() -> None:
    for day, second in ((1, 0), (15, 43_200), (28, 1), (29, 0), (30, 86_399), (31, 7)):
        start = datetime(1972, 1, day, tzinfo=UTC) + timedelta(seconds=second)
        for every in (1, 3, 12):
            for period in range(1, (2200 - 1972) * 12 // every):
                begins = int(with_months(start, (period - 1) * every).timestamp())
                at = int(start.timestamp())
                assert period_start(at, PeriodUnit.MONTHS, every, period) == begins
                assert period_at(at, PeriodUnit.MONTHS, every, begins) == period
                assert period_at(at, PeriodUnit.MONTHS, every, begins - 1) == period - 1


def test_every_day_of_one_leap_cycle_lies_in_the_period_that_has_begun() -> None:
    start = unix("2023-12-31T00:00:30")
    starts = [period_start(start, PeriodUnit.MONTHS, 1, period) for period in range(1, 60)]
    for now in range(start - 2 * DAY, starts[-1], DAY // 2 + 7):
        assert period_at(start, PeriodUnit.MONTHS, 1, now) == sum(begin <= now for begin in starts)


@pytest.mark.parametrize(("offset", "period"), [(-1, 0), (0, 1), (7 * DAY - 1, 1), (7 * DAY, 2), (700 * DAY, 101)])
def test_periods_of_seconds_are_half_open(offset: int, period: int) -> None:
    start = unix("2024-05-05T05:05:05")
    assert period_at(start, PeriodUnit.SECONDS, 7 * DAY, start + offset) == period
    if period:
        assert period_start(start, PeriodUnit.SECONDS, 7 * DAY, period) <= start + offset


def test_years_beyond_datetime_still_count() -> None:
    last = period_start(unix("2024-01-31T00:00:00"), PeriodUnit.MONTHS, 120, 4094)
    assert period_at(unix("2024-01-31T00:00:00"), PeriodUnit.MONTHS, 120, last) == 4094


def test_there_is_no_period_below_one() -> None:
    with pytest.raises(ValueError, match="numbered from 1, not 0"):
        period_start(0, PeriodUnit.SECONDS, 1, 0)
