"""Asking the chain what an attempt would do before any gas is spent on it.

Pulls of registered mandates are simulated together, by the very code that would run, so that wallets whose
subscriptions share an allowance are seen as they are. A registration with its first charge is simulated as the
transaction it would be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chain import erc20, mandates
from chain.errors import CallReverted, RpcRejected
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address, ChargeItem, FailReason, SimulatedOutcome
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.failure import FailureCode, from_chain
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.subscription import Subscription
from gateway.services.gateway import Network

REGISTRATION_ERRORS: Final[Mapping[str, FailureCode]] = {
    "AlreadyRegistered": FailureCode.CONFIRMING,
    "AlreadyCanceled": FailureCode.MANDATE_REVOKED,
    "AlreadyOver": FailureCode.MANDATE_ENDED,
    "SignatureExpired": FailureCode.PERMIT_EXPIRED,
    "WrongSigner": FailureCode.SIGNATURE_INVALID,
    "TokenNotAllowed": FailureCode.UNSUPPORTED_TOKEN,
    "PlanNotOpen": FailureCode.PLAN_CLOSED,
    "NotOperator": FailureCode.OPERATOR_MISCONFIGURED,
    "IsPaused": FailureCode.OPERATOR_MISCONFIGURED,
}
"""Errors of `subscribe` that an honest gateway can meet. Any other means that our terms are wrong: our fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One intent that is due, with the rows that decide about it; `now` is its own clock's time."""

    intent: ChargeIntent
    invoice: Invoice
    subscription: Subscription
    mandate: Mandate
    now: datetime

    @property
    def item(self) -> ChargeItem:
        """The pull that would pay it."""
        if self.intent.mandate_period is None or self.intent.token_amount is None:
            raise ValueError(f"charge intent {self.intent.id} has a mandate but no period or amount")
        return ChargeItem(self.mandate.onchain_id, self.intent.mandate_period, self.intent.token_amount)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would happen to an attempt: `code` None means that it would be collected."""

    attempt: Attempt
    code: FailureCode | None
    evidence: Mapping[str, Any]


async def of_pulls(chain: ChainPort, network: Network, attempts: Sequence[Attempt]) -> list[Verdict]:
    """Simulate pulls of registered mandates, in this order, in one call.

    Raises:
        RpcUnavailable: nothing was learned.
    """
    if not attempts:
        return []
    items = [attempt.item for attempt in attempts]
    answer = (await chain.calls([(ZERO_ADDRESS, network.contract, mandates.simulate_data(items))]))[0]
    if isinstance(answer, Exception):
        evidence = {"simulation": str(answer)}
        return [Verdict(attempt, _unanswered(answer), evidence) for attempt in attempts]
    outcomes = mandates.decode_simulation(answer, len(items))
    evidence_by_index = await _wallets(chain, attempts, outcomes)
    return [
        Verdict(attempt, _code(outcome, evidence_by_index.get(index, {})), evidence_by_index.get(index, {}))
        for index, (attempt, outcome) in enumerate(zip(attempts, outcomes, strict=True))
    ]


async def of_registrations(
    chain: ChainPort, network: Network, operator: Address, attempts: Sequence[Attempt]
) -> list[Verdict]:
    """Simulate registrations with their first charge, each on its own, in one round trip.

    Raises:
        RpcUnavailable: nothing was learned.
    """
    if not attempts:
        return []
    answers = await chain.calls([(operator, network.contract, registration_data(attempt)) for attempt in attempts])
    outcomes = [_registration_outcome(answer) for answer in answers]
    refusals = [outcome if isinstance(outcome, SimulatedOutcome) else _NONE for outcome in outcomes]
    evidence_by_index = await _wallets(chain, attempts, refusals)
    verdicts = []
    for index, (attempt, outcome) in enumerate(zip(attempts, outcomes, strict=True)):
        if isinstance(outcome, SimulatedOutcome):
            evidence = evidence_by_index.get(index, {})
            verdicts.append(Verdict(attempt, _code(outcome, evidence), evidence))
        else:
            verdicts.append(Verdict(attempt, outcome, {"simulation": str(answers[index])}))
    return verdicts


def registration_data(attempt: Attempt) -> bytes:
    """Calldata that registers an attempt's mandate and collects its first period, all or nothing."""
    mandate = attempt.mandate
    if mandate.signature is None:
        raise ValueError(f"mandate {mandate.id} is not signed")
    return mandates.subscribe_data(
        mandate.terms, signature=mandate.signature, permit=mandate.permit, first_amount=attempt.item.amount
    )


