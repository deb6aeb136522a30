"""Prices: making them, and changing what does not touch money."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.db import catalog
from gateway.db.engine import Connection
from gateway.db.errors import ConstraintBroken
from gateway.domain import metadata as merchant_metadata
from gateway.domain.catalog import Price, Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.ids import new_id
from gateway.domain.money import AMOUNT_MAX, currency
from gateway.domain.period import Interval
from gateway.services import meters
from gateway.services.catalog import ProductFields, create_product, product_of
from gateway.services.fields import Metadata, kept, moved
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin, record


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFields:
    """What a request says about a price; a field that is not in `given` stays as it is."""

    given: frozenset[str]
    active: bool = True
    nickname: str | None = None
    lookup_key: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrice:
    """A price as asked for: of an existing product, or of one that is made with it."""

    currency: str
    unit_amount: int
    interval: Interval | None
    meter_id: str | None = None
    product_id: str | None = None
    product: ProductFields | None = None


async def create_price(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    new: NewPrice,
    fields: PriceFields,
    now: datetime,
    origin: Origin,
) -> Price:
    """Make a price of a product (MX-04, PM-04). What it charges and how often never changes afterwards.

    Raises:
        InvalidRequest: an unknown currency, an inactive meter, an amount out of range, both or neither of product and
            product_data.
        NotFound: there is no such product or meter.
    """
    code = currency(new.currency)
    if new.meter_id is not None:
        await meters.usable(conn, scope, new.meter_id, param="recurring[meter]")
    if not 0 <= new.unit_amount <= AMOUNT_MAX:
        raise InvalidRequest(
            f"unit_amount must be between 0 and {AMOUNT_MAX}.", code="invalid_amount", param="unit_amount"
        )
    if (new.product_id is None) == (new.product is None):
        raise InvalidRequest("Give either product or product_data.", code="parameter_conflict", param="product")
    if new.product is not None:
        product = await create_product(conn, gateway, scope=scope, fields=new.product, now=now, origin=origin)
    else:
        product = await product_of(conn, scope, new.product_id or "", param="product")
    price = Price(
        id=new_id("price", now),
        scope=scope,
        created_at=now,
        product_id=product.id,
        currency=code,
        unit_amount=new.unit_amount,
        interval=new.interval,
        active=fields.active,
        nickname=fields.nickname,
        lookup_key=fields.lookup_key,
        metadata=merchant_metadata.merge({}, fields.metadata),
        meter_id=new.meter_id,
    )
    try:
        await catalog.add_prices(conn, [price])
    except ConstraintBroken as error:
        raise _lookup_key_taken(error, price) from error
    await record(conn, gateway, [moved(None, price, EventType.PRICE_CREATED, now)], origin=origin)
    return price


def _lookup_key_taken(error: ConstraintBroken, price: Price) -> Exception:
    if error.constraint != "uq_prices_lookup_key":
        return error
    return InvalidRequest(
        f"Another price has the lookup_key '{price.lookup_key}' already.", code="lookup_key_taken", param="lookup_key"
    )


async def update_price(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    price_id: str,
    fields: PriceFields,
    now: datetime,
    origin: Origin,
) -> Price:
    """Change what does not touch money: whether it is offered, and its names.

    Raises:
        InvalidRequest: metadata beyond its limits, or a lookup key that another price has.
        NotFound: there is no such price.
    """
    before = await catalog.get_price(conn, scope, price_id, lock=True)
    if before is None:
        raise NotFound("price", price_id)
    names = ("active", "nickname", "lookup_key")
    changes = kept(fields.given, fields, dict(zip(names, names, strict=True)))
    if "metadata" in fields.given:
        changes["metadata"] = merchant_metadata.merge(before.metadata, fields.metadata)
    after = replace(before, **changes)
    try:
        await catalog.save_prices(conn, [after])
    except ConstraintBroken as error:
        raise _lookup_key_taken(error, after) from error
    await record(conn, gateway, [moved(before, after, EventType.PRICE_UPDATED, now)], origin=origin)
    return after
