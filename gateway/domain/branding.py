"""How a merchant's mails, documents and pages look, and where they lead (ST-68).

Everything in it comes from strangers and ends in HTML, in headers of mails and in documents, so each value is narrow:
one line of text, an https URL without anything that could leave an attribute, a colour of six digits.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from gateway.domain.errors import InvalidRequest

NAME_LENGTH_MAX: Final = 100
"""Characters: what a mail program shows of a sender's name."""

URL_LENGTH_MAX: Final = 2048
EMAIL_LENGTH_MAX: Final = 254
"""RFC 5321: 256 octets with the angle brackets."""

ICON_LENGTH_MAX: Final = 1_600
"""Characters, which are 1,200 bytes: a page with it stays below 10 KB."""

DEFAULT_COLOR: Final = "#0b5fff"
CONTRAST_MIN: Final = 4.5
"""WCAG 2.2, 1.4.3 (AA): letters against what is behind them."""

_PICTURE: Final = re.compile(r"data:image/(?P<type>png|webp|jpeg);base64,(?P<bytes>[A-Za-z0-9+/]+={0,2})")
_MAGIC: Final = {"png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF", "jpeg": b"\xff\xd8\xff"}
_BLACK: Final = "#000000"
_WHITE: Final = "#ffffff"
_COLOR: Final = re.compile(r"#?[0-9a-fA-F]{6}")
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL: Final = "[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
_EMAIL: Final = re.compile(f"{_LOCAL}@(?:{_LABEL}[.])+[A-Za-z][A-Za-z0-9-]{{0,61}}[A-Za-z0-9]")
_URL_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]+")  # RFC 3986, without the apostrophe


class Locale(StrEnum):
    """Languages in which subscribers are written to."""

    EN = "en"
    DE = "de"


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """How mails and hosted pages look, and where they lead.

    Attributes:
        name: what customers know the merchant by; None = the account's name.
        icon: a small picture for hosted pages, as a data URL (PNG, WebP, JPEG), so that it loads nothing.
        color: `#rrggbb`, of buttons and edges. Letters on it are black or white, whichever can be read.
        support_email: where answers to mails go, and where the merchant is told of its own troubles.
        update_url: where a customer changes how to pay; None = the hosted page of the invoice.
        cancel_url: where a customer ends a subscription (ST-72).

    Raises:
        InvalidRequest: a value is not what it should be; `param` names it.
    """

    name: str | None = None
    logo_url: str | None = None
    icon: str | None = None
    color: str | None = None
    support_email: str | None = None
    update_url: str | None = None
    cancel_url: str | None = None

    def __post_init__(self) -> None:
        for param in ("logo_url", "update_url", "cancel_url"):
            if (url := getattr(self, param)) is not None and not is_https_url(url):
                raise _refused(param, "must be a URL that begins with https://", "url_invalid")
        if self.name is not None and not is_one_line(self.name, NAME_LENGTH_MAX):
            raise _refused("name", f"must be one line of at most {NAME_LENGTH_MAX} characters")
        if self.support_email is not None and not is_deliverable(self.support_email):
            raise _refused("support_email", "must be an e-mail address", "email_invalid")
        if self.icon is not None and not is_picture(self.icon):
            raise _refused("icon", f"must be a data URL of a PNG, WebP or JPEG, at most {ICON_LENGTH_MAX} characters")
        if self.color is not None and not _COLOR.fullmatch(self.color):
            raise _refused("color", "must be a colour like #1a2b3c")


def _refused(param: str, rule: str, code: str = "parameter_invalid") -> InvalidRequest:
    return InvalidRequest(f"branding[{param}] {rule}.", code=code, param=f"branding[{param}]")


def is_one_line(text: str, length_max: int) -> bool:
    """Whether it is text that a person can see, without line feeds and other characters that steer."""
    return len(text.strip()) > 0 and len(text) <= length_max and text.isprintable()


def is_picture(url: str) -> bool:
    """Whether it is a data URL of a small picture, which begins as its type says."""
    found = _PICTURE.fullmatch(url) if len(url) <= ICON_LENGTH_MAX else None
    if found is None:
        return False
    try:
        raw = base64.b64decode(found["bytes"], validate=True)
    except binascii.Error:
        return False
    return raw.startswith(_MAGIC[found["type"]])


def is_https_url(url: str) -> bool:
    """Whether it is an https URL with a host and without a password, in characters that no attribute can be left by."""
    if len(url) > URL_LENGTH_MAX or not url.startswith("https://") or not _URL_CHARACTERS.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and "@" not in parts.netloc and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def is_deliverable(email: str) -> bool:
    """Whether a mail can be addressed so: plain ASCII, one recipient, nothing that a header could end at."""
    local, _, _ = email.partition("@")
    return (
        len(email) <= EMAIL_LENGTH_MAX
        and _EMAIL.fullmatch(email) is not None
        and not (local.startswith(".") or local.endswith(".") or ".." in local)
    )


def canonical_color(color: str | None) -> str:
    """`#rrggbb` in lower case; the house's own where there is none."""
    return DEFAULT_COLOR if color is None else f"#{color.removeprefix('#').lower()}"


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, from 1 to 21 (WCAG 2.2)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(color: str) -> str:
    """Colour of letters on `color`: white or black, whichever stands out more. One always reaches `CONTRAST_MIN`."""
    return max((_WHITE, _BLACK), key=lambda ink: contrast(ink, color))


def _luminance(color: str) -> float:
    """Relative luminance as WCAG defines it."""
    digits = color.removeprefix("#")
    red, green, blue = (_linear(int(digits[i : i + 2], 16) / 255) for i in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB's own
