"""The outgoing HTTP adapter against real sockets on this machine."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import webhook_http
from gateway.services.ports import ANSWER_BYTES_MAX, HttpFailed, HttpFault

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[TestServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[TestServer] = []

    async def start(handler: Handler) -> TestServer:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.close()


async def ok(_: web.Request) -> web.Response:
    return web.Response(text="thanks")


async def test_the_body_and_the_headers_arrive_as_they_were_given(serve: Serve) -> None:
    seen: list[tuple[bytes, str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((await request.read(), request.headers["webhook-id"], request.headers["User-Agent"]))
        return web.Response(status=202, text="thanks")

    server = await serve(handler)
    async with webhook_http.opened(allow_private=True) as http:
        answer = await http.post(str(server.make_url("/hook")), body=b'{"a":1}', headers={"webhook-id": "evt_1"})
    assert (answer.status, answer.body, answer.is_success) == (202, b"thanks", True)
    assert seen == [(b'{"a":1}', "evt_1", webhook_http.USER_AGENT)]


async def test_deliveries_share_a_few_connections_that_stay_open(serve: Serve) -> None:
    connections = set()

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        connections.add(request.transport)
        return web.Response(text="thanks")

    server = await serve(handler)
    url = str(server.make_url("/hook"))
    async with webhook_http.opened(allow_private=True) as http:
        for _ in range(10):
            await asyncio.gather(*(http.post(url, body=b"{}", headers={}) for _ in range(8)))
    assert len(connections) <= 8


async def test_a_redirect_is_an_answer_and_is_not_followed(serve: Serve) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    server = await serve(handler)
    async with webhook_http.opened(allow_private=True) as http:
        answer = await http.post(str(server.make_url("/hook")), body=b"{}", headers={})
    assert (answer.status, answer.is_success, paths) == (307, False, ["/hook"])


async def test_an_endless_answer_is_read_only_as_far_as_it_is_kept(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    server = await serve(handler)
    async with webhook_http.opened(allow_private=True) as http:
        answer = await asyncio.wait_for(http.post(str(server.make_url("/")), body=b"{}", headers={}), 5)
    assert answer.body == b"x" * ANSWER_BYTES_MAX


async def test_a_private_literal_is_refused_before_a_socket_is_made(serve: Serve) -> None:
    server = await serve(ok)
    async with webhook_http.opened(allow_private=False) as http:
        with pytest.raises(HttpFailed) as caught:
            await http.post(f"http://127.0.0.1:{server.port}/", body=b"{}", headers={})
    assert caught.value.fault is HttpFault.URL_REFUSED


async def test_a_public_name_that_resolves_to_a_private_address_is_refused_at_the_dial(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response()

    server = await serve(handler)

    def rebound(_host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("gateway.webhook_http.socket.getaddrinfo", rebound)
    async with webhook_http.opened(allow_private=False) as http:
        with pytest.raises(HttpFailed) as caught:
            await http.post(f"http://merchant.example:{server.port}/", body=b"{}", headers={})
    assert (caught.value.fault, hits) == (HttpFault.ADDRESS_REFUSED, [])


async def test_of_a_name_with_a_private_and_a_public_address_the_private_one_is_never_dialled(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(ok)
    dialled: list[str] = []

    def mixed(_host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("169.254.169.254", "127.0.0.1")
        ]

    real = asyncio.SelectorEventLoop.sock_connect

    async def connect(self: asyncio.SelectorEventLoop, sock: socket.socket, address: tuple[str, int]) -> None:
        dialled.append(address[0])
        await real(self, sock, address)

    monkeypatch.setattr("gateway.webhook_http.socket.getaddrinfo", mixed)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)
    async with webhook_http.opened(allow_private=True) as http:
        answer = await http.post(f"http://merchant.example:{server.port}/", body=b"{}", headers={})
    assert (answer.status, dialled) == (200, ["127.0.0.1"])


async def test_a_name_without_an_address_is_a_dns_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> list[tuple[object, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr("gateway.webhook_http.socket.getaddrinfo", unknown)
    async with webhook_http.opened(allow_private=False) as http:
        with pytest.raises(HttpFailed) as caught:
            await http.post("http://merchant.example/", body=b"{}", headers={})
    assert caught.value.fault is HttpFault.DNS


async def test_nobody_listening_is_a_connect_fault() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with webhook_http.opened(allow_private=True) as http:
        with pytest.raises(HttpFailed) as caught:
            await http.post(f"http://127.0.0.1:{port}/", body=b"{}", headers={})
    assert caught.value.fault is HttpFault.CONNECT


async def test_plain_http_behind_an_https_url_is_a_tls_fault(serve: Serve) -> None:
    server = await serve(ok)
    async with webhook_http.opened(allow_private=True) as http:
        with pytest.raises(HttpFailed) as caught:
            await http.post(f"https://127.0.0.1:{server.port}/", body=b"{}", headers={})
    assert caught.value.fault is HttpFault.TLS


async def test_a_receiver_that_does_not_answer_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_http, "TIMEOUT_SECONDS", 0.2)
    released = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    server = await serve(handler)
    async with webhook_http.opened(allow_private=True) as http:
        with pytest.raises(HttpFailed) as caught:
            await http.post(str(server.make_url("/")), body=b"{}", headers={})
    released.set()
    assert caught.value.fault is HttpFault.TIMEOUT
    assert caught.value.latency_ms >= 200


async def test_a_connection_that_is_cut_is_a_fault_of_its_own(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server = await serve(handler)
    async with webhook_http.opened(allow_private=True) as http:
        with pytest.raises(HttpFailed) as caught:
            await http.post(str(server.make_url("/")), body=b"{}", headers={})
    assert caught.value.fault is HttpFault.CUT_OFF
