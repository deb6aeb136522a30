"""`/v1/invoices`: what is owed for each period."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from msgspec import UNSET, UnsetType

from gateway.api import term_changes
from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Text, given, known
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.api.subscription_params import PreviewDetails
from gateway.db import invoices
from gateway.db.pages import Page
from gateway.domain.errors import NotFound, PaymentFailed
from gateway.domain.invoice import Invoice, Status
from gateway.services import invoices as services
from gateway.services import payers, previews, sending, times
from gateway.services.invoices import InvoiceChanges
from gateway.wire.invoice import InvoiceObject

_KIND: Final = "invoice"
_RINGS: Final = ("collection", "webhooks")


class ListInvoices(ListParams, frozen=True, kw_only=True):
    """Which invoices."""

    customer: Id | None = None
    subscription: Id | None = None
    status: Literal["draft", "open", "paid", "void", "uncollectible"] | None = None


class UpdateInvoice(Params, frozen=True, kw_only=True):
    """What to change; the description of a draft only."""

    auto_advance: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET


class PayInvoice(Params, frozen=True, kw_only=True):
    """With which of the customer's wallets, if not the one that pays already."""

    payment_method: Id | None = None


class PreviewInvoice(Params, frozen=True, kw_only=True):
    """Whose next invoice to look at."""

    subscription: Id | None = None
    customer: Id | None = None
    subscription_details: PreviewDetails | None = None


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
    details = body.subscription_details
    with term_changes.named_in("subscription_details", body.subscription_details):
        return await previews.upcoming(
            call.conn,
            call.gateway,
            scope=call.scope,
            subscription_id=body.subscription,
            customer_id=body.customer,
            request=None if details is None else term_changes.previewed(details),
            now=await times.of_subscription(call.conn, call.scope, body.subscription or "", call.now),
        )


@writes(
    "/v1/invoices/{id:str}",
    kind=_KIND,
    params=UpdateInvoice,
    answer=InvoiceObject,
    methods=UPDATE,
    rings=_RINGS,
)
async def update(call: Call, body: UpdateInvoice) -> Invoice:
    """Update an invoice: its description as a draft, its metadata, and whether it goes on by itself."""
    names = given(body, without=frozenset({"expand"}))
    return await services.update(
        call.conn,
        call.gateway,
        scope=call.scope,
        invoice_id=call.id,
        changes=InvoiceChanges(given=names, **known(body, *names)),
        now=await times.of_invoice(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


@writes("/v1/invoices/{id:str}/finalize", kind=_KIND, params=Retrieve, answer=InvoiceObject, rings=_RINGS)
async def finalize(call: Call, _: Retrieve) -> Invoice:
    """Finalise a draft: from now on it is owed."""
    return await _by_hand(call, services.finalize)


async def _affordable(call: Call, body: PayInvoice) -> None:
    """Ask the chain first: a payment that must fail is refused, with the wallet's reason, and nothing changes."""
    if body.payment_method is not None:
        return
    refused = await payers.refusal(
        call.conn, call.gateway, call.api.chains, scope=call.scope, invoice_id=call.id, now=call.now
    )
    if refused is not None and refused.code is not None:
        raise PaymentFailed(
            f"The wallet cannot pay invoice '{call.id}' now: {refused.code}.", decline_code=refused.code.value
        )


@writes(
    "/v1/invoices/{id:str}/pay",
    kind=_KIND,
    params=PayInvoice,
    answer=InvoiceObject,
    before=_affordable,
    rings=_RINGS,
)
async def pay(call: Call, body: PayInvoice) -> Invoice:
    """Try now to collect an open invoice; the outcome follows when it is final."""
    return await services.pay(
        call.conn,
        call.gateway,
        scope=call.scope,
        invoice_id=call.id,
        payment_method_id=body.payment_method,
        now=await times.of_invoice(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


@writes("/v1/invoices/{id:str}/void", kind=_KIND, params=Retrieve, answer=InvoiceObject, rings=_RINGS)
async def void(call: Call, _: Retrieve) -> Invoice:
    """Void an invoice: it is owed no more."""
    return await _by_hand(call, services.void)


@writes("/v1/invoices/{id:str}/mark_uncollectible", kind=_KIND, params=Retrieve, answer=InvoiceObject, rings=_RINGS)
async def mark_uncollectible(call: Call, _: Retrieve) -> Invoice:
    """Write an open invoice off."""
    return await _by_hand(call, services.mark_uncollectible)


@writes("/v1/invoices/{id:str}/send", kind=_KIND, params=Retrieve, answer=InvoiceObject, rings=_RINGS)
async def send(call: Call, _: Retrieve) -> Invoice:
    """Send an open invoice, or send it again; from then on a transfer of the customer's own can pay it."""
    return await _by_hand(call, sending.send)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    create_preview,
    retrieve,
    listed,
    update,
    finalize,
    pay,
    void,
    mark_uncollectible,
    send,
)
