"""Subscriptions with their items."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, exists, select

from chain.primitives import Address
from gateway.db import bulk, embedded, keys, moves, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.reading import Reader
from gateway.db.rows import Claimed
from gateway.domain.catalog import Scope
from gateway.domain.period import Interval
from gateway.domain.subscription import KIND, Status, Subscription
from gateway.domain.terms import SubscriptionItem
from gateway.domain.transition import Moved

_T: Final = schema.subscriptions
_ITEMS: Final = schema.subscription_items
_FIXED: Final = frozenset({"account_id", "livemode", "customer_id", "created_at", "currency", "test_clock_id"})


async def add_many(conn: Connection, moved: Sequence[Moved[Subscription]]) -> None:
    """Insert subscriptions and their items."""
    values = await moves.insert(conn, _T, moved, _row)
    await bulk.insert(conn, _ITEMS, _item_rows(values))


async def save_many(conn: Connection, moved: Sequence[Moved[Subscription]]) -> None:
    """Write what may change of subscriptions; their items only where those changed."""
    spans = await moves.update(conn, _T, moved, _row, _FIXED)
    changed = [value for before, value in spans if before is None or before.items != value.items]
    if changed:
        await conn.execute(delete(_ITEMS).where(keys.any_of(_ITEMS.c.subscription_id, [value.id for value in changed])))
        await bulk.insert(conn, _ITEMS, _item_rows(changed))


async def get(conn: Connection, scope: Scope, subscription_id: str, *, lock: bool = False) -> Subscription | None:
    """Return one subscription of the caller's; None when there is none."""
    query = rows.by_id(_T, [subscription_id], lock=lock, read=_READ).where(rows.in_scope(_T, scope))
    found = await _whole(conn, (await conn.execute(query)).all())
    return found[0] if found else None


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, Subscription]:
    """For workers: subscriptions of any tenant, by id."""
    found = await _whole(conn, await rows.fetch(conn, _T, ids, lock=lock, read=_READ))
    return {value.id: value for value in found}


async def claim_due(conn: Connection, *, now: datetime, limit: int) -> list[Claimed[Subscription]]:
    """For workers: lock the subscriptions that wanted to be looked at first, passing over those claimed elsewhere."""
    due = await rows.claimed(conn, _T, now=now, limit=limit, lock=True, raw=True)
    values = await _whole(conn, [row for row, _ in due])
    return [Claimed(value, clock_now) for value, (_, clock_now) in zip(values, due, strict=True)]


async def of_mandates(conn: Connection, mandate_ids: Iterable[str], *, lock: bool = False) -> list[Subscription]:
    """For workers: subscriptions that draw on these mandates now."""
    owners = select(schema.mandates.c.subscription_id).where(keys.any_of(schema.mandates.c.id, mandate_ids))
    query = _READ.select().where(_T.c.id.in_(owners), keys.any_of(_T.c.mandate_id, mandate_ids)).order_by(_T.c.id)
    return await _whole(conn, (await conn.execute(rows.locked(query, _T, lock=lock))).all())


async def owner_of_item(conn: Connection, scope: Scope, item_id: str) -> str | None:
    """Id of the subscription of the caller's that has this item; None when there is none."""
    query = (
        select(_T.c.id)
        .join_from(_T, _ITEMS, _ITEMS.c.subscription_id == _T.c.id)
        .where(_ITEMS.c.id == item_id, rows.in_scope(_T, scope))
    )
    return (await conn.execute(query)).scalar_one_or_none()


async def trials_of_wallet(
    conn: Connection, scope: Scope, owner: Address, product_ids: Iterable[str], *, besides: str | None = None
) -> bool:
    """Whether this wallet has had a trial of one of these products, in any subscription but `besides` (SX-08)."""
    prices, methods = schema.prices, schema.payment_methods
    query = (
        select(_T.c.id)
        .join_from(_T, methods, _T.c.payment_method_id == methods.c.id)
        .join(_ITEMS, _ITEMS.c.subscription_id == _T.c.id)
        .join(prices, prices.c.id == _ITEMS.c.price_id)
        .where(
            rows.in_scope(_T, scope),
            methods.c.owner == owner,
            _T.c.trial_start.is_not(None),
            keys.any_of(prices.c.product_id, product_ids),
            _T.c.id != (besides or ""),
        )
        .limit(1)
    )
    return (await conn.execute(query)).first() is not None


async def page(
    conn: Connection,
    request: PageRequest,
    *,
    customer: str | None = None,
    status: Status | None = None,
    price: str | None = None,
    test_clock: str | None = None,
    without: Sequence[Status] = (),
) -> Page[Subscription]:
    """List subscriptions. `without` leaves out statuses, as Stripe's default list leaves out canceled ones."""
    has_price = exists().where(_ITEMS.c.subscription_id == _T.c.id, _ITEMS.c.price_id == price)
    found = await pages.read(
        conn,
        _T,
        request,
        lambda row: row,
        None if customer is None else _T.c.customer_id == customer,
        None if status is None else _T.c.status == status,
        None if price is None else has_price,
        None if test_clock is None else _T.c.test_clock_id == test_clock,
        None if not without else ~keys.any_of(_T.c.status, without),
        kind=KIND,
        reader=_READ,
    )
    return replace(found, items=await _whole(conn, found.items))


