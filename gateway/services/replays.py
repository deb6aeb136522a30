"""Sending past events again: to an endpoint that was away or wrong, by id, by range of sequence, or all it has missed.

Bounded: one call looks at `REPLAY_MAX` events at most, and says where the next one goes on. In sets: the number of
statements does not depend on the number of events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.db import events, webhooks
from gateway.db.engine import Connection
from gateway.db.events import EventRecord
from gateway.domain import webhook as rules
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.webhook import Delivery, DeliveryStatus, WebhookEndpoint
from gateway.services.webhooks import LEASE

REPLAY_MAX: Final = 1_000  # events of one call: a transaction of a second at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What one call came to. `last_sequence` is where the next one goes on, if `has_more`."""

    endpoint_id: str
    queued: int
    last_sequence: int | None
    has_more: bool


async def of_range(
    conn: Connection,
    *,
    scope: Scope,
    endpoint_id: str,
    after_sequence: int,
    up_to_sequence: int | None,
    delivered: bool,
    now: datetime,
) -> Replayed:
    """Send an endpoint the events of a range that it has not accepted, and with `delivered` also those that it has.

    Repeating a call sends nothing twice that still waits for its turn.

    Raises:
        InvalidRequest: the endpoint is disabled.
        NotFound: there is no such endpoint.
    """
    endpoint = await _open(conn, scope, endpoint_id)
    found = await events.after_sequence(conn, scope, after_sequence, limit=REPLAY_MAX + 1, up_to=up_to_sequence)
    records = found[:REPLAY_MAX]
    return Replayed(
        endpoint_id=endpoint.id,
        queued=await _queue(conn, [endpoint], records, delivered=delivered, now=now),
        last_sequence=records[-1].sequence if records else None,
        has_more=len(found) > REPLAY_MAX,
    )


async def of_events(
    conn: Connection, *, scope: Scope, endpoint_id: str, event_ids: Sequence[str], now: datetime
) -> Replayed:
    """Send an endpoint these events, also if it has accepted them before.

    Raises:
        InvalidRequest: the endpoint is disabled.
        NotFound: there is no such endpoint, or no such event.
    """
    endpoint = await _open(conn, scope, endpoint_id)
    found = await events.get_many(conn, scope, sorted(set(event_ids)))
    missing = next((each for each in event_ids if each not in found), None)
    if missing is not None:
        raise NotFound("event", missing, param=f"events[{list(event_ids).index(missing)}]")
    records = sorted(found.values(), key=lambda record: record.sequence)
    queued = await _queue(conn, [endpoint], records, delivered=True, now=now)
    return Replayed(endpoint_id=endpoint.id, queued=queued, last_sequence=records[-1].sequence, has_more=False)


async def retry(
    conn: Connection, *, scope: Scope, event_id: str, endpoint_id: str | None, now: datetime
) -> EventRecord:
    """Send one event again, to one endpoint or to all that hear of it.

    Raises:
        InvalidRequest: the endpoint is disabled, or does not hear of such events.
        NotFound: there is no such endpoint, or no such event.
    """
    record = await events.get(conn, scope, event_id)
    if record is None:
        raise NotFound("event", event_id)
    if endpoint_id is None:
        endpoints = (await webhooks.enabled_of(conn, [scope])).get(scope, [])
    else:
        endpoint = await _open(conn, scope, endpoint_id, param="webhook_endpoint")
        if endpoint.hears(record.type) is None:
            raise InvalidRequest(
                f"This webhook endpoint does not listen to {record.type}.",
                code="event_not_enabled",
                param="webhook_endpoint",
            )
        endpoints = [endpoint]
    await _queue(conn, endpoints, [record], delivered=True, now=now)
    return record


async def _open(conn: Connection, scope: Scope, endpoint_id: str, param: str | None = None) -> WebhookEndpoint:
    endpoint = await webhooks.get_endpoint(conn, scope, endpoint_id)
    if endpoint is None:
        raise NotFound("webhook_endpoint", endpoint_id, param=param)
    rules.check_replay(endpoint)
    return endpoint


async def _queue(
    conn: Connection,
    endpoints: Sequence[WebhookEndpoint],
    records: Sequence[EventRecord],
    *,
    delivered: bool,
    now: datetime,
) -> int:
    """Queue what the endpoints hear of; returns how many deliveries begin (again)."""
    wanted = [(record, endpoint) for record in records for endpoint in endpoints if endpoint.hears(record.type)]
    if not wanted:
        return 0
    known = await webhooks.sent_to(
        conn, sorted({endpoint.id for _, endpoint in wanted}), sorted({record.id for record, _ in wanted})
    )
    by_key = {(delivery.event_id, delivery.endpoint_id): delivery for delivery in known}
    new = [
        Delivery(
            id=new_id("whd", now), event_id=record.id, endpoint_id=endpoint.id, created_at=now, next_attempt_at=now
        )
        for record, endpoint in wanted
        if (record.id, endpoint.id) not in by_key
    ]
    again = [
        after
        for record, endpoint in wanted
        if (before := by_key.get((record.id, endpoint.id))) is not None
        and (delivered or before.status is not DeliveryStatus.DELIVERED)
        and (after := rules.replayed(before, now, busy_until=now + LEASE)) != before
    ]
    if new:
        await webhooks.add_deliveries(conn, new)
    if again:
        await webhooks.save_restarted(conn, again)
    return len(new) + len(again)
