"""Templates and static files: rendered, hashed, compressed."""

import base64
import gzip
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response

from gateway.domain.catalog import Account
from gateway.web.security import page_headers
from gateway.web.words import Words

ASSETS: Final = {
    "checkout.css": "text/css; charset=utf-8",
    "checkout.js": "text/javascript; charset=utf-8",
    "portal.js": "text/javascript; charset=utf-8",
}
FOR_EVER: Final = "public, max-age=31536000, immutable"
"""Assets carry a hash of what they hold in their address, so that they never change."""

_COMPRESSION: Final = 9
_HASH_CHARACTERS: Final = 12
_LINEAR: Final = 0.03928
"""Below this a colour channel is linear (WCAG 2.2, relative luminance)."""

_json: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file; `path` is where it is served."""

    path: str
    media_type: str
    raw: bytes
    compressed: bytes


def packed(path: str, media_type: str, raw: bytes) -> Asset:
    """A file as it is served."""
    return Asset(path, media_type, raw, gzip.compress(raw, _COMPRESSION, mtime=0))


@cache
def assets() -> Mapping[str, Asset]:
    """All static files by name."""
    found = {}
    for name, media_type in ASSETS.items():
        raw = files("gateway.web").joinpath("assets", name).read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).decode()[:_HASH_CHARACTERS]
        stem, _, ending = name.rpartition(".")
        found[name] = packed(f"/assets/{stem}.{digest}.{ending}", media_type, raw)
    return found


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("gateway.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        enable_async=False,
    )


@dataclass(frozen=True, slots=True)
class Brand:
    """A merchant's colour, the colour of letters that can be read on it, and its picture."""

    color: str | None
    letters: str | None
    icon: str | None


def brand(account: Account) -> Brand | None:
    """What a merchant chose; None leaves the house's looks."""
    color, icon = account.settings.branding.color, account.settings.branding.icon
    if color is None:
        return None if icon is None else Brand(None, None, icon)
    shown = "#" + color.removeprefix("#").lower()
    letters = "#fff" if _contrast_with_white(shown) >= 4.5 else "#000"  # noqa: PLR2004 - WCAG 1.4.3
    return Brand(shown, letters, icon)


def _contrast_with_white(color: str) -> float:
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= _LINEAR else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def page(
    template: str,
    words: Words,
    context: Mapping[str, Any],
    *,
    script: Mapping[str, Any] | None = None,
    status: int = 200,
    compress: bool = False,
    framed: bool = False,
) -> Response[bytes]:
    """Render a page with its headers. `framed`: it asks for nothing, and may stand in other sites' frames."""
    nonce = secrets.token_urlsafe(18)
    text = (
        _templates()
        .get_template(template)
        .render(
            {
                "w": words,
                "nonce": nonce,
                "assets": {name: asset.path for name, asset in assets().items()},
                "brand": None,
                "is_test": False,
                "languages": False,
                "cancel_url": None,
                "script_name": "checkout.js",
                "back_words": None,
                "framed": False,
                "script": None if script is None else _embedded(script),
                **context,
            }
        )
    )
    body = text.encode()
    headers = page_headers(nonce, framed=framed)
    if compress:
        body = gzip.compress(body, _COMPRESSION, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status_code=status, media_type=MediaType.HTML, headers=headers)


class _Safe(str):
    """JSON that no markup can begin in: it stands in a script element as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _embedded(value: Mapping[str, Any]) -> _Safe:
    text = _json.encode(value).decode()
    return _Safe(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