async def _whole(conn: Connection, found: Sequence[Any]) -> list[Subscription]:
    if not found:
        return []
    items = await rows.children(conn, _READ_ITEMS, _ITEMS, "subscription_id", [row.id for row in found])
    return _READ.whole(conn.dialect, found, items)


def _row(value: Subscription) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "customer_id": value.customer_id,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "currency": value.currency,
        "interval_unit": value.interval.unit,
        "interval_count": value.interval.count,
        "anchor": value.anchor,
        "period_index": value.period_index,
        "period_start": value.period_start,
        "period_end": value.period_end,
        "payment_method_id": value.payment_method_id,
        "mandate_id": value.mandate_id,
        "latest_invoice_id": value.latest_invoice_id,
        "discounts": embedded.discounts_json(value.discounts),
        "tax_rate_ids": value.tax_rate_ids,
        "description": value.description,
        "metadata": value.metadata,
        "expires_at": value.expires_at,
        "activated_at": value.activated_at,
        "ends_at": value.ends_at,
        "cancel_at_period_end": value.cancel_at_period_end,
        "canceled_at": value.canceled_at,
        "ended_at": value.ended_at,
        "cancellation_reason": value.cancellation_reason,
        "test_clock_id": value.test_clock_id,
        "cancellation_comment": value.cancellation_comment,
        "cancellation_feedback": value.cancellation_feedback,
        "start_at": value.start_at,
        "periods_before": value.periods_before,
        "trial_start": value.trial_start,
        "trial_end": value.trial_end,
        "trial_notice_at": value.trial_notice_at,
        "upcoming_at": value.upcoming_at,
        "pending_setup_intent_id": value.pending_setup_intent_id,
        "paused_at": value.paused_at,
        "grace_ends_at": value.grace_ends_at,
        "collection_method": value.collection_method,
        "days_until_due": value.days_until_due,
        "missing_payment_method": value.missing_payment_method,
        "pending_update": embedded.update_json(value.pending_update),
        "mandate_amount": value.mandate_amount,
        "wake_at": value.wake_at,
    }


def _subscription(row: Any, items: Sequence[Any]) -> Subscription:
    return Subscription(
        id=row.id,
        scope=rows.scope(row),
        customer_id=row.customer_id,
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        currency=row.currency,
        items=tuple(map(_item, items)),
        interval=Interval(row.interval_unit, row.interval_count),
        anchor=row.anchor,
        period_index=row.period_index,
        period_start=row.period_start,
        period_end=row.period_end,
        payment_method_id=row.payment_method_id,
        mandate_id=row.mandate_id,
        latest_invoice_id=row.latest_invoice_id,
        discounts=embedded.discounts(row.discounts),
        tax_rate_ids=tuple(row.tax_rate_ids),
        description=row.description,
        metadata=row.metadata,
        expires_at=row.expires_at,
        activated_at=row.activated_at,
        ends_at=row.ends_at,
        cancel_at_period_end=row.cancel_at_period_end,
        canceled_at=row.canceled_at,
        ended_at=row.ended_at,
        cancellation_reason=row.cancellation_reason,
        test_clock_id=row.test_clock_id,
        cancellation_comment=row.cancellation_comment,
        cancellation_feedback=row.cancellation_feedback,
        start_at=row.start_at,
        periods_before=row.periods_before,
        trial_start=row.trial_start,
        trial_end=row.trial_end,
        trial_notice_at=row.trial_notice_at,
        upcoming_at=row.upcoming_at,
        pending_setup_intent_id=row.pending_setup_intent_id,
        paused_at=row.paused_at,
        grace_ends_at=row.grace_ends_at,
        collection_method=row.collection_method,
        days_until_due=row.days_until_due,
        missing_payment_method=row.missing_payment_method,
        pending_update=embedded.update(row.pending_update),
        mandate_amount=row.mandate_amount,
    )


def _item_rows(values: Sequence[Subscription]) -> list[bulk.Row]:
    return [
        {
            "id": item.id,
            "subscription_id": value.id,
            "position": position,
            "price_id": item.price_id,
            "quantity": item.quantity,
            "created_at": item.created_at,
            "metadata": item.metadata,
            "tax_rate_ids": item.tax_rate_ids,
        }
        for value in values
        for position, item in enumerate(value.items)
    ]


def _item(row: Any) -> SubscriptionItem:
    return SubscriptionItem(
        id=row.id,
        price_id=row.price_id,
        quantity=row.quantity,
        created_at=row.created_at,
        metadata=row.metadata,
        tax_rate_ids=tuple(row.tax_rate_ids),
    )


_READ: Final = Reader(_T, _subscription, parts=_ITEMS)
_READ_ITEMS: Final = Reader(_ITEMS, _item)
