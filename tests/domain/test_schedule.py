"""What a subscription is due for, and when it wants to be looked at."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain import course
from gateway.domain import subscription as domain
from gateway.domain.subscription import Due, Status
from tests import factories
from tests.factories import NOW

SECOND = timedelta(seconds=1)
DEADLINE = NOW + domain.FIRST_PAYMENT_WINDOW


@pytest.mark.parametrize(
    ("subscription", "at", "due"),
    [
        (factories.subscription(), DEADLINE - SECOND, Due.NOTHING),
        (factories.subscription(), DEADLINE, Due.EXPIRE),
        (factories.subscription(status=Status.INCOMPLETE), DEADLINE, Due.EXPIRE),
        (factories.active_subscription(), factories.active_subscription().period_end - SECOND, Due.NOTHING),
        (factories.active_subscription(), factories.active_subscription().period_end, Due.RENEW),
        (factories.active_subscription(status=Status.UNPAID), factories.subscription().period_end, Due.RENEW),
        (factories.active_subscription(status=Status.PAUSED), factories.subscription().period_end, Due.NOTHING),
        (
            factories.active_subscription(ends_at=factories.subscription().period_end),
            factories.subscription().period_end,
            Due.CANCEL,
        ),
        (factories.active_subscription(status=Status.CANCELED), NOW + timedelta(days=999), Due.NOTHING),
    ],
    ids=[
        "ST-31-inside-the-23-hours",
        "ST-32-after-them",
        "ST-32-incomplete-too",
        "inside-the-period",
        "FR-12-at-its-end",
        "C19-unpaid-goes-on-drafting",
        "C16-paused-does-not",
        "PM-09-ending-goes-before-renewing",
        "terminal-is-never-due",
    ],
)
def test_what_is_due(subscription: Any, at: Any, due: Due) -> None:
    assert domain.due(subscription, at) is due


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("ends_after", [None, timedelta(days=3), timedelta(days=300)])
def test_what_is_due_at_the_wake_time_is_never_nothing(status: Status, ends_after: timedelta | None) -> None:
    subscription = factories.subscription(status=status, ends_at=None if ends_after is None else NOW + ends_after)
    wake_at = subscription.wake_at
    if wake_at is None:
        assert domain.due(subscription, NOW + timedelta(days=9999)) is Due.NOTHING
    else:
        assert domain.due(subscription, wake_at) is not Due.NOTHING
        assert domain.due(subscription, wake_at - SECOND) is Due.NOTHING


def test_PM_13_missed_periods_are_skipped_and_never_charged_afterwards() -> None:
    subscription = factories.active_subscription()
    long_after = subscription.period_end + timedelta(days=95)
    upcoming = course.upcoming_period(subscription, long_after)
    assert upcoming.start <= long_after < upcoming.end
    assert upcoming.index == 5
    begun = course.begin_period(subscription, upcoming, "in_2", long_after).value
    assert (begun.period_index, begun.latest_invoice_id) == (5, "in_2")


def test_a_period_does_not_begin_before_the_last_one_ends() -> None:
    subscription = factories.active_subscription()
    with pytest.raises(ValueError, match="not due"):
        course.begin_period(subscription, subscription.next_period, "in_2", subscription.period_end - SECOND)
