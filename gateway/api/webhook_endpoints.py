"""`/v1/webhook_endpoints`: where a merchant hears of events. A secret is shown when it is made, and never again."""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from gateway.api.deleted import DeletedObject
from gateway.api.endpoint import DELETE, UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Metadata, Text, given, known, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import webhooks
from gateway.db.pages import Page
from gateway.domain.errors import NotFound
from gateway.domain.events import EventProfile
from gateway.domain.webhook import ROTATION_OVERLAP, ROTATION_OVERLAP_MAX, WebhookEndpoint
from gateway.services import webhook_endpoints as services
from gateway.services.webhook_endpoints import EVENTS_MAX, EndpointFields
from gateway.wire.webhook import WebhookEndpointObject, webhook_endpoint_with_secret

_KIND: Final = "webhook_endpoint"

_OVERLAP_MAX: Final = int(ROTATION_OVERLAP_MAX.total_seconds())

Version = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[a-z]{1,30})?$")]
Url = Annotated[str, Meta(min_length=1, max_length=2_048)]
Events = Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=EVENTS_MAX)]


class CreateWebhookEndpoint(Params, frozen=True, kw_only=True):
    """A new endpoint; `*` among its events stands for all of them."""

    url: Url
    enabled_events: Events
    event_profile: Literal["default", "stripe"] = "default"
    api_version: Version | None = None
    description: Text | None = None
    metadata: Metadata = None


class UpdateWebhookEndpoint(Params, frozen=True, kw_only=True):
    """What to change."""

    url: Url | UnsetType = UNSET
    enabled_events: Events | UnsetType = UNSET
    event_profile: Literal["default", "stripe"] | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class RotateSecret(Params, frozen=True, kw_only=True):
    """How long the old secret signs as well: a day if nothing is said, 0 if it has become known to others."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=_OVERLAP_MAX)] | None = None


@writes("/v1/webhook_endpoints", kind=_KIND, params=CreateWebhookEndpoint, answer=WebhookEndpointObject)
async def create(call: Call, body: CreateWebhookEndpoint) -> WebhookEndpointObject:
    """Create a webhook endpoint; the answer shows its secret this once."""
    fields = EndpointFields(
        given=frozenset(),
        url=body.url,
        enabled_events=body.enabled_events,
        profile=EventProfile(body.event_profile),
        description=body.description,
        metadata=metadata(body.metadata),
        api_version=body.api_version,
    )
    made = await services.create(
        call.conn,
        scope=call.scope,
        fields=fields,
        allow_private=call.api.allow_private_webhooks,
        now=call.now,
        actor=call.actor,
    )
    return webhook_endpoint_with_secret(made)


@reads("/v1/webhook_endpoints/{id:str}", kind=_KIND, params=Retrieve, answer=WebhookEndpointObject)
async def retrieve(call: Call, _: Retrieve) -> WebhookEndpoint:
    """Retrieve a webhook endpoint."""
    found = await webhooks.get_endpoint(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@writes(
    "/v1/webhook_endpoints/{id:str}",
    kind=_KIND,
    params=UpdateWebhookEndpoint,
    answer=WebhookEndpointObject,
    methods=UPDATE,
)
async def update(call: Call, body: UpdateWebhookEndpoint) -> WebhookEndpoint:
    """Update a webhook endpoint."""
    values = known(body, "url", "enabled_events", "description", "metadata", "disabled")
    names = given(body, without=frozenset({"expand", "event_profile"}))
    if not isinstance(body.event_profile, UnsetType):
        values["profile"] = EventProfile(body.event_profile)
        names |= {"profile"}
    return await services.update(
        call.conn,
        scope=call.scope,
        endpoint_id=call.id,
        fields=EndpointFields(given=names, **values),
        allow_private=call.api.allow_private_webhooks,
    )


@writes("/v1/webhook_endpoints/{id:str}", kind=_KIND, params=Retrieve, answer=DeletedObject, methods=DELETE)
async def delete(call: Call, _: Retrieve) -> DeletedObject:
    """Delete a webhook endpoint."""
    gone = await services.delete(call.conn, scope=call.scope, endpoint_id=call.id, now=call.now, actor=call.actor)
    return DeletedObject(id=gone.id, object=_KIND)


@writes("/v1/webhook_endpoints/{id:str}/rotate_secret", kind=_KIND, params=RotateSecret, answer=WebhookEndpointObject)
async def rotate_secret(call: Call, body: RotateSecret) -> WebhookEndpointObject:
    """Give a webhook endpoint a new secret; the old one signs as well for a while."""
    overlap = ROTATION_OVERLAP if body.overlap_seconds is None else timedelta(seconds=body.overlap_seconds)
    changed = await services.change_secret(
        call.conn, scope=call.scope, endpoint_id=call.id, now=call.now, overlap=overlap, actor=call.actor
    )
    return webhook_endpoint_with_secret(changed)


@reads("/v1/webhook_endpoints", kind=_KIND, params=ListParams, answer=WebhookEndpointObject, is_list=True)
async def listed(call: Call, query: ListParams) -> Page[WebhookEndpoint]:
    """List webhook endpoints."""
    return await webhooks.page_endpoints(call.conn, query.page(call))


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, delete, rotate_secret, listed)