_NONE: Final = SimulatedOutcome(FailReason.NONE, b"\0\0\0\0")


def _registration_outcome(answer: bytes | Exception) -> SimulatedOutcome | FailureCode:
    if isinstance(answer, bytes):
        return _NONE
    if not isinstance(answer, CallReverted):
        return _unanswered(answer)
    if answer.name == "ChargeRejected":
        reason, token_error = answer.arguments["reason"], answer.arguments["tokenError"]
        if isinstance(reason, int) and isinstance(token_error, bytes):
            return SimulatedOutcome(FailReason(reason), token_error)
    return REGISTRATION_ERRORS.get(answer.name, FailureCode.OPERATOR_MISCONFIGURED)


def _unanswered(answer: Exception) -> FailureCode:
    """Why there is no outcome. A node may refuse to run one wallet's code to its end: that must not stop the others."""
    return FailureCode.RPC_UNAVAILABLE if isinstance(answer, RpcRejected) else FailureCode.OPERATOR_MISCONFIGURED


def _code(outcome: SimulatedOutcome, evidence: Mapping[str, Any]) -> FailureCode | None:
    """Failure code of an outcome, told apart by what the token says where the contract's reason is wider."""
    if outcome.reason is FailReason.NONE:
        return None
    if outcome.reason is FailReason.TOKEN_REJECTED and evidence.get("token_paused"):
        return FailureCode.TOKEN_PAUSED
    if outcome.reason is FailReason.ALLOWANCE and evidence.get("allowance") == "0":
        return FailureCode.ALLOWANCE_REVOKED
    return from_chain(outcome.reason)


async def _wallets(
    chain: ChainPort, attempts: Sequence[Attempt], outcomes: Sequence[SimulatedOutcome]
) -> dict[int, dict[str, Any]]:
    """Evidence for each attempt that would fail: what its wallet has and allows, by index; one round trip for all."""
    failing = [index for index, outcome in enumerate(outcomes) if outcome.reason is not FailReason.NONE]
    if not failing:
        return {}
    queries = []
    for index in failing:
        terms, mandate = attempts[index].mandate.terms, attempts[index].mandate
        queries.append((ZERO_ADDRESS, terms.token, erc20.balance_of_data(terms.payer)))
        queries.append((ZERO_ADDRESS, terms.token, erc20.allowance_data(terms.payer, mandate.contract)))
        queries.append((ZERO_ADDRESS, terms.token, mandates.PAUSED))
    answers = await chain.calls(queries)
    evidence = {}
    for place, index in enumerate(failing):
        balance, allowance, paused = answers[3 * place : 3 * place + 3]
        evidence[index] = {
            "chain_reason": outcomes[index].reason.name.lower(),
            "token_error": "0x" + outcomes[index].token_error.hex(),
            "wallet": attempts[index].mandate.terms.payer,
            "needed": str(attempts[index].item.amount),
            "balance": _number(balance),
            "allowance": _number(allowance),
            "token_paused": _number(paused) == "1",
        }
    return evidence


def _number(answer: bytes | Exception) -> str | None:
    """A uint256 answer in decimal; None where the token did not give one."""
    return str(int.from_bytes(answer, "big")) if isinstance(answer, bytes) and answer else None
