"""Mails on their way. A claim is a lease, as with deliveries of events: see `gateway.db.webhooks`."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from gateway.db import bulk, keys, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.mail import Mail

_T: Final = schema.mail_queue
_FIXED: Final = frozenset(
    {"account_id", "livemode", "kind", "dedupe_key", "created_at", "object_id", "event_id", "customer_id"}
)


async def add(conn: Connection, mails: Sequence[Mail]) -> None:
    """Insert mails; one about what was written of already stays as it is."""
    await bulk.insert(conn, _T, [_row(mail) for mail in mails], ignore_known=True)


async def save(conn: Connection, mails: Sequence[Mail]) -> None:
    """Write what came of mails."""
    written = [{name: value for name, value in _row(mail).items() if name not in _FIXED} for mail in mails]
    await bulk.update(conn, _T, written)


async def claim_due(conn: Connection, *, now: datetime, limit: int, lease_until: datetime) -> list[Mail]:
    """For workers: take the mails that waited longest; nobody else gets them before `lease_until`."""
    due = (
        select(_T.c.id)
        .where(_T.c.next_attempt_at <= now)
        .order_by(_T.c.next_attempt_at, _T.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("due")
    )
    statement = update(_T).where(_T.c.id == due.c.id).values(next_attempt_at=lease_until).returning(_T)
    return sorted((_mail(row) for row in await conn.execute(statement)), key=lambda mail: mail.id)


async def page(conn: Connection, request: PageRequest) -> Page[Mail]:
    """List mails, newest first."""
    return await pages.read(conn, _T, request, _mail, kind="mail")


async def load(conn: Connection, ids: Iterable[str]) -> dict[str, Mail]:
    """For workers: mails of any tenant, by id."""
    return {row.id: _mail(row) for row in await conn.execute(select(_T).where(keys.any_of(_T.c.id, ids)))}


def _row(mail: Mail) -> bulk.Row:
    return {
        "id": mail.id,
        **rows.tenant(mail.scope),
        "kind": mail.kind,
        "dedupe_key": mail.dedupe_key,
        "created_at": mail.created_at,
        "object_id": mail.object_id,
        "event_id": mail.event_id,
        "customer_id": mail.customer_id,
        "status": mail.status,
        "attempts": mail.attempts,
        "next_attempt_at": mail.next_attempt_at,
        "recipient": mail.recipient,
        "last_error": mail.last_error,
        "sent_at": mail.sent_at,
    }


def _mail(row: Any) -> Mail:
    return Mail(
        id=row.id,
        scope=rows.scope(row),
        kind=row.kind,
        dedupe_key=row.dedupe_key,
        created_at=row.created_at,
        object_id=row.object_id,
        event_id=row.event_id,
        customer_id=row.customer_id,
        status=row.status,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        recipient=row.recipient,
        last_error=row.last_error,
        sent_at=row.sent_at,
    )
