"""Registering signed mandates without charging them: what a setup intent waits for (ST-24, ST-26).

As in `collection`: read what is due, ask the chain with no transaction open, then decide and sign under lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chain import erc20, fees, mandates
from chain.errors import CallReverted
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, TransactionRequest
from chain.signer import Signer
from gateway.db import blocks, setup_intents, transactions
from gateway.db import mandates as mandate_rows
from gateway.db.engine import Connection
from gateway.domain import setup_intent as domain
from gateway.domain.failure import FailureCode, failed, uses_a_retry
from gateway.domain.ids import new_id
from gateway.domain.mandate import Mandate
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.transition import Action, StatusReason
from gateway.services.changes import Changes
from gateway.services.collection import IN_FLIGHT_MAX, POSTPONED, Market, market_of
from gateway.services.gateway import Gateway, Network
from gateway.services.recording import Origin
from gateway.services.simulation import REGISTRATION_ERRORS

SAME_WALLET: Final = frozenset(
    {FailureCode.SIGNATURE_INVALID, FailureCode.INSUFFICIENT_ALLOWANCE, FailureCode.ALLOWANCE_REVOKED}
)
"""What the same wallet can mend; anything else asks for another one (ST-27)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Registration:
    """A setup intent that is due, its mandate, and what would become of it; `code` None means that it would pass."""

    intent: SetupIntent
    mandate: Mandate
    now: datetime
    code: FailureCode | None
    evidence: Mapping[str, Any]


async def register_due(gateway: Gateway, chain: ChainPort, signer: Signer, *, now: datetime, limit: int = 100) -> int:
    """Take one batch of due setup intents of a chain as far as signed bytes in the books.

    Returns how many were decided; 0 means that nothing is due, that lane or chain is halted, or that the lane is full.

    Raises:
        RpcUnavailable: the chain could not be asked; nothing changed.
    """
    network = gateway.networks[chain.chain_id]
    async with gateway.books.read() as conn:
        claims = await setup_intents.due(conn, chain_id=network.chain_id, now=now, limit=limit)
        if not claims:
            return 0
        agreed = await mandate_rows.load(conn, [c.value.mandate_id for c in claims if c.value.mandate_id is not None])
        cursor = await blocks.cursor(conn, network.chain_id)
        capacity = IN_FLIGHT_MAX - await transactions.count_open(conn, network.chain_id, signer.address)
    due = [(claim.value, agreed[claim.value.mandate_id], claim.now) for claim in claims if claim.value.mandate_id]
    if not due or capacity <= 0 or cursor.halted_reason is not None:
        return 0
    registrations = await _simulated(chain, network, signer, due[:capacity])
    market = await market_of(chain, network, signer)
    async with gateway.books.write() as conn:
        lane = await transactions.lock_lane(conn, network.chain_id, signer.address)
        if lane is None or lane.halted_reason is not None:
            return 0
        changes = Changes()
        current = await setup_intents.load(conn, [r.intent.id for r in registrations], lock=True)
        unchanged = [r for r in registrations if current.get(r.intent.id) == r.intent]
        passing, refused = _decide(unchanged, market, changes)
        planned = []
        nonce = await transactions.reserve(conn, lane, len(passing)) if passing else 0
        for offset, registration in enumerate(passing):
            request = TransactionRequest(
                chain_id=network.chain_id,
                nonce=nonce + offset,
                to=network.contract,
                data=_data(registration.mandate),
                gas=fees.gas_limit_for_subscribe(),
                fees=market.fees,
            )
            transaction = transactions.ChainTransaction.planned(
                new_id("tx", now), signer.address, request, purpose=transactions.Purpose.SUBSCRIBE, created_at=now
            )
            signed = signer.sign(request)
            attempt = transactions.TransactionAttempt.of(
                transaction, signed, market.fees, made_at_block=market.head_number
            )
            planned.append((transaction, attempt))
            changes.update(domain.start(registration.intent, transaction.id))
        await _add(conn, planned)
        await changes.write(conn, gateway, Origin(now))
    return len(passing) + refused


