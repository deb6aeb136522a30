"""When a failed renewal is tried again, and what happens when it was tried often enough.

FR-13, ST-34, ST-64, C05, C14.

The policy is copied onto the charge intent at its first attempt, so that a later change of settings moves only future
ones (ST-66).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.errors import InvalidRequest

RETRIES_MAX = 3
RETRY_WINDOW_MAX = timedelta(days=31)


class OnRetriesExhausted(StrEnum):
    """What becomes of a subscription whose retries are used up; `unpaid` leaves most options (ST-37)."""

    UNPAID = "unpaid"
    CANCELED = "canceled"
    PAST_DUE = "past_due"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Days from each attempt to the next (ST-64).

    Raises:
        InvalidRequest: more than three retries, or a window of more than 31 days (ST-63).
    """

    days: tuple[int, ...] = (1, 1, 1)
    on_exhausted: OnRetriesExhausted = OnRetriesExhausted.UNPAID

    def __post_init__(self) -> None:
        if len(self.days) > RETRIES_MAX or any(day < 1 for day in self.days):
            raise InvalidRequest(
                f"retry_schedule_days takes up to {RETRIES_MAX} whole days of at least 1.",
                code="invalid_retry_schedule",
                param="retry_schedule_days",
            )
        if timedelta(days=sum(self.days)) > RETRY_WINDOW_MAX:
            raise InvalidRequest(
                f"retry_schedule_days must end within {RETRY_WINDOW_MAX.days} days.",
                code="invalid_retry_schedule",
                param="retry_schedule_days",
            )

    def next_attempt_at(self, attempts: int, now: datetime) -> datetime | None:
        """When to try again after `attempts` failed ones that counted (at least 1); None when it was often enough."""
        retry = attempts - 1
        return now + timedelta(days=self.days[retry]) if retry < len(self.days) else None
