"""`/exit`: one file that ends agreements from chain data alone, through the payer's own wallet.

It is served as it lies in `assets/exit.html`, and works as well when it is saved and opened as a file. It may
speak to nobody: what it knows, it knows from the wallet.
"""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Final

from litestar import MediaType, Response, get

from gateway.services.gateway import Gateway
from gateway.web import rendering
from gateway.web.answers import AnyRequest, compresses

EXIT_PATH: Final = "/exit"
_INLINE: Final = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@cache
def _page() -> tuple[rendering.Asset, dict[str, str]]:
    """The file, and headers that let its own script and style run, and nothing else."""
    text = files("gateway.web").joinpath("assets", "exit.html").read_text(encoding="utf-8")
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for kind, inner in _INLINE.findall(text):
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(hashes['script'])}",
            f"style-src {' '.join(hashes['style'])}",
            "img-src data:",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Vary": "Accept-Encoding",
    }
    return rendering.packed(EXIT_PATH, "text/html; charset=utf-8", text.encode()), headers


@get(EXIT_PATH, name="exit", sync_to_thread=False)
def exit_page(request: AnyRequest) -> Response[bytes]:
    """Serve the file."""
    page, headers = _page()
    if compresses(request):
        headers = headers | {"Content-Encoding": "gzip"}
        return Response(page.compressed, media_type=MediaType.HTML, headers=headers)
    return Response(page.raw, media_type=MediaType.HTML, headers=headers)


def exit_url(gateway: Gateway) -> str:
    """Where the file is, with the contract's address where there is but one."""
    contracts = {network.contract for network in gateway.networks.values()}
    return EXIT_PATH + (f"#{contracts.pop()}" if len(contracts) == 1 else "")
