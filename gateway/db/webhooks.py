"""Webhook endpoints, the deliveries on their way to them, and what each try came to.

A claim is a lease: it moves the next attempt into the future, so that two workers never send the same delivery at once
and a worker's death costs a delay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, select, text, update

from gateway.db import bulk, keys, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.webhook import Delivery, DeliveryStatus, EndpointStatus, WebhookEndpoint

_ENDPOINTS: Final = schema.webhook_endpoints
_DELIVERIES: Final = schema.deliveries
_ATTEMPTS: Final = schema.delivery_attempts

ANSWER_BYTES_MAX: Final = 1_024
"""How much of an endpoint's answer is kept: enough to recognise an error page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One try. `status_code` is None when there was no answer; of `answer` only the first bytes are kept."""

    delivery_id: str
    at: datetime
    latency_ms: int
    status_code: int | None = None
    error: str | None = None
    answer: bytes = b""


async def add_endpoint(conn: Connection, endpoint: WebhookEndpoint) -> None:
    """Insert an endpoint."""
    await bulk.insert(conn, _ENDPOINTS, [_endpoint_row(endpoint) | {"deleted": False}])


async def save_endpoint(conn: Connection, endpoint: WebhookEndpoint) -> None:
    """Write an endpoint as it is now."""
    await bulk.update(conn, _ENDPOINTS, [_endpoint_row(endpoint)])


async def disable_endpoints(conn: Connection, endpoint_ids: Iterable[str]) -> list[WebhookEndpoint]:
    """For workers: send nothing more to these; returns those that were enabled until now.

    Nothing else is written: the merchant may be changing them at this moment.
    """
    statement = (
        update(_ENDPOINTS)
        .where(keys.any_of(_ENDPOINTS.c.id, endpoint_ids), _ENDPOINTS.c.status == EndpointStatus.ENABLED)
        .values(status=EndpointStatus.DISABLED)
        .returning(_ENDPOINTS)
    )
    return sorted((_endpoint(row) for row in await conn.execute(statement)), key=lambda endpoint: endpoint.id)


async def delete_endpoint(conn: Connection, endpoint_id: str) -> None:
    """Forget an endpoint and what is on its way to it; what was delivered stays on record."""
    await conn.execute(
        update(_ENDPOINTS)
        .where(_ENDPOINTS.c.id == endpoint_id)
        .values(deleted=True, status=EndpointStatus.DISABLED, previous_secret=None)
    )
    await conn.execute(
        update(_DELIVERIES)
        .where(_DELIVERIES.c.endpoint_id == endpoint_id, _DELIVERIES.c.next_attempt_at.is_not(None))
        .values(next_attempt_at=None, status=DeliveryStatus.FAILED, last_error="the endpoint was deleted")
    )


async def get_endpoint(
    conn: Connection, scope: Scope, endpoint_id: str, *, lock: bool = False
) -> WebhookEndpoint | None:
    """Return one endpoint of the caller's; None when there is none (any more)."""
    query = rows.by_id(_ENDPOINTS, [endpoint_id], lock=lock)
    row = (await conn.execute(query.where(rows.in_scope(_ENDPOINTS, scope), ~_ENDPOINTS.c.deleted))).one_or_none()
    return None if row is None else _endpoint(row)


async def count_endpoints(conn: Connection, scope: Scope) -> int:
    """How many endpoints the caller has."""
    query = select(func.count()).select_from(_ENDPOINTS)
    return (await conn.execute(query.where(rows.in_scope(_ENDPOINTS, scope), ~_ENDPOINTS.c.deleted))).scalar_one()


async def page_endpoints(conn: Connection, request: PageRequest) -> Page[WebhookEndpoint]:
    """List endpoints."""
    return await pages.read(conn, _ENDPOINTS, request, _endpoint, ~_ENDPOINTS.c.deleted, kind="webhook_endpoint")


async def load(conn: Connection, ids: Iterable[str]) -> dict[str, WebhookEndpoint]:
    """For workers: endpoints of any tenant, by id; deleted ones are disabled."""
    return {row.id: _endpoint(row) for row in await rows.fetch(conn, _ENDPOINTS, ids, lock=False)}


