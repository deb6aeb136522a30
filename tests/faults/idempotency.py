"""R3: one Idempotency-Key fifty times at once, the API killed half way, Redis flushed: one effect, one answer.

    python -m tests.faults.idempotency DATABASE_URL REDIS_URL ROUNDS SEED

A parent that has imported everything forks one life of the API after the other over the same database. In each round
fifty requests with one key arrive at once, at a random moment of which the API is killed (`kill -9`) and Redis is
emptied. A second life answers whoever repeats the request; then the books are asked how many customers there are.
"""

import asyncio
import json
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Final

import httpx
import uvicorn
from redis import Redis
from sqlalchemy import func, select

from gateway import clock, redis_limits
from gateway.api.app import create_app
from gateway.api.idempotency import REPLAYED
from gateway.db import accounts, schema
from gateway.db.engine import Books
from gateway.domain.rate_limit import Limits
from gateway.services import api_keys
from gateway.services.gateway import Gateway
from tests import factories

PEPPER: Final = b"a pepper of the tests, 32 bytes.."
AT_ONCE: Final = 50
PATIENCE_SECONDS: Final = 30.0
GIVE_UP_SECONDS: Final = 0.3
MANY: Final = Limits(reads_per_second=100_000, writes_per_second=100_000)


@dataclass
class Figure:
    """What the rounds came to."""

    rounds: int = 0
    requests: int = 0
    cut_off: int = 0
    kills_before_the_effect: int = 0
    wrong_effects: int = 0
    different_answers: int = 0
    seconds: float = 0.0


def live(books_url: str, redis_url: str, listener: socket.socket) -> int:
    """Fork one life of the API that serves `listener`; returns its process."""
    pid = os.fork()
    if pid:
        return pid
    try:
        asyncio.run(_serve(books_url, redis_url, listener))
    finally:
        os._exit(0)


async def _serve(books_url: str, redis_url: str, listener: socket.socket) -> None:
    books = Books.open(books_url)
    gateway = Gateway(books=books, networks={}, tokens={}, public_url="http://localhost")
    async with redis_limits.opened(redis_url, MANY) as limiter:
        app = create_app(gateway, chains={}, clock=clock.now, pepper=PEPPER, limiter=limiter)
        config = uvicorn.Config(app, log_config=None, lifespan="on", ws="none")
        await uvicorn.Server(config).serve([listener])


async def _key(books_url: str) -> str:
    books = Books.open(books_url)
    try:
        async with books.write() as conn:
            await accounts.add(conn, factories.account())
            _, key = await api_keys.mint(
                conn, account_id=factories.ACCOUNT_ID, livemode=False, pepper=PEPPER, now=factories.NOW
            )
        return key
    finally:
        await books.close()


async def _effects(books_url: str, name: str) -> tuple[int, int]:
    """How many customers of that name there are, and how many events say that one was made."""
    books, table, log = Books.open(books_url), schema.customers, schema.event_log
    try:
        async with books.read() as conn:
            made = select(table.c.id).where(table.c.name == name)
            ids = list((await conn.execute(made)).scalars())
            told = select(func.count()).select_from(log).where(log.c.object_id.in_(ids))
            return len(ids), (await conn.execute(told)).scalar_one()
    finally:
        await books.close()


async def _ask(http: httpx.AsyncClient, name: str) -> httpx.Response | None:
    """One request of the fifty; None when the connection broke."""
    try:
        return await http.post("/v1/customers", json={"name": name}, headers={"Idempotency-Key": name})
    except httpx.HTTPError:
        return None


def _client(port: int, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE_SECONDS,
        limits=httpx.Limits(max_connections=AT_ONCE),
    )


async def _storm(  # noqa: PLR0917 - one round
    port: int, key: str, name: str, pid: int, delay: float, redis: Redis
) -> list[httpx.Response]:
    """Fifty at once, and the kill; the answers that came through."""
    async with _client(port, key) as http:
        asked = [asyncio.create_task(_ask(http, name)) for _ in range(AT_ONCE)]
        await asyncio.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        redis.flushall()
        # Those whose connection nobody has accepted yet give up; the next life will find what they had sent.
        done, waiting = await asyncio.wait(asked, timeout=GIVE_UP_SECONDS)
        for task in waiting:
            task.cancel()
        return [answer for task in done if (answer := task.result()) is not None]


async def _calm(port: int, key: str) -> float:
    """How long fifty at once take when nobody is killed: the moments of the kills are spread over that."""
    async with _client(port, key) as http:
        for name in ("cold", "warm"):
            started = time.monotonic()
            await asyncio.gather(*(_ask(http, name) for _ in range(AT_ONCE)))
    return time.monotonic() - started


async def _again(port: int, key: str, name: str) -> list[httpx.Response]:
    """Whoever got no answer asks again until there is one, and then everybody once more."""
    async with _client(port, key) as http:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = await _ask(http, name)
            if answer is not None and answer.status_code == httpx.codes.OK:
                more = await asyncio.gather(*(_ask(http, name) for _ in range(5)))
                return [answer, *(one for one in more if one is not None)]
            await asyncio.sleep(0.02)
    return []


def rounds(books_url: str, redis_url: str, count: int, seed: int) -> Figure:
    """Run so many rounds; the same seed gives the same moments."""
    figure, chance, started = Figure(), random.Random(seed), time.monotonic()  # noqa: S311 - no secret
    key, redis = asyncio.run(_key(books_url)), Redis.from_url(redis_url)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2 * AT_ONCE)
        port = listener.getsockname()[1]
        pid = live(books_url, redis_url, listener)
        healthy = asyncio.run(_calm(port, key))
        for number in range(count):
            name, delay = f"round {number}", healthy * 1.1 * chance.random()
            first = asyncio.run(_storm(port, key, name, pid, delay, redis))
            os.waitpid(pid, 0)
            before, _ = asyncio.run(_effects(books_url, name))
            pid = live(books_url, redis_url, listener)
            later = asyncio.run(_again(port, key, name))
            _count(figure, first, later, before, asyncio.run(_effects(books_url, name)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    figure.seconds = round(time.monotonic() - started, 1)
    return figure


def _count(
    figure: Figure, first: list[httpx.Response], later: list[httpx.Response], before: int, effects: tuple[int, int]
) -> None:
    statuses = Counter(answer.status_code for answer in (*first, *later))
    said = {answer.content for answer in (*first, *later) if answer.status_code == httpx.codes.OK}
    good = [answer for answer in later[1:] if answer.status_code == httpx.codes.OK]
    fresh = [answer for answer in good if answer.headers.get(REPLAYED) != "true"]
    figure.rounds += 1
    figure.requests += AT_ONCE + len(later)
    figure.cut_off += AT_ONCE - len(first)
    figure.kills_before_the_effect += before == 0
    figure.wrong_effects += effects != (1, 1)
    figure.different_answers += len(said) != 1 or bool(fresh) or not set(statuses) <= {200, 409}


if __name__ == "__main__":
    found = rounds(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    print(json.dumps(asdict(found)))
    sys.exit(bool(found.wrong_effects or found.different_answers))
