"""`/v1/tax_rates`: shares that are added to amounts, or contained in them."""

from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Metadata, Text, Word, given, integral, known, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import tax_rates
from gateway.db.pages import Page
from gateway.domain import metadata as merchant_metadata
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.tax import PPM, TaxRate
from gateway.services import tax_rates as services
from gateway.services.tax_rates import TaxRateFields
from gateway.wire.pricing import TaxRateObject

_KIND: Final = "tax_rate"

Country = Annotated[str, Meta(min_length=2, max_length=2)]
DisplayName = Annotated[str, Meta(min_length=1, max_length=50)]


class CreateTaxRate(Params, frozen=True, kw_only=True):
    """A new tax rate; what it charges never changes."""

    display_name: DisplayName
    percentage: Decimal
    inclusive: bool
    active: bool = True
    country: Country | None = None
    state: Word | None = None
    jurisdiction: Word | None = None
    description: Text | None = None
    tax_type: Word | None = None
    metadata: Metadata = None


class UpdateTaxRate(Params, frozen=True, kw_only=True):
    """What to change; an empty value clears a field."""

    display_name: DisplayName | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    country: Country | UnsetType | None = UNSET
    state: Word | UnsetType | None = UNSET
    jurisdiction: Word | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    tax_type: Word | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET


class ListTaxRates(ListParams, frozen=True, kw_only=True):
    """Which tax rates."""

    active: bool | None = None
    inclusive: bool | None = None


def _ppm(percentage: Decimal) -> int:
    """Millionths: four digits after the point."""
    ppm = integral(percentage, PPM // 100, param="percentage")
    if not 0 <= ppm <= PPM:
        raise InvalidRequest("percentage must be between 0 and 100.", code="invalid_percentage", param="percentage")
    return ppm


@writes("/v1/tax_rates", kind=_KIND, params=CreateTaxRate, answer=TaxRateObject, rings=("webhooks",))
async def create(call: Call, body: CreateTaxRate) -> TaxRate:
    """Create a tax rate."""
    rate = TaxRate(
        id=new_id("txr", call.now),
        scope=call.scope,
        created_at=call.now,
        display_name=body.display_name,
        percentage_ppm=_ppm(body.percentage),
        inclusive=body.inclusive,
        active=body.active,
        country=body.country,
        state=body.state,
        jurisdiction=body.jurisdiction,
        description=body.description,
        tax_type=body.tax_type,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
    )
    return await services.create(call.conn, call.gateway, rate, origin=call.origin)


@reads("/v1/tax_rates/{id:str}", kind=_KIND, params=Retrieve, answer=TaxRateObject)
async def retrieve(call: Call, _: Retrieve) -> TaxRate:
    """Retrieve a tax rate."""
    found = await tax_rates.shelf.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@writes(
    "/v1/tax_rates/{id:str}",
    kind=_KIND,
    params=UpdateTaxRate,
    answer=TaxRateObject,
    methods=UPDATE,
    rings=("webhooks",),
)
async def update(call: Call, body: UpdateTaxRate) -> TaxRate:
    """Update a tax rate."""
    names = given(body, without=frozenset({"expand"}))
    return await services.update(
        call.conn,
        call.gateway,
        scope=call.scope,
        rate_id=call.id,
        fields=TaxRateFields(given=names, **known(body, *names)),
        now=call.now,
        origin=call.origin,
    )


@reads("/v1/tax_rates", kind=_KIND, params=ListTaxRates, answer=TaxRateObject, is_list=True)
async def listed(call: Call, query: ListTaxRates) -> Page[TaxRate]:
    """List tax rates."""
    return await tax_rates.page(call.conn, query.page(call), active=query.active, inclusive=query.inclusive)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, listed)
