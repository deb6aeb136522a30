"""Meters, their events, and summaries of them on the wire."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from gateway.domain.metering import Aggregation, Meter, MeterEvent, Window
from gateway.domain.period import to_unix
from gateway.wire.common import unix
from gateway.wire.related import Related


class CustomerMapping(Struct, frozen=True, kw_only=True):
    """Which entry of an event's payload names the customer."""

    event_payload_key: str
    type: Literal["by_id"] = "by_id"


class DefaultAggregation(Struct, frozen=True, kw_only=True):
    """What is made of a period's events."""

    formula: str


class ValueSettings(Struct, frozen=True, kw_only=True):
    """Which entry of an event's payload says how much."""

    event_payload_key: str


class MeterTransitions(Struct, frozen=True, kw_only=True):
    """When it stopped taking events."""

    deactivated_at: int | None


class MeterObject(Struct, frozen=True, kw_only=True):
    """What to count, and how."""

    id: str
    object: Literal["billing.meter"] = "billing.meter"
    created: int
    customer_mapping: CustomerMapping
    default_aggregation: DefaultAggregation
    display_name: str
    event_name: str
    event_time_window: None = None
    livemode: bool
    status: str
    status_transitions: MeterTransitions
    updated: int
    value_settings: ValueSettings


class MeterEventObject(Struct, frozen=True, kw_only=True):
    """So much usage of a customer."""

    object: Literal["billing.meter_event"] = "billing.meter_event"
    created: int
    event_name: str
    identifier: str
    livemode: bool
    payload: Mapping[str, str]
    timestamp: int


class MeterEventSummaryObject(Struct, frozen=True, kw_only=True):
    """What a customer used of a meter in [start_time, end_time)."""

    id: str
    object: Literal["billing.meter_event_summary"] = "billing.meter_event_summary"
    aggregated_value: int
    end_time: int
    livemode: bool
    meter: str
    start_time: int


def meter(value: Meter, related: Related) -> MeterObject:  # noqa: ARG001 - every rendering has one form
    """Render a meter."""
    return MeterObject(
        id=value.id,
        created=to_unix(value.created_at),
        customer_mapping=CustomerMapping(event_payload_key=value.customer_key),
        default_aggregation=DefaultAggregation(formula=value.aggregation.value),
        display_name=value.display_name,
        event_name=value.event_name,
        livemode=value.scope.livemode,
        status=value.status.value,
        status_transitions=MeterTransitions(deactivated_at=unix(value.deactivated_at)),
        updated=to_unix(value.updated_at),
        value_settings=ValueSettings(event_payload_key=value.value_key),
    )


def meter_event(counted_by: Meter, value: MeterEvent) -> MeterEventObject:
    """Render an event of a meter."""
    payload = {counted_by.customer_key: value.customer_id}
    if counted_by.aggregation is not Aggregation.COUNT:
        payload[counted_by.value_key] = str(value.value)
    return MeterEventObject(
        created=to_unix(value.created_at),
        event_name=counted_by.event_name,
        identifier=value.identifier,
        livemode=value.scope.livemode,
        payload=payload,
        timestamp=to_unix(value.happened_at),
    )


def meter_event_summary(window: Window, usage: int, *, livemode: bool) -> MeterEventSummaryObject:
    """Render what a window's events come to. Its id follows from what it is about."""
    start, end = to_unix(window.start), to_unix(window.end)
    return MeterEventSummaryObject(
        id=f"mtrusg_{window.meter_id.partition('_')[2]}_{window.customer_id.partition('_')[2]}_{start}_{end}",
        aggregated_value=usage,
        end_time=end,
        livemode=livemode,
        meter=window.meter_id,
        start_time=start,
    )
