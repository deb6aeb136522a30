"""Applying coupons and promotion codes to subscriptions (ST-73): redeemed under a lock, so that limits hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.db import discounts as rows
from gateway.db.engine import Connection
from gateway.domain import discount as domain
from gateway.domain.catalog import Scope
from gateway.domain.discount import DISCOUNTS_MAX, Coupon, CustomerDiscount, Discount, PromotionCode
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.ids import new_id
from gateway.domain.subscription import Subscription
from gateway.domain.transition import Event, Moved


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountRequest:
    """A discount as asked for: exactly one of the ids; `discount_id` keeps one that is there."""

    coupon_id: str | None = None
    promotion_code_id: str | None = None
    discount_id: str | None = None


async def redeem(
    conn: Connection,
    *,
    scope: Scope,
    customer_id: str,
    currency: str,
    requests: Sequence[DiscountRequest],
    now: datetime,
    held: Sequence[Discount] = (),
) -> tuple[Discount, ...]:
    """Redeem what is asked for and return the discounts, in its order. `held` are those that may be kept.

    Raises:
        InvalidRequest: a coupon or code cannot be redeemed, not by this customer, or not in this currency.
        NotFound: there is no such coupon, code or discount.
    """
    if len(requests) > DISCOUNTS_MAX:
        raise InvalidRequest(
            f"discounts takes at most {DISCOUNTS_MAX} entries.", code="invalid_discounts", param="discounts"
        )
    kept = {discount.id: discount for discount in held}
    made: list[Discount] = []
    for index, request in enumerate(requests):
        at = f"discounts[{index}]"
        if sum(part is not None for part in (request.coupon_id, request.promotion_code_id, request.discount_id)) != 1:
            raise InvalidRequest(
                f"{at} takes exactly one of coupon, promotion_code and discount.", code="parameter_conflict", param=at
            )
        if request.discount_id is not None:
            if request.discount_id not in kept:
                raise NotFound("discount", request.discount_id, param=f"{at}[discount]")
            made.append(kept[request.discount_id])
            continue
        coupon, code_id = await _redeemed(conn, scope, request, customer_id=customer_id, at=at, now=now)
        if coupon.currency not in (None, currency):
            raise InvalidRequest(
                f"Coupon '{coupon.id}' takes off {coupon.currency}, but the subscription is in {currency}.",
                code="coupon_currency_mismatch",
                param=at,
            )
        made.append(domain.applied(coupon, new_id("di", now), now, promotion_code_id=code_id))
    if len({discount.coupon_id for discount in made}) != len(made):
        raise InvalidRequest("A coupon is given twice.", code="duplicate_coupon", param="discounts")
    return tuple(made)


async def _redeemed(
    conn: Connection, scope: Scope, request: DiscountRequest, *, customer_id: str, at: str, now: datetime
) -> tuple[Coupon, str | None]:
    code: PromotionCode | None = None
    param, coupon_id = f"{at}[coupon]", request.coupon_id or ""
    if request.promotion_code_id is not None:
        param = f"{at}[promotion_code]"
        code = await rows.codes.get(conn, scope, request.promotion_code_id, lock=True)
        if code is None:
            raise NotFound("promotion_code", request.promotion_code_id, param=param)
        code = domain.redeem_code(code, customer_id, now, param=param)
        coupon_id = code.coupon_id
    coupon = await rows.get_coupon(conn, scope, coupon_id, lock=True)
    if coupon is None:
        raise NotFound("coupon", coupon_id, param=param)
    coupon = domain.redeem(coupon, now, param=param)
    await rows.save_coupon(conn, coupon)
    if code is not None:
        await rows.codes.save(conn, [code])
    return coupon, None if code is None else code.id


def announced(
    subscription: Subscription, before: Sequence[Discount], after: Sequence[Discount], now: datetime
) -> list[Moved[CustomerDiscount]]:
    """`customer.discount.created` and `.deleted` for what a subscription gained and lost."""
    gone = [(d, EventType.CUSTOMER_DISCOUNT_DELETED) for d in before if d not in after]
    new = [(d, EventType.CUSTOMER_DISCOUNT_CREATED) for d in after if d not in before]
    return [
        Moved(
            value=CustomerDiscount(
                scope=subscription.scope,
                discount=discount,
                customer_id=subscription.customer_id,
                subscription_id=subscription.id,
            ),
            events=(Event(type=event, object_id=discount.id, at=now),),
        )
        for discount, event in gone + new
    ]
