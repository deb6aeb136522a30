"""Identifiers: a prefix that names the kind, then 26 characters that sort by creation time.

The body is a ULID (48 bits of milliseconds, 80 bits that are random or count up) in Crockford's base 32, lower case.
Within a process two ids of the same millisecond still sort in the order of their making, so that lists under a frozen
test clock keep their order.
"""

import secrets
import threading
from datetime import datetime
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS: Final = 80
_BODY_CHARACTERS: Final = 26

_lock = threading.Lock()
_last: tuple[int, int] = (0, 0)


def _body(number: int) -> str:
    characters = []
    for _ in range(_BODY_CHARACTERS):
        characters.append(_ALPHABET[number & 31])
        number >>= 5
    return "".join(reversed(characters))


def new_id(prefix: str, at: datetime) -> str:
    """Return a fresh id such as `sub_01j…` for an object that is created at `at`."""
    global _last  # noqa: PLW0603 - the counter is what keeps ids of one millisecond in order
    milliseconds = int(at.timestamp() * 1000)
    with _lock:
        low = _last[1] + 1 if milliseconds == _last[0] else secrets.randbits(_RANDOM_BITS - 1)
        _last = (milliseconds, low)
    return f"{prefix}_{_body(milliseconds << _RANDOM_BITS | low)}"
