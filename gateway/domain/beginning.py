"""How a subscription begins: at once, with a trial, on a grid that began before, or at a later date.

PM-08 to PM-13, ST-29, SX-08. The contract's period 1 begins at the anchor.
"""

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.errors import InvalidRequest
from gateway.domain.period import Interval, IntervalUnit, Period, period, period_at

TRIAL_DAYS_MAX: Final = 730
AHEAD_MAX: Final = timedelta(days=730)
"""The contract takes mandates that begin at most two years ahead."""

BACK_MAX: Final = timedelta(days=3650)
"""And at most ten years back."""

_DAYS_MAX: Final = 31
_MONTHS: Final = 12


def _conflict(first: str, second: str) -> InvalidRequest:
    return InvalidRequest(f"Give {first} or {second}, not both.", code="parameter_conflict", param=second)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorConfig:
    """Parts of the moment at which periods begin, in UTC (PM-10); what is not given follows from the rest."""

    month: int | None = None
    day_of_month: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None

    def __post_init__(self) -> None:
        bounds = {
            "month": (1, _MONTHS), "day_of_month": (1, _DAYS_MAX), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise self.refused(name, f"must be between {low} and {high}")
        if self.month is not None and self.day_of_month is None:
            raise self.refused("day_of_month", "goes with month")

    @staticmethod
    def refused(name: str, why: str) -> InvalidRequest:
        """The error that a part has."""
        param = f"billing_cycle_anchor_config[{name}]"
        return InvalidRequest(f"{param} {why}.", code="parameter_invalid", param=param)

    def at_time(self, day: datetime) -> datetime:
        """The moment of a day."""
        if self.hour is None and self.minute is None and self.second is None:
            return day
        return day.replace(hour=self.hour or 0, minute=self.minute or 0, second=self.second or 0)

    def next_after(self, now: datetime) -> datetime:
        """The first moment after `now` that fits. A day that a month does not have is looked for in the next one."""
        for months in range(5 * _MONTHS):
            month_index = now.year * _MONTHS + now.month - 1 + months
            year, month = divmod(month_index, _MONTHS)
            days = calendar.monthrange(year, month + 1)[1]
            if self.month not in {None, month + 1}:
                continue
            wanted = range(1, days + 1) if self.day_of_month is None else [self.day_of_month]
            for day in wanted:
                if day <= days and (found := self.at_time(now.replace(year=year, month=month + 1, day=day))) > now:
                    return found
        raise self.refused("day_of_month", "is a day that the month never has")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a request says about the beginning. `trial_days` 0 asks for no trial; None leaves it to the product."""

    trial_days: int | None = None
    trial_end: datetime | None = None
    start_date: datetime | None = None
    billing_cycle_anchor: datetime | None = None
    anchor_config: AnchorConfig | None = None

    @property
    def wants_trial(self) -> bool:
        """Whether a trial is asked for."""
        return bool(self.trial_days) or self.trial_end is not None

    @property
    def dated(self) -> str | None:
        """The parameter that says when the first period begins, if one does."""
        names = {
            "start_date": self.start_date,
            "billing_cycle_anchor": self.billing_cycle_anchor,
            "billing_cycle_anchor_config": self.anchor_config,
        }
        return next((name for name, value in names.items() if value is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where a new subscription stands. `current` has number 0 until the first period begins."""

    anchor: datetime
    periods_before: int
    current: Period
    trial_end: datetime | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the first period is to be billed now."""
        return self.current.index > 0


def begin(schedule: Schedule, interval: Interval, now: datetime, *, product_trial_days: int = 0) -> Beginning:
    """Work out where a new subscription stands.

    `product_trial_days` is the trial that its products prescribe, which must be used (SX-08).

    Raises:
        InvalidRequest: parameters contradict each other, or a moment is out of range.
    """
    trial_end = _trial_end(schedule, now, product_trial_days)
    if trial_end is not None:
        if schedule.dated is not None:
            raise _conflict("a trial", schedule.dated)
        return Beginning(anchor=trial_end, periods_before=0, current=Period(0, now, trial_end), trial_end=trial_end)
    anchor = _anchor(schedule, interval, now)
    if anchor > now:
        return Beginning(anchor=anchor, periods_before=0, current=Period(0, now, anchor))
    present = period_at(anchor, interval, now) or period(anchor, interval, 1)
    # Periods that were missed are never billed (PM-13): the present one is the first.
    return Beginning(anchor=anchor, periods_before=1 - present.index, current=Period(1, present.start, present.end))


def _trial_end(schedule: Schedule, now: datetime, product_days: int) -> datetime | None:
    if schedule.trial_days is not None and schedule.trial_end is not None:
        raise _conflict("trial_period_days", "trial_end")
    if schedule.trial_days is not None and not 0 <= schedule.trial_days <= TRIAL_DAYS_MAX:
        raise InvalidRequest(
            f"trial_period_days must be between 0 and {TRIAL_DAYS_MAX}.",
            code="parameter_invalid",
            param="trial_period_days",
        )
    if product_days and (schedule.trial_end is not None or schedule.trial_days not in {None, product_days}):
        raise InvalidRequest(
            f"The product has a trial of {product_days} days, which must be used.",
            code="trial_mandatory",
            param="trial_end" if schedule.trial_end is not None else "trial_period_days",
        )
    if schedule.trial_end is not None:
        _ahead(schedule.trial_end, now, "trial_end")
        return schedule.trial_end
    days = product_days or schedule.trial_days or 0
    return now + timedelta(days=days) if days else None


def _ahead(at: datetime, now: datetime, param: str) -> None:
    if not now < at <= now + AHEAD_MAX:
        raise InvalidRequest(
            f"{param} must be in the future, at most {AHEAD_MAX.days} days ahead.",
            code="parameter_invalid",
            param=param,
        )


def _anchor(schedule: Schedule, interval: Interval, now: datetime) -> datetime:
    config = schedule.anchor_config
    if schedule.billing_cycle_anchor is not None:
        if schedule.start_date is not None:
            raise _conflict("start_date", "billing_cycle_anchor")
        if config is not None:
            raise _conflict("billing_cycle_anchor", "billing_cycle_anchor_config")
        _ahead(schedule.billing_cycle_anchor, now, "billing_cycle_anchor")
        return schedule.billing_cycle_anchor
    if schedule.start_date is not None:
        return _from_start_date(schedule.start_date, config, now)
    if config is None:
        return now
    if config.day_of_month is not None and interval.unit not in {IntervalUnit.MONTH, IntervalUnit.YEAR}:
        raise config.refused("day_of_month", "needs prices that recur by month or year")
    return config.next_after(now)


def _from_start_date(start: datetime, config: AnchorConfig | None, now: datetime) -> datetime:
    if config is not None:
        if config.day_of_month is not None:
            raise _conflict("start_date", "billing_cycle_anchor_config[day_of_month]")
        start = config.at_time(start)
    if not now - BACK_MAX <= start <= now + AHEAD_MAX:
        raise InvalidRequest(
            f"start_date must be at most {BACK_MAX.days} days back and {AHEAD_MAX.days} days ahead.",
            code="parameter_invalid",
            param="start_date",
        )
    return start
