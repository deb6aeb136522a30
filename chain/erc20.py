"""ERC-20 (and EIP-2612) as far as it is used here: calldata, answers, and many facts in one round trip.

Tokens are judged by what they answer, never by a list: one that answers nothing where 32 bytes are promised is not
readable as a token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chain.eip712 import domain_separator
from chain.errors import CallReverted, NotReadable
from chain.keccak import selector
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address
from chain.words import WORD_BYTES, address_word, read_bytes, read_uint, uint_word

BALANCE_OF: Final = selector("balanceOf(address)")
ALLOWANCE: Final = selector("allowance(address,address)")
NONCES: Final = selector("nonces(address)")
DECIMALS: Final = selector("decimals()")
SYMBOL: Final = selector("symbol()")
NAME: Final = selector("name()")
VERSION: Final = selector("version()")
DOMAIN_SEPARATOR: Final = selector("DOMAIN_SEPARATOR()")
APPROVE: Final = selector("approve(address,uint256)")
TRANSFER: Final = selector("transfer(address,uint256)")
MINT: Final = selector("mint(address,uint256)")

_DECIMALS_MAX: Final = 36  # more digits than any amount type here could hold
_TEXT_MAX: Final = 64  # longer names are an attack on the page that shows them
_VERSION_GUESSES: Final = ("1", "2")  # OpenZeppelin's fixed "1"; Circle's tokens answer version() with "2" themselves


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """Balances and allowances of one token at one block, in base units."""

    balances: Mapping[Address, int]
    allowances: Mapping[tuple[Address, Address], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDescription:
    """What a token says of itself.

    Attributes:
        permit_version: EIP-712 version with which the token's `DOMAIN_SEPARATOR()` was reproduced; empty when the token
            has no EIP-2612 permit that could be reproduced, so that an approval is the only way.
    """

    decimals: int
    symbol: str
    name: str
    permit_version: str


def balance_of_data(account: Address) -> bytes:
    """Calldata of `balanceOf(address)`."""
    return BALANCE_OF + address_word(account)


def allowance_data(owner: Address, spender: Address) -> bytes:
    """Calldata of `allowance(address,address)`."""
    return ALLOWANCE + address_word(owner) + address_word(spender)


def nonces_data(owner: Address) -> bytes:
    """Calldata of EIP-2612 `nonces(address)`."""
    return NONCES + address_word(owner)


def approve_data(spender: Address, amount: int) -> bytes:
    """Calldata of `approve(address,uint256)`; it sets the allowance, it does not add. USDT wants 0 in between."""
    return APPROVE + address_word(spender) + uint_word(amount)


def transfer_data(recipient: Address, amount: int) -> bytes:
    """Calldata of `transfer(address,uint256)`."""
    return TRANSFER + address_word(recipient) + uint_word(amount)


def mint_data(recipient: Address, amount: int) -> bytes:
    """Calldata of `mint(address,uint256)`, which test tokens have."""
    return MINT + address_word(recipient) + uint_word(amount)


def decode_uint(answer: bytes) -> int:
    """The number in an answer of exactly one word.

    Raises:
        ValueError: another length.
    """
    if len(answer) != WORD_BYTES:
        raise ValueError(f"expected 32 bytes, found {len(answer)}")
    return read_uint(answer, 0)


def decode_text(answer: bytes) -> str:
    """A `string` answer, or the bytes32 that early tokens (MKR) answer instead; unprintable characters are dropped.

    Raises:
        ValueError: neither.
    """
    blob = answer.rstrip(b"\0") if len(answer) == WORD_BYTES else read_bytes(answer, 0)
    text = blob[: _TEXT_MAX * 4].decode("utf-8", errors="ignore")
    return "".join(character for character in text if character.isprintable())[:_TEXT_MAX]


async def token_facts(chain: ChainPort, token: Address, pairs: Sequence[tuple[Address, Address]]) -> TokenFacts:
    """Balance of every owner and allowance of every (owner, spender) among `pairs`, in one round trip.

    Raises:
        NotReadable: the token reverted or answered something else than one word.
        RpcUnavailable, RpcRejected: as `ChainPort.calls`.
    """
    owners = list(dict.fromkeys(owner for owner, _ in pairs))
    wanted = list(dict.fromkeys(pairs))
    answers = await chain.calls(
        [(ZERO_ADDRESS, token, balance_of_data(owner)) for owner in owners]
        + [(ZERO_ADDRESS, token, allowance_data(owner, spender)) for owner, spender in wanted]
    )
    numbers = [_number(token, answer, "balanceOf and allowance") for answer in answers]
    return TokenFacts(
        balances=dict(zip(owners, numbers[: len(owners)], strict=True)),
        allowances=dict(zip(wanted, numbers[len(owners) :], strict=True)),
    )


async def permit_nonce(chain: ChainPort, token: Address, owner: Address) -> int:
    """EIP-2612 nonce that the next permit of `owner` must carry.

    Raises:
        NotReadable: the token has none.
    """
    [answer] = await chain.calls([(ZERO_ADDRESS, token, nonces_data(owner))])
    return _number(token, answer, "nonces")


async def token_description(chain: ChainPort, token: Address) -> TokenDescription:
    """What `token` says of itself, and whether its permit can be signed for.

    Raises:
        NotReadable: no `decimals`, or an absurd one.
    """
    selectors = [DECIMALS, SYMBOL, NAME, VERSION, DOMAIN_SEPARATOR]
    answers = await chain.calls([(ZERO_ADDRESS, token, data) for data in selectors])
    decimals = _number(token, answers[0], "decimals")
    if decimals > _DECIMALS_MAX:
        raise NotReadable(token, f"decimals (it says {decimals})")
    symbol, name, version = (_text(answer) for answer in answers[1:4])
    separator = answers[4]
    guesses = dict.fromkeys([version, *_VERSION_GUESSES] if version else _VERSION_GUESSES)
    matching = (guess for guess in guesses if domain_separator(name, guess, chain.chain_id, token) == separator)
    return TokenDescription(decimals=decimals, symbol=symbol, name=name, permit_version=next(matching, ""))


def _number(token: Address, answer: bytes | Exception, what: str) -> int:
    if isinstance(answer, bytes):
        try:
            return decode_uint(answer)
        except ValueError:
            raise NotReadable(token, what) from None
    if isinstance(answer, CallReverted):
        raise NotReadable(token, what) from answer
    raise answer


def _text(answer: bytes | Exception) -> str:
    if isinstance(answer, bytes):
        try:
            return decode_text(answer)
        except ValueError:
            return ""
    if isinstance(answer, CallReverted):
        return ""
    raise answer
