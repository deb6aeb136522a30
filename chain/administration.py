"""Deploying and administering `DuesMandates` step by step: what it costs, what the chain says before and after.

For an operator at a keyboard: one transaction after the other, each waited for. Nothing here asks or prints.
"""

from dataclasses import dataclass
from typing import Final

from chain import artifacts, mandates
from chain.create2 import PROXY, PROXY_CODE, MandatesDeployment
from chain.errors import ArtifactInvalid, CallReverted, NotReadable, RpcRejected
from chain.fees import TRANSACTION_GAS_MAX, FeePolicy, market_fees
from chain.inspection import Inspection
from chain.keccak import selector, topic
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address, LogFilter, Receipt, address
from chain.signer import Signer
from chain.wallet import Wallet
from chain.words import WORD_BYTES, read_address, read_uint

RECEIPT_SECONDS: Final = 180.0  # fifteen blocks of mainnet
_GAS_MARGIN_PERCENT: Final = 120  # an estimate can be a little low: cold slots, refunds
_PENDING_OWNER: Final = selector("pendingOwner()")
_FEE_RECIPIENT: Final = selector("feeRecipient()")
_OPERATOR_SET: Final = topic("OperatorSet(address,bool)")
_TOKEN_SET: Final = topic("TokenSet(address,bool)")
_RANGE_FIRST: Final = 50_000  # blocks in one question for logs; halved where an endpoint refuses


class ProxyMissing(ArtifactInvalid):
    """The deterministic deployment proxy does not stand on this chain."""


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction to be: what it does in words, and what is sent to whom."""

    what: str
    to: Address
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a step costs. Wei of the native coin, except `gas` (estimated) and `gas_limit`."""

    gas: int
    gas_limit: int
    expected: int
    at_most: int
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractState:
    """What the contract says of itself; `pending_owner` and `fee_recipient` may be the zero address."""

    owner: Address
    pending_owner: Address
    fee_recipient: Address
    paused: bool


def deploy_step(deployment: MandatesDeployment) -> Step:
    """Have the proxy create the contract."""
    return Step(f"create DuesMandates at {deployment.address}", PROXY, deployment.calldata)


def operator_step(contract: Address, operator: Address, *, allowed: bool) -> Step:
    """Let an account charge, or stop it."""
    what = f"let {operator} operate" if allowed else f"stop {operator} from operating"
    return Step(what, contract, mandates.set_operator_data(operator, allowed=allowed))


def token_step(contract: Address, token: Address, *, allowed: bool) -> Step:
    """Let new mandates name a token, or not."""
    what = f"let new mandates name the token {token}" if allowed else f"let no new mandate name the token {token}"
    return Step(what, contract, mandates.set_token_data(token, allowed=allowed))


async def check_proxy(chain: ChainPort) -> None:
    """Make sure that the deployment proxy stands on this chain.

    Raises:
        ProxyMissing: it does not; the message says what to do.
    """
    code = await chain.code(PROXY)
    if code == PROXY_CODE:
        return
    there = "nothing" if not code else "another contract"
    raise ProxyMissing(
        f"chain {chain.chain_id} has {there} where the deterministic deployment proxy should stand ({PROXY}): send its "
        "published transaction first (github.com/Arachnid/deterministic-deployment-proxy; a chain that refuses "
        "transactions without chain id needs its operators for that)"
    )


