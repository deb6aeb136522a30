"""Delivering events: claim what is due, POST it, write down what came back. At least once, never in a transaction.

A dead or slow endpoint costs its own deliveries time and nobody else's: endpoints are served side by side, each with a
bounded number of requests, and the first one that gets no answer at all holds back the rest of its endpoint until
its own next try. A step does not wait for those that are slow: they finish beside the next steps, which leave their
endpoints alone until then.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.db import events, webhooks
from gateway.db.events import EventRecord
from gateway.db.webhooks import DeliveryAttempt
from gateway.domain import signatures
from gateway.domain import webhook as rules
from gateway.domain.events import public_type
from gateway.domain.period import to_unix
from gateway.domain.settings import MailKind
from gateway.domain.webhook import Delivery, DeliveryStatus, EndpointStatus, WebhookEndpoint
from gateway.failpoints import Failpoint, failpoint
from gateway.services import mail_queue
from gateway.services.gateway import Gateway
from gateway.services.ports import HttpAnswer, HttpFailed, HttpPort
from gateway.services.recording import Origin, record
from gateway.wire import webhook as wire

PER_ENDPOINT_MAX: Final = 8  # requests at once to one endpoint: enough for 100 events/s, few enough for a small server
PER_ENDPOINT_BATCH: Final = 32  # deliveries of one endpoint in one step: at worst four rounds of ten seconds
LEASE: Final = timedelta(seconds=60)
"""How long a claim lasts when its worker dies; longer than a step takes, even when every answer takes ten seconds."""

PATIENCE_SECONDS: Final = 0.5  # how long a step waits for its slowest endpoint before it goes on without it
STRAGGLERS_MAX: Final = 24  # at once in a process: with 8 requests each they leave it a quarter of its sockets

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A delivery with what it carries and where it goes."""

    delivery: Delivery
    endpoint: WebhookEndpoint
    record: EventRecord


@dataclass(frozen=True, slots=True)
class _Result:
    """A delivery after a try, the try's log line, and whether the endpoint did not answer at all."""

    delivery: Delivery
    attempt: DeliveryAttempt | None = None
    is_silent: bool = False


class Stragglers:
    """The slow endpoints that a process is still serving; nothing more is claimed for them meanwhile."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def endpoint_ids(self) -> frozenset[str]:
        """Who they are."""
        return frozenset(self._tasks)

    async def has_room(self) -> None:
        """Return when one more can be taken."""
        while len(self._tasks) >= STRAGGLERS_MAX:
            await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)

    async def all_done(self) -> None:
        """Return when none is left."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def take(self, endpoint_id: str, finish: Coroutine[Any, Any, None]) -> None:
        """Let `finish` run beside everything else; if it fails, the claims of its endpoint run out by themselves."""
        task = asyncio.create_task(finish, name=f"slow endpoint {endpoint_id}")
        self._tasks[endpoint_id] = task

        def forget(done: asyncio.Task[None]) -> None:
            del self._tasks[endpoint_id]
            if not done.cancelled() and (error := done.exception()) is not None:
                _log.warning("deliveries to a slow endpoint will be tried again: %s", type(error).__name__)

        task.add_done_callback(forget)


async def deliver_due(
    gateway: Gateway, http: HttpPort, *, now: datetime, limit: int = 100, stragglers: Stragglers | None = None
) -> int:
    """Try one batch of due deliveries once; returns how many were claimed, of which a long queue's end goes back.

    Claims hold for `LEASE`: a worker that dies between request and commit makes an endpoint hear of an event again,
    never miss it. Without `stragglers` it waits for every endpoint.
    """
    if stragglers is not None:
        await stragglers.has_room()
    slow = frozenset() if stragglers is None else stragglers.endpoint_ids
    async with gateway.books.write() as conn:
        claimed = await webhooks.claim_due(conn, now=now, limit=limit, lease_until=now + LEASE, without=slow)
        endpoints = await webhooks.load(conn, sorted({delivery.endpoint_id for delivery in claimed})) if claimed else {}
        records = await events.load(conn, sorted({delivery.event_id for delivery in claimed})) if claimed else {}
    if not claimed:
        return 0
    failpoint(Failpoint.DELIVERY_CLAIMED)
    queues = _by_endpoint(claimed, endpoints, records)
    served = {
        endpoint_id: asyncio.create_task(_serve(http, queue, now), name=f"endpoint {endpoint_id}")
        for endpoint_id, queue in queues.items()
    }
    try:
        await asyncio.wait(served.values(), timeout=None if stragglers is None else PATIENCE_SECONDS)
    except asyncio.CancelledError:
        for task in served.values():
            task.cancel()
        raise
    if stragglers is not None:
        for endpoint_id in [each for each, task in served.items() if not task.done()]:
            stragglers.take(endpoint_id, _finish(gateway, served.pop(endpoint_id), now))
    failpoint(Failpoint.DELIVERY_SENT)
    await _write_down(gateway, [result for task in served.values() for result in task.result()], now)
    failpoint(Failpoint.DELIVERY_COMMITTED)
    return len(claimed)


