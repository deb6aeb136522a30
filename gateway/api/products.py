"""`/v1/products`: what is sold."""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from gateway.api.deleted import DeletedObject
from gateway.api.endpoint import DELETE, UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Text, Word, given, known, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import catalog
from gateway.db.pages import Page
from gateway.domain.beginning import TRIAL_DAYS_MAX
from gateway.domain.catalog import Product
from gateway.services import catalog as services
from gateway.services.catalog import ProductFields
from gateway.wire.catalog import ProductObject

_KIND: Final = "product"


TrialDays = Annotated[int, Meta(ge=1, le=TRIAL_DAYS_MAX)]


class CreateProduct(Params, frozen=True, kw_only=True):
    """A new product."""

    name: Word
    active: bool = True
    description: Text | None = None
    metadata: Metadata = None
    trial_period_days: TrialDays | None = None


class UpdateProduct(Params, frozen=True, kw_only=True):
    """What to change; an empty value clears a field."""

    name: Word | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET
    default_price: Id | UnsetType | None = UNSET
    trial_period_days: TrialDays | UnsetType | None = UNSET


class ListProducts(ListParams, frozen=True, kw_only=True):
    """Which products."""

    active: bool | None = None
    ids: list[Id] | None = None


@writes("/v1/products", kind=_KIND, params=CreateProduct, answer=ProductObject, rings=("webhooks",))
async def create(call: Call, body: CreateProduct) -> Product:
    """Create a product."""
    fields = ProductFields(
        given=frozenset(),
        name=body.name,
        active=body.active,
        description=body.description,
        metadata=metadata(body.metadata),
        trial_period_days=body.trial_period_days,
    )
    return await services.create_product(
        call.conn, call.gateway, scope=call.scope, fields=fields, now=call.now, origin=call.origin
    )


@reads("/v1/products/{id:str}", kind=_KIND, params=Retrieve, answer=ProductObject)
async def retrieve(call: Call, _: Retrieve) -> Product:
    """Retrieve a product."""
    return await services.product_of(call.conn, call.scope, call.id)


@writes(
    "/v1/products/{id:str}",
    kind=_KIND,
    params=UpdateProduct,
    answer=ProductObject,
    methods=UPDATE,
    rings=("webhooks",),
)
async def update(call: Call, body: UpdateProduct) -> Product:
    """Update a product."""
    values = known(body, "name", "active", "description", "metadata", "trial_period_days")
    names = given(body, without=frozenset({"expand", "default_price"}))
    if body.default_price is not UNSET:
        values["default_price_id"] = body.default_price
        names |= {"default_price_id"}
    return await services.update_product(
        call.conn,
        call.gateway,
        scope=call.scope,
        product_id=call.id,
        fields=ProductFields(given=names, **values),
        now=call.now,
        origin=call.origin,
    )


@writes(
    "/v1/products/{id:str}",
    kind=_KIND,
    params=Retrieve,
    answer=DeletedObject,
    methods=DELETE,
    rings=("webhooks",),
)
async def delete(call: Call, _: Retrieve) -> DeletedObject:
    """Delete a product that has no price."""
    gone = await services.delete_product(
        call.conn, call.gateway, scope=call.scope, product_id=call.id, now=call.now, origin=call.origin
    )
    return DeletedObject(id=gone.id, object=_KIND)


@reads("/v1/products", kind=_KIND, params=ListProducts, answer=ProductObject, is_list=True)
async def listed(call: Call, query: ListProducts) -> Page[Product]:
    """List products."""
    return await catalog.page_products(call.conn, query.page(call), active=query.active, ids=query.ids)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, delete, listed)
