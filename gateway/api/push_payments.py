"""`/v1/push_payments`: what customers sent by themselves, and saying what a doubtful payment was for."""

from typing import Any, Final, Literal

from gateway.api.endpoint import Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import pushes
from gateway.db.pages import Page
from gateway.domain.errors import NotFound
from gateway.domain.push import KIND, PushPayment, Status
from gateway.services import applications as services
from gateway.wire.push import PushPaymentObject

_RINGS: Final = ("webhooks",)


class ListPushPayments(ListParams, frozen=True, kw_only=True):
    """Which payments."""

    customer: Id | None = None
    status: Literal["applied", "unmatched", "dismissed"] | None = None


class ApplyPushPayment(Params, frozen=True, kw_only=True):
    """The open invoice that an unmatched payment is for."""

    invoice: Id


@reads("/v1/push_payments/{id:str}", kind=KIND, params=Retrieve, answer=PushPaymentObject)
async def retrieve(call: Call, _: Retrieve) -> PushPayment:
    """Retrieve a payment that a customer sent."""
    found = await pushes.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(KIND, call.id)
    return found


@writes("/v1/push_payments/{id:str}/apply", kind=KIND, params=ApplyPushPayment, answer=PushPaymentObject, rings=_RINGS)
async def apply(call: Call, body: ApplyPushPayment) -> PushPayment:
    """Pay an open invoice with an unmatched payment; what it is too much becomes credit of the customer."""
    return await services.apply(
        call.conn, call.gateway, scope=call.scope, push_id=call.id, invoice_id=body.invoice, origin=call.origin
    )


@writes("/v1/push_payments/{id:str}/dismiss", kind=KIND, params=Retrieve, answer=PushPaymentObject, rings=_RINGS)
async def dismiss(call: Call, _: Retrieve) -> PushPayment:
    """Take note of an unmatched payment that pays nothing here."""
    return await services.dismiss(call.conn, call.gateway, scope=call.scope, push_id=call.id, origin=call.origin)


@reads("/v1/push_payments", kind=KIND, params=ListPushPayments, answer=PushPaymentObject, is_list=True)
async def listed(call: Call, query: ListPushPayments) -> Page[PushPayment]:
    """List payments that customers sent."""
    status = None if query.status is None else Status(query.status)
    return await pushes.page(call.conn, query.page(call), customer=query.customer, status=status)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (retrieve, apply, dismiss, listed)
"""Routes of this resource."""
