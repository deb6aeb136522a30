"""Which routes a page of another origin may call: those that a publishable key opens, and no others.

Everything else stays closed to browsers: a secret key does not belong there.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from litestar.types import HTTPScope, Send

from gateway.api.endpoint import Endpoint

_ALLOWED: Final = "Authorization, Content-Type, Idempotency-Key, Stripe-Version"
_EXPOSED: Final = "Request-Id, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
_PREFLIGHT_SECONDS: Final = "7200"
_PARAMETER: Final = re.compile(r"\{\w+:str\}")

HEADERS: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}
"""No credentials: a browser that sends none of its own can be let in from everywhere."""


class Browsers:
    """Knows the routes that browsers may call."""

    def __init__(self, endpoints: Iterable[Endpoint[Any]]) -> None:
        """Take the public ones out."""
        self._routes = [
            (frozenset(endpoint.methods), re.compile(_PARAMETER.sub("[^/]+", endpoint.path)))
            for endpoint in endpoints
            if endpoint.public
        ]

    def may_call(self, method: str, path: str) -> bool:
        """Whether a publishable key opens this."""
        return any(method in methods and route.fullmatch(path) for methods, route in self._routes)

    def is_preflight(self, scope: HTTPScope) -> bool:
        """Whether a browser asks if it may call one of them."""
        if scope["method"] != "OPTIONS":
            return False
        asked = dict(scope["headers"]).get(b"access-control-request-method", b"").decode("latin-1")
        return self.may_call(asked, scope["path"])


async def answer_preflight(send: Send) -> None:
    """Say that it may."""
    headers = {
        **HEADERS,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": _ALLOWED,
        "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        "Vary": "Origin",
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 204, "headers": encoded})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
