"""What is left of an allowance, and how its wallet takes it back (SX-24, C12). Reads and prepares; sends nothing."""

from collections.abc import Iterable, Mapping

from chain import erc20
from chain import mandates as contract
from gateway.db import charge_intents, mandates, subscriptions
from gateway.db.engine import Connection
from gateway.domain.mandate import USABLE, Mandate, Status, allowance_to_ask
from gateway.wire.related import WalletCall


async def collected(conn: Connection, shown: Iterable[Mandate]) -> Mapping[str, int]:
    """How many periods each of these mandates has paid."""
    ids = sorted(mandate.id for mandate in shown)
    return await charge_intents.count_collected(conn, ids) if ids else {}


async def beside(conn: Connection, shown: Iterable[Mandate]) -> dict[str, int]:
    """What a wallet that signs for a single payment has to go on allowing for its subscription, by mandate.

    A permit sets the allowance of the wallet: the periods to come must not lose theirs.
    """
    single = [
        mandate
        for mandate in shown
        if mandate.status is Status.PENDING and mandate.terms.periods == 1 and mandate.subscription_id is not None
    ]
    if not single:
        return {}
    owners = await subscriptions.load(conn, sorted({mandate.subscription_id or "" for mandate in single}))
    drawn_on = await mandates.load(conn, sorted({s.mandate_id for s in owners.values() if s.mandate_id is not None}))
    needed = {}
    for mandate in single:
        owner = owners.get(mandate.subscription_id or "")
        main = None if owner is None else drawn_on.get(owner.mandate_id or "")
        if main is not None and main.id != mandate.id and _same_allowance(main, mandate):
            needed[mandate.id] = allowance_to_ask(main.terms, mandate.created_at)
    return needed


def _same_allowance(one: Mandate, other: Mandate) -> bool:
    """Whether two mandates draw on one allowance, the first of them for good."""
    return one.status in USABLE and (one.chain_id, one.contract, one.terms.token, one.terms.payer) == (
        other.chain_id,
        other.contract,
        other.terms.token,
        other.terms.payer,
    )


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
