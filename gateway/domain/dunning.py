"""When a failed renewal is tried again, and what happens when it was tried often enough.

FR-13, ST-18, ST-34, ST-63, ST-64, ST-65, C05, C14.

The policy is copied onto the charge intent when an attempt fails, and says when the next one is: a change of settings
moves no attempt that is planned, and holds for those after it (ST-66).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import Final

from gateway.domain.errors import InvalidRequest

RETRIES_MAX: Final = 3
RETRY_WINDOW_MAX: Final = timedelta(days=31)
_SMART_GAPS: Final = (1, 2, 3, 5, 7, 7, 7)
"""Days between attempts of a smart schedule: soon at first, then about as often as wallets are filled up."""


class OnRetriesExhausted(StrEnum):
    """What becomes of a subscription whose retries are used up; `unpaid` leaves most options (ST-37)."""

    UNPAID = "unpaid"
    CANCELED = "canceled"
    PAST_DUE = "past_due"


class Restart(StrEnum):
    """What makes us try again after the last retry: another wallet, or also the old one when it can pay (ST-65)."""

    NEW_PAYMENT_METHOD = "new_payment_method"
    WALLET_RESTORED = "wallet_restored"


class RetryMode(StrEnum):
    """How the times of retries are found (ST-18, ST-63).

    `fixed`: so many days after each attempt, as the merchant named them. `smart`: at set times of a window that begins
    with the first failure, whatever attempts people ask for in between.
    """

    FIXED = "fixed"
    SMART = "smart"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Days from each attempt to the next (ST-64).

    In both modes an attempt also happens, without being counted among these, as soon as the chain shows that the wallet
    can pay again: that, and not a guess, is when it can succeed.

    Raises:
        InvalidRequest: more than three fixed retries, or a window of more than 31 days (ST-63).
    """

    days: tuple[int, ...] = (1, 1, 1)
    on_exhausted: OnRetriesExhausted = OnRetriesExhausted.UNPAID
    mode: RetryMode = RetryMode.FIXED
    restart: Restart = Restart.NEW_PAYMENT_METHOD

    def __post_init__(self) -> None:
        if self.mode is RetryMode.FIXED and (len(self.days) > RETRIES_MAX or any(day < 1 for day in self.days)):
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

    @classmethod
    def smart(
        cls,
        window_days: int,
        on_exhausted: OnRetriesExhausted = OnRetriesExhausted.UNPAID,
        restart: Restart = Restart.NEW_PAYMENT_METHOD,
    ) -> "RetryPolicy":
        """Spread retries over a window; the last one is at its end.

        Raises:
            InvalidRequest: the window is not 1 to 31 days.
        """
        if not 1 <= window_days <= RETRY_WINDOW_MAX.days:
            raise InvalidRequest(
                f"retry_window_days must be between 1 and {RETRY_WINDOW_MAX.days}.",
                code="invalid_retry_window",
                param="retry_window_days",
            )
        days: list[int] = []
        left = window_days
        for gap in _SMART_GAPS:
            if left:
                days.append(min(gap, left))
                left -= days[-1]
        return cls(tuple(days), on_exhausted, RetryMode.SMART, restart)

    def next_attempt_at(self, attempts: int, now: datetime, *, since: datetime) -> datetime | None:
        """When to try again after `attempts` failed ones that counted (at least 1), the first of them at `since`.

        None when it was often enough.
        """
        if self.mode is RetryMode.SMART:
            slots = (since + timedelta(days=day) for day in accumulate(self.days))
            return next((slot for slot in slots if slot > now), None)
        retry = attempts - 1
        return now + timedelta(days=self.days[retry]) if retry < len(self.days) else None
