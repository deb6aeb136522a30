"""`/v1/events`: the log of what happened, newest first; after a number, in the order in which it happened.

It shows every event that was written, under the name it was written with, so that `sequence` has no gaps here. Which
of them an endpoint hears of, and under which name, is its `event_profile`'s matter.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta

from gateway.api.endpoint import Call, Endpoint, Retrieve, reads
from gateway.api.fields import Id
from gateway.api.pagination import ListParams
from gateway.db import events, webhooks
from gateway.db.events import EventRecord
from gateway.db.pages import Page
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.wire.webhook import EventObject, event_object

_KIND: Final = "event"
_SEQUENCE_MAX: Final = 2**53

TypeName = Annotated[str, Meta(min_length=1, max_length=100)]
TypeNames = Annotated[list[TypeName], Meta(min_length=1, max_length=20)]


class ListEvents(ListParams, frozen=True, kw_only=True):
    """Which events: of one type or several (`invoice.*` stands for all of them), or about one object.

    `delivery_success` asks for those that every endpoint has accepted, or for those that one has not (yet).
    `after_sequence` turns the list round: what follows that number, oldest first, so that nothing is missed or seen
    twice while more happens.
    """

    type: TypeName | None = None
    types: TypeNames | None = None
    object_id: Id | None = None
    delivery_success: bool | None = None
    after_sequence: Annotated[int, Meta(ge=0, le=_SEQUENCE_MAX)] | None = None


async def shown(call: Call, records: Sequence[EventRecord]) -> list[EventObject]:
    """Events as the log shows them, with the number of endpoints that have not accepted them yet."""
    waiting = await webhooks.pending_of_events(call.conn, [record.id for record in records]) if records else {}
    return [event_object(record, record.type.value, pending_webhooks=waiting.get(record.id, 0)) for record in records]


@reads("/v1/events/{id:str}", kind=_KIND, params=Retrieve, answer=EventObject)
async def retrieve(call: Call, _: Retrieve) -> EventObject:
    """Retrieve an event."""
    found = await events.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return (await shown(call, [found]))[0]


@reads("/v1/events", kind=_KIND, params=ListEvents, answer=EventObject, is_list=True)
async def listed(call: Call, query: ListEvents) -> Page[EventObject]:
    """List events."""
    if query.type is not None and query.types is not None:
        raise InvalidRequest("Give type or types, not both.", code="parameter_conflict", param="types")
    types = [query.type] if query.type is not None else query.types
    if query.after_sequence is not None:
        return await _following(call, query, query.after_sequence, types)
    page = await events.page(
        call.conn, query.page(call), types=types, object_id=query.object_id, delivered=query.delivery_success
    )
    entries = await shown(call, page.items)
    return Page(entries, page.has_more, number=page.number, per_page=page.per_page)


async def _following(
    call: Call, query: ListEvents, after_sequence: int, types: Sequence[str] | None
) -> Page[EventObject]:
    others = {name: name for name in ("starting_after", "ending_before", "created", "object_id", "delivery_success")}
    for field, name in (others | {"page_number": "page", "per_page": "per_page"}).items():
        if getattr(query, field) is not None:
            raise InvalidRequest(
                f"after_sequence goes with limit, type and types only, not with {name}.",
                code="parameter_conflict",
                param=name,
            )
    found = await events.after_sequence(call.conn, call.scope, after_sequence, limit=query.limit + 1, types=types)
    return Page(await shown(call, found[: query.limit]), has_more=len(found) > query.limit)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (retrieve, listed)
