"""What a token does, found out before the owner allows it: interface, permit, upgradability, and one simulated pull.

A probe sees what the token does today, for an account that the token does not know (or for a holder that the operator
names). It cannot see what an issuer may switch on tomorrow; where something was not seen, that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chain.erc20 import (
    TokenDescription,
    allowance_data,
    approve_data,
    balance_of_data,
    decode_uint,
    token_description,
)
from chain.errors import CallReverted, NotReadable, RpcRejected
from chain.inspection import ImaginedCall, Inspection, Override
from chain.keccak import keccak256, selector
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address
from chain.token_program import CALL_GAS, Answer, calling, read_answers
from chain.words import WORD_BYTES, address_word, uint_word

PROBE_HOLDER: Final = Address("0x" + keccak256(b"dues token probe: holder")[-20:].hex())
PROBE_PAYEE: Final = Address("0x" + keccak256(b"dues token probe: payee")[-20:].hex())
"""Accounts that nobody has a key of, so that no token knows them."""

COMMON_DECIMALS: Final = (6, 18)
GAS_HIGH: Final = 100_000  # USDC through its proxy takes 45,000

_TRANSFER_FROM: Final = selector("transferFrom(address,address,uint256)")
_PERMIT: Final = selector("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)")
_IS_ERC721: Final = selector("supportsInterface(bytes4)") + bytes.fromhex("80ac58cd").ljust(WORD_BYTES, b"\0")
_DELEGATED_ACCOUNT: Final = bytes.fromhex("ef0100")  # EIP-7702: a wallet, not a token
_MINIMAL_PROXY: Final = bytes.fromhex("363d3d373d3d3d363d73")  # EIP-1167: its target is fixed
_PROXY_SLOTS: Final = (
    ("EIP-1967 implementation", int.from_bytes(keccak256(b"eip1967.proxy.implementation"), "big") - 1),
    ("EIP-1967 beacon", int.from_bytes(keccak256(b"eip1967.proxy.beacon"), "big") - 1),
    ("EIP-1822 implementation", int.from_bytes(keccak256(b"PROXIABLE"), "big")),
    ("OpenZeppelin 2 implementation", int.from_bytes(keccak256(b"org.zeppelinos.proxy.implementation"), "big")),
)
_GUESSED_SLOTS: Final = 24  # of a balance mapping, where the node does not say which words a call reads
_WHOLE_TOKENS: Final = 1_000
_AMOUNT_MAX: Final = 2**96 - 1
_ROOM_MIN: Final = 10**6  # whole tokens that a mandate's amount should be able to hold


class Verdict(StrEnum):
    """What a finding means for allowing the token."""

    FINE = "fine"
    WARNING = "warning"
    UNFIT = "unfit"
    NOT_PROBED = "not probed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFinding:
    """One thing that was looked at, and what was seen."""

    what: str
    verdict: Verdict
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReport:
    """Everything that was seen of one token. `description` is None when it does not answer like an ERC-20."""

    token: Address
    code_hash: str
    description: TokenDescription | None
    findings: tuple[TokenFinding, ...]

    @property
    def unfit(self) -> tuple[TokenFinding, ...]:
        """Why it must not be allowed; empty when it may."""
        return tuple(finding for finding in self.findings if finding.verdict is Verdict.UNFIT)


@dataclass(frozen=True, slots=True)
class _Holding:
    """An account with a balance: a real one, or one that an override gives it."""

    account: Address
    balance: int
    overrides: dict[Address, Override]


async def probe(
    chain: ChainPort, inspection: Inspection, token: Address, *, holder: Address | None = None
) -> TokenReport:
    """Look at everything that can be seen of `token` without sending a transaction.

    Args:
        chain: to ask ordinary questions.
        inspection: to ask about states that are not there.
        token: whose contract.
        holder: an account that holds some of it; None = one is imagined, by writing a balance into the call's state.

    Raises:
        RpcUnavailable: the node did not answer.
    """
    code = await chain.code(token)
    code_hash = "0x" + keccak256(code).hex() if code else ""
    if not code or code.startswith(_DELEGATED_ACCOUNT):
        found = "no code at this address" if not code else "a wallet with delegated code (EIP-7702), not a token"
        return TokenReport(token=token, code_hash=code_hash, description=None, findings=(_unfit("code", found),))
    findings = [_fine("code", f"{len(code)} bytes, keccak256 {code_hash}")]
    try:
        description = await token_description(chain, token)
        await _answers_as_erc20(chain, token)
    except NotReadable as error:
        findings.append(_unfit("interface", f"not an ERC-20: {error}"))
        return TokenReport(token=token, code_hash=code_hash, description=None, findings=tuple(findings))
    upgradability, implementation = await _proxy(inspection, token, code)
    code += b"" if implementation is None else await chain.code(implementation)
    description, permit = _permit(description, code)
    findings += [await _no_erc721(chain, token), _decimals(description), _names(description), permit, upgradability]
    findings += await _pulled(inspection, token, description, holder)
    return TokenReport(token=token, code_hash=code_hash, description=description, findings=tuple(findings))


async def _answers_as_erc20(chain: ChainPort, token: Address) -> None:
    asked = {"balanceOf": balance_of_data(PROBE_HOLDER), "allowance": allowance_data(PROBE_HOLDER, PROBE_PAYEE)}
    answers = await chain.calls([(ZERO_ADDRESS, token, data) for data in asked.values()])
    for what, answer in zip(asked, answers, strict=True):
        if isinstance(answer, RpcRejected):
            raise answer
        if not isinstance(answer, bytes) or len(answer) != WORD_BYTES:
            raise NotReadable(token, what)


async def _no_erc721(chain: ChainPort, token: Address) -> TokenFinding:
    [answer] = await chain.calls([(ZERO_ADDRESS, token, _IS_ERC721)])
    if isinstance(answer, bytes) and len(answer) == WORD_BYTES and decode_uint(answer) == 1:
        return _unfit("interface", "says that it is an ERC-721: its amounts are ids of single things")
    return _fine("interface", "answers decimals, balanceOf and allowance as an ERC-20 does")


def _decimals(description: TokenDescription) -> TokenFinding:
    decimals = description.decimals
    whole = _AMOUNT_MAX // 10**decimals
    if whole < _ROOM_MIN:
        return _warning("decimals", f"{decimals}: a mandate can name at most {whole:,} whole tokens a period (uint96)")
    if decimals not in COMMON_DECIMALS:
        return _warning("decimals", f"{decimals} is unusual; make sure that prices convert as you expect")
    return _fine("decimals", str(decimals))


def _names(description: TokenDescription) -> TokenFinding:
    if description.symbol and description.name:
        return _fine("name", f"{description.name} ({description.symbol})")
    return _warning(
        "name", f"name {description.name!r}, symbol {description.symbol!r}: write them into dues.toml yourself"
    )


def _permit(description: TokenDescription, code: bytes) -> tuple[TokenDescription, TokenFinding]:
    without = TokenDescription(
        decimals=description.decimals, symbol=description.symbol, name=description.name, permit_version=""
    )
    cost = "subscribers send an approval of their own and pay its gas"
    if not description.permit_version:
        return without, _warning("permit", f"no EIP-2612 permit that could be reproduced: {cost}")
    if _PERMIT not in code:  # DAI has the same domain and another permit
        return without, _warning("permit", f"it has an EIP-712 domain, but not the function of EIP-2612: {cost}")
    return description, _fine("permit", f"EIP-2612, version {description.permit_version!r} of its EIP-712 domain")


async def _proxy(inspection: Inspection, token: Address, code: bytes) -> tuple[TokenFinding, Address | None]:
    if code.startswith(_MINIMAL_PROXY):
        target = Address("0x" + code[len(_MINIMAL_PROXY) : len(_MINIMAL_PROXY) + 20].hex())
        return _fine("upgradability", f"a minimal proxy (EIP-1167) of {target}, fixed for ever"), target
    words = await inspection.storage(token, [slot for _, slot in _PROXY_SLOTS])
    for (name, _), word in zip(_PROXY_SLOTS, words, strict=True):
        if word and word.bit_length() <= 160:  # noqa: PLR2004  (an address)
            target = Address(f"0x{word:040x}")
            found = f"a proxy ({name} {target}): whoever controls it can change everything that was seen here"
            return _warning("upgradability", found), target
    return _fine("upgradability", "none of the known proxy slots is used"), None


async def _pulled(
    inspection: Inspection, token: Address, description: TokenDescription, holder: Address | None
) -> list[TokenFinding]:
    """Pull half of a holding in a state that is thrown away, with the gas that our contract gives."""
    if holder is None:
        holding, balances = await _imagined_holding(inspection, token, description)
    else:
        holding, balances = await _real_holding(inspection, token, holder)
    if holding is None:
        return [balances, _not_probed("pull", "no balance to pull from: name a holder with --holder")]
    amount = holding.balance // 2
    calls = [
        approve_data(holding.account, amount),
        balance_of_data(holding.account),
        balance_of_data(PROBE_PAYEE),
        _TRANSFER_FROM + address_word(holding.account) + address_word(PROBE_PAYEE) + uint_word(amount),
        balance_of_data(holding.account),
        balance_of_data(PROBE_PAYEE),
    ]
    ran = await _run(inspection, token, holding, calls)
    if ran is None:
        return [balances, _not_probed("pull", "the node does not run calls with state overrides; another one may")]
    approved, *rest = ran
    if not approved.succeeded:
        return [balances, _not_probed("pull", "approve reverted for the probing account: name a holder with --holder")]
    return [balances, *_judged(rest, amount)]


def _judged(answers: Sequence[Answer], amount: int) -> list[TokenFinding]:
    holder_before, payee_before, pull, holder_after, payee_after = answers
    if not pull.succeeded:
        burnt = pull.gas >= CALL_GAS
        why = (
            f"it used all of the {CALL_GAS:,} gas that our contract gives"
            if burnt
            else "it may be paused or restricted"
        )
        verdict = _unfit if burnt else _not_probed
        return [verdict("pull", f"transferFrom reverted in the simulation: {why}")]
    said = {True: "returns true", False: "returns nothing, as USDT does"}[pull.size > 0]
    if pull.size and (pull.size < WORD_BYTES or pull.word != 1):
        return [_unfit("pull", f"transferFrom returned {pull.size} bytes that are not `true`: every charge would fail")]
    received, paid = payee_after.word - payee_before.word, holder_before.word - holder_after.word
    if received != amount or paid != amount:
        found = f"of {amount} base units pulled, the payer lost {paid} and the payee received {received}"
        return [_unfit("pull", f"fee on transfer, or rounding: {found}")]
    gas = f"{pull.gas:,} gas"
    if pull.gas > GAS_HIGH:
        return [_warning("pull", f"{said}, exact, but takes {gas} (our contract gives {CALL_GAS:,})")]
    return [_fine("pull", f"{said}; payer and payee move by exactly the amount; {gas}")]


async def _run(
    inspection: Inspection, token: Address, holding: _Holding, calls: Sequence[bytes]
) -> list[Answer] | None:
    own = holding.overrides.get(holding.account, Override())
    program = Override(code=calling(token, calls), slots=own.slots)
    imagined = ImaginedCall(holding.account, b"", {**holding.overrides, holding.account: program})
    [answer] = await inspection.imagine([imagined])
    if not isinstance(answer, bytes) or not answer:
        return None
    return read_answers(answer)


async def _real_holding(
    inspection: Inspection, token: Address, holder: Address
) -> tuple[_Holding | None, TokenFinding]:
    [answer] = await inspection.imagine([ImaginedCall(token, balance_of_data(holder), {})])
    balance = decode_uint(answer) if isinstance(answer, bytes) else 0
    finding = _not_probed(
        "balances", f"read from {holder}, which holds {balance}: whether they rebase was not looked at"
    )
    return (_Holding(holder, balance, {}) if balance > 1 else None), finding


async def _imagined_holding(
    inspection: Inspection, token: Address, description: TokenDescription
) -> tuple[_Holding | None, TokenFinding]:
    """Find the word that holds an account's balance by writing into each that `balanceOf` reads."""
    wanted = _WHOLE_TOKENS * 10**description.decimals + 1
    question = balance_of_data(PROBE_HOLDER)
    places = await inspection.slots_read(token, question) or _guessed_places(token)
    states = [{account: Override(slots={slot: wanted})} for account, slot in places]
    answers = await inspection.imagine([ImaginedCall(token, question, state) for state in states])
    numbers = [decode_uint(a) if isinstance(a, bytes) and len(a) == WORD_BYTES else 0 for a in answers]
    for state, number in zip(states, numbers, strict=True):
        if number == wanted:
            return _Holding(PROBE_HOLDER, wanted, state), _fine(
                "balances", "stored as they are read; nothing is computed"
            )
    for state, number in zip(states, numbers, strict=True):
        if number > 1:
            found = f"computed: the stored number {wanted} reads as {number}, as in rebasing and share-based tokens"
            return _Holding(PROBE_HOLDER, number, state), _unfit("balances", found)
    refused = any(not isinstance(answer, bytes | CallReverted) for answer in answers)
    why = "the node does not take state overrides" if refused else "the word that holds them was not found"
    return None, _not_probed("balances", f"{why}; whether they rebase is not known")


def _guessed_places(token: Address) -> list[tuple[Address, int]]:
    """Where Solidity and Vyper would put the balance, were the mapping in one of the first slots."""
    holder = address_word(PROBE_HOLDER)
    orders = [preimage for i in range(_GUESSED_SLOTS) for preimage in (holder + uint_word(i), uint_word(i) + holder)]
    return [(token, int.from_bytes(keccak256(preimage), "big")) for preimage in orders]


def _fine(what: str, found: str) -> TokenFinding:
    return TokenFinding(what=what, verdict=Verdict.FINE, found=found)


def _warning(what: str, found: str) -> TokenFinding:
    return TokenFinding(what=what, verdict=Verdict.WARNING, found=found)


def _unfit(what: str, found: str) -> TokenFinding:
    return TokenFinding(what=what, verdict=Verdict.UNFIT, found=found)


def _not_probed(what: str, found: str) -> TokenFinding:
    return TokenFinding(what=what, verdict=Verdict.NOT_PROBED, found=found)
