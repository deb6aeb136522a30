"""The test clock: time that stands still until it is advanced (ST test helpers, PRODUCT: money, time).

Its customers, their subscriptions and the local chain's blocks live at `frozen_at`. Advancing goes from one due moment
to the next, so that a year of renewals happens in order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import Scope
from gateway.domain.errors import Conflict, InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.transition import Event, Machine, Moved, StatusReason

KIND: Final = "test_clock"
ADVANCE_MAX: Final = timedelta(days=366 * 5)
"""Longest jump of one request; the contract's grid and the local chain are built for years, not for ages."""


class Status(StrEnum):
    """As in the SDKs."""

    READY = "ready"
    ADVANCING = "advancing"
    INTERNAL_FAILURE = "internal_failure"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.READY: frozenset({_S.ADVANCING}),
    _S.ADVANCING: frozenset({_S.READY, _S.INTERNAL_FAILURE}),
    _S.INTERNAL_FAILURE: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestClock:
    """A clock that stands at `frozen_at` and, while advancing, moves towards `target_at`."""

    __test__ = False  # the name is the API's; pytest must not collect it

    id: str
    scope: Scope
    created_at: datetime
    frozen_at: datetime
    status: Status
    reason: StatusReason
    name: str | None = None
    target_at: datetime | None = None
    deleted: bool = False


_MACHINE: Final = Machine[TestClock](KIND, TRANSITIONS)


def _move(before: TestClock, after: TestClock, *events: EventType) -> Moved[TestClock]:
    return _MACHINE.move(before, after, after.frozen_at, *events)


def create(clock: TestClock) -> Moved[TestClock]:
    """Make a clock, standing, or on its way to a time that the local chain has yet to reach."""
    return _MACHINE.begin(clock, EventType.TEST_CLOCK_CREATED)


def delete(clock: TestClock) -> Moved[TestClock]:
    """Forget a clock; what lives on it stands still for ever.

    Raises:
        Conflict: it is advancing.
    """
    if clock.status is Status.ADVANCING:
        raise Conflict(f"Test clock '{clock.id}' is advancing; wait until it is ready.", code="test_clock_busy")
    event = Event(type=EventType.TEST_CLOCK_DELETED, object_id=clock.id, at=clock.frozen_at)
    return Moved(value=replace(clock, deleted=True), before=clock, events=(event,))


def advance(clock: TestClock, target: datetime) -> Moved[TestClock]:
    """Ask for the time `target`.

    Raises:
        Conflict: it is advancing already.
        InvalidRequest: the target is not later than now, or further than `ADVANCE_MAX` away.
    """
    if clock.status is not Status.READY:
        raise Conflict(f"Test clock '{clock.id}' is {clock.status}; wait until it is ready.", code="test_clock_busy")
    if target <= clock.frozen_at:
        raise InvalidRequest(
            "frozen_time must be later than the clock's current time: a chain cannot go back.",
            code="test_clock_cannot_go_back",
            param="frozen_time",
        )
    if target - clock.frozen_at > ADVANCE_MAX:
        raise InvalidRequest(
            f"frozen_time may be at most {ADVANCE_MAX.days} days ahead of the clock's current time.",
            code="test_clock_too_far",
            param="frozen_time",
        )
    after = replace(clock, status=Status.ADVANCING, reason=StatusReason("advancing"), target_at=target)
    return _move(clock, after, EventType.TEST_CLOCK_ADVANCING)


def step(clock: TestClock, to: datetime) -> Moved[TestClock]:
    """Stand at the next due moment on the way to the target."""
    if clock.target_at is None or not clock.frozen_at <= to <= clock.target_at:
        raise ValueError(f"{to} is not between the clock's time and its target")
    return Moved(value=replace(clock, frozen_at=to), before=clock)


def arrive(clock: TestClock) -> Moved[TestClock]:
    """Everything that was due up to the target has happened."""
    if clock.target_at is None:
        raise ValueError("the clock is not advancing")
    after = replace(clock, status=Status.READY, reason=StatusReason("ready"), frozen_at=clock.target_at, target_at=None)
    return _move(clock, after, EventType.TEST_CLOCK_READY)
