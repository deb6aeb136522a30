"""`/v1/prices`: how much, and how often."""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Text, Word, given, known, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import catalog
from gateway.db.pages import Page
from gateway.domain.catalog import Price
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.money import currency, minor_units
from gateway.domain.period import Interval, IntervalUnit
from gateway.services import prices as services
from gateway.services.catalog import ProductFields
from gateway.services.prices import NewPrice, PriceFields
from gateway.wire.catalog import PriceObject

_KIND: Final = "price"

LookupKey = Annotated[str, Meta(min_length=1, max_length=200)]


class RecurringParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often it is billed (C20): an interval and a count, or one of Paymennt's words for both (PM-11)."""

    interval: Literal["day", "week", "month", "year"] | None = None
    interval_count: Annotated[int, Meta(ge=1, le=1095)] = 1
    send_every: (
        Literal["DAY", "WEEK", "TWO_WEEKS", "MONTH", "TWO_MONTHS", "THREE_MONTHS", "SIX_MONTHS", "YEAR"] | None
    ) = None
    usage_type: Literal["licensed", "metered"] = "licensed"
    meter: Id | None = None


class ProductData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product that is made together with its price."""

    name: Word
    active: bool = True
    description: Text | None = None
    metadata: Metadata = None


class CreatePrice(Params, frozen=True, kw_only=True):
    """A new price; either `product` or `product_data`.

    `unit_amount` counts minor units of the currency; `amount` is the same as a decimal, as in "100.00" (PM-05).
    """

    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    unit_amount: int | None = None
    amount: Annotated[str, Meta(min_length=1, max_length=20)] | None = None
    product: Id | None = None
    product_data: ProductData | None = None
    recurring: RecurringParams | None = None
    active: bool = True
    nickname: Word | None = None
    lookup_key: LookupKey | None = None
    metadata: Metadata = None


class UpdatePrice(Params, frozen=True, kw_only=True):
    """What to change; amount and interval of a price never change."""

    active: bool | UnsetType = UNSET
    nickname: Word | UnsetType | None = UNSET
    lookup_key: LookupKey | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET


class ListPrices(ListParams, frozen=True, kw_only=True):
    """Which prices."""

    product: Id | None = None
    active: bool | None = None
    currency: Annotated[str, Meta(min_length=3, max_length=3)] | None = None
    lookup_keys: list[LookupKey] | None = None


_SEND_EVERY: Final = {
    "DAY": Interval(IntervalUnit.DAY),
    "WEEK": Interval(IntervalUnit.WEEK),
    "TWO_WEEKS": Interval(IntervalUnit.WEEK, 2),
    "MONTH": Interval(IntervalUnit.MONTH),
    "TWO_MONTHS": Interval(IntervalUnit.MONTH, 2),
    "THREE_MONTHS": Interval(IntervalUnit.MONTH, 3),
    "SIX_MONTHS": Interval(IntervalUnit.MONTH, 6),
    "YEAR": Interval(IntervalUnit.YEAR),
}


def _interval(recurring: RecurringParams) -> Interval:
    if recurring.send_every is None:
        if recurring.interval is None:
            raise InvalidRequest(
                "Missing required param: recurring[interval].", code="parameter_missing", param="recurring[interval]"
            )
        return Interval(IntervalUnit(recurring.interval), recurring.interval_count)
    if recurring.interval is not None or recurring.interval_count != 1:
        raise InvalidRequest(
            "Give recurring[interval] or recurring[send_every], not both.",
            code="parameter_conflict",
            param="recurring[send_every]",
        )
    return _SEND_EVERY[recurring.send_every]


def _amount(body: CreatePrice) -> int:
    if body.amount is None:
        if body.unit_amount is None:
            raise InvalidRequest("Missing required param: unit_amount.", code="parameter_missing", param="unit_amount")
        return body.unit_amount
    if body.unit_amount is not None:
        raise InvalidRequest("Give unit_amount or amount, not both.", code="parameter_conflict", param="amount")
    return minor_units(body.amount, currency(body.currency))


def _meter(recurring: RecurringParams) -> str | None:
    """The meter of a metered price; usage is what such a price charges for, and nothing else does."""
    if (recurring.usage_type == "metered") == (recurring.meter is not None):
        return recurring.meter
    if recurring.meter is None:
        raise InvalidRequest(
            "Missing required param: recurring[meter].", code="parameter_missing", param="recurring[meter]"
        )
    raise InvalidRequest(
        "recurring[meter] goes with recurring[usage_type]=metered.", code="parameter_conflict", param="recurring[meter]"
    )


@writes("/v1/prices", kind=_KIND, params=CreatePrice, answer=PriceObject, rings=("webhooks",))
async def create(call: Call, body: CreatePrice) -> Price:
    """Create a price."""
    recurring, inline = body.recurring, body.product_data
    new = NewPrice(
        currency=body.currency,
        unit_amount=_amount(body),
        interval=None if recurring is None else _interval(recurring),
        meter_id=None if recurring is None else _meter(recurring),
        product_id=body.product,
        product=None
        if inline is None
        else ProductFields(
            given=frozenset(),
            name=inline.name,
            active=inline.active,
            description=inline.description,
            metadata=metadata(inline.metadata),
        ),
    )
    fields = PriceFields(
        given=frozenset(),
        active=body.active,
        nickname=body.nickname,
        lookup_key=body.lookup_key,
        metadata=metadata(body.metadata),
    )
    return await services.create_price(
        call.conn, call.gateway, scope=call.scope, new=new, fields=fields, now=call.now, origin=call.origin
    )


@reads("/v1/prices/{id:str}", kind=_KIND, params=Retrieve, answer=PriceObject)
async def retrieve(call: Call, _: Retrieve) -> Price:
    """Retrieve a price."""
    found = await catalog.get_price(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@writes("/v1/prices/{id:str}", kind=_KIND, params=UpdatePrice, answer=PriceObject, methods=UPDATE, rings=("webhooks",))
async def update(call: Call, body: UpdatePrice) -> Price:
    """Update a price."""
    values = known(body, "active", "nickname", "lookup_key", "metadata")
    names = given(body, without=frozenset({"expand"}))
    return await services.update_price(
        call.conn,
        call.gateway,
        scope=call.scope,
        price_id=call.id,
        fields=PriceFields(given=names, **values),
        now=call.now,
        origin=call.origin,
    )


@reads("/v1/prices", kind=_KIND, params=ListPrices, answer=PriceObject, is_list=True)
async def listed(call: Call, query: ListPrices) -> Page[Price]:
    """List prices."""
    return await catalog.page_prices(
        call.conn,
        query.page(call),
        product=query.product,
        active=query.active,
        currency=query.currency.lower() if query.currency is not None else None,
        lookup_keys=query.lookup_keys,
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, listed)
