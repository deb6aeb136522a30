"""Requests per second and their 99th percentile, beside a bare Litestar handler on the same server in the same run.

One uvicorn serves both; the client is a process of its own with so many connections. A read is GET of a subscription, a
creation is POST of one (with its invoice, intent, mandate and events, in one transaction with its idempotency key); the
bare handlers answer with as many bytes, and read as large a body.

    python -m benchmarks.api                      500 creations, 3,000 reads, 8 connections, SQLite
    python -m benchmarks.api --count 2000
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvicorn
from litestar import Litestar, MediaType, Request, Response, get, post

from gateway import log
from gateway.db import migrate
from gateway.db.engine import Books
from tests import factories
from tests.api.desk import Desk
from tests.services.house import signer

CONNECTIONS: Final = 8
READS_A_CREATION: Final = 6
WARM_UP: Final = 50

Figures = dict[str, float]


def bare(answer: bytes) -> Litestar:
    """Handlers that do nothing but answer."""

    @get("/bare", sync_to_thread=False)
    def read() -> Response[bytes]:
        return Response(answer, media_type=MediaType.JSON)

    @post("/bare", status_code=200)
    async def create(request: Request[Any, Any, Any]) -> Response[bytes]:
        json.loads(await request.body())
        return Response(answer, media_type=MediaType.JSON)

    return Litestar([read, create], openapi_config=None, logging_config=None)


async def measure(count: int) -> dict[str, Figures]:
    """Serve, let the client ask, and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'dues.db'}"
        await migrate.upgrade(url)
        books = Books.open(url)
        async with Desk.opened(books) as desk:
            subscription = await desk.subscription(signer(1))
            answer = (await desk.get(f"/v1/subscriptions/{subscription['id']}")).content
            plain = bare(answer)
            bodies = [await _body(desk, number) for number in range(2, count + 2)]

            async def either(scope: Any, receive: Any, send: Any) -> None:
                await (plain if scope.get("path") == "/bare" else desk.app)(scope, receive, send)

            figures = await _served(either, {"key": desk.key, "read": subscription["id"], "bodies": bodies})
        await books.close()
    return figures


async def _body(desk: Desk, number: int) -> Any:
    customer, method = await desk.wallet(signer(0x10_000 + number))
    items = [{"price": factories.PRICE_ID}]
    return {"customer": customer["id"], "items": items, "default_payment_method": method["id"]}


async def _served(app: Any, work: Any) -> dict[str, Figures]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    work["url"] = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.api", "--client"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await client.communicate(json.dumps(work).encode())
    server.should_exit = True
    await serving
    figures: dict[str, Figures] = json.loads(out)
    return figures


async def ask(work: Any) -> dict[str, Figures]:
    """The client: every kind of request by turns, so that all meet the same machine."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    headers = {"Authorization": f"Bearer {work['key']}"}
    async with aiohttp.ClientSession(work["url"], connector=connector, headers=headers) as http:

        async def one(method: str, path: str, **more: Any) -> None:
            async with http.request(method, path, **more) as answer:
                body = await answer.read()
                assert answer.status == 200, body

        bodies = work["bodies"]
        reads = READS_A_CREATION * len(bodies)
        read = f"/v1/subscriptions/{work['read']}"
        keys = iter(range(len(bodies)))

        async def create() -> None:
            number = next(keys)
            await one("POST", "/v1/subscriptions", json=bodies[number], headers={"Idempotency-Key": f"bench-{number}"})

        for _ in range(WARM_UP):
            await one("GET", "/bare")
            await one("GET", read)
        return {
            "bare read": await _timed(reads, lambda: one("GET", "/bare")),
            "read": await _timed(reads, lambda: one("GET", read)),
            "bare create": await _timed(len(bodies), lambda: one("POST", "/bare", json=bodies[0])),
            "create": await _timed(len(bodies), create),
        }


async def _timed(count: int, request: Callable[[], Awaitable[None]]) -> Figures:
    took: list[float] = []
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            began = time.perf_counter()
            await request()
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - began
    took.sort()
    return {"per_second": count / seconds, "p50_ms": took[count // 2] * 1000, "p99_ms": took[int(count * 0.99)] * 1000}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--client", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    log.configure(form="console", level="error")
    if given.client:
        print(json.dumps(asyncio.run(ask(json.loads(sys.stdin.read())))))
        return
    figures = asyncio.run(measure(given.count))
    print(f"{'':<14}{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}")
    for name, each in figures.items():
        print(f"{name:<14}{each['per_second']:>12,.0f}{each['p50_ms']:>9.1f}{each['p99_ms']:>9.1f}")
    for name in ("read", "create"):
        ours, limit = figures[name], figures[f"bare {name}"]
        rate, slower = ours["per_second"] / limit["per_second"], ours["p99_ms"] / limit["p99_ms"]
        print(f"a {name} has {rate:.1%} of the bare handler's rate, and {slower:.1f} times its p99")


if __name__ == "__main__":
    main()
