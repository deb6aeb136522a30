"""`/v1/charges`: attempts, and what became of each on the chain."""

from typing import Any, Final

from gateway.api.endpoint import Call, Endpoint, Retrieve, reads
from gateway.api.fields import Id
from gateway.api.pagination import ListParams
from gateway.db import charges
from gateway.db.pages import Page
from gateway.domain.charge import Charge
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.wire.payments import ChargeObject

_KIND: Final = "charge"


class ListCharges(ListParams, frozen=True, kw_only=True):
    """Which charges; `payment_intent` is the older name of `charge_intent`."""

    customer: Id | None = None
    charge_intent: Id | None = None
    payment_intent: Id | None = None


@reads("/v1/charges/{id:str}", kind=_KIND, params=Retrieve, answer=ChargeObject)
async def retrieve(call: Call, _: Retrieve) -> Charge:
    """Retrieve a charge."""
    found = await charges.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@reads("/v1/charges", kind=_KIND, params=ListCharges, answer=ChargeObject, is_list=True)
async def listed(call: Call, query: ListCharges) -> Page[Charge]:
    """List charges."""
    if query.charge_intent is not None and query.payment_intent is not None:
        raise InvalidRequest(
            "Give charge_intent or payment_intent, not both.", code="parameter_conflict", param="payment_intent"
        )
    intent = query.charge_intent or query.payment_intent
    return await charges.page(call.conn, query.page(call), customer=query.customer, charge_intent=intent)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (retrieve, listed)
