"""`/v1/mandates`: what payers agreed to."""

from typing import Any, Final

from gateway.api.endpoint import Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Hex, Id, PermitParams, permit, signature
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.db import mandates
from gateway.db.pages import Page
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.mandate import Mandate
from gateway.services import mandates as services
from gateway.services import times
from gateway.wire.mandate import MandateObject

_KIND: Final = "mandate"


class Sign(Params, frozen=True, kw_only=True):
    """The wallet's signature (EIP-712; 65 bytes, more from a contract wallet), and a permit if the token has them."""

    signature: Hex
    permit: PermitParams | None = None


class ListMandates(ListParams, frozen=True, kw_only=True):
    """Which mandates."""

    customer: Id | None = None


async def _found(call: Call, mandate_id: str) -> Mandate:
    found = await mandates.get(call.conn, call.scope, mandate_id)
    if found is None:
        raise NotFound(_KIND, mandate_id)
    return found


async def verify(call: Call, mandate_id: str, text: str) -> None:
    """Check that the payer signed; a contract wallet is asked on its chain.

    Raises:
        InvalidRequest: it did not.
        RpcUnavailable: the chain does not answer.
    """
    mandate = await _found(call, mandate_id)
    chain = call.api.chains.get(mandate.chain_id)
    if chain is None:
        raise InvalidRequest(
            f"Chain {mandate.chain_id} is not configured here any more.", code="unknown_chain", param="signature"
        )
    await services.verify(chain, mandate, signature(text))


async def _verify(call: Call, body: Sign) -> None:
    permit(body.permit)
    await verify(call, call.id, body.signature)


@reads("/v1/mandates/{id:str}", kind=_KIND, params=Retrieve, answer=MandateObject)
async def retrieve(call: Call, _: Retrieve) -> Mandate:
    """Retrieve a mandate."""
    return await _found(call, call.id)


@reads("/v1/mandates", kind=_KIND, params=ListMandates, answer=MandateObject, is_list=True)
async def listed(call: Call, query: ListMandates) -> Page[Mandate]:
    """List mandates."""
    return await mandates.page(call.conn, query.page(call), customer=query.customer)


@writes(
    "/v1/mandates/{id:str}/sign",
    kind=_KIND,
    params=Sign,
    answer=MandateObject,
    before=_verify,
    rings=("collection", "webhooks"),
)
async def sign(call: Call, body: Sign) -> Mandate:
    """Take the wallet's signature."""
    return await services.sign(
        call.conn,
        call.gateway,
        scope=call.scope,
        mandate_id=call.id,
        signature=signature(body.signature),
        permit=permit(body.permit),
        now=await times.of_mandate(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (retrieve, listed, sign)