async def enabled_of(conn: Connection, scopes: Iterable[Scope]) -> dict[Scope, list[WebhookEndpoint]]:
    """For workers: the endpoints of each tenant that are told of new events."""
    tenants = list(scopes)
    wanted = keys.as_table(
        conn,
        "wanted",
        account_id=(_ENDPOINTS.c.account_id.type, [scope.account_id for scope in tenants]),
        livemode=(_ENDPOINTS.c.livemode.type, [scope.livemode for scope in tenants]),
    )
    same = and_(_ENDPOINTS.c.account_id == wanted.c.account_id, _ENDPOINTS.c.livemode == wanted.c.livemode)
    query = (
        select(_ENDPOINTS)
        .join_from(_ENDPOINTS, wanted, same)
        .where(_ENDPOINTS.c.status == EndpointStatus.ENABLED, ~_ENDPOINTS.c.deleted)
        .order_by(_ENDPOINTS.c.id)
    )
    found: dict[Scope, list[WebhookEndpoint]] = {}
    for row in await conn.execute(query):
        found.setdefault(rows.scope(row), []).append(_endpoint(row))
    return found


async def add_deliveries(conn: Connection, deliveries: Sequence[Delivery]) -> None:
    """Insert deliveries; one that is there already (same event, same endpoint) stays as it is."""
    await bulk.insert(conn, _DELIVERIES, [_delivery_row(delivery) for delivery in deliveries], ignore_known=True)


async def save_deliveries(conn: Connection, deliveries: Sequence[Delivery]) -> None:
    """Write what came of deliveries."""
    fixed = {"event_id", "endpoint_id", "created_at"}
    written = [
        {name: value for name, value in _delivery_row(delivery).items() if name not in fixed} for delivery in deliveries
    ]
    await bulk.update(conn, _DELIVERIES, written)