async def _finish(gateway: Gateway, serving: asyncio.Task[list[_Result]], now: datetime) -> None:
    await _write_down(gateway, await serving, now)


def _by_endpoint(
    claimed: Sequence[Delivery], endpoints: Mapping[str, WebhookEndpoint], records: Mapping[str, EventRecord]
) -> Mapping[str, list[_Parcel]]:
    queues: defaultdict[str, list[_Parcel]] = defaultdict(list)
    for delivery in sorted(claimed, key=lambda each: records[each.event_id].sequence):
        parcel = _Parcel(delivery, endpoints[delivery.endpoint_id], records[delivery.event_id])
        queues[delivery.endpoint_id].append(parcel)
    return queues


async def _serve(http: HttpPort, queue: Sequence[_Parcel], now: datetime) -> list[_Result]:
    """Try the parcels of one endpoint, oldest event first; after a silence the rest waits for that one's next try."""
    results = [_Result(rules.hold(parcel.delivery, now)) for parcel in queue[PER_ENDPOINT_BATCH:]]
    remaining = iter(queue[:PER_ENDPOINT_BATCH])
    held_until: datetime | None = None

    async def serve_some() -> None:
        nonlocal held_until
        for parcel in remaining:
            if held_until is not None:
                results.append(_Result(rules.hold(parcel.delivery, held_until)))
                continue
            result = await _try(http, parcel, now)
            results.append(result)
            if result.is_silent:
                held_until = result.delivery.next_attempt_at or now + rules.TAIL_DELAY_MAX

    await asyncio.gather(*(serve_some() for _ in range(min(PER_ENDPOINT_MAX, len(queue)))))
    return results


async def _try(http: HttpPort, parcel: _Parcel, now: datetime) -> _Result:
    delivery, endpoint, event = parcel.delivery, parcel.endpoint, parcel.record
    if endpoint.status is EndpointStatus.DISABLED:
        return _Result(rules.abandon(delivery, "the endpoint is disabled"))
    name = public_type(event.type, endpoint.profile) or event.type
    body = wire.event(event, name, pending_webhooks=1, api_version=endpoint.api_version)
    headers = signatures.headers(message_id=event.id, timestamp=to_unix(now), body=body, secrets=endpoint.secrets(now))
    try:
        answer = await http.post(
            endpoint.url, body=body, headers={**headers, "Content-Type": "application/json; charset=utf-8"}
        )
    except HttpFailed as error:
        after = rules.failed(delivery, None, str(error), now)
        return _Result(after, _line(delivery, now, error=str(error), latency_ms=error.latency_ms), is_silent=True)
    if answer.is_success:
        return _Result(rules.delivered(delivery, answer.status, now), _answered(delivery, answer, now))
    after = rules.failed(delivery, answer.status, f"HTTP {answer.status}", now)
    return _Result(after, _answered(delivery, answer, now))


def _answered(delivery: Delivery, answer: HttpAnswer, now: datetime) -> DeliveryAttempt:
    return _line(delivery, now, status_code=answer.status, latency_ms=answer.latency_ms, answer=answer.body)


def _line(
    delivery: Delivery,
    now: datetime,
    *,
    latency_ms: int,
    status_code: int | None = None,
    error: str | None = None,
    answer: bytes = b"",
) -> DeliveryAttempt:
    return DeliveryAttempt(
        delivery_id=delivery.id,
        at=now,
        status_code=status_code,
        latency_ms=latency_ms,
        error=error,
        answer=answer,
    )


async def _write_down(gateway: Gateway, results: Sequence[_Result], now: datetime) -> None:
    silent = {
        result.delivery.endpoint_id: result.delivery.next_attempt_at
        for result in results
        if result.is_silent and result.delivery.next_attempt_at is not None
    }
    given_up = sorted(
        {result.delivery.endpoint_id for result in results if result.delivery.status is DeliveryStatus.FAILED}
    )
    async with gateway.books.write() as conn:
        await webhooks.save_deliveries(conn, [result.delivery for result in results])
        await webhooks.add_attempts(conn, [result.attempt for result in results if result.attempt is not None])
        for endpoint_id, until in silent.items():
            await webhooks.hold_endpoint(conn, endpoint_id, until=until)
        disabled = await webhooks.disable_endpoints(conn, given_up) if given_up else []
        for endpoint in disabled:
            await mail_queue.tell_merchant(
                conn,
                gateway,
                endpoint.scope,
                MailKind.ENDPOINT_DISABLED,
                about=endpoint.id,
                occasion=f"{endpoint.id}:{now.isoformat()}",
                now=now,
            )
            _log.error("endpoint disabled after 72 hours without success", extra={"endpoint": endpoint.id})
        await record(conn, gateway, [rules.given_up(endpoint, now) for endpoint in disabled], origin=Origin(now))
        failpoint(Failpoint.DELIVERY_WRITTEN)
