"""Meters, their events, and what a set of periods' events come to."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, func, select, text

from gateway.db import keys, rows, schema
from gateway.db.columns import Count
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.plain import Shelf
from gateway.domain.catalog import Scope
from gateway.domain.metering import Aggregation, Meter, MeterEvent, Status, Window
from gateway.domain.subscription import TERMINAL

shelf: Final = Shelf(schema.meters, Meter, kind="billing.meter")
event_shelf: Final = Shelf(schema.meter_events, MeterEvent, kind="billing.meter_event")
_T: Final = schema.meters
_EVENTS: Final = schema.meter_events
_PRICES: Final = schema.prices
_SUBSCRIPTIONS: Final = schema.subscriptions
_ITEMS: Final = schema.subscription_items


async def by_event_name(conn: Connection, scope: Scope, event_name: str) -> Meter | None:
    """Return the active meter that counts these events."""
    query = select(_T).where(
        # As the unique index says it, so that it serves.
        text("meters.status = 'active'"),
        rows.in_scope(_T, scope),
        _T.c.event_name == event_name,
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else shelf.make(row)


async def page(conn: Connection, request: PageRequest, *, status: Status | None = None) -> Page[Meter]:
    """List meters."""
    return await shelf.page(conn, request, None if status is None else _T.c.status == status)


async def event_by_identifier(conn: Connection, scope: Scope, identifier: str) -> MeterEvent | None:
    """Return the event that a merchant called so."""
    query = select(_EVENTS).where(rows.in_scope(_EVENTS, scope), _EVENTS.c.identifier == identifier)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else event_shelf.make(row)


async def subscribers(conn: Connection, meter_id: str, customer_id: str) -> list[str]:
    """For workers: the customer's living subscriptions that bill by this meter."""
    query = (
        select(_SUBSCRIPTIONS.c.id)
        .join_from(_SUBSCRIPTIONS, _ITEMS, _ITEMS.c.subscription_id == _SUBSCRIPTIONS.c.id)
        .join(_PRICES, _PRICES.c.id == _ITEMS.c.price_id)
        .where(
            _SUBSCRIPTIONS.c.customer_id == customer_id,
            ~keys.any_of(_SUBSCRIPTIONS.c.status, sorted(TERMINAL)),
            _PRICES.c.meter_id == meter_id,
        )
        .distinct()
    )
    return sorted((await conn.execute(query)).scalars())


async def usage(conn: Connection, windows: Sequence[Window]) -> list[int]:
    """For workers: what the events of each window come to, in their order; 0 where there are none."""
    if not windows:
        return []
    wanted = keys.as_table(
        conn,
        "wanted",
        place=(Count(), list(range(len(windows)))),
        meter_id=(_EVENTS.c.meter_id.type, [window.meter_id for window in windows]),
        customer_id=(_EVENTS.c.customer_id.type, [window.customer_id for window in windows]),
        start=(_EVENTS.c.happened_at.type, [window.start for window in windows]),
        end=(_EVENTS.c.happened_at.type, [window.end for window in windows]),
    )
    within = and_(
        _EVENTS.c.meter_id == wanted.c.meter_id,
        _EVENTS.c.customer_id == wanted.c.customer_id,
        _EVENTS.c.happened_at >= wanted.c.start,
        _EVENTS.c.happened_at < wanted.c.end,
    )
    newest = (
        select(_EVENTS.c.value)
        .where(within)
        .order_by(_EVENTS.c.happened_at.desc(), _EVENTS.c.id.desc())
        .limit(1)
        .correlate(wanted)
        .scalar_subquery()
    )
    counted = select(func.count()).select_from(_EVENTS).where(within).correlate(wanted).scalar_subquery()
    total = select(func.sum(_EVENTS.c.value)).where(within).correlate(wanted).scalar_subquery()
    columns = {Aggregation.SUM: total, Aggregation.COUNT: counted, Aggregation.LAST: newest}
    found = [0] * len(windows)
    meters = await shelf.load(conn, sorted({window.meter_id for window in windows}))
    for aggregation in sorted({meter.aggregation for meter in meters.values()}):
        ids = [meter.id for meter in meters.values() if meter.aggregation is aggregation]
        query = select(wanted.c.place, columns[aggregation].label("usage")).where(keys.any_of(wanted.c.meter_id, ids))
        for row in await conn.execute(query):
            found[row.place] = int(row.usage or 0)
    return found
