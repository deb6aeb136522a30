"""Webhook endpoints, test clocks and event envelopes on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Struct

from gateway.domain.catalog import Scope
from gateway.domain.events import PAYMENT_INTENT, EventType
from gateway.domain.period import to_unix
from gateway.domain.test_clock import TestClock
from gateway.domain.webhook import WebhookEndpoint
from gateway.wire import payments
from gateway.wire.common import API_VERSION, Reason, reason, unix
from gateway.wire.related import Related


class WebhookEndpointObject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where events go. `secret` stands in the answers to create and rotate only."""

    id: str
    object: Literal["webhook_endpoint"]
    api_version: str
    created: int
    description: str | None
    enabled_events: Sequence[str]
    event_profile: str
    livemode: bool
    metadata: Mapping[str, str]
    previous_secret_expires_at: int | None
    status: str
    url: str
    secret: str | msgspec.UnsetType = msgspec.UNSET


class Advancing(Struct, frozen=True, kw_only=True):
    """Where a clock is going."""

    target_frozen_time: int


class ClockStatusDetails(Struct, frozen=True, kw_only=True):
    """More about a clock's status."""

    advancing: Advancing | None


class TestClockObject(Struct, frozen=True, kw_only=True):
    """Time that stands still until it is advanced."""

    __test__ = False  # the name is the API's; pytest must not collect it

    id: str
    object: Literal["test_helpers.test_clock"] = "test_helpers.test_clock"
    created: int
    frozen_time: int
    livemode: bool
    name: str | None
    status: str
    status_details: ClockStatusDetails
    status_reason: Reason


class EventRecord(Protocol):
    """What an envelope needs to know of a recorded event."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def scope(self) -> Scope: ...  # noqa: D102
    @property
    def type(self) -> EventType: ...  # noqa: D102
    @property
    def at(self) -> datetime: ...  # noqa: D102
    @property
    def snapshot(self) -> bytes: ...  # noqa: D102
    @property
    def previous(self) -> bytes | None: ...  # noqa: D102
    @property
    def request_id(self) -> str | None: ...  # noqa: D102
    @property
    def sequence(self) -> int: ...  # noqa: D102
    @property
    def object_sequence(self) -> int: ...  # noqa: D102


class EventSnapshot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The object as it was, and what its changed fields were before."""

    object: msgspec.Raw
    previous_attributes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class EventRequest(Struct, frozen=True, kw_only=True):
    """The request that caused it, if one did."""

    id: str | None
    idempotency_key: str | None = None


class EventObject(Struct, frozen=True, kw_only=True):
    """What a merchant hears. `sequence` is gap-free in its account and mode, `object_sequence` in its object."""

    id: str
    object: Literal["event"] = "event"
    api_version: str = API_VERSION
    created: int
    data: EventSnapshot
    livemode: bool
    object_sequence: int
    pending_webhooks: int
    request: EventRequest
    sequence: int
    type: str


_encoder: Final = msgspec.json.Encoder(order="deterministic")


def webhook_endpoint(value: WebhookEndpoint, _related: Related) -> WebhookEndpointObject:
    """Render an endpoint without its secret."""
    return WebhookEndpointObject(
        id=value.id,
        object="webhook_endpoint",
        api_version=value.api_version or API_VERSION,
        created=to_unix(value.created_at),
        description=value.description,
        enabled_events=value.enabled_events,
        event_profile=value.profile.value,
        livemode=value.scope.livemode,
        metadata=value.metadata,
        previous_secret_expires_at=unix(value.previous_secret_expires_at),
        status=value.status.value,
        url=value.url,
    )


def webhook_endpoint_with_secret(value: WebhookEndpoint) -> WebhookEndpointObject:
    """Render an endpoint at the only moments at which its secret is shown."""
    return msgspec.structs.replace(webhook_endpoint(value, Related()), secret=value.secret)


def clock(value: TestClock, _related: Related) -> TestClockObject:
    """Render a test clock."""
    target = value.target_at
    return TestClockObject(
        id=value.id,
        created=to_unix(value.created_at),
        frozen_time=to_unix(value.frozen_at),
        livemode=value.scope.livemode,
        name=value.name,
        status=value.status.value,
        status_details=ClockStatusDetails(
            advancing=None if target is None else Advancing(target_frozen_time=to_unix(target))
        ),
        status_reason=reason(value.reason),
    )


def event_object(
    record: EventRecord, public_type: str, *, pending_webhooks: int = 0, api_version: str | None = None
) -> EventObject:
    """Put the envelope around a stored snapshot; the snapshot's bytes go out as they were stored.

    Under a name of the alias the charge intent takes the alias's shape.
    """
    previous = record.previous
    snapshot = record.snapshot
    if public_type.startswith(PAYMENT_INTENT):
        snapshot = payments.as_payment_intent(snapshot)
    return EventObject(
        id=record.id,
        api_version=api_version or API_VERSION,
        created=to_unix(record.at),
        data=EventSnapshot(
            object=msgspec.Raw(snapshot),
            previous_attributes=msgspec.UNSET if previous is None else msgspec.Raw(previous),
        ),
        livemode=record.scope.livemode,
        object_sequence=record.object_sequence,
        pending_webhooks=pending_webhooks,
        request=EventRequest(id=record.request_id),
        sequence=record.sequence,
        type=public_type,
    )


def event(record: EventRecord, public_type: str, *, pending_webhooks: int = 0, api_version: str | None = None) -> bytes:
    """The whole event as it is delivered; `api_version` is what its receiver asked for."""
    return _encoder.encode(
        event_object(record, public_type, pending_webhooks=pending_webhooks, api_version=api_version)
    )
