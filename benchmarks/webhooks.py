"""Webhook deliveries per second, beside what the same HTTP client does without the books, in the same run.

The receiver is a process of its own and answers at once. Raw: the guarded client posts as many bodies of the same size
over as many connections. Delivered: claimed, signed, posted and written down, by as many lanes as a worker has.

    python -m benchmarks.webhooks                 2,000 deliveries to 4 endpoints, SQLite
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway import log, webhook_http
from gateway.db import migrate, webhooks
from gateway.db.engine import Books
from gateway.domain.events import EventType
from gateway.domain.signatures import new_secret
from gateway.domain.transition import Event, Moved
from gateway.domain.webhook import WebhookEndpoint
from gateway.services.recording import record
from gateway.services.webhooks import PER_ENDPOINT_MAX, Stragglers, deliver_due
from gateway.wire import render
from gateway.wire.related import Related
from tests import factories
from tests.services.house import House
from workers.roles import DELIVERY_LANES

ENDPOINTS: Final = 4
EVENTS_A_TRANSACTION: Final = 100


async def receive() -> None:
    """The receiver: takes everything, and prints the port it listens on."""

    async def hook(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/{name}", hook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def measure(count: int) -> tuple[float, float]:
    """(raw posts per second, deliveries per second)."""
    receiver = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.webhooks", "--receive", stdout=asyncio.subprocess.PIPE
    )
    assert receiver.stdout is not None
    try:
        port = int(await receiver.stdout.readline())
        urls = [f"http://127.0.0.1:{port}/{number}" for number in range(ENDPOINTS)]
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite+aiosqlite:///{Path(folder) / 'dues.db'}"
            await migrate.upgrade(url)
            books = Books.open(url)
            house = await House.build(books)
            await _queue(house, urls, count // ENDPOINTS)
            async with webhook_http.opened(allow_private=True) as http:
                raw = await _raw(http, urls, count)
                delivered = await _delivered(house, http, count)
            await books.close()
    finally:
        receiver.terminate()
        await receiver.wait()
    return raw, delivered


async def _queue(house: House, urls: list[str], events: int) -> None:
    async with house.gateway.books.write() as conn:
        for number, url in enumerate(urls, 1):
            await webhooks.add_endpoint(
                conn,
                WebhookEndpoint(
                    id=factories.numbered("we", number),
                    scope=factories.SCOPE,
                    created_at=house.now,
                    url=url,
                    enabled_events=("*",),
                    secret=new_secret(bytes(range(32))),
                ),
            )
    customer = factories.customer()
    told = Event(type=EventType.CUSTOMER_UPDATED, object_id=customer.id, at=house.now)
    for begun in range(0, events, EVENTS_A_TRANSACTION):
        size = min(EVENTS_A_TRANSACTION, events - begun)
        async with house.gateway.books.write() as conn:
            await record(conn, house.gateway, [Moved(value=customer, events=(told,))] * size, origin=house.origin)


async def _raw(http: webhook_http.GuardedHttp, urls: list[str], count: int) -> float:
    body = render.encode(factories.customer(), Related()) + b" " * 300  # the envelope of an event
    left = iter(range(count))

    async def some(url: str) -> None:
        for _ in left:
            await http.post(url, body=body, headers={"Content-Type": "application/json"})

    began = time.perf_counter()
    await asyncio.gather(*(some(url) for url in urls for _ in range(PER_ENDPOINT_MAX)))
    return count / (time.perf_counter() - began)


async def _delivered(house: House, http: webhook_http.GuardedHttp, count: int) -> float:
    stragglers, done = Stragglers(), 0

    async def lane() -> None:
        nonlocal done
        while claimed := await deliver_due(house.gateway, http, now=house.now, stragglers=stragglers):
            done += claimed

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(DELIVERY_LANES)))
    await stragglers.all_done()
    seconds = time.perf_counter() - began
    assert done >= count, (done, count)
    return count / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    log.configure(form="console", level="error")
    if given.receive:
        asyncio.run(receive())
        return
    raw, delivered = asyncio.run(measure(given.count))
    print(f"raw client        {raw:>8,.0f} posts per second")
    print(f"delivered         {delivered:>8,.0f} per second")
    print(f"ratio             {delivered / raw:>8.1%}")


if __name__ == "__main__":
    main()
