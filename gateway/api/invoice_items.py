"""`/v1/invoiceitems`: extra lines, and `/v1/customers/{id}/balance_transactions`: credit."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from gateway.api.deleted import DeletedObject
from gateway.api.endpoint import DELETE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Text, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams, UnixTime
from gateway.db import balances, invoice_items
from gateway.db.pages import Page
from gateway.domain import metadata as merchant_metadata
from gateway.domain.credit import BalanceTransaction
from gateway.domain.errors import NotFound
from gateway.domain.invoice_item import InvoiceItem
from gateway.domain.money import currency
from gateway.domain.period import from_unix
from gateway.services import credit, times
from gateway.services import invoice_items as services
from gateway.services.catalog import customer_of
from gateway.services.invoice_items import NewInvoiceItem
from gateway.wire.pricing import BalanceTransactionObject, InvoiceItemObject

_KIND: Final = "invoiceitem"
_BALANCE: Final = "customer_balance_transaction"
_WEBHOOKS: Final = ("webhooks",)

Currency = Annotated[str, Meta(min_length=3, max_length=3)]


class PeriodParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it was rendered, in unix seconds."""

    start: UnixTime
    end: UnixTime


class PricingParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A one-time price."""

    price: Id


class CreateInvoiceItem(Params, frozen=True, kw_only=True):
    """Something more to bill: `amount` with its `currency`, or `quantity` of a one-time price.

    It waits for the customer's next invoice, or that of `subscription`; with `invoice` it goes straight onto a draft.
    """

    customer: Id
    amount: int | None = None
    currency: Currency | None = None
    pricing: PricingParams | None = None
    quantity: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    description: Text | None = None
    subscription: Id | None = None
    invoice: Id | None = None
    discountable: bool | None = None
    tax_rates: list[Id] | None = None
    period: PeriodParams | None = None
    metadata: Metadata = None


class ListInvoiceItems(ListParams, frozen=True, kw_only=True):
    """Which invoice items."""

    customer: Id | None = None
    invoice: Id | None = None
    pending: bool | None = None


class CreateBalanceTransaction(Params, frozen=True, kw_only=True):
    """A negative amount gives credit, a positive one adds to the next invoice."""

    amount: Annotated[int, Meta(ge=-(2**53), le=2**53)]
    currency: Currency
    description: Text | None = None
    metadata: Metadata = None


class ListBalanceTransactions(ListParams, frozen=True, kw_only=True):
    """Which changes of a balance."""

    invoice: Id | None = None


@writes("/v1/invoiceitems", kind=_KIND, params=CreateInvoiceItem, answer=InvoiceItemObject, rings=_WEBHOOKS)
async def create(call: Call, body: CreateInvoiceItem) -> InvoiceItem:
    """Create an invoice item."""
    new = NewInvoiceItem(
        customer_id=body.customer,
        amount=body.amount,
        currency=body.currency,
        price_id=None if body.pricing is None else body.pricing.price,
        quantity=body.quantity,
        description=body.description,
        subscription_id=body.subscription,
        invoice_id=body.invoice,
        discountable=body.discountable,
        tax_rate_ids=body.tax_rates or (),
        period=None if body.period is None else (from_unix(body.period.start), from_unix(body.period.end)),
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
    )
    now = await times.of_customer(call.conn, call.scope, body.customer, call.now)
    return await services.create(call.conn, call.gateway, scope=call.scope, new=new, now=now, origin=call.origin)


@reads("/v1/invoiceitems/{id:str}", kind=_KIND, params=Retrieve, answer=InvoiceItemObject)
async def retrieve(call: Call, _: Retrieve) -> InvoiceItem:
    """Retrieve an invoice item."""
    found = await invoice_items.shelf.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@writes("/v1/invoiceitems/{id:str}", kind=_KIND, params=Retrieve, answer=DeletedObject, methods=DELETE, rings=_WEBHOOKS)
async def delete(call: Call, _: Retrieve) -> DeletedObject:
    """Delete an invoice item that no finalised invoice has."""
    gone = await services.delete(
        call.conn, call.gateway, scope=call.scope, item_id=call.id, now=call.now, origin=call.origin
    )
    return DeletedObject(id=gone.id, object=_KIND)


@reads("/v1/invoiceitems", kind=_KIND, params=ListInvoiceItems, answer=InvoiceItemObject, is_list=True)
async def listed(call: Call, query: ListInvoiceItems) -> Page[InvoiceItem]:
    """List invoice items."""
    return await invoice_items.page(
        call.conn, query.page(call), customer=query.customer, invoice=query.invoice, pending=query.pending
    )


@writes(
    "/v1/customers/{id:str}/balance_transactions",
    kind=_BALANCE,
    params=CreateBalanceTransaction,
    answer=BalanceTransactionObject,
    rings=_WEBHOOKS,
)
async def adjust_balance(call: Call, body: CreateBalanceTransaction) -> BalanceTransaction:
    """Give a customer credit, or take it back."""
    return await credit.adjust(
        call.conn,
        call.gateway,
        scope=call.scope,
        customer_id=call.id,
        amount=body.amount,
        currency=currency(body.currency),
        description=body.description,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
        now=await times.of_customer(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


@reads(
    "/v1/customers/{id:str}/balance_transactions",
    kind=_BALANCE,
    params=ListBalanceTransactions,
    answer=BalanceTransactionObject,
    is_list=True,
)
async def balance_of(call: Call, query: ListBalanceTransactions) -> Page[BalanceTransaction]:
    """List what happened to a customer's balance."""
    await customer_of(call.conn, call.scope, call.id)
    return await balances.page(call.conn, query.page(call), customer=call.id, invoice=query.invoice)


@reads(
    "/v1/customers/{id:str}/balance_transactions/{transaction:str}",
    kind=_BALANCE,
    params=Retrieve,
    answer=BalanceTransactionObject,
)
async def balance_transaction(call: Call, _: Retrieve) -> BalanceTransaction:
    """Retrieve one change of a customer's balance."""
    found = await balances.shelf.get(call.conn, call.scope, call.path["transaction"])
    if found is None or found.customer_id != call.id:
        raise NotFound(_BALANCE, call.path["transaction"])
    return found


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    create,
    retrieve,
    delete,
    listed,
    adjust_balance,
    balance_of,
    balance_transaction,
)
