"""`/v1/payment_methods`: wallets that pay."""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import catalog
from gateway.db.pages import Page
from gateway.domain.catalog import PaymentMethod
from gateway.domain.errors import NotFound
from gateway.services import payment_methods as services
from gateway.services import times
from gateway.wire.catalog import PaymentMethodObject

_KIND: Final = "payment_method"

AddressText = Annotated[str, Meta(min_length=1, max_length=64, description="0x and 40 hex digits; EIP-55 is judged")]


class Erc20AllowanceParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wallet, and the token it pays with."""

    chain_id: Annotated[int, Meta(ge=1, le=2**53)]
    token: AddressText
    owner: AddressText


class CreatePaymentMethod(Params, frozen=True, kw_only=True):
    """A new payment method; nothing is signed yet."""

    type: Literal["erc20_allowance"]
    erc20_allowance: Erc20AllowanceParams
    metadata: Metadata = None


class UpdatePaymentMethod(Params, frozen=True, kw_only=True):
    """What to change; the wallet itself never changes."""

    metadata: Metadata | UnsetType = UNSET


class Attach(Params, frozen=True, kw_only=True):
    """Whose it becomes."""

    customer: Id


class ListPaymentMethods(ListParams, frozen=True, kw_only=True):
    """Which payment methods."""

    customer: Id | None = None
    type: str | None = None


@writes("/v1/payment_methods", kind=_KIND, params=CreatePaymentMethod, answer=PaymentMethodObject)
async def create(call: Call, body: CreatePaymentMethod) -> PaymentMethod:
    """Create a payment method."""
    wallet = body.erc20_allowance
    return await services.create(
        call.conn,
        call.gateway,
        scope=call.scope,
        chain_id=wallet.chain_id,
        token=wallet.token,
        owner=wallet.owner,
        metadata=metadata(body.metadata),
        now=call.now,
    )


@reads("/v1/payment_methods/{id:str}", kind=_KIND, params=Retrieve, answer=PaymentMethodObject)
async def retrieve(call: Call, _: Retrieve) -> PaymentMethod:
    """Retrieve a payment method."""
    found = await catalog.get_payment_method(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@writes(
    "/v1/payment_methods/{id:str}",
    kind=_KIND,
    params=UpdatePaymentMethod,
    answer=PaymentMethodObject,
    methods=UPDATE,
    rings=("webhooks",),
)
async def update(call: Call, body: UpdatePaymentMethod) -> PaymentMethod:
    """Update a payment method's metadata."""
    return await services.update(
        call.conn,
        call.gateway,
        scope=call.scope,
        method_id=call.id,
        metadata={} if isinstance(body.metadata, UnsetType) else body.metadata,
        now=call.now,
        origin=call.origin,
    )


@writes(
    "/v1/payment_methods/{id:str}/attach",
    kind=_KIND,
    params=Attach,
    answer=PaymentMethodObject,
    rings=("webhooks",),
)
async def attach(call: Call, body: Attach) -> PaymentMethod:
    """Attach a payment method to a customer."""
    return await services.attach(
        call.conn,
        call.gateway,
        scope=call.scope,
        method_id=call.id,
        customer_id=body.customer,
        now=await times.of_customer(call.conn, call.scope, body.customer, call.now),
        origin=call.origin,
    )


@writes(
    "/v1/payment_methods/{id:str}/detach",
    kind=_KIND,
    params=Retrieve,
    answer=PaymentMethodObject,
    rings=("webhooks",),
)
async def detach(call: Call, _: Retrieve) -> PaymentMethod:
    """Detach a payment method from its customer."""
    return await services.detach(
        call.conn, call.gateway, scope=call.scope, method_id=call.id, now=call.now, origin=call.origin
    )


@reads("/v1/payment_methods", kind=_KIND, params=ListPaymentMethods, answer=PaymentMethodObject, is_list=True)
async def listed(call: Call, query: ListPaymentMethods) -> Page[PaymentMethod]:
    """List payment methods."""
    if query.type not in {None, "erc20_allowance"}:
        return Page([], has_more=False)
    return await catalog.page_payment_methods(call.conn, query.page(call), customer=query.customer)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, attach, detach, listed)
