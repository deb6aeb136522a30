"""The state behind `FakeChain`: accounts, one kind of token, and what a call of either does. For tests only.

All tokens behave like `TestUSDC` of `contracts/`: six decimals, EIP-2612 with version "2", blacklist, pause, revert
strings, an allowance that shrinks even when it is the greatest one. Values are immutable, so that a copy of the state
is a copy of its dictionaries, and a block can keep one for the next re-org.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Final, Self

from chain import erc20, logs
from chain.eip712 import domain_separator, permit_digest, recover
from chain.errors import CallReverted
from chain.keccak import selector
from chain.primitives import ZERO_ADDRESS, Address, MandateId, PeriodUnit, Permit
from chain.reverts import decode_revert
from chain.words import bool_word, bytes_tail, read_address, read_uint, uint_word

TOKEN_NAME: Final = "USD Coin"  # noqa: S105  (the name of a coin)
TOKEN_SYMBOL: Final = "USDC"  # noqa: S105
TOKEN_VERSION: Final = "2"  # noqa: S105
TOKEN_DECIMALS: Final = 6
STRING_ERROR: Final = selector("Error(string)")


@dataclass(frozen=True, slots=True)
class Emitted:
    """A log before it stands in a block."""

    address: Address
    topics: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """Terms that mandates share."""

    payee: Address
    token: Address
    amount: int
    unit: PeriodUnit
    every: int
    fee_bps: int
    arrears: int
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered mandate. `spent` bit d = period `newest - d` is spent; nine bits are kept, as in the contract."""

    payer: Address
    plan_id: int
    start: int
    last: int
    newest: int
    spent: int
    is_canceled: bool = False


@dataclass(slots=True)
class World:
    """Everything that a re-org takes back."""

    owner: Address
    fee_recipient: Address = ZERO_ADDRESS
    is_paused: bool = False
    native: dict[Address, int] = field(default_factory=dict)
    nonces: dict[Address, int] = field(default_factory=dict)
    balances: dict[tuple[Address, Address], int] = field(default_factory=dict)
    allowances: dict[tuple[Address, Address, Address], int] = field(default_factory=dict)
    permit_nonces: dict[tuple[Address, Address], int] = field(default_factory=dict)
    blacklisted: set[tuple[Address, Address]] = field(default_factory=set)
    paused_tokens: set[Address] = field(default_factory=set)
    deployed_tokens: set[Address] = field(default_factory=set)
    operators: set[Address] = field(default_factory=set)
    allowed_tokens: set[Address] = field(default_factory=set)
    agreeing_wallets: set[Address] = field(default_factory=set)
    plans: dict[int, Plan] = field(default_factory=dict)
    plan_ids: dict[Plan, int] = field(default_factory=dict)
    entries: dict[MandateId, Entry] = field(default_factory=dict)

    def copy(self) -> Self:
        """An independent copy."""
        twin = copy(self)
        for item in fields(self):
            value = getattr(twin, item.name)
            if isinstance(value, dict | set):
                setattr(twin, item.name, value.copy())
        return twin


def revert_string(message: str) -> CallReverted:
    """`require(false, message)`."""
    return decode_revert(STRING_ERROR + uint_word(32) + bytes_tail(message.encode()))


def move(world: World, token: Address, sender: Address, recipient: Address, amount: int) -> Emitted:
    """Move `amount` between wallets.

    Raises:
        CallReverted: the sender has less.
    """
    if world.balances.get((token, sender), 0) < amount:
        raise revert_string("ERC20: transfer amount exceeds balance")
    world.balances[token, sender] = world.balances.get((token, sender), 0) - amount
    world.balances[token, recipient] = world.balances.get((token, recipient), 0) + amount
    return _token_log(token, logs.TRANSFER, sender, recipient, amount)


def pull(
    world: World, token: Address, spender: Address, *, sender: Address, recipient: Address, amount: int
) -> Emitted:
    """`transferFrom` called by `spender`; changes nothing when it raises.

    Raises:
        CallReverted: as the token reverts.
    """
    _check_usable(world, token, spender, sender, recipient)
    allowed = world.allowances.get((token, sender, spender), 0)
    if allowed < amount:
        raise revert_string("ERC20: transfer amount exceeds allowance")
    emitted = move(world, token, sender, recipient, amount)
    world.allowances[token, sender, spender] = allowed - amount
    return emitted


