"""A proxy before a real node that misbehaves on demand: faults of the transport, and answers that are twisted."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from chain.local_node import LocalNode

Answers = list[dict[str, Any]]
Twist = Callable[[Answers], Answers]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "k3y-that-nobody-may-see"


class Proxy:
    """Hands everything to a real node, unless a fault or a twist of the answers is due."""

    def __init__(self, upstream: str) -> None:
        self.faults: deque[Fault] = deque()
        self.twists: deque[Twist] = deque()
        self.requests: list[list[dict[str, Any]]] = []
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/{key}", self._answer)
        self._server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self._server.make_url(f"/{SECRET}"))

    @property
    def methods(self) -> list[list[str]]:
        """Methods of each request, without the checks of the chain id."""
        named = [[call["method"] for call in calls] for calls in self.requests]
        return [methods for methods in named if methods != ["eth_chainId"]]

    def twist_next(self, twist: Twist) -> None:
        """Change the answers of the next request that is not the check of the chain id."""
        self.twists.append(twist)

    async def start(self) -> None:
        self._session = aiohttp.ClientSession()
        await self._server.start_server(access_log=None, shutdown_timeout=0.01)

    async def stop(self) -> None:
        await self._server.close()
        assert self._session is not None
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        calls = await request.json()
        self.requests.append(calls)
        is_check = calls[0]["method"] == "eth_chainId"
        if self.faults and not is_check:
            return await self.faults.popleft()(request)
        assert self._session is not None
        async with self._session.post(self._upstream, json=calls) as response:
            answers = await response.json()
        if self.twists and not is_check:
            answers = self.twists.popleft()(answers)
        return web.json_response(answers)


async def make_proxy(node: LocalNode) -> AsyncIterator[Proxy]:
    proxy = Proxy(node.url)
    await proxy.start()
    yield proxy
    await proxy.stop()


def answering(status: int, body: bytes = b"") -> Fault:
    async def fault(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    return fault


async def hanging(_: web.Request) -> web.Response:
    await asyncio.sleep(1)
    return web.Response()


async def resetting(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cutting(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'[{"jsonrpc":"2.0","id":0,"resu')
    assert request.transport is not None
    request.transport.abort()
    return response


def with_result(result: object) -> Twist:
    return lambda answers: [{**answer, "result": result} for answer in answers]


def with_error(code: int, message: str) -> Twist:
    return lambda answers: [{"id": each["id"], "error": {"code": code, "message": message}} for each in answers]


def changed(**changes: object) -> Twist:
    """Change fields of the first result (an object, or the first element of a list)."""

    def twist(answers: Answers) -> Answers:
        result = answers[-1]["result"]
        target = result[0] if isinstance(result, list) else result
        target.update(changes)
        return answers

    return twist
