"""Where a merchant wants to hear of events: creating, changing and deleting endpoints, and changing their secret."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.db import webhooks
from gateway.db.engine import Connection
from gateway.domain import metadata as merchant_metadata
from gateway.domain.act import ActKind
from gateway.domain.catalog import Scope
from gateway.domain.destination import check_url
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventProfile, EventType, public_type
from gateway.domain.ids import new_id
from gateway.domain.signatures import new_secret
from gateway.domain.webhook import ALL_EVENTS, ROTATION_OVERLAP, EndpointStatus, WebhookEndpoint, rotate_secret
from gateway.services import acts
from gateway.services.acts import Actor

ENDPOINTS_MAX: Final = 16
"""Endpoints of an account in a mode; every event becomes a delivery for each of them."""

EVENTS_MAX: Final = 200
_SECRET_BYTES: Final = 32
_PUBLIC: Final = frozenset(
    name for written in EventType for profile in EventProfile if (name := public_type(written, profile)) is not None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFields:
    """What a request says about an endpoint; a field that is not in `given` stays as it is."""

    given: frozenset[str]
    url: str | None = None
    enabled_events: Sequence[str] = ()
    profile: EventProfile = EventProfile.DEFAULT
    description: str | None = None
    metadata: Mapping[str, str | None] | None = field(default_factory=dict)
    disabled: bool = False
    api_version: str | None = None


def _events(names: Sequence[str]) -> tuple[str, ...]:
    if not 1 <= len(names) <= EVENTS_MAX:
        raise InvalidRequest(
            f"enabled_events takes 1 to {EVENTS_MAX} types, or '*' for all.",
            code="invalid_enabled_events",
            param="enabled_events",
        )
    for index, name in enumerate(names):
        if name != ALL_EVENTS and name not in _PUBLIC:
            raise InvalidRequest(
                f"Unknown event type: {name}", code="unknown_event_type", param=f"enabled_events[{index}]"
            )
    return tuple(dict.fromkeys(names))


async def create(
    conn: Connection, *, scope: Scope, fields: EndpointFields, allow_private: bool, now: datetime, actor: Actor
) -> WebhookEndpoint:
    """Make an endpoint with a new secret, which is shown this once.

    Raises:
        InvalidRequest: a URL that nobody outside could own, an unknown type of event, too many endpoints.
    """
    url = fields.url or ""
    check_url(url, allow_private=allow_private, livemode=scope.livemode)
    if await webhooks.count_endpoints(conn, scope) >= ENDPOINTS_MAX:
        raise InvalidRequest(
            f"An account has at most {ENDPOINTS_MAX} webhook endpoints in each mode.", code="too_many_endpoints"
        )
    endpoint = WebhookEndpoint(
        id=new_id("we", now),
        scope=scope,
        created_at=now,
        url=url,
        enabled_events=_events(fields.enabled_events),
        secret=new_secret(secrets.token_bytes(_SECRET_BYTES)),
        profile=fields.profile,
        description=fields.description,
        metadata=merchant_metadata.merge({}, fields.metadata),
        api_version=fields.api_version,
    )
    await webhooks.add_endpoint(conn, endpoint)
    # The rest of the address may hold what only the merchant knows.
    details = {"host": urlsplit(url).hostname, "events": list(endpoint.enabled_events)}
    await _note(conn, ActKind.ENDPOINT_CREATED, endpoint, actor=actor, now=now, details=details)
    return endpoint


async def _note(
    conn: Connection,
    kind: ActKind,
    endpoint: WebhookEndpoint,
    *,
    actor: Actor,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    await acts.note(
        conn,
        kind,
        endpoint.id,
        actor=actor,
        now=now,
        account_id=endpoint.scope.account_id,
        livemode=endpoint.scope.livemode,
        details=details,
    )


async def _locked(conn: Connection, scope: Scope, endpoint_id: str) -> WebhookEndpoint:
    found = await webhooks.get_endpoint(conn, scope, endpoint_id, lock=True)
    if found is None:
        raise NotFound("webhook_endpoint", endpoint_id)
    return found


async def update(
    conn: Connection, *, scope: Scope, endpoint_id: str, fields: EndpointFields, allow_private: bool
) -> WebhookEndpoint:
    """Change an endpoint. A disabled one gets no new events, and keeps its secret.

    Raises:
        InvalidRequest: as `create`.
        NotFound: there is no such endpoint.
    """
    before = await _locked(conn, scope, endpoint_id)
    changes: dict[str, Any] = {}
    if "url" in fields.given:
        changes["url"] = fields.url or ""
        check_url(changes["url"], allow_private=allow_private, livemode=scope.livemode)
    if "enabled_events" in fields.given:
        changes["enabled_events"] = _events(fields.enabled_events)
    if "profile" in fields.given:
        changes["profile"] = fields.profile
    if "description" in fields.given:
        changes["description"] = fields.description
    if "metadata" in fields.given:
        changes["metadata"] = merchant_metadata.merge(before.metadata, fields.metadata)
    if "disabled" in fields.given:
        changes["status"] = EndpointStatus.DISABLED if fields.disabled else EndpointStatus.ENABLED
    after = replace(before, **changes)
    await webhooks.save_endpoint(conn, after)
    return after


async def delete(conn: Connection, *, scope: Scope, endpoint_id: str, now: datetime, actor: Actor) -> WebhookEndpoint:
    """Delete an endpoint with everything that is still on its way to it.

    Raises:
        NotFound: there is no such endpoint.
    """
    endpoint = await _locked(conn, scope, endpoint_id)
    await webhooks.delete_endpoint(conn, endpoint.id)
    await _note(conn, ActKind.ENDPOINT_DELETED, endpoint, actor=actor, now=now)
    return endpoint


async def change_secret(
    conn: Connection,
    *,
    scope: Scope,
    endpoint_id: str,
    now: datetime,
    actor: Actor,
    overlap: timedelta = ROTATION_OVERLAP,
) -> WebhookEndpoint:
    """Sign with a new secret from now on; the old one signs as well until the overlap ends.

    Raises:
        NotFound: there is no such endpoint.
    """
    before = await _locked(conn, scope, endpoint_id)
    after = rotate_secret(before, new_secret(secrets.token_bytes(_SECRET_BYTES)), now, overlap)
    await webhooks.save_endpoint(conn, after)
    await _note(conn, ActKind.ENDPOINT_SECRET_ROTATED, after, actor=actor, now=now)
    return after