async def claim_due(
    conn: Connection, *, now: datetime, limit: int, lease_until: datetime, without: Iterable[str] = ()
) -> list[Delivery]:
    """For workers: take the deliveries that waited longest; nobody else gets them before `lease_until`.

    Those to the endpoints `without` are left.
    """
    left = sorted(without)
    due = (
        select(_DELIVERIES.c.id)
        .where(
            _DELIVERIES.c.next_attempt_at <= now,
            *([~keys.any_of(_DELIVERIES.c.endpoint_id, left)] if left else []),
        )
        .order_by(_DELIVERIES.c.next_attempt_at, _DELIVERIES.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("due")
    )
    statement = (
        update(_DELIVERIES)
        .where(_DELIVERIES.c.id == due.c.id)
        .values(next_attempt_at=lease_until)
        .returning(_DELIVERIES)
    )
    return sorted((_delivery(row) for row in await conn.execute(statement)), key=lambda delivery: delivery.id)


async def hold_endpoint(conn: Connection, endpoint_id: str, *, until: datetime) -> None:
    """For workers: try nothing at this endpoint before `until`; no attempt is counted."""
    await conn.execute(
        update(_DELIVERIES)
        .where(_DELIVERIES.c.endpoint_id == endpoint_id, _DELIVERIES.c.next_attempt_at < until)
        .values(next_attempt_at=until)
    )


async def pending_of_events(conn: Connection, event_ids: Iterable[str]) -> dict[str, int]:
    """For workers, and for callers whose events these are: how many endpoints have not accepted each one, if any."""
    query = (
        select(_DELIVERIES.c.event_id, func.count().label("count"))
        .where(keys.any_of(_DELIVERIES.c.event_id, event_ids), text("deliveries.status = 'pending'"))
        .group_by(_DELIVERIES.c.event_id)
    )
    return {row.event_id: row.count for row in (await conn.execute(query)).mappings()}


async def deliveries_of(
    conn: Connection,
    scope: Scope,
    *,
    event_id: str | None = None,
    endpoint_id: str | None = None,
    status: DeliveryStatus | None = None,
    before: str | None = None,
    limit: int,
) -> list[Delivery]:
    """Return the caller's deliveries of an event or to an endpoint, newest first, those older than `before`."""
    query = select(_DELIVERIES).join_from(_DELIVERIES, _ENDPOINTS, _DELIVERIES.c.endpoint_id == _ENDPOINTS.c.id)
    query = query.where(rows.in_scope(_ENDPOINTS, scope)).order_by(_DELIVERIES.c.id.desc()).limit(limit)
    if event_id is not None:
        query = query.where(_DELIVERIES.c.event_id == event_id)
    if endpoint_id is not None:
        query = query.where(_DELIVERIES.c.endpoint_id == endpoint_id)
    if status is not None:
        query = query.where(_DELIVERIES.c.status == status)
    if before is not None:
        query = query.where(_DELIVERIES.c.id < before)
    return [_delivery(row) for row in await conn.execute(query)]


async def get_delivery(conn: Connection, scope: Scope, delivery_id: str) -> Delivery | None:
    """Return a delivery to an endpoint of the caller's; None when there is none."""
    query = select(_DELIVERIES).join_from(_DELIVERIES, _ENDPOINTS, _DELIVERIES.c.endpoint_id == _ENDPOINTS.c.id)
    row = (await conn.execute(query.where(_DELIVERIES.c.id == delivery_id, rows.in_scope(_ENDPOINTS, scope)))).first()
    return None if row is None else _delivery(row)


async def sent_to(conn: Connection, endpoint_ids: Iterable[str], event_ids: Iterable[str]) -> list[Delivery]:
    """For workers, and for callers whose endpoints these are: what is or was on its way there, locked."""
    query = (
        select(_DELIVERIES)
        .where(keys.any_of(_DELIVERIES.c.event_id, event_ids), keys.any_of(_DELIVERIES.c.endpoint_id, endpoint_ids))
        .order_by(_DELIVERIES.c.id)
        .with_for_update(key_share=True)
    )
    return [_delivery(row) for row in await conn.execute(query)]


async def save_restarted(conn: Connection, deliveries: Sequence[Delivery]) -> None:
    """Write deliveries that begin again."""
    fixed = {"event_id", "endpoint_id"}
    written = [
        {name: value for name, value in _delivery_row(delivery).items() if name not in fixed} for delivery in deliveries
    ]
    await bulk.update(conn, _DELIVERIES, written)


async def add_attempts(conn: Connection, attempts: Sequence[DeliveryAttempt]) -> None:
    """Log tries."""
    await bulk.insert(
        conn,
        _ATTEMPTS,
        [
            {
                "delivery_id": attempt.delivery_id,
                "at": attempt.at,
                "status_code": attempt.status_code,
                "latency_ms": attempt.latency_ms,
                "error": attempt.error,
                "answer": attempt.answer[:ANSWER_BYTES_MAX],
            }
            for attempt in attempts
        ],
    )


async def attempts_of(conn: Connection, delivery_ids: Iterable[str]) -> list[DeliveryAttempt]:
    """For workers, and for callers whose deliveries these are: every try, in the order they were made."""
    query = select(_ATTEMPTS).where(keys.any_of(_ATTEMPTS.c.delivery_id, delivery_ids)).order_by(_ATTEMPTS.c.id)
    return [
        DeliveryAttempt(
            delivery_id=row.delivery_id,
            at=row.at,
            latency_ms=row.latency_ms,
            status_code=row.status_code,
            error=row.error,
            answer=row.answer,
        )
        for row in await conn.execute(query)
    ]


def _endpoint_row(value: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "created_at": value.created_at,
        "url": value.url,
        "enabled_events": value.enabled_events,
        "secret": value.secret,
        "status": value.status,
        "profile": value.profile,
        "description": value.description,
        "metadata": value.metadata,
        "previous_secret": value.previous_secret,
        "previous_secret_expires_at": value.previous_secret_expires_at,
        "api_version": value.api_version,
    }


def _endpoint(row: Any) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=row.id,
        scope=rows.scope(row),
        created_at=row.created_at,
        url=row.url,
        enabled_events=tuple(row.enabled_events),
        secret=row.secret,
        status=row.status,
        profile=row.profile,
        description=row.description,
        metadata=row.metadata,
        previous_secret=row.previous_secret,
        previous_secret_expires_at=row.previous_secret_expires_at,
        api_version=row.api_version,
    )


def _delivery_row(value: Delivery) -> bulk.Row:
    return {
        "id": value.id,
        "event_id": value.event_id,
        "endpoint_id": value.endpoint_id,
        "created_at": value.created_at,
        "status": value.status,
        "attempts": value.attempts,
        "next_attempt_at": value.next_attempt_at,
        "last_status_code": value.last_status_code,
        "last_error": value.last_error,
        "delivered_at": value.delivered_at,
    }


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        event_id=row.event_id,
        endpoint_id=row.endpoint_id,
        created_at=row.created_at,
        status=row.status,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        last_status_code=row.last_status_code,
        last_error=row.last_error,
        delivered_at=row.delivered_at,
    )
