"""EIP-55: the letter case of an address as a checksum, written for people and judged when people type it."""

from functools import lru_cache
from typing import Final

from chain.keccak import keccak256
from chain.primitives import Address, address

_CACHED_MAX: Final = 65_536  # payees, tokens and the payers of one busy period; about 10 MB when full
_UPPER_FROM: Final = 8  # EIP-55: a letter is upper case where the nibble of the hash is at least 8


@lru_cache(maxsize=_CACHED_MAX)
def checksum(account: Address) -> str:
    """`account` in EIP-55 mixed case."""
    digits = account[2:]
    nibbles = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= _UPPER_FROM else digit
        for digit, nibble in zip(digits, nibbles, strict=False)
    )


def parse_address(text: str) -> Address:
    """Read an address that somebody typed.

    All lower case or all upper case carries no checksum and is accepted; mixed case must be the right one.

    Raises:
        ValueError: not 20 bytes of hex with the prefix 0x, or the mixed case is not its EIP-55 checksum.
    """
    account = address(text)
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and digits != checksum(account)[2:]:
        raise ValueError(f"wrong EIP-55 checksum: {text!r}; expected {checksum(account)!r} if the digits are right")
    return account
