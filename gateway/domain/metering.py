"""Meters and the events that they count: usage that is billed for the period in which it happened (ST-74).

An event says that a customer used so much at a time. What a meter makes of a period's events is a sum, their number, or
the newest of them. How much is billed for it belongs to prices and invoices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.transition import Event, Moved

KIND: Final = "billing.meter"

BACKDATED_MAX: Final = timedelta(days=35)
"""How old an event may be when it is told of: a month and some days of catching up."""

AHEAD_MAX: Final = timedelta(minutes=5)
"""How far in the future an event may be: as much as clocks of servers differ."""

VALUE_MAX: Final = 10**9
"""Most that one event may count: sums of any number of events that a table can hold still fit an integer column."""


class Aggregation(StrEnum):
    """What a meter makes of the events of a period."""

    SUM = "sum"
    COUNT = "count"
    LAST = "last"


class Status(StrEnum):
    """Whether a meter takes events."""

    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What to count, and how.

    Attributes:
        event_name: names the meter in its events; one active meter has it.
        customer_key: entry of an event's payload that names the customer.
        value_key: entry of an event's payload that says how much.
    """

    id: str
    scope: Scope
    created_at: datetime
    updated_at: datetime
    display_name: str
    event_name: str
    aggregation: Aggregation
    customer_key: str = "stripe_customer_id"
    value_key: str = "value"
    status: Status = Status.ACTIVE
    deactivated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterEvent:
    """So much usage of a customer. `identifier` is the merchant's, and makes telling it again harmless."""

    id: str
    scope: Scope
    created_at: datetime
    meter_id: str
    customer_id: str
    identifier: str
    value: int
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Whose usage of which meter, in [start, end)."""

    meter_id: str
    customer_id: str
    start: datetime
    end: datetime


def create(meter: Meter) -> Moved[Meter]:
    """Begin to count."""
    return _told(None, meter, EventType.METER_CREATED, meter.created_at)


def rename(meter: Meter, display_name: str, now: datetime) -> Moved[Meter]:
    """Change what people read; what is counted never changes."""
    after = replace(meter, display_name=display_name, updated_at=now)
    return _told(meter, after, EventType.METER_UPDATED, now)


def deactivate(meter: Meter, now: datetime) -> Moved[Meter]:
    """Take no more events. What was counted is billed all the same.

    Raises:
        InvalidRequest: it is inactive already.
    """
    _expect(meter, Status.ACTIVE)
    after = replace(meter, status=Status.INACTIVE, deactivated_at=now, updated_at=now)
    return _told(meter, after, EventType.METER_DEACTIVATED, now)


def reactivate(meter: Meter, now: datetime) -> Moved[Meter]:
    """Take events again.

    Raises:
        InvalidRequest: it is active already.
    """
    _expect(meter, Status.INACTIVE)
    after = replace(meter, status=Status.ACTIVE, deactivated_at=None, updated_at=now)
    return _told(meter, after, EventType.METER_REACTIVATED, now)


def _expect(meter: Meter, status: Status) -> None:
    if meter.status is not status:
        raise InvalidRequest(f"Meter '{meter.id}' is {meter.status} already.", code="meter_unexpected_state")


def _told(before: Meter | None, after: Meter, event: EventType, now: datetime) -> Moved[Meter]:
    return Moved(value=after, before=before, events=(Event(type=event, object_id=after.id, at=now),))


def check_time(happened_at: datetime, now: datetime) -> None:
    """Raise unless an event of that time may be told of now.

    Raises:
        InvalidRequest: it is too old, or lies in the future.
    """
    if happened_at < now - BACKDATED_MAX:
        raise InvalidRequest(
            f"timestamp must lie within the past {BACKDATED_MAX.days} days.",
            code="timestamp_too_far_in_past",
            param="timestamp",
        )
    if happened_at > now + AHEAD_MAX:
        raise InvalidRequest(
            f"timestamp must be at most {AHEAD_MAX.seconds // 60} minutes in the future.",
            code="timestamp_in_future",
            param="timestamp",
        )


def customer_of(meter: Meter, payload: Mapping[str, str]) -> str:
    """Whose usage an event is.

    Raises:
        InvalidRequest: the payload does not say, or says what the meter does not know.
    """
    for key in payload:
        if key not in {meter.customer_key, meter.value_key}:
            raise InvalidRequest(
                f"Meter '{meter.id}' knows no payload[{key}].", code="parameter_unknown", param=f"payload[{key}]"
            )
    found = payload.get(meter.customer_key)
    if not found:
        param = f"payload[{meter.customer_key}]"
        raise InvalidRequest(f"Missing required param: {param}.", code="parameter_missing", param=param)
    return found


def value_of(meter: Meter, payload: Mapping[str, str]) -> int:
    """How much was used; an event that is only counted needs not say it.

    Raises:
        InvalidRequest: it is missing, or no whole number from 0 to a milliard.
    """
    param = f"payload[{meter.value_key}]"
    text = payload.get(meter.value_key)
    if text is None and meter.aggregation is Aggregation.COUNT:
        return 1
    if text is None:
        raise InvalidRequest(f"Missing required param: {param}.", code="parameter_missing", param=param)
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(VALUE_MAX)) and int(text) <= VALUE_MAX):
        raise InvalidRequest(
            f"{param} must be a whole number from 0 to {VALUE_MAX}.", code="meter_event_value_invalid", param=param
        )
    return int(text)
