"""Charge intents: how each invoice gets paid."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, or_, select, text

from chain.primitives import Address
from gateway.db import bulk, keys, moves, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.reading import Reader
from gateway.db.rows import Claimed
from gateway.domain.catalog import Scope
from gateway.domain.charge_intent import KIND, ChargeIntent, Status
from gateway.domain.dunning import OnRetriesExhausted, Restart, RetryMode, RetryPolicy
from gateway.domain.transition import Moved

_T: Final = schema.charge_intents
_METHODS: Final = schema.payment_methods
_FIXED: Final = frozenset({
    "account_id", "livemode", "customer_id", "subscription_id", "invoice_id", "created_at", "amount", "currency",
    "client_secret", "test_clock_id",
})  # fmt: skip
_CLOSED: Final = (Status.SUCCEEDED, Status.CANCELED)


async def add_many(conn: Connection, moved: Sequence[Moved[ChargeIntent]]) -> None:
    """Insert charge intents.

    Raises:
        ConstraintBroken: `uq_charge_intents_mandate_period`: another intent may spend this period of the mandate;
            `uq_charge_intents_invoice_id`: the invoice has its intent.
    """
    await moves.insert(conn, _T, moved, _row)


async def save_many(conn: Connection, moved: Sequence[Moved[ChargeIntent]]) -> None:
    """Write what may change of charge intents.

    Raises:
        ConstraintBroken: as `add_many`.
    """
    await moves.update(conn, _T, moved, _row, _FIXED)


async def get(conn: Connection, scope: Scope, intent_id: str, *, lock: bool = False) -> ChargeIntent | None:
    """Return one charge intent of the caller's; None when there is none."""
    query = rows.by_id(_T, [intent_id], lock=lock, read=_READ).where(rows.in_scope(_T, scope))
    return next(iter(_READ.values(conn.dialect, await conn.execute(query))), None)


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, ChargeIntent]:
    """For workers: charge intents of any tenant, by id."""
    found = await rows.fetch(conn, _T, ids, lock=lock, read=_READ)
    return {value.id: value for value in _READ.values(conn.dialect, found)}


async def of_invoices(conn: Connection, invoice_ids: Iterable[str], *, lock: bool = False) -> dict[str, ChargeIntent]:
    """For workers: the intents that pay these invoices, by invoice."""
    query = _READ.select().where(keys.any_of(_T.c.invoice_id, invoice_ids)).order_by(_T.c.id)
    found = await conn.execute(rows.locked(query, _T, lock=lock))
    return {value.invoice_id: value for value in _READ.values(conn.dialect, found)}


async def open_of_subscriptions(
    conn: Connection, subscription_ids: Iterable[str], *, lock: bool = False
) -> list[ChargeIntent]:
    """For workers: the intents of these subscriptions that are neither succeeded nor canceled, oldest first."""
    query = (
        _READ.select()
        .where(keys.any_of(_T.c.subscription_id, subscription_ids), ~keys.any_of(_T.c.status, _CLOSED))
        .order_by(_T.c.id)
    )
    return _READ.values(conn.dialect, await conn.execute(rows.locked(query, _T, lock=lock)))


async def canceled_of_subscriptions(conn: Connection, subscription_ids: Iterable[str]) -> list[ChargeIntent]:
    """For workers: canceled intents of these subscriptions, oldest first; nothing is locked."""
    query = (
        _READ.select()
        .where(keys.any_of(_T.c.subscription_id, subscription_ids), _T.c.status == Status.CANCELED)
        .order_by(_T.c.id)
    )
    return _READ.values(conn.dialect, await conn.execute(query))


async def due(
    conn: Connection, *, chain_id: int, now: datetime, limit: int, after: ChargeIntent | None = None
) -> list[Claimed[ChargeIntent]]:
    """For workers: the intents of a chain whose next attempt is due, earliest first; nothing is locked.

    `after` is the last one of the batch before: the list goes on behind it, whatever became of it.
    """
    where = [_T.c.chain_id == chain_id]
    first = chain_id if after is None else None
    if after is not None:
        behind = and_(_T.c.wake_at == after.wake_at, _T.c.id > after.id)
        where.append(and_(_T.c.wake_at >= after.wake_at, or_(_T.c.wake_at > after.wake_at, behind)))
    found = await rows.claimed(conn, _T, now=now, limit=limit, lock=False, where=where, cached_as=first, raw=True)
    values = _READ.values(conn.dialect, [row for row, _ in found])
    return [Claimed(value, clock_now) for value, (_, clock_now) in zip(values, found, strict=True)]


