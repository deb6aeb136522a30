"""What became of events on their way to endpoints: every try, and sending them again."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from gateway.api.endpoint import Call, Endpoint, reads, writes
from gateway.api.events import shown
from gateway.api.fields import Id
from gateway.api.forms import Params
from gateway.api.pagination import LIMIT_DEFAULT, LIMIT_MAX
from gateway.db import events, webhooks
from gateway.db.pages import Page
from gateway.db.webhooks import DeliveryAttempt
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.webhook import Delivery, DeliveryStatus
from gateway.services import replays
from gateway.wire.delivery import DeliveryObject, ReplayObject, delivery
from gateway.wire.webhook import EventObject

_EVENT: Final = "event"
_ENDPOINT: Final = "webhook_endpoint"
_DELIVERY: Final = "webhook_delivery"
_EVENTS_MAX: Final = 100
_SEQUENCE_MAX: Final = 2**53

Sequenced = Annotated[int, Meta(ge=0, le=_SEQUENCE_MAX)]


class ListDeliveries(Params, frozen=True, kw_only=True):
    """Which deliveries, newest first; a page goes on after the id of its last one."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    starting_after: Id | None = None
    status: Literal["pending", "delivered", "failed"] | None = None


class Replay(Params, frozen=True, kw_only=True):
    """What to send again: single events, or those of a range of sequence; without either, all that was missed.

    Of a range an endpoint gets what it has not accepted; with `delivered` also what it has.
    """

    events: Annotated[list[Id], Meta(min_length=1, max_length=_EVENTS_MAX)] | None = None
    after_sequence: Sequenced | None = None
    up_to_sequence: Sequenced | None = None
    delivered: bool = False


class Retry(Params, frozen=True, kw_only=True):
    """To which endpoint; without one, to all that hear of it."""

    webhook_endpoint: Id | None = None


async def _page(call: Call, query: ListDeliveries, **of: str) -> Page[DeliveryObject]:
    after = query.starting_after
    if after is not None and await webhooks.get_delivery(call.conn, call.scope, after) is None:
        raise NotFound(_DELIVERY, after, param="starting_after")
    found = await webhooks.deliveries_of(
        call.conn,
        call.scope,
        status=None if query.status is None else DeliveryStatus(query.status),
        before=after,
        limit=query.limit + 1,
        **of,
    )
    return Page(await _with_attempts(call, found[: query.limit]), has_more=len(found) > query.limit)


async def _with_attempts(call: Call, deliveries: Sequence[Delivery]) -> list[DeliveryObject]:
    tries: defaultdict[str, list[DeliveryAttempt]] = defaultdict(list)
    for attempt in await webhooks.attempts_of(call.conn, [each.id for each in deliveries]):
        tries[attempt.delivery_id].append(attempt)
    return [delivery(each, tries[each.id]) for each in deliveries]


@reads("/v1/events/{id:str}/deliveries", kind=_EVENT, params=ListDeliveries, answer=DeliveryObject, is_list=True)
async def of_event(call: Call, query: ListDeliveries) -> Page[DeliveryObject]:
    """List the deliveries of an event, with every try."""
    if await events.get(call.conn, call.scope, call.id) is None:
        raise NotFound(_EVENT, call.id)
    return await _page(call, query, event_id=call.id)


@reads(
    "/v1/webhook_endpoints/{id:str}/deliveries",
    kind=_ENDPOINT,
    params=ListDeliveries,
    answer=DeliveryObject,
    is_list=True,
)
async def to_endpoint(call: Call, query: ListDeliveries) -> Page[DeliveryObject]:
    """List the deliveries to a webhook endpoint, with every try."""
    if await webhooks.get_endpoint(call.conn, call.scope, call.id) is None:
        raise NotFound(_ENDPOINT, call.id)
    return await _page(call, query, endpoint_id=call.id)


@writes("/v1/events/{id:str}/retry", kind=_EVENT, params=Retry, answer=EventObject, rings=("webhooks",))
async def retry(call: Call, body: Retry) -> EventObject:
    """Send an event again."""
    record = await replays.retry(
        call.conn, scope=call.scope, event_id=call.id, endpoint_id=body.webhook_endpoint, now=call.now
    )
    return (await shown(call, [record]))[0]


@writes(
    "/v1/webhook_endpoints/{id:str}/replay", kind=_ENDPOINT, params=Replay, answer=ReplayObject, rings=("webhooks",)
)
async def replay(call: Call, body: Replay) -> ReplayObject:
    """Send past events to a webhook endpoint again."""
    if body.events is not None:
        if body.after_sequence is not None or body.up_to_sequence is not None:
            raise InvalidRequest("Give events or a range, not both.", code="parameter_conflict", param="events")
        done = await replays.of_events(
            call.conn, scope=call.scope, endpoint_id=call.id, event_ids=body.events, now=call.now
        )
    else:
        done = await replays.of_range(
            call.conn,
            scope=call.scope,
            endpoint_id=call.id,
            after_sequence=body.after_sequence or 0,
            up_to_sequence=body.up_to_sequence,
            delivered=body.delivered,
            now=call.now,
        )
    return ReplayObject(
        has_more=done.has_more,
        last_sequence=done.last_sequence,
        queued=done.queued,
        webhook_endpoint=done.endpoint_id,
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (of_event, to_endpoint, retry, replay)
