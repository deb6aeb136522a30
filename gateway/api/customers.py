"""`/v1/customers`: who subscribes."""

from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from gateway.api.deleted import DeletedObject
from gateway.api.endpoint import DELETE, UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Text, Word, given, known, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import catalog, subscriptions
from gateway.db.pages import Page
from gateway.domain.catalog import Customer, PaymentMethod
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.subscription import Status, Subscription
from gateway.services import catalog as services
from gateway.services import payment_methods, times
from gateway.services.catalog import CustomerFields
from gateway.wire.catalog import CustomerObject, PaymentMethodObject
from gateway.wire.subscription import SubscriptionObject

_KIND: Final = "customer"


class InvoiceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the customer's invoices are paid unless a subscription says otherwise."""

    default_payment_method: Id | None = None


class CreateCustomer(Params, frozen=True, kw_only=True):
    """A new customer. `payment_method` is attached to it; `test_clock` gives it a time of its own."""

    email: Word | None = None
    name: Word | None = None
    phone: Word | None = None
    description: Text | None = None
    metadata: Metadata = None
    payment_method: Id | None = None
    invoice_settings: InvoiceSettings | None = None
    test_clock: Id | None = None


class UpdateCustomer(Params, frozen=True, kw_only=True):
    """What to change; an empty value clears a field."""

    email: Word | UnsetType | None = UNSET
    name: Word | UnsetType | None = UNSET
    phone: Word | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET
    default_payment_method: Id | UnsetType | None = UNSET
    invoice_settings: InvoiceSettings | UnsetType | None = UNSET


class ListCustomers(ListParams, frozen=True, kw_only=True):
    """Which customers."""

    email: Word | None = None
    test_clock: Id | None = None


class ListPaymentMethodsOfCustomer(ListParams, frozen=True, kw_only=True):
    """Which of its payment methods."""

    type: str | None = None


@writes("/v1/customers", kind=_KIND, params=CreateCustomer, answer=CustomerObject, rings=("webhooks",))
async def create(call: Call, body: CreateCustomer) -> Customer:
    """Create a customer."""
    made = await services.create_customer(
        call.conn,
        call.gateway,
        scope=call.scope,
        fields=CustomerFields(
            given=frozenset(),
            email=body.email,
            name=body.name,
            phone=body.phone,
            description=body.description,
            metadata=metadata(body.metadata),
        ),
        test_clock_id=body.test_clock,
        now=call.now,
        origin=call.origin,
    )
    if body.payment_method is not None:
        await payment_methods.attach(
            call.conn,
            call.gateway,
            scope=call.scope,
            method_id=body.payment_method,
            customer_id=made.id,
            now=made.created_at,
            origin=call.origin,
            param="payment_method",
        )
    default = body.invoice_settings.default_payment_method if body.invoice_settings is not None else None
    if default is None:
        return made
    return await _set(call, made.id, CustomerFields(given=frozenset({_DEFAULT}), default_payment_method_id=default))


_DEFAULT: Final = "default_payment_method_id"


async def _set(call: Call, customer_id: str, fields: CustomerFields) -> Customer:
    return await services.update_customer(
        call.conn,
        call.gateway,
        scope=call.scope,
        customer_id=customer_id,
        fields=fields,
        now=await times.of_customer(call.conn, call.scope, customer_id, call.now),
        origin=call.origin,
    )


@reads("/v1/customers/{id:str}", kind=_KIND, params=Retrieve, answer=CustomerObject)
async def retrieve(call: Call, _: Retrieve) -> Customer | DeletedObject:
    """Retrieve a customer; of a deleted one only that it was."""
    found = await catalog.get_customer(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return DeletedObject(id=found.id, object=_KIND) if found.deleted else found


@writes(
    "/v1/customers/{id:str}",
    kind=_KIND,
    params=UpdateCustomer,
    answer=CustomerObject,
    methods=UPDATE,
    rings=("webhooks",),
)
async def update(call: Call, body: UpdateCustomer) -> Customer:
    """Update a customer."""
    names = given(body, without=frozenset({"expand", "default_payment_method", "invoice_settings"}))
    values: dict[str, Any] = known(body, "email", "name", "phone", "description", "metadata")
    nested = body.invoice_settings
    if isinstance(nested, InvoiceSettings):
        values[_DEFAULT] = nested.default_payment_method
    if body.default_payment_method is not UNSET:
        if _DEFAULT in values and values[_DEFAULT] != body.default_payment_method:
            raise InvalidRequest(
                "default_payment_method and invoice_settings[default_payment_method] contradict each other.",
                code="parameter_conflict",
                param="default_payment_method",
            )
        values[_DEFAULT] = body.default_payment_method
    return await _set(call, call.id, CustomerFields(given=names | (values.keys() & {_DEFAULT}), **values))


@writes(
    "/v1/customers/{id:str}",
    kind=_KIND,
    params=Retrieve,
    answer=DeletedObject,
    methods=DELETE,
    rings=("webhooks",),
)
async def delete(call: Call, _: Retrieve) -> DeletedObject:
    """Delete a customer; its subscriptions end at once."""
    gone = await services.delete_customer(
        call.conn,
        call.gateway,
        scope=call.scope,
        customer_id=call.id,
        now=await times.of_customer(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )
    return DeletedObject(id=gone.id, object=_KIND)


@reads("/v1/customers", kind=_KIND, params=ListCustomers, answer=CustomerObject, is_list=True)
async def listed(call: Call, query: ListCustomers) -> Page[Customer]:
    """List customers."""
    return await catalog.page_customers(call.conn, query.page(call), email=query.email, test_clock=query.test_clock)


@reads(
    "/v1/customers/{id:str}/payment_methods",
    kind="payment_method",
    params=ListPaymentMethodsOfCustomer,
    answer=PaymentMethodObject,
    is_list=True,
)
async def methods_of_customer(call: Call, query: ListPaymentMethodsOfCustomer) -> Page[PaymentMethod]:
    """List the payment methods of a customer."""
    await services.customer_of(call.conn, call.scope, call.id)
    if query.type not in {None, "erc20_allowance"}:
        return Page([], has_more=False)
    return await catalog.page_payment_methods(call.conn, query.page(call), customer=call.id)


@reads(
    "/v1/customers/{id:str}/payment_methods/{payment_method:str}",
    kind="payment_method",
    params=Retrieve,
    answer=PaymentMethodObject,
)
async def method_of_customer(call: Call, _: Retrieve) -> PaymentMethod:
    """Retrieve a payment method of a customer."""
    await services.customer_of(call.conn, call.scope, call.id)
    method_id = call.path["payment_method"]
    found = await catalog.get_payment_method(call.conn, call.scope, method_id)
    if found is None or found.customer_id != call.id:
        raise NotFound("payment_method", method_id)
    return found


@reads(
    "/v1/customers/{id:str}/subscriptions",
    kind="subscription",
    params=ListParams,
    answer=SubscriptionObject,
    is_list=True,
)
async def subscriptions_of_customer(call: Call, query: ListParams) -> Page[Subscription]:
    """List the subscriptions of a customer that have not been canceled (FR-01)."""
    await services.customer_of(call.conn, call.scope, call.id)
    return await subscriptions.page(call.conn, query.page(call), customer=call.id, without=(Status.CANCELED,))


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    create,
    retrieve,
    update,
    delete,
    listed,
    methods_of_customer,
    method_of_customer,
    subscriptions_of_customer,
)