async def by_mandate_periods(
    conn: Connection, periods: Sequence[tuple[str, int]], *, lock: bool = False
) -> dict[tuple[str, int], ChargeIntent]:
    """For workers: the intents, canceled ones apart, that may spend these (mandate, period)s."""
    wanted = keys.as_table(
        conn,
        "wanted",
        mandate_id=(_T.c.mandate_id.type, [mandate_id for mandate_id, _ in periods]),
        mandate_period=(_T.c.mandate_period.type, [period for _, period in periods]),
    )
    same = and_(_T.c.mandate_id == wanted.c.mandate_id, _T.c.mandate_period == wanted.c.mandate_period)
    query = (
        _READ.select()
        .join_from(_T, wanted, same)
        # As the unique index says it, so that it serves.
        .where(text("charge_intents.mandate_id IS NOT NULL AND charge_intents.status <> 'canceled'"))
        .order_by(_T.c.id)
    )
    found = await conn.execute(rows.locked(query, _T, lock=lock))
    values = _READ.values(conn.dialect, found)
    return {(value.mandate_id or "", value.mandate_period or 0): value for value in values}


async def count_collected(conn: Connection, mandate_ids: Iterable[str]) -> dict[str, int]:
    """For workers: how many periods of these mandates are paid; a mandate without any is left out."""
    query = (
        select(_T.c.mandate_id, func.count().label("paid"))
        .where(
            # As the unique index says it, so that it serves.
            text("charge_intents.mandate_id IS NOT NULL AND charge_intents.status <> 'canceled'"),
            keys.any_of(_T.c.mandate_id, mandate_ids),
            _T.c.status == Status.SUCCEEDED,
        )
        .group_by(_T.c.mandate_id)
    )
    return {row.mandate_id: row.paid for row in await conn.execute(query)}


async def failed_of_wallets(
    conn: Connection, chain_id: int, token: Address, owners: Iterable[Address], *, lock: bool = False
) -> list[ChargeIntent]:
    """For workers: failed intents that these wallets were to pay with this token, oldest first."""
    query = (
        _READ.select()
        .join_from(_METHODS, _T, _T.c.payment_method_id == _METHODS.c.id)
        .where(
            text("charge_intents.status = 'failed'"),
            _METHODS.c.chain_id == chain_id,
            _METHODS.c.token == token,
            keys.any_of(_METHODS.c.owner, owners),
        )
        .order_by(keys.sort_key(_T.c.id))
    )
    return _READ.values(conn.dialect, await conn.execute(rows.locked(query, _T, lock=lock)))


async def page(conn: Connection, request: PageRequest, *, customer: str | None = None) -> Page[ChargeIntent]:
    """List charge intents."""
    return await pages.read(
        conn, _T, request, _intent, None if customer is None else _T.c.customer_id == customer, kind=KIND
    )


def _row(value: ChargeIntent) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "customer_id": value.customer_id,
        "subscription_id": value.subscription_id,
        "invoice_id": value.invoice_id,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "amount": value.amount,
        "currency": value.currency,
        "client_secret": value.client_secret,
        "payment_method_id": value.payment_method_id,
        "mandate_id": value.mandate_id,
        "mandate_period": value.mandate_period,
        "chain_id": value.chain_id,
        "token": value.token,
        "token_amount": value.token_amount,
        "attempts": value.attempts,
        "next_attempt_at": value.next_attempt_at,
        "policy": None if value.policy is None else _policy_json(value.policy),
        "restarts": value.policy is not None and value.policy.restart is Restart.WALLET_RESTORED,
        "failing_since": value.failing_since,
        "latest_charge_id": value.latest_charge_id,
        "succeeded_at": value.succeeded_at,
        "canceled_at": value.canceled_at,
        "metadata": value.metadata,
        "test_clock_id": value.test_clock_id,
        "requested": value.requested,
        "wake_at": value.wake_at,
    }


def _intent(row: Any) -> ChargeIntent:
    return ChargeIntent(
        id=row.id,
        scope=rows.scope(row),
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        invoice_id=row.invoice_id,
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        amount=row.amount,
        currency=row.currency,
        client_secret=row.client_secret,
        payment_method_id=row.payment_method_id,
        mandate_id=row.mandate_id,
        mandate_period=row.mandate_period,
        chain_id=row.chain_id,
        token=row.token,
        token_amount=row.token_amount,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        policy=None if row.policy is None else _policy(row.policy),
        failing_since=row.failing_since,
        latest_charge_id=row.latest_charge_id,
        succeeded_at=row.succeeded_at,
        canceled_at=row.canceled_at,
        metadata=row.metadata,
        test_clock_id=row.test_clock_id,
        requested=row.requested,
    )


def _policy_json(policy: RetryPolicy) -> dict[str, Any]:
    return {"days": policy.days, "on_exhausted": policy.on_exhausted, "mode": policy.mode, "restart": policy.restart}


def _policy(stored: dict[str, Any]) -> RetryPolicy:
    return RetryPolicy(
        days=tuple(stored["days"]),
        on_exhausted=OnRetriesExhausted(stored["on_exhausted"]),
        mode=RetryMode(stored.get("mode", RetryMode.FIXED)),
        restart=Restart(stored.get("restart", Restart.NEW_PAYMENT_METHOD)),
    )


_READ: Final = Reader(_T, _intent)
