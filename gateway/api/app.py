"""The HTTP application: routes, errors, headers of every answer, health. Made by entry points, once per process."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

import msgspec
from litestar import Litestar, MediaType, Response, Router, get
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope, LifeSpanScope, Message, Receive, Scope, Send

from chain.port import ChainPort
from gateway import log
from gateway.api import cors, documents, event_stream, openapi, problems, rate_limits, serving
from gateway.api.endpoint import Api
from gateway.api.forms import BODY_BYTES_MAX
from gateway.api.rate_limits import Limiter
from gateway.api.resources import ENDPOINTS
from gateway.db.errors import BooksError
from gateway.domain.ids import new_id
from gateway.services.gateway import Gateway
from gateway.services.ports import Doorbell
from gateway.services.test_clocks import LocalChainPort
from gateway.wire.common import API_VERSION

Ready = Callable[[], Awaitable[list[str]]]
"""Says for which reasons this process should get no requests now; none when it should."""

_log: Final = logging.getLogger(__name__)


def create_app(
    gateway: Gateway,
    *,
    chains: Mapping[int, ChainPort],
    clock: Callable[[], datetime],
    pepper: bytes,
    local_chains: Mapping[int, LocalChainPort] | None = None,
    allow_private_webhooks: bool = False,
    ready: Ready | None = None,
    wake: Doorbell | None = None,
    pages: Callable[[Api], Sequence[Router]] | None = None,
    limiter: Limiter | None = None,
) -> Litestar:
    """Build the application.

    Args:
        gateway: books, networks, tokens.
        chains: ports to the configured chains; contract wallets are asked there about their signatures.
        clock: the system's time.
        pepper: key under which API keys are hashed.
        local_chains: development chains whose time test clocks move.
        allow_private_webhooks: lets endpoints name private addresses; for development only.
        ready: more reasons than the database's for `/readyz` to say no.
        wake: rings the workers after a write.
        pages: makes the routes of the hosted pages, which stand beside the API.
        limiter: counts the requests of each key; without it there is no limit.
    """
    api = Api(
        gateway=gateway,
        chains=chains,
        clock=clock,
        pepper=pepper,
        local_chains=local_chains or {},
        wake=wake,
        allow_private_webhooks=allow_private_webhooks,
        limiter=limiter,
    )

    return _Application(
        clock,
        route_handlers=[
            *(serving.handler(api, endpoint) for endpoint in ENDPOINTS),
            _healthz,
            _readyz(gateway, ready),
            _described(gateway.public_url),
            documents.handler(gateway),
            event_stream.handler(api),
            *(pages(api) if pages is not None else ()),
        ],
        exception_handlers=problems.HANDLERS,
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


class _Application(Litestar):
    """Names every request, and writes the name and the time it took on every answer, errors included."""

    __slots__ = ("_browsers", "_clock")

    def __init__(self, clock: Callable[[], datetime], **options: Any) -> None:
        super().__init__(**options)
        self._clock = clock
        self._browsers = cors.Browsers(ENDPOINTS)

    async def __call__(self, scope: Scope | LifeSpanScope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await super().__call__(scope, receive, send)
            return
        http = cast("HTTPScope", scope)
        started = time.perf_counter()
        name = new_id("req", self._clock())
        known = log.request_id.set(name)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = (time.perf_counter() - started) * 1000
                # The query is left out: it may hold what merchants look for, such as an e-mail address.
                facts = {"method": http["method"], "path": http["path"], "status": message["status"]}
                _log.info("request served", extra=facts | {"ms": round(took, 1)})
                headers = MutableScopeHeaders.from_message(message)
                headers["Request-Id"] = name
                headers["Server-Timing"] = f"app;dur={took:.1f}"
                headers["Stripe-Version"] = API_VERSION
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Content-Type-Options"] = "nosniff"
                for header, value in self._more(http).items():
                    headers[header] = value
            await send(message)

        try:
            if self._browsers.is_preflight(http):
                await cors.answer_preflight(named)
            else:
                await super().__call__(scope, receive, named)
        finally:
            log.request_id.reset(known)

    def _more(self, http: HTTPScope) -> dict[str, str]:
        """What the key's limit says, and who else may read the answer."""
        verdict = http.get("state", {}).get(rate_limits.STATE)
        said = {} if verdict is None else rate_limits.headers(verdict)
        return said | cors.HEADERS if self._browsers.may_call(http["method"], http["path"]) else said


@get("/healthz", media_type=MediaType.JSON, sync_to_thread=False)
def _healthz() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


def _readyz(gateway: Gateway, ready: Ready | None) -> HTTPRouteHandler:
    @get("/readyz", media_type=MediaType.JSON)
    async def readyz() -> Response[bytes]:
        """Say whether requests can be served, and if not, why."""
        try:
            await gateway.books.check()
            reasons = await ready() if ready is not None else []
        except BooksError:
            _log.warning("the database cannot be used", exc_info=True)
            reasons = ["the database cannot be used"]
        body = {"status": "not_ready" if reasons else "ready", "problems": reasons}
        return Response(msgspec.json.encode(body), status_code=503 if reasons else 200, media_type=MediaType.JSON)

    return readyz


def _described(public_url: str) -> HTTPRouteHandler:
    encoded = msgspec.json.encode(openapi.document(server=public_url or "/"))

    @get("/openapi.json", media_type=MediaType.JSON, sync_to_thread=False)
    def described() -> Response[bytes]:
        """Describe the API."""
        return Response(encoded, media_type=MediaType.JSON)

    return described
