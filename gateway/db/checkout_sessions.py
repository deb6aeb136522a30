"""Checkout sessions: what a page asks a wallet for, and what became of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import select

from gateway.db import bulk, keys, moves, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.rows import Claimed
from gateway.domain.catalog import Scope
from gateway.domain.checkout import KIND, CheckoutSession, Draft, Offer, Status
from gateway.domain.transition import Moved

_T: Final = schema.checkout_sessions
_FIXED: Final = frozenset({
    "account_id", "livemode", "mode", "created_at", "expires_at", "token", "success_url", "cancel_url", "offer",
    "is_email_given", "client_reference_id", "locale", "test_clock_id",
})  # fmt: skip
_WIDE: Final = ("amount", "salt", "deadline")
"""Terms of a mandate that do not fit into JSON's integers."""


async def add_many(conn: Connection, moved: Sequence[Moved[CheckoutSession]]) -> None:
    """Insert checkout sessions."""
    await moves.insert(conn, _T, moved, _row)


async def save_many(conn: Connection, moved: Sequence[Moved[CheckoutSession]]) -> None:
    """Write what may change of checkout sessions."""
    await moves.update(conn, _T, moved, _row, _FIXED)


async def get(conn: Connection, scope: Scope, session_id: str, *, lock: bool = False) -> CheckoutSession | None:
    """Return one checkout session of the caller's; None when there is none."""
    query = rows.by_id(_T, [session_id], lock=lock).where(rows.in_scope(_T, scope))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _session(row)


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, CheckoutSession]:
    """For workers, and for payers, whose token is compared afterwards: sessions of any tenant, by id."""
    return {row.id: _session(row) for row in await rows.fetch(conn, _T, ids, lock=lock)}


async def open_of_subscriptions(
    conn: Connection, subscription_ids: Iterable[str], *, lock: bool = False
) -> list[CheckoutSession]:
    """For workers: open sessions of these subscriptions."""
    query = (
        select(_T)
        .where(keys.any_of(_T.c.subscription_id, subscription_ids), _T.c.subscription_id.is_not(None))
        .order_by(keys.sort_key(_T.c.id))
    )
    found = [_session(row) for row in await conn.execute(rows.locked(query, _T, lock=lock))]
    return [session for session in found if session.status is Status.OPEN]


async def claim_due(conn: Connection, *, now: datetime, limit: int) -> list[Claimed[CheckoutSession]]:
    """For workers: sessions whose time is over, locked; those that another worker has are passed over."""
    found = await rows.claimed(conn, _T, now=now, limit=limit, lock=True)
    return [Claimed(_session(row), clock_now) for row, clock_now in found]


async def page(
    conn: Connection,
    request: PageRequest,
    *,
    customer: str | None = None,
    subscription: str | None = None,
    status: Status | None = None,
) -> Page[CheckoutSession]:
    """List checkout sessions."""
    return await pages.read(
        conn,
        _T,
        request,
        _session,
        None if customer is None else _T.c.customer_id == customer,
        None if subscription is None else _T.c.subscription_id == subscription,
        None if status is None else _T.c.status == status,
        kind=KIND,
    )


def _row(value: CheckoutSession) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "mode": value.mode,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "expires_at": value.expires_at,
        "token": value.token,
        "success_url": value.success_url,
        "cancel_url": value.cancel_url,
        "offer": msgspec.to_builtins(value.offer),
        "customer_id": value.customer_id,
        "email": value.email,
        "is_email_given": value.is_email_given,
        "client_reference_id": value.client_reference_id,
        "locale": value.locale,
        "metadata": value.metadata,
        "answers": value.answers,
        "promotion_code_id": value.promotion_code_id,
        "draft": None if value.draft is None else _written(value.draft),
        "payment_status": value.payment_status,
        "subscription_id": value.subscription_id,
        "setup_intent_id": value.setup_intent_id,
        "invoice_id": value.invoice_id,
        "confirmed_at": value.confirmed_at,
        "completed_at": value.completed_at,
        "test_clock_id": value.test_clock_id,
        "wake_at": value.wake_at,
    }


def _session(row: Any) -> CheckoutSession:
    return CheckoutSession(
        id=row.id,
        scope=rows.scope(row),
        mode=row.mode,
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        expires_at=row.expires_at,
        token=row.token,
        success_url=row.success_url,
        cancel_url=row.cancel_url,
        offer=msgspec.convert(row.offer, Offer),
        customer_id=row.customer_id,
        email=row.email,
        is_email_given=row.is_email_given,
        client_reference_id=row.client_reference_id,
        locale=row.locale,
        metadata=row.metadata,
        answers=row.answers,
        promotion_code_id=row.promotion_code_id,
        draft=None if row.draft is None else _read(row.draft),
        payment_status=row.payment_status,
        subscription_id=row.subscription_id,
        setup_intent_id=row.setup_intent_id,
        invoice_id=row.invoice_id,
        confirmed_at=row.confirmed_at,
        completed_at=row.completed_at,
        test_clock_id=row.test_clock_id,
    )


def _written(draft: Draft) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(draft)
    terms = document["terms"]
    return document | {"terms": terms | {name: str(terms[name]) for name in _WIDE}}


def _read(document: dict[str, Any]) -> Draft:
    terms = document["terms"]
    wide = {name: int(terms[name]) for name in _WIDE}
    return msgspec.convert(document | {"terms": terms | wide}, Draft)
