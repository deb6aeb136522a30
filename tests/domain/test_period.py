"""The calendar against a naive model that walks from day to day."""

import calendar
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives import PeriodUnit
from gateway.domain.errors import InvalidRequest
from gateway.domain.period import (
    COUNT_MAX,
    Interval,
    IntervalUnit,
    add_months,
    boundary,
    from_unix,
    period,
    period_at,
    to_unix,
)

MONTHLY = Interval(IntervalUnit.MONTH)
ANCHORS = [
    datetime(2024, 1, 31, 12, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2025, 1, 30, tzinfo=UTC),
    datetime(2026, 7, 15, 6, 30, tzinfo=UTC),
]


def naive_month(anchor: datetime, months: int) -> datetime:
    """Count the months one by one, then clamp the day."""
    year, month = anchor.year, anchor.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        if month == 13:
            year, month = year + 1, 1
        elif month == 0:
            year, month = year - 1, 12
    day = anchor.day
    while day > 28:
        try:
            return anchor.replace(year=year, month=month, day=day)
        except ValueError:
            day -= 1
    return anchor.replace(year=year, month=month, day=day)


def test_PM_12_the_31st_is_clamped_and_does_not_drift() -> None:
    anchor = datetime(2026, 1, 31, tzinfo=UTC)
    starts = [period(anchor, MONTHLY, index).start.date().isoformat() for index in range(1, 6)]
    assert starts == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


def test_PM_12_C17_three_months_from_the_day_that_was_asked_for() -> None:
    asked, quarterly = datetime(2021, 8, 24, 10, tzinfo=UTC), Interval(IntervalUnit.MONTH, 3)
    starts = [period(asked, quarterly, index).start for index in (1, 2, 3)]
    assert starts == [asked, datetime(2021, 11, 24, 10, tzinfo=UTC), datetime(2022, 2, 24, 10, tzinfo=UTC)]


def test_a_leap_day_comes_back_in_leap_years_only() -> None:
    anchor = datetime(2024, 2, 29, tzinfo=UTC)
    yearly = Interval(IntervalUnit.YEAR)
    days = [boundary(anchor, yearly, years).date().isoformat() for years in range(5)]
    assert days == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


@pytest.mark.parametrize("anchor", ANCHORS, ids=str)
def test_months_are_those_of_the_naive_model_also_backwards(anchor: datetime) -> None:
    for months in range(-60, 121):
        assert add_months(anchor, months) == naive_month(anchor, months)


@pytest.mark.parametrize("anchor", ANCHORS, ids=str)
@pytest.mark.parametrize("every", [1, 3, 12])
def test_every_day_of_ten_years_lies_in_exactly_one_period(anchor: datetime, every: int) -> None:
    interval = Interval(IntervalUnit.MONTH, every)
    current = period(anchor, interval, 1)
    at = anchor
    while at < anchor + timedelta(days=3653):
        if at >= current.end:
            following = period(anchor, interval, current.index + 1)
            assert following.start == current.end
            current = following
        assert period_at(anchor, interval, at) == current
        at += timedelta(days=1)
    assert period_at(anchor, interval, anchor - timedelta(seconds=1)) is None


@given(
    anchor=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),  # noqa: DTZ001
    unit=st.sampled_from(IntervalUnit),
    count=st.integers(1, 12),
    index=st.integers(1, 200),
)
def test_periods_are_half_open_and_their_number_is_found_again(
    anchor: datetime, unit: IntervalUnit, count: int, index: int
) -> None:
    interval = Interval(unit, min(count, COUNT_MAX[unit]))
    found = period(anchor, interval, index)
    assert found.start < found.end
    assert period_at(anchor, interval, found.start) == found
    assert period_at(anchor, interval, found.end - timedelta(microseconds=1)) == found
    after = period_at(anchor, interval, found.end)
    assert after is not None
    assert after.index == index + 1


@pytest.mark.parametrize(
    ("interval", "on_chain"),
    [
        (Interval(IntervalUnit.DAY), (PeriodUnit.SECONDS, 86_400)),
        (Interval(IntervalUnit.WEEK, 2), (PeriodUnit.SECONDS, 14 * 86_400)),
        (Interval(IntervalUnit.MONTH, 3), (PeriodUnit.MONTHS, 3)),
        (Interval(IntervalUnit.YEAR), (PeriodUnit.MONTHS, 12)),
    ],
    ids=["MX-06-daily", "PM-11-two-weeks", "MX-06-quarterly", "MX-06-yearly"],
)
def test_intervals_have_their_form_on_the_chain(interval: Interval, on_chain: tuple[PeriodUnit, int]) -> None:
    assert interval.on_chain == on_chain


@pytest.mark.parametrize("unit", list(IntervalUnit))
def test_SX_02_an_interval_is_counted_from_one_to_three_years(unit: IntervalUnit) -> None:
    assert Interval(unit, COUNT_MAX[unit]).count == COUNT_MAX[unit]
    for count in (0, -1, COUNT_MAX[unit] + 1):
        with pytest.raises(InvalidRequest) as refused:
            Interval(unit, count)
        assert refused.value.param == "recurring[interval_count]"


@given(st.integers(-(2**31), 2**33))
def test_unix_seconds_survive_the_way_there_and_back(seconds: int) -> None:
    assert to_unix(from_unix(seconds)) == seconds


def test_the_calendar_module_agrees_about_month_lengths() -> None:
    for year in (2023, 2024, 2100):
        for month in range(1, 13):
            last = add_months(datetime(year, 1, 31, tzinfo=UTC), month - 1)
            assert last.day == calendar.monthrange(year, month)[1]