async def price(chain: ChainPort, inspection: Inspection, sender: Address, step: Step, policy: FeePolicy) -> Price:
    """Estimate a step.

    Raises:
        CallReverted: it would revert.
        RpcRejected: the node refuses to estimate it, or it needs more gas than a transaction may have.
    """
    gas = await inspection.gas(sender, step.to, step.data)
    limit = min(gas * _GAS_MARGIN_PERCENT // 100, TRANSACTION_GAS_MAX)
    if gas > limit:
        raise RpcRejected(0, f"{gas} gas is more than a transaction may have ({TRANSACTION_GAS_MAX}, EIP-7825)")
    head = await chain.head()
    [balance] = await chain.balances([sender])
    fees = market_fees(head.base_fee_per_gas, policy)
    each = min(head.base_fee_per_gas + fees.max_priority_fee_per_gas, fees.max_fee_per_gas)
    return Price(gas=gas, gas_limit=limit, expected=gas * each, at_most=limit * fees.max_fee_per_gas, balance=balance)


async def carry_out(chain: ChainPort, signer: Signer, step: Step, cost: Price, policy: FeePolicy) -> Receipt:
    """Send a step and wait until it is mined.

    Raises:
        CallReverted: it was mined and reverted.
        RpcRejected: the node did not take it.
        RpcUnavailable: no receipt in time; it may still be mined.
    """
    wallet = Wallet(chain, signer, policy)
    receipt = await wallet.send(step.to, step.data, gas=cost.gas_limit, wait_seconds=RECEIPT_SECONDS)
    if not receipt.succeeded:
        raise CallReverted(b"")
    return receipt


async def verify(chain: ChainPort, contract: Address) -> ContractState:
    """Make sure that `contract` is this version's `DuesMandates`, made for this chain and this address.

    Raises:
        ArtifactInvalid: no code, other code, or values in the code that belong to another chain or address.
    """
    await artifacts.verify_deployment(chain, contract)
    return await state(chain, contract)


async def state(chain: ChainPort, contract: Address) -> ContractState:
    """Owner, fee recipient and pause.

    Raises:
        NotReadable: it does not answer as `DuesMandates` does.
    """
    asked = (mandates.OWNER, _PENDING_OWNER, _FEE_RECIPIENT, mandates.PAUSED)
    answers = await chain.calls([(ZERO_ADDRESS, contract, data) for data in asked])
    words = [answer for answer in answers if isinstance(answer, bytes) and len(answer) == WORD_BYTES]
    if len(words) != len(asked):
        raise NotReadable(contract, "owner, pendingOwner, feeRecipient and paused")
    owner, pending, recipient = (read_address(word, 0) for word in words[:3])
    return ContractState(
        owner=owner, pending_owner=pending, fee_recipient=recipient, paused=read_uint(words[3], 0) == 1
    )


async def are_operators(chain: ChainPort, contract: Address, accounts: list[Address]) -> list[bool]:
    """Whether each account may charge."""
    return await _truths(chain, contract, [mandates.is_operator_data(account) for account in accounts])


async def are_tokens_allowed(chain: ChainPort, contract: Address, tokens: list[Address]) -> list[bool]:
    """Whether new mandates may name each token."""
    return await _truths(chain, contract, [mandates.is_token_allowed_data(token) for token in tokens])


async def operators(chain: ChainPort, contract: Address, start_block: int) -> list[Address]:
    """Every account that may charge now: named in the logs since `start_block`, and confirmed by the contract."""
    named = await _named_in_logs(chain, contract, _OPERATOR_SET, start_block)
    allowed = await are_operators(chain, contract, named)
    return [account for account, yes in zip(named, allowed, strict=True) if yes]


async def allowed_tokens(chain: ChainPort, contract: Address, start_block: int) -> list[Address]:
    """Every token that new mandates may name now, found as `operators` are."""
    named = await _named_in_logs(chain, contract, _TOKEN_SET, start_block)
    allowed = await are_tokens_allowed(chain, contract, named)
    return [token for token, yes in zip(named, allowed, strict=True) if yes]


async def _truths(chain: ChainPort, contract: Address, questions: list[bytes]) -> list[bool]:
    answers = await chain.calls([(ZERO_ADDRESS, contract, question) for question in questions])
    truths = []
    for answer in answers:
        if isinstance(answer, Exception) and not isinstance(answer, CallReverted):
            raise answer
        if not isinstance(answer, bytes) or len(answer) != WORD_BYTES:
            raise NotReadable(contract, "operators and tokens")
        truths.append(read_uint(answer, 0) == 1)
    return truths


async def _named_in_logs(chain: ChainPort, contract: Address, event: str, start_block: int) -> list[Address]:
    head = (await chain.head()).number
    query = LogFilter(addresses=(contract,), topics=((event,),))
    first, width, named = start_block, _RANGE_FIRST, dict[Address, None]()
    while first <= head:
        last = min(first + width - 1, head)
        try:
            logs = await chain.logs_in_range(first, last, query)
        except RpcRejected:
            if width == 1:
                raise
            width //= 2
            continue
        named |= {address("0x" + log.topics[1][-40:]): None for log in logs}
        first = last + 1
    return list(named)
