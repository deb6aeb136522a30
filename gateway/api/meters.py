"""`/v1/billing/meters` and `/v1/billing/meter_events`: usage that prices with `recurring[meter]` charge for."""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id
from gateway.api.forms import Params
from gateway.api.pagination import ListParams, UnixTime
from gateway.db import meters
from gateway.db.pages import Page
from gateway.domain.errors import NotFound
from gateway.domain.ids import new_id
from gateway.domain.metering import KIND, Aggregation, Meter, Status
from gateway.domain.period import from_unix
from gateway.services import meters as services
from gateway.wire import metering as wire
from gateway.wire.metering import MeterEventObject, MeterEventSummaryObject, MeterObject

_ROOT: Final = "/v1/billing/meters"
_EVENT: Final = "billing.meter_event"
_SUMMARY: Final = "billing.meter_event_summary"
_STEPS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

EventName = Annotated[str, Meta(min_length=1, max_length=100)]
DisplayName = Annotated[str, Meta(min_length=1, max_length=250)]
PayloadKey = Annotated[str, Meta(min_length=1, max_length=40, pattern="^[A-Za-z0-9_]+$")]
Identifier = Annotated[str, Meta(min_length=1, max_length=100)]


class AggregationParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to make of a period's events."""

    formula: Literal["sum", "count", "last"]


class CustomerMappingParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entry of an event's payload names the customer."""

    event_payload_key: PayloadKey
    type: Literal["by_id"] = "by_id"


class ValueSettingsParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entry of an event's payload says how much."""

    event_payload_key: PayloadKey


class CreateMeter(Params, frozen=True, kw_only=True):
    """A new meter; only its display name changes later."""

    display_name: DisplayName
    event_name: EventName
    default_aggregation: AggregationParams
    customer_mapping: CustomerMappingParams = CustomerMappingParams(event_payload_key="stripe_customer_id")
    value_settings: ValueSettingsParams = ValueSettingsParams(event_payload_key="value")


class UpdateMeter(Params, frozen=True, kw_only=True):
    """What to change."""

    display_name: DisplayName


class ListMeters(ListParams, frozen=True, kw_only=True):
    """Which meters."""

    status: Literal["active", "inactive"] | None = None


class CreateMeterEvent(Params, frozen=True, kw_only=True):
    """So much usage; `identifier` makes telling it again harmless, `timestamp` is when it happened, else now."""

    event_name: EventName
    payload: dict[str, str]
    identifier: Identifier | None = None
    timestamp: UnixTime | None = None


class ListSummaries(Params, frozen=True, kw_only=True):
    """Whose usage, and of which time; without a grouping window it comes as one sum."""

    customer: Id
    start_time: UnixTime
    end_time: UnixTime
    value_grouping_window: Literal["hour", "day"] | None = None


@writes(_ROOT, kind=KIND, params=CreateMeter, answer=MeterObject, rings=("webhooks",))
async def create(call: Call, body: CreateMeter) -> Meter:
    """Create a meter."""
    meter = Meter(
        id=new_id("mtr", call.now),
        scope=call.scope,
        created_at=call.now,
        updated_at=call.now,
        display_name=body.display_name,
        event_name=body.event_name,
        aggregation=Aggregation(body.default_aggregation.formula),
        customer_key=body.customer_mapping.event_payload_key,
        value_key=body.value_settings.event_payload_key,
    )
    return await services.create(call.conn, call.gateway, meter, origin=call.origin)


@reads(f"{_ROOT}/{{id:str}}", kind=KIND, params=Retrieve, answer=MeterObject)
async def retrieve(call: Call, _: Retrieve) -> Meter:
    """Retrieve a meter."""
    found = await meters.shelf.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(KIND, call.id)
    return found


@reads(_ROOT, kind=KIND, params=ListMeters, answer=MeterObject, is_list=True)
async def listed(call: Call, query: ListMeters) -> Page[Meter]:
    """List meters."""
    status = None if query.status is None else Status(query.status)
    return await meters.page(call.conn, query.page(call), status=status)


@writes(f"{_ROOT}/{{id:str}}", kind=KIND, params=UpdateMeter, answer=MeterObject, methods=UPDATE, rings=("webhooks",))
async def update(call: Call, body: UpdateMeter) -> Meter:
    """Update a meter's name."""
    return await services.rename(
        call.conn,
        call.gateway,
        scope=call.scope,
        meter_id=call.id,
        display_name=body.display_name,
        now=call.now,
        origin=call.origin,
    )


@writes(f"{_ROOT}/{{id:str}}/deactivate", kind=KIND, params=Retrieve, answer=MeterObject, rings=("webhooks",))
async def deactivate(call: Call, _: Retrieve) -> Meter:
    """Deactivate a meter: it takes no more events."""
    return await services.deactivate(
        call.conn, call.gateway, scope=call.scope, meter_id=call.id, now=call.now, origin=call.origin
    )


@writes(f"{_ROOT}/{{id:str}}/reactivate", kind=KIND, params=Retrieve, answer=MeterObject, rings=("webhooks",))
async def reactivate(call: Call, _: Retrieve) -> Meter:
    """Reactivate a meter: it takes events again."""
    return await services.reactivate(
        call.conn, call.gateway, scope=call.scope, meter_id=call.id, now=call.now, origin=call.origin
    )


@reads(
    f"{_ROOT}/{{id:str}}/event_summaries",
    kind=_SUMMARY,
    params=ListSummaries,
    answer=MeterEventSummaryObject,
    is_list=True,
)
async def event_summaries(call: Call, query: ListSummaries) -> Page[MeterEventSummaryObject]:
    """List what a customer used of a meter."""
    found = await services.summaries(
        call.conn,
        scope=call.scope,
        meter_id=call.id,
        customer_id=query.customer,
        start=from_unix(query.start_time),
        end=from_unix(query.end_time),
        step=None if query.value_grouping_window is None else _STEPS[query.value_grouping_window],
    )
    livemode = call.scope.livemode
    return Page([wire.meter_event_summary(window, usage, livemode=livemode) for window, usage in found], has_more=False)


@writes("/v1/billing/meter_events", kind=_EVENT, params=CreateMeterEvent, answer=MeterEventObject)
async def create_event(call: Call, body: CreateMeterEvent) -> MeterEventObject:
    """Create a meter event: a customer used so much."""
    meter, event = await services.tell(
        call.conn,
        scope=call.scope,
        event_name=body.event_name,
        payload=body.payload,
        identifier=body.identifier,
        happened_at=None if body.timestamp is None else from_unix(body.timestamp),
        system_now=call.now,
    )
    return wire.meter_event(meter, event)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    create,
    retrieve,
    listed,
    update,
    deactivate,
    reactivate,
    event_summaries,
    create_event,
)
