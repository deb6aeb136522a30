"""How a request is served: who asks, what for, in one transaction, at most once, and what the answer looks like."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, cast

import msgspec
from litestar import MediaType, Request, Response
from litestar.handlers import HTTPRouteHandler, route
from litestar.types import Method

from gateway import log
from gateway.api import client_secrets, expand, forms, idempotency, permissions, rate_limits
from gateway.api.auth import Caller, authenticate
from gateway.api.endpoint import Api, Call, Endpoint
from gateway.api.pagination import TOTAL_COUNT, Found, found_of, list_of
from gateway.api.related import related
from gateway.db.engine import Connection
from gateway.db.errors import WriteConflict
from gateway.db.pages import Page
from gateway.domain.errors import NotFound
from gateway.domain.rate_limit import Kind

WRITE_TRIES_MAX: Final = 3
"""How often a request is begun again when other writers were faster."""

_ID_LENGTH_MAX: Final = 255
_ID_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")

_encoder: Final = msgspec.json.Encoder()

AnyRequest = Request[Any, Any, Any]


def handler(api: Api, endpoint: Endpoint[Any]) -> HTTPRouteHandler:
    """Make the framework's handler of an endpoint."""
    serve = _serve_write if endpoint.writes else _serve_read

    async def handle(request: AnyRequest) -> Response[bytes]:
        try:
            return await serve(api, endpoint, request)
        finally:
            await api.uses.write(api.gateway.books, api.clock())

    return route(
        endpoint.path,
        http_method=[cast("Method", method) for method in endpoint.methods],
        status_code=200,
        name=endpoint.operation_id,
        opt={"endpoint": endpoint},
        media_type=MediaType.JSON,
    )(handle)


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(body, status_code=status, media_type=MediaType.JSON, headers=headers)


def _path_of(endpoint: Endpoint[Any], request: AnyRequest) -> dict[str, str]:
    """The ids in the URL; what cannot be an id is not looked up."""
    path = {name: str(value) for name, value in request.path_params.items()}
    for value in path.values():
        if not 1 <= len(value) <= _ID_LENGTH_MAX or not _ID_CHARACTERS.issuperset(value):
            raise NotFound(endpoint.kind.rpartition(".")[2], value[:_ID_LENGTH_MAX])
    return path


async def _serve_read(api: Api, endpoint: Endpoint[Any], request: AnyRequest) -> Response[bytes]:
    now = api.clock()
    async with api.gateway.books.read() as conn:
        caller = await _caller(conn, api, endpoint, request, now)
        path = _path_of(endpoint, request)
        params = forms.decode(endpoint.params, forms.read_form(request.scope["query_string"]), coerce=True)
        wanted = _planned(caller, endpoint, params)
        call = Call(api=api, conn=conn, caller=caller, path=path, now=now, request_id=_request_id())
        result = await endpoint.run(call, params)
        return _json(await _answer(call, endpoint, result, wanted, request.url.path))


async def _caller(conn: Connection, api: Api, endpoint: Endpoint[Any], request: AnyRequest, now: datetime) -> Caller:
    header = request.headers.get("authorization")
    caller = await authenticate(
        conn,
        header,
        resource=endpoint.resource,
        level=endpoint.level,
        pepper=api.pepper,
        now=now,
        public=endpoint.public,
    )
    api.uses.saw(caller.key_id, caller.used_at, now)
    if api.limiter is not None:
        kind = Kind.WRITE if endpoint.writes else Kind.READ
        verdict = await api.limiter.take(caller.key_id, kind)
        if verdict is not None:
            request.state[rate_limits.STATE] = verdict
            rate_limits.enforce(verdict, kind)
    return caller


def _planned(caller: Caller, endpoint: Endpoint[Any], params: forms.Params) -> expand.Expansion:
    """What is to be expanded, checked before anything happens."""
    client_secrets.refuse_expansion(caller, params)
    beside = frozenset({TOTAL_COUNT}) if endpoint.is_search else frozenset()
    wanted = expand.plan(endpoint.kind, params.expand, of_list=endpoint.is_list, beside=beside)
    permissions.demand_sight(caller, expand.kinds(wanted))
    return wanted


