"""How deliveries and replays look: what was tried, when, and what came back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from gateway.domain.period import to_unix
from gateway.domain.webhook import Delivery
from gateway.wire.common import unix


class Attempt(Protocol):
    """What a line of the log needs to know of a try."""

    @property
    def at(self) -> datetime: ...  # noqa: D102
    @property
    def status_code(self) -> int | None: ...  # noqa: D102
    @property
    def latency_ms(self) -> int: ...  # noqa: D102
    @property
    def error(self) -> str | None: ...  # noqa: D102
    @property
    def answer(self) -> bytes: ...  # noqa: D102


class AttemptObject(Struct, frozen=True, kw_only=True):
    """One try. `answer` holds the first bytes of what came back; without an answer, `error` says why."""

    created: int
    status_code: int | None
    latency_ms: int
    error: str | None
    answer: str


class DeliveryObject(Struct, frozen=True, kw_only=True):
    """An event on its way to an endpoint, and every try so far, oldest first."""

    id: str
    object: Literal["webhook_delivery"] = "webhook_delivery"
    attempt_count: int
    attempts: Sequence[AttemptObject]
    created: int
    delivered_at: int | None
    event: str
    last_error: str | None
    last_status_code: int | None
    next_attempt: int | None
    status: str
    webhook_endpoint: str


class ReplayObject(Struct, frozen=True, kw_only=True):
    """What a replay queued. If it has more, go on with `after_sequence` = `last_sequence`."""

    object: Literal["webhook_replay"] = "webhook_replay"
    has_more: bool
    last_sequence: int | None
    queued: int
    webhook_endpoint: str


def delivery(value: Delivery, attempts: Sequence[Attempt]) -> DeliveryObject:
    """Render a delivery with its tries."""
    return DeliveryObject(
        id=value.id,
        attempt_count=value.attempts,
        attempts=[
            AttemptObject(
                created=to_unix(attempt.at),
                status_code=attempt.status_code,
                latency_ms=attempt.latency_ms,
                error=attempt.error,
                answer=attempt.answer.decode("utf-8", "replace"),
            )
            for attempt in attempts
        ],
        created=to_unix(value.created_at),
        delivered_at=unix(value.delivered_at),
        event=value.event_id,
        last_error=value.last_error,
        last_status_code=value.last_status_code,
        next_attempt=unix(value.next_attempt_at),
        status=value.status.value,
        webhook_endpoint=value.endpoint_id,
    )
