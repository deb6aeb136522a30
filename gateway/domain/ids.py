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
_PAIR_BITS: Final = 10
_PAIR_MASK: Final = (1 << _PAIR_BITS) - 1
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS: Final = tuple(range(12 * _PAIR_BITS, -1, -_PAIR_BITS))
"""Two characters at a time: 13 pairs are the 26 characters of a body."""

_lock = threading.Lock()
_last: tuple[int, int] = (0, 0)


def _body(number: int) -> str:
    return "".join([_PAIRS[number >> shift & _PAIR_MASK] for shift in _SHIFTS])


def new_id(prefix: str, at: datetime) -> str:
    """Return a fresh id such as `sub_01j…` for an object that is created at `at`."""
    global _last  # noqa: PLW0603 - the counter is what keeps ids of one millisecond in order
    milliseconds = int(at.timestamp() * 1000)
    with _lock:
        low = _last[1] + 1 if milliseconds == _last[0] else secrets.randbits(_RANDOM_BITS - 1)
        _last = (milliseconds, low)
    return f"{prefix}_{_body(milliseconds << _RANDOM_BITS | low)}"