def _request_id() -> str:
    return log.request_id.get() or ""


async def _tree_of(endpoint: Endpoint[Any], request: AnyRequest) -> tuple[forms.Tree, bool]:
    """What a writing request says: its body, or for DELETE its query."""
    raw = await request.body()
    query = forms.read_form(request.scope["query_string"])
    if "DELETE" in endpoint.methods and not raw:
        return query, True
    if query:
        raise forms.unexpected_query(next(iter(query)))
    return forms.read_body(request.headers.get("content-type", ""), raw)


async def _serve_write(api: Api, endpoint: Endpoint[Any], request: AnyRequest) -> Response[bytes]:
    now = api.clock()
    async with api.gateway.books.read() as conn:
        caller = await _caller(conn, api, endpoint, request, now)
    path = _path_of(endpoint, request)
    key = idempotency.key_of(request.headers.get("idempotency-key"))
    if caller.is_public:
        key = None  # the stored answers are the merchant's
    tree, coerce = await _tree_of(endpoint, request)
    params = forms.decode(endpoint.params, tree, coerce=coerce)
    wanted = _planned(caller, endpoint, params)

    def call_on(conn: Connection, prepared: Any = None) -> Call:
        return Call(api=api, conn=conn, caller=caller, path=path, now=now, request_id=_request_id(), prepared=prepared)

    once = idempotency.Once(
        scope=caller.scope,
        key=key,
        fingerprint=idempotency.fingerprint(request.method, request.url.path, tree),
        method=request.method,
        path=request.url.path,
        now=now,
    )

    async def attempt(prepared: Any) -> idempotency.Answer:
        async with api.gateway.books.write() as conn:
            stored = await once.claim(conn)
            if stored is not None:
                return stored
            call = call_on(conn, prepared)
            result = await endpoint.run(call, params)
            return await once.store(conn, await _answer(call, endpoint, result, wanted, request.url.path))

    with idempotency.one_at_a_time(api.in_flight, once):
        prepared = None
        if endpoint.before is not None:
            async with api.gateway.books.read() as conn:
                stored = await once.look_up(conn)
                if stored is not None:
                    return _replay(stored)
                prepared = await endpoint.before(call_on(conn), params)
        answer = await _tried(lambda: attempt(prepared))
    if api.wake is not None and not answer.replayed:
        for role in endpoint.rings:
            await api.wake(role)
    return _replay(answer) if answer.replayed else _json(answer.body)


def _replay(answer: idempotency.Answer) -> Response[bytes]:
    return _json(answer.body, answer.status, {idempotency.REPLAYED: "true"})


async def _tried(attempt: Callable[[], Awaitable[idempotency.Answer]]) -> idempotency.Answer:
    """Begin again when another writer was faster: nothing had happened yet."""
    for _ in range(WRITE_TRIES_MAX - 1):
        try:
            return await attempt()
        except WriteConflict:
            continue
    return await attempt()


async def _answer(call: Call, endpoint: Endpoint[Any], result: Any, wanted: expand.Expansion, url: str) -> bytes:
    """Render what an endpoint returned: a page, a value, or a shape that is ready."""
    page = result if isinstance(result, Page) else None
    values = page.items if page is not None else [result]
    if values and isinstance(values[0], msgspec.Struct):
        shapes: list[msgspec.Struct] = values
    else:
        beside = await related(call.conn, call.gateway, values)
        shapes = [endpoint.shape(value, beside) for value in values]
    entries: list[Any] = list(shapes)
    if wanted.references or wanted.embedded:
        entries = list(await expand.expand(call.conn, call.gateway, call.scope, shapes, wanted))
    if isinstance(page, Found):
        return _encoder.encode(found_of(entries, page, url))
    return _encoder.encode(entries[0] if page is None else list_of(entries, page, url))
