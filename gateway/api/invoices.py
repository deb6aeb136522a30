"""`/v1/invoices`: what is owed for each period."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from gateway.api.endpoint import Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import invoices
from gateway.db.pages import Page
from gateway.domain.errors import NotFound
from gateway.domain.invoice import Invoice, Status
from gateway.services import invoices as services
from gateway.services import previews, times
from gateway.wire.invoice import InvoiceObject

_KIND: Final = "invoice"
_RINGS: Final = ("collection", "webhooks")


class ListInvoices(ListParams, frozen=True, kw_only=True):
    """Which invoices."""

    customer: Id | None = None
    subscription: Id | None = None
    status: Literal["draft", "open", "paid", "void", "uncollectible"] | None = None


class PreviewInvoice(Params, frozen=True, kw_only=True):
    """Whose next invoice to look at."""

    subscription: Id | None = None
    customer: Id | None = None


async def _by_hand(call: Call, use_case: Callable[..., Awaitable[Invoice]]) -> Invoice:
    return await use_case(
        call.conn,
        call.gateway,
        scope=call.scope,
        invoice_id=call.id,
        now=await times.of_invoice(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


@reads("/v1/invoices/{id:str}", kind=_KIND, params=Retrieve, answer=InvoiceObject)
async def retrieve(call: Call, _: Retrieve) -> Invoice:
    """Retrieve an invoice."""
    found = await invoices.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@reads("/v1/invoices", kind=_KIND, params=ListInvoices, answer=InvoiceObject, is_list=True)
async def listed(call: Call, query: ListInvoices) -> Page[Invoice]:
    """List invoices."""
    return await invoices.page(
        call.conn,
        query.page(call),
        customer=query.customer,
        subscription=query.subscription,
        status=Status(query.status) if query.status is not None else None,
    )


@writes("/v1/invoices/create_preview", kind=_KIND, params=PreviewInvoice, answer=InvoiceObject)
async def create_preview(call: Call, body: PreviewInvoice) -> Invoice:
    """Preview the next invoice of a subscription; nothing is written down."""
    return await previews.upcoming(
        call.conn,
        scope=call.scope,
        subscription_id=body.subscription,
        customer_id=body.customer,
        now=await times.of_subscription(call.conn, call.scope, body.subscription or "", call.now),
    )


@writes("/v1/invoices/{id:str}/finalize", kind=_KIND, params=Retrieve, answer=InvoiceObject, rings=_RINGS)
async def finalize(call: Call, _: Retrieve) -> Invoice:
    """Finalise a draft: from now on it is owed."""
    return await _by_hand(call, services.finalize)


@writes("/v1/invoices/{id:str}/pay", kind=_KIND, params=Retrieve, answer=InvoiceObject, rings=_RINGS)
async def pay(call: Call, _: Retrieve) -> Invoice:
    """Try now to collect an open invoice; the outcome follows when it is final."""
    return await _by_hand(call, services.pay)


@writes("/v1/invoices/{id:str}/void", kind=_KIND, params=Retrieve, answer=InvoiceObject, rings=_RINGS)
async def void(call: Call, _: Retrieve) -> Invoice:
    """Void an invoice: it is owed no more."""
    return await _by_hand(call, services.void)


@writes("/v1/invoices/{id:str}/mark_uncollectible", kind=_KIND, params=Retrieve, answer=InvoiceObject, rings=_RINGS)
async def mark_uncollectible(call: Call, _: Retrieve) -> Invoice:
    """Write an open invoice off."""
    return await _by_hand(call, services.mark_uncollectible)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    create_preview,
    retrieve,
    listed,
    finalize,
    pay,
    void,
    mark_uncollectible,
)
