"""A node in bad weather: a proxy before a real one that cuts, refuses, lags, hides and lies, by a seed.

The same seed makes the same choices for the same requests in the same order. What moves the development chain's clock
is let through: it is the test's own hand, not a node's answer.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Final, Self

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from chain.keccak import keccak256

Call = dict[str, Any]
Answer = dict[str, Any]

BEHIND_BLOCKS: Final = 2
SENDING: Final = "eth_sendRawTransaction"
_HAND: Final = ("evm_", "anvil_", "hardhat_")


class Fault(StrEnum):
    """What can go wrong with one request."""

    RESET = "the connection is reset before the request arrives"
    LOST = "the request arrives, and its answer is lost"
    LIMITED = "429 Too Many Requests"
    BROKEN = "503 Service Unavailable"
    CUT = "the answer ends in the middle"
    LAGGING = "the node is some blocks behind"
    SILENT = "the node shows no events"
    DROPPED = "a transaction is accepted and thrown away"
    CONTRARY = "a transaction is accepted and called an error"


_OF_ANY: Final = (Fault.RESET, Fault.LOST, Fault.LIMITED, Fault.BROKEN, Fault.CUT)
_OF_READING: Final = (*_OF_ANY, Fault.LAGGING, Fault.LAGGING)
_OF_LOGS: Final = (*_OF_READING, Fault.SILENT, Fault.SILENT, Fault.SILENT)
_OF_SENDING: Final = (*_OF_ANY, Fault.DROPPED, Fault.DROPPED, Fault.CONTRARY, Fault.CONTRARY)


class Weather:
    """The proxy. Calm until `begin`."""

    def __init__(self, upstream: str) -> None:
        self.met: Counter[Fault] = Counter()
        self.requests = 0
        self._upstream = upstream
        self._chance = random.Random(0)  # noqa: S311 - choices that a seed repeats, nothing secret
        self._share = 0.0
        self._session: aiohttp.ClientSession | None = None
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/", self._answer)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        await self._server.start_server(access_log=None, shutdown_timeout=0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()
        if self._session is not None:
            await self._session.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("/"))

    def begin(self, seed: int, share: float) -> None:
        """From now on, `share` of all requests meet a fault."""
        self._chance, self._share = random.Random(seed), share  # noqa: S311 - as above
        self.met.clear()
        self.requests = 0

    def calm(self) -> None:
        """Let everything through."""
        self._share = 0.0

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        calls: list[Call] = body if isinstance(body, list) else [body]
        fault = self._drawn(calls)
        if fault in _BEFORE:
            self.met[fault] += 1
            return await _BEFORE[fault](request)
        if fault is Fault.DROPPED:
            answers = [{"jsonrpc": "2.0", "id": call["id"], "result": _hash_of(call)} for call in calls]
        else:
            answers = await self._forward(await self._as_seen(calls, fault))
        if fault is not None:
            self.met[fault] += 1
        if fault is Fault.LOST:
            return await _reset(request)
        twisted = [_twisted(call, answer, fault) for call, answer in zip(calls, answers, strict=True)]
        return web.json_response(twisted if isinstance(body, list) else twisted[0])

    def _drawn(self, calls: list[Call]) -> Fault | None:
        methods = {call["method"] for call in calls}
        if any(method.startswith(_HAND) for method in methods) or not self._share:
            return None
        self.requests += 1
        if self._chance.random() >= self._share:
            return None
        if SENDING in methods:
            return self._chance.choice(_OF_SENDING if methods == {SENDING} else _OF_ANY)
        return self._chance.choice(_OF_LOGS if "eth_getLogs" in methods else _OF_READING)

    async def _as_seen(self, calls: list[Call], fault: Fault | None) -> list[Call]:
        """A node that lags takes its own newest block for the newest."""
        if fault is not Fault.LAGGING:
            return calls
        probe = {"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []}
        (head,) = await self._forward([probe])
        behind = hex(max(int(head["result"], 16) - BEHIND_BLOCKS, 0))
        return [
            {**call, "params": [behind if param == "latest" else param for param in call.get("params", [])]}
            for call in calls
        ]

    async def _forward(self, calls: list[Call]) -> list[Answer]:
        if self._session is None:
            raise RuntimeError("the proxy is not started")
        async with self._session.post(self._upstream, json=calls) as response:
            answers: list[Answer] = await response.json()
        by_id = {answer["id"]: answer for answer in answers}
        return [by_id[call["id"]] for call in calls]


def _twisted(call: Call, answer: Answer, fault: Fault | None) -> Answer:
    method = call["method"]
    if fault is Fault.SILENT and method == "eth_getLogs":
        return {**answer, "result": []}
    if fault is Fault.LAGGING and method == "eth_getTransactionReceipt":
        return {**answer, "result": None}
    if fault is Fault.CONTRARY and method == SENDING:
        return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": "internal error"}}
    return answer


def _hash_of(call: Call) -> str:
    return "0x" + keccak256(bytes.fromhex(call["params"][0][2:])).hex()


async def _reset(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _limited(_: web.Request) -> web.StreamResponse:
    return web.Response(status=429, headers={"Retry-After": "1"})


async def _broken(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503, body=b"<html>upstream</html>")


async def _cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'[{"jsonrpc":"2.0","id":0,"resu')
    return await _reset(request)


_BEFORE: Final[dict[Fault | None, Callable[[web.Request], Awaitable[web.StreamResponse]]]] = {
    Fault.RESET: _reset,
    Fault.LIMITED: _limited,
    Fault.BROKEN: _broken,
    Fault.CUT: _cut,
}
