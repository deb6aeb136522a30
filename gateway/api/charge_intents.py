"""`/v1/charge_intents` and its alias `/v1/payment_intents`: the state of all attempts to pay one invoice."""

from dataclasses import replace
from typing import Any, Final

from gateway.api.client_secrets import ClientSecret, RetrieveIntent, opened
from gateway.api.endpoint import Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Hex, Id, PermitParams, permit, signature
from gateway.api.forms import Params
from gateway.api.mandates import verify
from gateway.api.pagination import ListParams
from gateway.db import charge_intents
from gateway.db.pages import Page
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.services import intents as services
from gateway.services import times
from gateway.wire import payments
from gateway.wire.payments import ChargeIntentObject

_RINGS: Final = ("collection", "webhooks")


class Confirm(Params, frozen=True, kw_only=True):
    """The wallet's signature of the mandate, where it is missing, and a permit that saves it an approval.

    With a publishable key, the intent's client secret as well.
    """

    client_secret: ClientSecret | None = None
    signature: Hex | None = None
    permit: PermitParams | None = None


class ListIntents(ListParams, frozen=True, kw_only=True):
    """Which intents."""

    customer: Id | None = None


async def _found(call: Call, client_secret: str | None) -> ChargeIntent:
    found = await charge_intents.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound("charge_intent", call.id)
    opened(call, "charge_intent", found.client_secret, client_secret)
    return found


async def _verify(call: Call, body: Confirm) -> None:
    """Check the signature against the chain, before anything is written."""
    if body.permit is not None and body.signature is None:
        raise InvalidRequest("A permit goes with a signature.", code="parameter_missing", param="signature")
    intent = await _found(call, body.client_secret)
    if body.signature is not None:
        if intent.mandate_id is None:
            raise InvalidRequest(
                "This charge intent has no mandate to sign.", code="payment_method_missing", param="signature"
            )
        permit(body.permit)
        await verify(call, intent.mandate_id, body.signature)


async def _retrieve(call: Call, query: RetrieveIntent) -> ChargeIntent:
    """Retrieve a charge intent."""
    return await _found(call, query.client_secret)


async def _listed(call: Call, query: ListIntents) -> Page[ChargeIntent]:
    """List charge intents."""
    return await charge_intents.page(call.conn, query.page(call), customer=query.customer)


async def _confirm(call: Call, body: Confirm) -> ChargeIntent:
    """Take the wallet's signature and try to collect now."""
    await _found(call, body.client_secret)
    return await services.confirm(
        call.conn,
        call.gateway,
        scope=call.scope,
        intent_id=call.id,
        signature=signature(body.signature) if body.signature is not None else None,
        permit=permit(body.permit),
        now=await times.of_intent(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


async def _cancel(call: Call, _: Retrieve) -> ChargeIntent:
    """Give up collecting."""
    return await services.cancel(
        call.conn,
        call.gateway,
        scope=call.scope,
        intent_id=call.id,
        now=await times.of_intent(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


_OPENED_BY_SECRET: Final = (RetrieveIntent, Confirm)


def _routes(root: str, kind: str) -> tuple[Endpoint[Any], ...]:
    shape = payments.payment_intent if kind == "payment_intent" else payments.charge_intent
    routes: tuple[Endpoint[Any], ...] = (
        reads(f"{root}/{{id:str}}", kind=kind, params=RetrieveIntent, answer=ChargeIntentObject)(_retrieve),
        reads(root, kind=kind, params=ListIntents, answer=ChargeIntentObject, is_list=True)(_listed),
        writes(
            f"{root}/{{id:str}}/confirm",
            kind=kind,
            params=Confirm,
            answer=ChargeIntentObject,
            before=_verify,
            rings=_RINGS,
        )(_confirm),
        writes(f"{root}/{{id:str}}/cancel", kind=kind, params=Retrieve, answer=ChargeIntentObject, rings=_RINGS)(
            _cancel
        ),
    )
    return tuple(replace(route, shape=shape, public=route.params in _OPENED_BY_SECRET) for route in routes)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    *_routes("/v1/charge_intents", "charge_intent"),
    *_routes("/v1/payment_intents", "payment_intent"),
)
