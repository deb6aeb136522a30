"""`/docs`: the API's description in a browser, from this server alone: nothing is loaded from anywhere else.

Swagger UI comes out of an installed package, of which only the static files are read. Its code runs under a policy that
lets it talk to this server and to nobody else; a key that is typed in stays in the page.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from litestar import MediaType, Request, Response, Router, get
from litestar.exceptions import NotFoundException

from gateway.web.answers import compresses

_PACKAGE: Final = "flask_swagger_ui"
_JS: Final = "text/javascript; charset=utf-8"
_FILES: Final[Mapping[str, str]] = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": _JS,
    "favicon-32x32.png": "image/png",
}
_START: Final = b"""\
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
_PAGE: Final = b"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dues: the API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="reference"><noscript>This page needs JavaScript; the description itself is
<a href="/openapi.json">/openapi.json</a>.</noscript></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_HEADERS: Final = {
    # It writes style attributes; a style can load nothing here.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_CACHED: Final = {"Cache-Control": "public, max-age=3600"}

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    raw: bytes
    compressed: bytes


@cache
def _files() -> Mapping[str, _File]:
    """What the page loads; read once, and only when somebody opens it."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise NotFoundException
    folder = Path(spec.origin).parent / "dist"
    raw = {name: (folder / name).read_bytes() for name in _FILES} | {"start.js": _START}
    kinds = {**_FILES, "start.js": _JS}
    return {name: _File(kinds[name], body, gzip.compress(body, mtime=0)) for name, body in raw.items()}


@get("/", name="reference", sync_to_thread=False)
def _page() -> Response[bytes]:
    """Show the page."""
    return Response(_PAGE, media_type=MediaType.HTML, headers=_HEADERS)


@get("/{name:str}", name="reference_file", sync_to_thread=True)
def _file(request: AnyRequest) -> Response[bytes]:
    """Serve one of its files."""
    found = _files().get(request.path_params["name"])
    if found is None:
        raise NotFoundException
    headers = {**_HEADERS, **_CACHED, "Vary": "Accept-Encoding"}
    if compresses(request):
        return Response(found.compressed, media_type=found.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.raw, media_type=found.media_type, headers=headers)


def router() -> Router:
    """The routes of the page."""
    return Router(path="/docs", route_handlers=[_page, _file])
