"""Coupons and promotion codes at a merchant's request (ST-73)."""

from dataclasses import replace
from datetime import datetime

from gateway.db import catalog, discounts
from gateway.db.engine import Connection
from gateway.db.errors import ConstraintBroken
from gateway.domain import metadata as merchant_metadata
from gateway.domain.catalog import Scope
from gateway.domain.discount import Coupon, Duration, PromotionCode
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.ids import new_id
from gateway.domain.money import AMOUNT_MAX, currency
from gateway.services.fields import Metadata, moved
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin, record


async def create(conn: Connection, gateway: Gateway, coupon: Coupon, *, origin: Origin) -> Coupon:
    """Make a coupon. Its terms never change.

    Raises:
        InvalidRequest: its terms contradict each other, or its id is taken.
    """
    coupon = _checked(coupon)
    try:
        await discounts.add_coupon(conn, coupon, new_id("serial", coupon.created_at))
    except ConstraintBroken as error:
        if error.constraint != "pk_coupons":
            raise
        raise InvalidRequest(f"Coupon '{coupon.id}' exists already.", code="resource_exists", param="id") from error
    await record(conn, gateway, [moved(None, coupon, EventType.COUPON_CREATED, coupon.created_at)], origin=origin)
    return coupon


def _checked(coupon: Coupon) -> Coupon:
    if (coupon.percent_off is None) == (coupon.amount_off is None):
        raise InvalidRequest("Give either percent_off or amount_off.", code="parameter_conflict", param="percent_off")
    if coupon.amount_off is not None:
        if not 1 <= coupon.amount_off <= AMOUNT_MAX:
            raise InvalidRequest(
                f"amount_off must be between 1 and {AMOUNT_MAX}.", code="invalid_amount", param="amount_off"
            )
        if coupon.currency is None:
            raise InvalidRequest(
                "amount_off needs the currency that it is in.", code="parameter_missing", param="currency"
            )
        coupon = replace(coupon, currency=currency(coupon.currency))
    elif coupon.currency is not None:
        raise InvalidRequest("currency goes with amount_off only.", code="parameter_conflict", param="currency")
    if (coupon.duration is Duration.REPEATING) != (coupon.duration_in_months is not None):
        raise InvalidRequest(
            "duration_in_months goes with duration=repeating, and with no other.",
            code="parameter_conflict",
            param="duration_in_months",
        )
    if coupon.redeem_by is not None and coupon.redeem_by <= coupon.created_at:
        raise InvalidRequest("redeem_by must be in the future.", code="invalid_redeem_by", param="redeem_by")
    return coupon


async def coupon_of(
    conn: Connection, scope: Scope, coupon_id: str, *, param: str | None = None, lock: bool = False
) -> Coupon:
    """Return a coupon that is not deleted.

    Raises:
        NotFound: there is none.
    """
    found = await discounts.get_coupon(conn, scope, coupon_id, lock=lock)
    if found is None or found.deleted:
        raise NotFound("coupon", coupon_id, param=param)
    return found


async def update(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    coupon_id: str,
    name: str | None,
    metadata: Metadata,
    given: frozenset[str],
    now: datetime,
    origin: Origin,
) -> Coupon:
    """Change a coupon's name or metadata.

    Raises:
        NotFound: there is no such coupon.
    """
    before = await coupon_of(conn, scope, coupon_id, lock=True)
    after = replace(
        before,
        name=name if "name" in given else before.name,
        metadata=merchant_metadata.merge(before.metadata, metadata) if "metadata" in given else before.metadata,
    )
    await discounts.save_coupon(conn, after)
    await record(conn, gateway, [moved(before, after, EventType.COUPON_UPDATED, now)], origin=origin)
    return after


async def delete(
    conn: Connection, gateway: Gateway, *, scope: Scope, coupon_id: str, now: datetime, origin: Origin
) -> Coupon:
    """Take a coupon back: nobody new gets it, discounts that it gave go on.

    Raises:
        NotFound: there is no such coupon.
    """
    before = await coupon_of(conn, scope, coupon_id, lock=True)
    after = replace(before, deleted=True)
    await discounts.save_coupon(conn, after)
    await record(conn, gateway, [moved(before, after, EventType.COUPON_DELETED, now)], origin=origin)
    return after


async def create_code(conn: Connection, gateway: Gateway, code: PromotionCode, *, origin: Origin) -> PromotionCode:
    """Make a code that customers may type for a coupon.

    Raises:
        InvalidRequest: an active code reads the same, or it expires in the past.
        NotFound: there is no such coupon or customer.
    """
    await coupon_of(conn, code.scope, code.coupon_id, param="promotion[coupon]")
    if code.customer_id is not None:
        customer = await catalog.get_customer(conn, code.scope, code.customer_id)
        if customer is None or customer.deleted:
            raise NotFound("customer", code.customer_id, param="customer")
    if code.expires_at is not None and code.expires_at <= code.created_at:
        raise InvalidRequest("expires_at must be in the future.", code="invalid_expires_at", param="expires_at")
    try:
        await discounts.codes.add(conn, [code])
    except ConstraintBroken as error:
        raise _taken(error, code) from error
    await record(conn, gateway, [moved(None, code, EventType.PROMOTION_CODE_CREATED, code.created_at)], origin=origin)
    return code


def _taken(error: ConstraintBroken, code: PromotionCode) -> Exception:
    if error.constraint != "uq_promotion_codes_code":
        return error
    return InvalidRequest(
        f"Another active promotion code is '{code.code}' already.", code="promotion_code_taken", param="code"
    )


async def update_code(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    code_id: str,
    active: bool,
    metadata: Metadata,
    given: frozenset[str],
    now: datetime,
    origin: Origin,
) -> PromotionCode:
    """Switch a code on or off, or change its metadata.

    Raises:
        InvalidRequest: another active code reads the same.
        NotFound: there is no such code.
    """
    before = await discounts.codes.get(conn, scope, code_id, lock=True)
    if before is None:
        raise NotFound("promotion_code", code_id)
    after = replace(
        before,
        active=active if "active" in given else before.active,
        metadata=merchant_metadata.merge(before.metadata, metadata) if "metadata" in given else before.metadata,
    )
    try:
        await discounts.codes.save(conn, [after])
    except ConstraintBroken as error:
        raise _taken(error, after) from error
    await record(conn, gateway, [moved(before, after, EventType.PROMOTION_CODE_UPDATED, now)], origin=origin)
    return after
