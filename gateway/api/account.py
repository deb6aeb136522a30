"""`/v1/account`: the merchant that a key belongs to."""

from typing import Any, Final

from gateway.api.endpoint import Call, Endpoint, Retrieve, reads
from gateway.domain.catalog import Account
from gateway.wire.catalog import AccountObject


@reads("/v1/account", kind="account", params=Retrieve, answer=AccountObject)
async def retrieve(call: Call, _: Retrieve) -> Account:
    """Retrieve the account."""
    return call.caller.account


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (retrieve,)
