"""`/v1/events`: the log of what happened, newest first.

It shows every event that was written, under the name it was written with, so that `sequence` has no gaps here. Which
of them an endpoint hears of, and under which name, is its `event_profile`'s matter.
"""

from typing import Annotated, Any, Final

from msgspec import Meta

from gateway.api.endpoint import Call, Endpoint, Retrieve, reads
from gateway.api.fields import Id
from gateway.api.pagination import ListParams
from gateway.db import events
from gateway.db.events import EventRecord
from gateway.db.pages import Page
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.wire.webhook import EventObject, event_object

_KIND: Final = "event"

TypeName = Annotated[str, Meta(min_length=1, max_length=100)]


class ListEvents(ListParams, frozen=True, kw_only=True):
    """Which events: of one type or several (`invoice.*` stands for all of them), or about one object."""

    type: TypeName | None = None
    types: Annotated[list[TypeName], Meta(min_length=1, max_length=20)] | None = None
    object_id: Id | None = None


def _shown(record: EventRecord) -> EventObject:
    return event_object(record, record.type.value)


@reads("/v1/events/{id:str}", kind=_KIND, params=Retrieve, answer=EventObject)
async def retrieve(call: Call, _: Retrieve) -> EventObject:
    """Retrieve an event."""
    found = await events.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return _shown(found)


@reads("/v1/events", kind=_KIND, params=ListEvents, answer=EventObject, is_list=True)
async def listed(call: Call, query: ListEvents) -> Page[EventObject]:
    """List events."""
    if query.type is not None and query.types is not None:
        raise InvalidRequest("Give type or types, not both.", code="parameter_conflict", param="types")
    types = [query.type] if query.type is not None else query.types
    page = await events.page(call.conn, query.page(call), types=types, object_id=query.object_id)
    return Page([_shown(record) for record in page.items], has_more=page.has_more)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (retrieve, listed)
