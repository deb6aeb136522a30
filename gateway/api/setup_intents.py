"""`/v1/setup_intents`: asking a wallet for a mandate without charging it."""

from dataclasses import replace
from typing import Any, Final

from gateway.api.client_secrets import ClientSecret, RetrieveIntent, opened
from gateway.api.endpoint import Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Hex, Id, Metadata, PermitParams, Text, metadata, permit, signature
from gateway.api.forms import Params
from gateway.api.mandates import verify
from gateway.api.pagination import ListParams
from gateway.db import setup_intents
from gateway.db.pages import Page
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.setup_intent import SetupIntent
from gateway.services import setup_intents as services
from gateway.services import times
from gateway.wire.setup_intent import SetupIntentObject

_KIND: Final = "setup_intent"
_RINGS: Final = ("collection", "webhooks")


class CreateSetupIntent(Params, frozen=True, kw_only=True):
    """Ask the subscriber of `subscription` for a mandate; without `payment_method` the wallet is named later."""

    subscription: Id
    payment_method: Id | None = None
    description: Text | None = None
    metadata: Metadata = None


class ConfirmSetupIntent(Params, frozen=True, kw_only=True):
    """What the setup intent waits for: the wallet, its signature, or nothing after it has allowed enough.

    With a publishable key, its client secret as well.
    """

    client_secret: ClientSecret | None = None
    payment_method: Id | None = None
    signature: Hex | None = None
    permit: PermitParams | None = None


class ListSetupIntents(ListParams, frozen=True, kw_only=True):
    """Which setup intents."""

    customer: Id | None = None
    subscription: Id | None = None


async def _found(call: Call, client_secret: str | None = None) -> SetupIntent:
    found = await setup_intents.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    opened(call, _KIND, found.client_secret, client_secret)
    return found


async def _verify(call: Call, body: ConfirmSetupIntent) -> None:
    """Check the signature against the chain, before anything is written."""
    if body.permit is not None and body.signature is None:
        raise InvalidRequest("A permit goes with a signature.", code="parameter_missing", param="signature")
    intent = await _found(call, body.client_secret)
    if body.signature is None:
        return
    if intent.mandate_id is None:
        raise InvalidRequest(
            "This setup intent has no mandate to sign yet: give payment_method first.",
            code="payment_method_missing",
            param="payment_method",
        )
    permit(body.permit)
    await verify(call, intent.mandate_id, body.signature)


@writes("/v1/setup_intents", kind=_KIND, params=CreateSetupIntent, answer=SetupIntentObject, rings=_RINGS)
async def create(call: Call, body: CreateSetupIntent) -> SetupIntent:
    """Create a setup intent."""
    return await services.create(
        call.conn,
        call.gateway,
        scope=call.scope,
        subscription_id=body.subscription,
        payment_method_id=body.payment_method,
        description=body.description,
        metadata=metadata(body.metadata),
        now=await times.of_subscription(call.conn, call.scope, body.subscription, call.now),
        origin=call.origin,
    )


@reads("/v1/setup_intents/{id:str}", kind=_KIND, params=RetrieveIntent, answer=SetupIntentObject)
async def retrieve(call: Call, query: RetrieveIntent) -> SetupIntent:
    """Retrieve a setup intent."""
    return await _found(call, query.client_secret)


@reads("/v1/setup_intents", kind=_KIND, params=ListSetupIntents, answer=SetupIntentObject, is_list=True)
async def listed(call: Call, query: ListSetupIntents) -> Page[SetupIntent]:
    """List setup intents."""
    return await setup_intents.page(
        call.conn, query.page(call), customer=query.customer, subscription=query.subscription
    )


@writes(
    "/v1/setup_intents/{id:str}/confirm",
    kind=_KIND,
    params=ConfirmSetupIntent,
    answer=SetupIntentObject,
    before=_verify,
    rings=_RINGS,
)
async def confirm(call: Call, body: ConfirmSetupIntent) -> SetupIntent:
    """Name the wallet, or take its signature."""
    return await services.confirm(
        call.conn,
        call.gateway,
        scope=call.scope,
        intent_id=call.id,
        payment_method_id=body.payment_method,
        signature=signature(body.signature) if body.signature is not None else None,
        permit=permit(body.permit),
        now=await _time(call, body.client_secret),
        origin=call.origin,
    )


@writes("/v1/setup_intents/{id:str}/cancel", kind=_KIND, params=Retrieve, answer=SetupIntentObject, rings=_RINGS)
async def cancel(call: Call, _: Retrieve) -> SetupIntent:
    """Ask no more."""
    return await services.cancel(
        call.conn, call.gateway, scope=call.scope, intent_id=call.id, now=await _time(call), origin=call.origin
    )


async def _time(call: Call, client_secret: str | None = None) -> Any:
    found = await _found(call, client_secret)
    return await times.of_clock(call.conn, found.test_clock_id, call.now)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    create,
    replace(retrieve, public=True),
    listed,
    replace(confirm, public=True),
    cancel,
)
