"""Who is told what, and how often it is tried (SX-04, C13)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventProfile, EventType, public_type
from gateway.domain.transition import Event, Moved

QUICK_RETRIES: Final = 5
QUICK_RETRY_DELAY: Final = timedelta(seconds=1)
TAIL_FIRST_DELAY: Final = timedelta(seconds=30)
TAIL_DELAY_MAX: Final = timedelta(hours=8)
GIVE_UP_AFTER: Final = timedelta(hours=72)
ROTATION_OVERLAP: Final = timedelta(hours=24)
ROTATION_OVERLAP_MAX: Final = timedelta(days=7)
ALL_EVENTS: Final = "*"


class EndpointStatus(StrEnum):
    """A disabled endpoint keeps its past deliveries; new events are not delivered to it."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class DeliveryStatus(StrEnum):
    """`failed` means that it was tried for 72 hours."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """Where events go. While rotating, `previous_secret` signs as well until it expires.

    `api_version` is what its events say they are of; None stands for the version of this gateway. One shape serves all
    versions: it has the older and the newer places of what was moved.
    """

    id: str
    scope: Scope
    created_at: datetime
    url: str
    enabled_events: tuple[str, ...]
    secret: str
    status: EndpointStatus = EndpointStatus.ENABLED
    profile: EventProfile = EventProfile.DEFAULT
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    previous_secret: str | None = None
    previous_secret_expires_at: datetime | None = None
    api_version: str | None = None

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """Secrets that sign at `now`, newest first."""
        if self.previous_secret and self.previous_secret_expires_at and self.previous_secret_expires_at > now:
            return self.secret, self.previous_secret
        return (self.secret,)

    def hears(self, written: EventType) -> str | None:
        """Public name under which this endpoint gets an event; None when it does not get it."""
        if self.status is EndpointStatus.DISABLED:
            return None
        name = public_type(written, self.profile)
        if name is None or not (ALL_EVENTS in self.enabled_events or name in self.enabled_events):
            return None
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint; `attempts` were made so far."""

    id: str
    event_id: str
    endpoint_id: str
    created_at: datetime
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_status_code: int | None = None
    last_error: str | None = None
    delivered_at: datetime | None = None


def rotate_secret(
    endpoint: WebhookEndpoint, secret: str, now: datetime, overlap: timedelta = ROTATION_OVERLAP
) -> WebhookEndpoint:
    """Sign with `secret` from now on, and with the old one too until the overlap ends; none leaves it at once."""
    has_overlap = overlap > timedelta()
    return replace(
        endpoint,
        secret=secret,
        previous_secret=endpoint.secret if has_overlap else None,
        previous_secret_expires_at=now + overlap if has_overlap else None,
    )


def given_up(endpoint: WebhookEndpoint, now: datetime) -> Moved[WebhookEndpoint]:
    """Announce that an endpoint was disabled, because nothing was accepted there for 72 hours (C13)."""
    return Moved(
        value=replace(endpoint, status=EndpointStatus.DISABLED),
        events=(Event(type=EventType.WEBHOOK_ENDPOINT_DISABLED, object_id=endpoint.id, at=now),),
    )


def check_replay(endpoint: WebhookEndpoint) -> None:
    """Refuse to send past events to an endpoint that hears nothing.

    Raises:
        InvalidRequest: it is disabled.
    """
    if endpoint.status is EndpointStatus.DISABLED:
        raise InvalidRequest(
            "This webhook endpoint is disabled; enable it first (disabled=false), then replay.",
            code="webhook_endpoint_disabled",
        )


def retry_delay(attempts: int) -> timedelta:
    """Time to the next try after `attempts` failed ones: five quick ones, then doubling up to `TAIL_DELAY_MAX`."""
    if attempts <= QUICK_RETRIES:
        return QUICK_RETRY_DELAY
    doublings = min(attempts - QUICK_RETRIES - 1, 16)
    return min(TAIL_FIRST_DELAY * (1 << doublings), TAIL_DELAY_MAX)


def hold(delivery: Delivery, until: datetime) -> Delivery:
    """Wait with a pending delivery that was not tried, because its endpoint did not answer another one."""
    if delivery.status is not DeliveryStatus.PENDING:
        raise ValueError(f"delivery {delivery.id} is {delivery.status} and waits for nothing")
    return replace(delivery, next_attempt_at=until)


def replayed(delivery: Delivery, now: datetime, *, busy_until: datetime) -> Delivery:
    """Begin again with a delivery, whatever came of it, with all its tries and 72 hours before it.

    One that is about to be tried (before `busy_until`) is left alone: a worker may be sending it at this moment.
    """
    if delivery.next_attempt_at is not None and delivery.next_attempt_at <= busy_until:
        return delivery
    return replace(
        delivery,
        status=DeliveryStatus.PENDING,
        attempts=0,
        created_at=now,
        next_attempt_at=now,
        delivered_at=None,
    )


def abandon(delivery: Delivery, error: str) -> Delivery:
    """Try it no more: its endpoint is not there to receive it."""
    return replace(delivery, status=DeliveryStatus.FAILED, next_attempt_at=None, last_error=error)


def delivered(delivery: Delivery, status_code: int, now: datetime) -> Delivery:
    """The endpoint answered with a 2xx."""
    return replace(
        delivery,
        status=DeliveryStatus.DELIVERED,
        attempts=delivery.attempts + 1,
        next_attempt_at=None,
        last_status_code=status_code,
        last_error=None,
        delivered_at=now,
    )


def failed(delivery: Delivery, status_code: int | None, error: str, now: datetime) -> Delivery:
    """It did not: try again later, or give up 72 hours after the event."""
    attempts = delivery.attempts + 1
    next_at = now + retry_delay(attempts)
    exhausted = next_at - delivery.created_at > GIVE_UP_AFTER
    return replace(
        delivery,
        status=DeliveryStatus.FAILED if exhausted else DeliveryStatus.PENDING,
        attempts=attempts,
        next_attempt_at=None if exhausted else next_at,
        last_status_code=status_code,
        last_error=error,
    )