async def _add(
    conn: Connection, planned: Sequence[tuple[transactions.ChainTransaction, transactions.TransactionAttempt]]
) -> None:
    if planned:
        await transactions.add_many(conn, planned)


def _data(mandate: Mandate) -> bytes:
    if mandate.signature is None:
        raise ValueError(f"mandate {mandate.id} is not signed")
    return mandates.subscribe_data(mandate.terms, signature=mandate.signature, permit=mandate.permit)


async def _simulated(
    chain: ChainPort, network: Network, signer: Signer, due: Sequence[tuple[SetupIntent, Mandate, datetime]]
) -> list[_Registration]:
    """Three calls for each, in one round trip: registering, the wallet's allowance, a transfer of nothing by it."""
    queries = []
    for _, mandate, _ in due:
        terms = mandate.terms
        if mandate.signature is not None:
            queries.append((signer.address, network.contract, _data(mandate)))
        else:
            queries.append((ZERO_ADDRESS, terms.token, erc20.balance_of_data(terms.payer)))
        queries.append((ZERO_ADDRESS, terms.token, erc20.allowance_data(terms.payer, mandate.contract)))
        queries.append((terms.payer, terms.token, erc20.transfer_data(terms.payee, 0)))
    answers = await chain.calls(queries)
    found = []
    for place, (intent, mandate, now) in enumerate(due):
        registering, allowance, transferring = answers[3 * place : 3 * place + 3]
        code, evidence = _verdict(mandate, registering, allowance, transferring)
        found.append(_Registration(intent=intent, mandate=mandate, now=now, code=code, evidence=evidence))
    return found


def _verdict(
    mandate: Mandate, registering: bytes | Exception, allowance: bytes | Exception, transferring: bytes | Exception
) -> tuple[FailureCode | None, dict[str, Any]]:
    evidence: dict[str, Any] = {"wallet": mandate.terms.payer, "mandate": mandate.id}
    for answer in (registering, allowance, transferring):
        if isinstance(answer, Exception) and not isinstance(answer, CallReverted):
            raise answer
    if mandate.status is MandateStatus.REVOKED:
        return FailureCode.MANDATE_REVOKED, evidence
    if isinstance(registering, CallReverted):
        code = REGISTRATION_ERRORS.get(registering.name, FailureCode.OPERATOR_MISCONFIGURED)
        return code, evidence | {"simulation": str(registering)}
    if isinstance(transferring, CallReverted):
        return FailureCode.WALLET_BLOCKED, evidence | {"simulation": str(transferring)}
    allowed = int.from_bytes(allowance, "big") if isinstance(allowance, bytes) and allowance else 0
    if mandate.permit is None and allowed < mandate.terms.amount:
        needed = {"allowance": str(allowed), "needed": str(mandate.terms.amount)}
        return FailureCode.INSUFFICIENT_ALLOWANCE, evidence | needed
    return None, evidence


def _decide(
    registrations: Sequence[_Registration], market: Market, changes: Changes
) -> tuple[list[_Registration], int]:
    """Write down what needs no transaction; return the registrations to make, and how many were refused."""
    passing = []
    refused = 0
    gas = market.affordable_gas
    for r in registrations:
        needed = fees.gas_limit_for_subscribe()
        if r.code is not None and uses_a_retry(r.code):
            reason = failed(r.code, r.evidence)
            changes.update(domain.refuse(r.intent, reason, r.now, same_wallet=r.code in SAME_WALLET))
            refused += 1
        elif r.code is FailureCode.CONFIRMING:
            # Registered by somebody else: the event that says so completes the setup intent.
            changes.update(domain.postpone(r.intent, failed(r.code, r.evidence), None))
        elif r.code is not None or market.too_high or gas < needed:
            code = r.code or (FailureCode.GAS_TOO_HIGH if market.too_high else FailureCode.OPERATOR_UNFUNDED)
            wait = timedelta() if r.intent.test_clock_id else POSTPONED
            changes.update(domain.postpone(r.intent, StatusReason(code, Action.WAIT, r.evidence), r.now + wait))
        else:
            gas -= needed
            passing.append(r)
    return passing, refused
