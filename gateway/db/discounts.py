"""Coupons, whose ids are the merchant's choice, and promotion codes."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select, update

from gateway.db import bulk, keys, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.plain import Shelf
from gateway.domain.catalog import Scope
from gateway.domain.discount import Coupon, PromotionCode

_COUPONS: Final = Shelf(schema.coupons, Coupon, kind="coupon")
codes: Final = Shelf(schema.promotion_codes, PromotionCode, kind="promotion_code")

CouponKey = tuple[Scope, str]


async def add_coupon(conn: Connection, value: Coupon, serial: str) -> None:
    """Insert a coupon; `serial` sorts it among the merchant's others.

    Raises:
        ConstraintBroken: `pk_coupons`: the merchant has a coupon of that id.
    """
    await bulk.insert(conn, schema.coupons, [{**_COUPONS.row(value), "serial": serial}])


async def save_coupon(conn: Connection, value: Coupon) -> None:
    """Write what may change of a coupon."""
    t = schema.coupons
    await conn.execute(
        update(t)
        .where(rows.in_scope(t, value.scope), t.c.id == value.id)
        .values(name=value.name, metadata=value.metadata, times_redeemed=value.times_redeemed, deleted=value.deleted)
    )


async def get_coupon(conn: Connection, scope: Scope, coupon_id: str, *, lock: bool = False) -> Coupon | None:
    """Return one coupon of the caller's, deleted ones included; None when there is none."""
    t = schema.coupons
    query = rows.locked(select(t).where(rows.in_scope(t, scope), t.c.id == coupon_id), t, lock=lock)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _COUPONS.make(row)


async def get_coupons(conn: Connection, scope: Scope, ids: Iterable[str]) -> dict[str, Coupon]:
    """Those of the caller's coupons that exist, by id, deleted ones included."""
    found = await load_coupons(conn, [(scope, coupon_id) for coupon_id in ids])
    return {coupon_id: coupon for (_, coupon_id), coupon in found.items()}


async def load_coupons(conn: Connection, wanted: Iterable[CouponKey]) -> dict[CouponKey, Coupon]:
    """For workers: coupons of any tenant."""
    t = schema.coupons
    triples = sorted({(scope.account_id, scope.livemode, coupon_id) for scope, coupon_id in wanted})
    if not triples:
        return {}
    query = select(t).where(
        keys.any_of(t.c.id, sorted({coupon_id for _, _, coupon_id in triples})),
        keys.any_of(t.c.account_id, sorted({account_id for account_id, _, _ in triples})),
    )
    return {(rows.scope(row), row.id): _COUPONS.make(row) for row in await conn.execute(query)}


async def page_coupons(conn: Connection, request: PageRequest) -> Page[Coupon]:
    """List coupons that are not deleted."""
    t = schema.coupons
    return await pages.read(conn, t, request, _COUPONS.make, ~t.c.deleted, kind="coupon", order=t.c.serial)


async def page_codes(
    conn: Connection,
    request: PageRequest,
    *,
    active: bool | None = None,
    code: str | None = None,
    coupon: str | None = None,
    customer: str | None = None,
) -> Page[PromotionCode]:
    """List promotion codes."""
    t = schema.promotion_codes
    return await codes.page(
        conn,
        request,
        None if active is None else t.c.active.is_(active),
        None if code is None else t.c.code == code,
        None if coupon is None else t.c.coupon_id == coupon,
        None if customer is None else t.c.customer_id == customer,
    )
