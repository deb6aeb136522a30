"""The rows beside those that an answer shows, and the permits that wallets may sign."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from chain import eip712
from gateway.db import catalog
from gateway.db.engine import Connection
from gateway.domain.mandate import Mandate, Status, allowance_to_ask
from gateway.domain.money import Token
from gateway.services.gateway import Gateway
from gateway.services.recording import related_to
from gateway.wire.related import Related


async def related(conn: Connection, gateway: Gateway, values: Iterable[Any]) -> Related:
    """Load what rendering `values` needs beside them, in bulk."""
    shown = list(values)
    found = await related_to(conn, gateway, shown)
    unsigned = [mandate for mandate in found.mandates.values() if mandate.status is Status.PENDING]
    method_ids = sorted({value.payment_method_id for value in shown if isinstance(value, Mandate)})
    return replace(
        found,
        payment_methods=await catalog.load_payment_methods(conn, method_ids) if method_ids else {},
        permits=_permits(unsigned, gateway.tokens, found.beside),
    )


def _permits(
    mandates: Iterable[Mandate], tokens: Mapping[Any, Token], beside: Mapping[str, int]
) -> dict[str, Mapping[str, Any]]:
    """A permit for each mandate whose token has them; the page fills in `nonce`, which only the token knows."""
    permits: dict[str, Mapping[str, Any]] = {}
    for mandate in mandates:
        token = tokens.get((mandate.chain_id, mandate.terms.token))
        if token is None or token.permit_name is None:
            continue
        document = eip712.permit_typed_data(
            token=token.address,
            token_name=token.permit_name,
            token_version=token.permit_version or "1",
            chain_id=mandate.chain_id,
            owner=mandate.terms.payer,
            spender=mandate.contract,
            value=allowance_to_ask(mandate.terms, mandate.created_at) + beside.get(mandate.id, 0),
            nonce=0,
            deadline=mandate.terms.deadline,
        )
        message = document["message"]
        permits[mandate.id] = {**document, "message": {**message, "nonce": None}} if isinstance(message, dict) else {}
    return permits
