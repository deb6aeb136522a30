"""The form of API keys: `sk_test_` and 36 letters and digits, the last six of which are a checksum.

A key that is mistyped or made up is refused without asking the database. What is stored is an HMAC under a pepper that
only the server knows, so that a stolen database opens nothing.
"""

import hmac
import re
import zlib
from enum import StrEnum
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH: Final = 6
_RANDOM_LENGTH: Final = 30
_LENGTH_MAX: Final = 120
_FORM: Final = re.compile(r"(sk|pk|rk)_(test|live)_([a-zA-Z0-9]{24,})")

ENTROPY_BYTES: Final = 32
"""Random bytes that a key is made from; 30 letters of 62 carry 178 of their bits."""


class KeyKind(StrEnum):
    """Secret keys may do everything in their account and mode.

    Publishable keys may see and confirm one intent with its client secret (ST-11). Restricted keys may do what their
    permissions say (`gateway.domain.permission`).
    """

    SECRET = "sk"  # noqa: S105 - a prefix
    PUBLISHABLE = "pk"
    RESTRICTED = "rk"


def _letters(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return "".join(letters)


def _checksum(text: str) -> str:
    return _letters(zlib.crc32(text.encode("ascii")), _CHECKSUM_LENGTH)


def form_key(kind: KeyKind, *, livemode: bool, entropy: bytes) -> str:
    """The key that `entropy` stands for.

    Raises:
        ValueError: not `ENTROPY_BYTES` bytes.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key is made from {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    body = _letters(int.from_bytes(entropy, "big"), _RANDOM_LENGTH)
    text = f"{kind}_{'live' if livemode else 'test'}_{body}"
    return text + _checksum(text)


def is_well_formed(key: str) -> bool:
    """Whether `key` has the form of a key and its checksum is right."""
    if len(key) > _LENGTH_MAX or _FORM.fullmatch(key) is None:
        return False
    return hmac.compare_digest(_checksum(key[:-_CHECKSUM_LENGTH]), key[-_CHECKSUM_LENGTH:])


def digest(key: str, pepper: bytes) -> bytes:
    """What is stored and looked up instead of the key."""
    return hmac.digest(pepper, key.encode(), "sha256")


def shown(key: str) -> str:
    """A key as it may stand in an error: its kind and its last four characters."""
    match = _FORM.fullmatch(key)
    return f"{match[1]}_{match[2]}_****{key[-4:]}" if match is not None else "****"