def permit(
    world: World, token: Address, owner: Address, spender: Address, signed: Permit, *, at: tuple[int, int]
) -> Emitted:
    """EIP-2612 `permit` at `at` = (chain id, timestamp).

    Raises:
        CallReverted: expired, or not signed by `owner` for the current nonce.
    """
    chain_id, now = at
    _check_usable(world, token, owner, spender)
    if signed.deadline < now:
        raise revert_string("FiatTokenV2: permit is expired")
    digest = permit_digest(
        separator=domain_separator(TOKEN_NAME, TOKEN_VERSION, chain_id, token),
        owner=owner,
        spender=spender,
        value=signed.value,
        nonce=world.permit_nonces.get((token, owner), 0),
        deadline=signed.deadline,
    )
    if recover(digest, signed.r + signed.s + bytes([signed.v])) != owner:
        raise revert_string("EIP2612: invalid signature")
    world.permit_nonces[token, owner] = world.permit_nonces.get((token, owner), 0) + 1
    return approve(world, token, owner, spender, signed.value)


def approve(world: World, token: Address, owner: Address, spender: Address, amount: int) -> Emitted:
    """Set an allowance."""
    world.allowances[token, owner, spender] = amount
    return _token_log(token, logs.APPROVAL, owner, spender, amount)


def mint(world: World, token: Address, recipient: Address, amount: int) -> Emitted:
    """Make new tokens."""
    world.balances[token, recipient] = world.balances.get((token, recipient), 0) + amount
    return _token_log(token, logs.TRANSFER, ZERO_ADDRESS, recipient, amount)


def execute_token(world: World, token: Address, caller: Address, data: bytes) -> list[Emitted]:
    """A transaction to a token.

    Raises:
        CallReverted: as the token reverts; an unknown function reverts without data.
    """
    arguments = data[4:]
    match data[:4]:
        case erc20.MINT:
            return [mint(world, token, read_address(arguments, 0), read_uint(arguments, 1))]
        case erc20.APPROVE:
            spender = read_address(arguments, 0)
            _check_usable(world, token, caller, spender)
            return [approve(world, token, caller, spender, read_uint(arguments, 1))]
        case erc20.TRANSFER:
            recipient = read_address(arguments, 0)
            _check_usable(world, token, caller, recipient)
            return [move(world, token, caller, recipient, read_uint(arguments, 1))]
        case _ if data[:4] in _FAULTS:
            _FAULTS[data[:4]](world, token, arguments)
            return []
        case _:
            raise CallReverted(b"")


_FAULTS: Final[dict[bytes, Callable[[World, Address, bytes], None]]] = {
    selector("blacklist(address)"): lambda world, token, data: world.blacklisted.add((token, read_address(data, 0))),
    selector("unBlacklist(address)"): lambda world, token, data: world.blacklisted.discard(
        (token, read_address(data, 0))
    ),
    selector("pause()"): lambda world, token, _: world.paused_tokens.add(token),
    selector("unpause()"): lambda world, token, _: world.paused_tokens.discard(token),
}
"""Levers of the test token; their own events are left out, because nobody watches them."""


def call_token(world: World, token: Address, caller: Address, chain_id: int, data: bytes) -> bytes:
    """An `eth_call` of a token; `world` may be changed and must be thrown away.

    Raises:
        CallReverted: as the token reverts; an unknown function reverts without data.
    """
    arguments = data[4:]
    views: dict[bytes, Callable[[], bytes]] = {
        erc20.BALANCE_OF: lambda: uint_word(world.balances.get((token, read_address(arguments, 0)), 0)),
        erc20.ALLOWANCE: lambda: uint_word(
            world.allowances.get((token, read_address(arguments, 0), read_address(arguments, 1)), 0)
        ),
        erc20.NONCES: lambda: uint_word(world.permit_nonces.get((token, read_address(arguments, 0)), 0)),
        erc20.DECIMALS: lambda: uint_word(TOKEN_DECIMALS),
        erc20.NAME: lambda: _string(TOKEN_NAME),
        erc20.SYMBOL: lambda: _string(TOKEN_SYMBOL),
        erc20.VERSION: lambda: _string(TOKEN_VERSION),
        erc20.DOMAIN_SEPARATOR: lambda: domain_separator(TOKEN_NAME, TOKEN_VERSION, chain_id, token),
    }
    if data[:4] in views:
        return views[data[:4]]()
    execute_token(world, token, caller, data)
    return bool_word(True)


def _check_usable(world: World, token: Address, *wallets: Address) -> None:
    if token in world.paused_tokens:
        raise revert_string("Pausable: paused")
    if any((token, wallet) in world.blacklisted for wallet in wallets):
        raise revert_string("Blacklistable: account is blacklisted")


def _token_log(token: Address, topic: str, first: Address, second: Address, amount: int) -> Emitted:
    topics = (topic, logs.address_topic(first), logs.address_topic(second))
    return Emitted(token, topics, uint_word(amount))


def _string(text: str) -> bytes:
    return uint_word(32) + bytes_tail(text.encode())
