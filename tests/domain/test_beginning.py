"""How subscriptions begin: trials, dates, and what contradicts itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.beginning import AnchorConfig, Schedule, begin
from gateway.domain.errors import InvalidRequest
from gateway.domain.period import Interval, IntervalUnit, Period
from tests.factories import MONTHLY, NOW

DAY = timedelta(days=1)
YEARLY = Interval(IntervalUnit.YEAR)


def test_without_a_word_the_first_period_begins_now() -> None:
    begun = begin(Schedule(), MONTHLY, NOW)
    assert begun.current == Period(1, NOW, datetime(2026, 2, 28, 12, tzinfo=UTC))
    assert (begun.anchor, begun.trial_end, begun.has_begun) == (NOW, None, True)


def test_ST_29_a_trial_puts_the_anchor_at_its_end() -> None:
    for asked in (Schedule(trial_days=10), Schedule(trial_end=NOW + 10 * DAY)):
        begun = begin(asked, MONTHLY, NOW)
        assert (begun.anchor, begun.trial_end, begun.current) == (
            NOW + 10 * DAY, NOW + 10 * DAY, Period(0, NOW, NOW + 10 * DAY)
        )  # fmt: skip


def test_SX_08_the_trial_of_a_product_is_used_unasked() -> None:
    assert begin(Schedule(), MONTHLY, NOW, product_trial_days=7).trial_end == NOW + 7 * DAY
    assert begin(Schedule(trial_days=7), MONTHLY, NOW, product_trial_days=7).trial_end == NOW + 7 * DAY


def test_PM_13_a_past_start_keeps_its_grid_month_ends_included() -> None:
    begun = begin(Schedule(start_date=datetime(2025, 8, 31, tzinfo=UTC)), MONTHLY, datetime(2026, 3, 1, tzinfo=UTC))
    assert begun.current == Period(1, datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC))
    assert begun.periods_before == -6


def test_PM_10_the_hour_is_utc_and_belongs_to_the_start_date() -> None:
    schedule = Schedule(start_date=datetime(2026, 2, 10, tzinfo=UTC), anchor_config=AnchorConfig(hour=10))
    begun = begin(schedule, MONTHLY, NOW)
    assert (begun.anchor, begun.has_begun) == (datetime(2026, 2, 10, 10, tzinfo=UTC), False)


@pytest.mark.parametrize(
    ("config", "interval", "anchor"),
    [
        (AnchorConfig(hour=10), MONTHLY, datetime(2026, 2, 1, 10, tzinfo=UTC)),
        (AnchorConfig(hour=13), MONTHLY, datetime(2026, 1, 31, 13, tzinfo=UTC)),
        (AnchorConfig(day_of_month=1), MONTHLY, datetime(2026, 2, 1, 12, tzinfo=UTC)),
        (AnchorConfig(day_of_month=31, hour=9), MONTHLY, datetime(2026, 3, 31, 9, tzinfo=UTC)),
        (AnchorConfig(month=2, day_of_month=29), YEARLY, datetime(2028, 2, 29, 12, tzinfo=UTC)),
    ],
    ids=str,
)
def test_an_anchor_config_names_the_next_moment_that_fits(
    config: AnchorConfig, interval: Interval, anchor: datetime
) -> None:
    assert begin(Schedule(anchor_config=config), interval, NOW).anchor == anchor


@pytest.mark.parametrize(
    ("schedule", "product_days", "code", "param"),
    [
        ({"trial_days": 1, "trial_end": NOW + DAY}, 0, "parameter_conflict", "trial_end"),
        ({"trial_days": 731}, 0, "parameter_invalid", "trial_period_days"),
        ({"trial_days": -1}, 0, "parameter_invalid", "trial_period_days"),
        ({"trial_end": NOW}, 0, "parameter_invalid", "trial_end"),
        ({"trial_days": 3}, 7, "trial_mandatory", "trial_period_days"),
        ({"trial_days": 0}, 7, "trial_mandatory", "trial_period_days"),
        ({"trial_end": NOW + DAY}, 7, "trial_mandatory", "trial_end"),
        ({"trial_days": 3, "start_date": NOW}, 0, "parameter_conflict", "start_date"),
        ({"start_date": NOW - 3651 * DAY}, 0, "parameter_invalid", "start_date"),
        ({"start_date": NOW + 731 * DAY}, 0, "parameter_invalid", "start_date"),
        ({"billing_cycle_anchor": NOW}, 0, "parameter_invalid", "billing_cycle_anchor"),
        ({"billing_cycle_anchor": NOW + DAY, "start_date": NOW}, 0, "parameter_conflict", "billing_cycle_anchor"),
        (
            {"billing_cycle_anchor": NOW + DAY, "anchor_config": AnchorConfig(hour=1)},
            0,
            "parameter_conflict",
            "billing_cycle_anchor_config",
        ),
    ],
    ids=str,
)
def test_what_contradicts_itself_or_lies_too_far_is_refused(
    schedule: dict[str, Any], product_days: int, code: str, param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        begin(Schedule(**schedule), MONTHLY, NOW, product_trial_days=product_days)
    assert (refused.value.code, refused.value.param) == (code, param)


@pytest.mark.parametrize(
    ("parts", "name"),
    [({"hour": 24}, "hour"), ({"minute": 60}, "minute"), ({"day_of_month": 0}, "day_of_month"),
     ({"month": 13, "day_of_month": 1}, "month"), ({"month": 2}, "day_of_month")],
    ids=str,
)  # fmt: skip
def test_parts_of_an_anchor_have_their_ranges(parts: dict[str, int], name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        AnchorConfig(**parts)
    assert refused.value.param == f"billing_cycle_anchor_config[{name}]"


def test_a_day_that_never_comes_and_a_day_of_a_weekly_price_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        begin(Schedule(anchor_config=AnchorConfig(month=2, day_of_month=30)), YEARLY, NOW)
    with pytest.raises(InvalidRequest):
        begin(Schedule(anchor_config=AnchorConfig(day_of_month=3)), Interval(IntervalUnit.WEEK), NOW)
