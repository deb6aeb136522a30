"""`/v1/coupons` and `/v1/promotion_codes`: what takes percent or amounts off invoices."""

import re
import secrets
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api.deleted import DeletedObject
from gateway.api.endpoint import DELETE, UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Word, given, integral, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams, UnixTime
from gateway.db import discounts
from gateway.db.pages import Page
from gateway.domain import metadata as merchant_metadata
from gateway.domain.discount import BASIS_POINTS, Coupon, Duration, PromotionCode
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.period import from_unix
from gateway.services import coupons as services
from gateway.wire.pricing import CouponObject, PromotionCodeObject

_COUPON: Final = "coupon"
_CODE: Final = "promotion_code"
_WEBHOOKS: Final = ("webhooks",)
_COUPON_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CODE_TEXT: Final = re.compile(r"[a-zA-Z0-9-]{1,64}")
_CODE_BYTES: Final = 6

Times = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class CreateCoupon(Params, frozen=True, kw_only=True):
    """A new coupon: `percent_off`, or `amount_off` with its `currency`. Its terms never change."""

    id: Id | None = None
    duration: Literal["once", "repeating", "forever"] = "once"
    percent_off: Decimal | None = None
    amount_off: int | None = None
    currency: Annotated[str, Meta(min_length=3, max_length=3)] | None = None
    duration_in_months: Annotated[int, Meta(ge=1, le=1_200)] | None = None
    max_redemptions: Times | None = None
    redeem_by: UnixTime | None = None
    name: Word | None = None
    metadata: Metadata = None


class UpdateCoupon(Params, frozen=True, kw_only=True):
    """What to change."""

    name: Word | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET


class PromotionParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a code leads to."""

    coupon: Id
    type: Literal["coupon"] = "coupon"


class CreatePromotionCode(Params, frozen=True, kw_only=True):
    """A new promotion code; without `code` one is made up."""

    promotion: PromotionParams
    code: str | None = None
    active: bool = True
    customer: Id | None = None
    expires_at: UnixTime | None = None
    max_redemptions: Times | None = None
    metadata: Metadata = None


class UpdatePromotionCode(Params, frozen=True, kw_only=True):
    """What to change."""

    active: bool | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET


class ListPromotionCodes(ListParams, frozen=True, kw_only=True):
    """Which promotion codes."""

    active: bool | None = None
    code: Id | None = None
    coupon: Id | None = None
    customer: Id | None = None


def _points(percent: Decimal | None) -> int | None:
    if percent is None:
        return None
    points = integral(percent, BASIS_POINTS // 100, param="percent_off")
    if not 0 < points <= BASIS_POINTS:
        raise InvalidRequest(
            "percent_off must be more than 0 and at most 100.", code="invalid_percentage", param="percent_off"
        )
    return points


@writes("/v1/coupons", kind=_COUPON, params=CreateCoupon, answer=CouponObject, rings=_WEBHOOKS)
async def create(call: Call, body: CreateCoupon) -> Coupon:
    """Create a coupon."""
    if body.id is not None and not _COUPON_ID.fullmatch(body.id):
        raise InvalidRequest(
            "A coupon's id has 1 to 64 letters, digits, - and _.", code="parameter_invalid", param="id"
        )
    coupon = Coupon(
        id=body.id or new_id("coupon", call.now),
        scope=call.scope,
        created_at=call.now,
        duration=Duration(body.duration),
        percent_off=_points(body.percent_off),
        amount_off=body.amount_off,
        currency=body.currency,
        duration_in_months=body.duration_in_months,
        max_redemptions=body.max_redemptions,
        redeem_by=None if body.redeem_by is None else from_unix(body.redeem_by),
        name=body.name,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
    )
    return await services.create(call.conn, call.gateway, coupon, origin=call.origin)


@reads("/v1/coupons/{id:str}", kind=_COUPON, params=Retrieve, answer=CouponObject)
async def retrieve(call: Call, _: Retrieve) -> Coupon:
    """Retrieve a coupon."""
    return await services.coupon_of(call.conn, call.scope, call.id)


@writes("/v1/coupons/{id:str}", kind=_COUPON, params=UpdateCoupon, answer=CouponObject, methods=UPDATE, rings=_WEBHOOKS)
async def update(call: Call, body: UpdateCoupon) -> Coupon:
    """Update a coupon."""
    return await services.update(
        call.conn,
        call.gateway,
        scope=call.scope,
        coupon_id=call.id,
        name=None if isinstance(body.name, UnsetType) else body.name,
        metadata=None if isinstance(body.metadata, UnsetType) else body.metadata,
        given=given(body, without=frozenset({"expand"})),
        now=call.now,
        origin=call.origin,
    )


@writes("/v1/coupons/{id:str}", kind=_COUPON, params=Retrieve, answer=DeletedObject, methods=DELETE, rings=_WEBHOOKS)
async def delete(call: Call, _: Retrieve) -> DeletedObject:
    """Delete a coupon; discounts that it gave go on."""
    gone = await services.delete(
        call.conn, call.gateway, scope=call.scope, coupon_id=call.id, now=call.now, origin=call.origin
    )
    return DeletedObject(id=gone.id, object=_COUPON)


@reads("/v1/coupons", kind=_COUPON, params=ListParams, answer=CouponObject, is_list=True)
async def listed(call: Call, query: ListParams) -> Page[Coupon]:
    """List coupons."""
    return await discounts.page_coupons(call.conn, query.page(call))


@writes("/v1/promotion_codes", kind=_CODE, params=CreatePromotionCode, answer=PromotionCodeObject, rings=_WEBHOOKS)
async def create_code(call: Call, body: CreatePromotionCode) -> PromotionCode:
    """Create a promotion code."""
    if body.code is not None and not _CODE_TEXT.fullmatch(body.code):
        raise InvalidRequest(
            "A promotion code has 1 to 64 letters, digits and -.", code="parameter_invalid", param="code"
        )
    code = PromotionCode(
        id=new_id("promo", call.now),
        scope=call.scope,
        created_at=call.now,
        code=(body.code or secrets.token_hex(_CODE_BYTES)).upper(),
        coupon_id=body.promotion.coupon,
        active=body.active,
        customer_id=body.customer,
        expires_at=None if body.expires_at is None else from_unix(body.expires_at),
        max_redemptions=body.max_redemptions,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
    )
    return await services.create_code(call.conn, call.gateway, code, origin=call.origin)


@reads("/v1/promotion_codes/{id:str}", kind=_CODE, params=Retrieve, answer=PromotionCodeObject)
async def retrieve_code(call: Call, _: Retrieve) -> PromotionCode:
    """Retrieve a promotion code."""
    found = await discounts.codes.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_CODE, call.id)
    return found


@writes(
    "/v1/promotion_codes/{id:str}",
    kind=_CODE,
    params=UpdatePromotionCode,
    answer=PromotionCodeObject,
    methods=UPDATE,
    rings=_WEBHOOKS,
)
async def update_code(call: Call, body: UpdatePromotionCode) -> PromotionCode:
    """Update a promotion code."""
    return await services.update_code(
        call.conn,
        call.gateway,
        scope=call.scope,
        code_id=call.id,
        active=body.active is True,
        metadata=None if isinstance(body.metadata, UnsetType) else body.metadata,
        given=given(body, without=frozenset({"expand"})),
        now=call.now,
        origin=call.origin,
    )


@reads("/v1/promotion_codes", kind=_CODE, params=ListPromotionCodes, answer=PromotionCodeObject, is_list=True)
async def listed_codes(call: Call, query: ListPromotionCodes) -> Page[PromotionCode]:
    """List promotion codes."""
    return await discounts.page_codes(
        call.conn,
        query.page(call),
        active=query.active,
        code=None if query.code is None else query.code.upper(),
        coupon=query.coupon,
        customer=query.customer,
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    create,
    retrieve,
    update,
    delete,
    listed,
    create_code,
    retrieve_code,
    update_code,
    listed_codes,
)
