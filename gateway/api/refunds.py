"""`/v1/refunds`: money that goes back from the merchant's own wallet."""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import refunds
from gateway.db.pages import Page
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.refund import KIND, Motive, Refund
from gateway.services import refunds as services
from gateway.wire.refund import RefundObject

_AMOUNT_MAX: Final = 2**53

MinorUnits = Annotated[int, Meta(ge=1, le=_AMOUNT_MAX)]


class CreateRefund(Params, frozen=True, kw_only=True):
    """What to give back; without an amount, the rest. `payment_intent` is the older name of `charge_intent`."""

    charge: Id | None = None
    charge_intent: Id | None = None
    payment_intent: Id | None = None
    amount: MinorUnits | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: Metadata | UnsetType = UNSET


class UpdateRefund(Params, frozen=True, kw_only=True):
    """Notes of the merchant's; everything else is fixed."""

    metadata: Metadata | UnsetType = UNSET


class ListRefunds(ListParams, frozen=True, kw_only=True):
    """Which refunds."""

    charge: Id | None = None
    charge_intent: Id | None = None
    payment_intent: Id | None = None


def _intent(charge_intent: str | None, payment_intent: str | None) -> str | None:
    if charge_intent is not None and payment_intent is not None:
        raise InvalidRequest(
            "Give charge_intent or payment_intent, not both.", code="parameter_conflict", param="payment_intent"
        )
    return charge_intent or payment_intent


@writes("/v1/refunds", kind=KIND, params=CreateRefund, answer=RefundObject, rings=("webhooks",))
async def create(call: Call, body: CreateRefund) -> Refund:
    """Prepare a refund: the answer holds the transfer that the payout wallet has to send."""
    return await services.create(
        call.conn,
        call.gateway,
        scope=call.scope,
        charge_id=body.charge,
        charge_intent_id=_intent(body.charge_intent, body.payment_intent),
        amount=body.amount,
        motive=Motive(body.reason) if body.reason is not None else None,
        metadata=metadata(body.metadata),
        origin=call.origin,
    )


@reads("/v1/refunds/{id:str}", kind=KIND, params=Retrieve, answer=RefundObject)
async def retrieve(call: Call, _: Retrieve) -> Refund:
    """Retrieve a refund."""
    found = await refunds.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(KIND, call.id)
    return found


@writes("/v1/refunds/{id:str}", methods=UPDATE, kind=KIND, params=UpdateRefund, answer=RefundObject)
async def update(call: Call, body: UpdateRefund) -> Refund:
    """Change the notes on a refund."""
    cleared = {} if body.metadata is UNSET else body.metadata
    return await services.update(
        call.conn, call.gateway, scope=call.scope, refund_id=call.id, metadata=cleared, origin=call.origin
    )


@writes("/v1/refunds/{id:str}/cancel", kind=KIND, params=Retrieve, answer=RefundObject, rings=("webhooks",))
async def cancel(call: Call, _: Retrieve) -> Refund:
    """Take back a refund whose transfer was not sent."""
    return await services.cancel(call.conn, call.gateway, scope=call.scope, refund_id=call.id, origin=call.origin)


@reads("/v1/refunds", kind=KIND, params=ListRefunds, answer=RefundObject, is_list=True)
async def listed(call: Call, query: ListRefunds) -> Page[Refund]:
    """List refunds."""
    intent = _intent(query.charge_intent, query.payment_intent)
    return await refunds.page(call.conn, query.page(call), charge=query.charge, charge_intent=intent)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, cancel, listed)
