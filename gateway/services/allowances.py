"""What is left of an allowance, and how its wallet takes it back (SX-24, C12). Reads and prepares; sends nothing."""

from collections.abc import Iterable, Mapping

from chain import erc20
from chain import mandates as contract
from gateway.db import charge_intents
from gateway.db.engine import Connection
from gateway.domain.mandate import Mandate, Status
from gateway.wire.related import WalletCall


async def collected(conn: Connection, shown: Iterable[Mandate]) -> Mapping[str, int]:
    """How many periods each of these mandates has paid."""
    ids = sorted(mandate.id for mandate in shown)
    return await charge_intents.count_collected(conn, ids) if ids else {}


def revocations(shown: Iterable[Mandate]) -> dict[str, tuple[WalletCall, ...]]:
    """The transactions that end each mandate and its allowance; the payer needs nobody for them."""
    return {mandate.id: _revocation(mandate) for mandate in shown}


def _revocation(mandate: Mandate) -> tuple[WalletCall, ...]:
    allowance = WalletCall("revoke_allowance", mandate.terms.token, _hex(erc20.approve_data(mandate.contract, 0)))
    match mandate.status:
        case Status.PENDING:
            return ()
        case Status.SIGNED:
            data = contract.revoke_unregistered_data(mandate.terms)
            return WalletCall("cancel_mandate", mandate.contract, _hex(data)), allowance
        case Status.ACTIVE:
            data = contract.cancel_data(mandate.onchain_id)
            return WalletCall("cancel_mandate", mandate.contract, _hex(data)), allowance
        case Status.REVOKED:
            return (allowance,)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
