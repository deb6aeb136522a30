"""Bells through a real Redis: they arrive, they are coalesced, and nobody needs them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from arq.connections import create_pool

from workers import bells, settings
from workers.run import _listen

NOWHERE = "redis://127.0.0.1:1"


@asynccontextmanager
async def listening(role: str, redis_url: str, ring: Callable[[], None]) -> AsyncIterator[None]:
    task = asyncio.create_task(_listen(role, redis_url, ring))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.002)


async def test_a_bell_reaches_the_role_in_another_process_within_a_blink(redis_url: str) -> None:
    heard: list[float] = []
    async with listening("billing", redis_url, lambda: heard.append(time.perf_counter())):
        await until(lambda: len(heard) >= 1)
        async with bells.opened(redis_url) as bell:
            await asyncio.sleep(0.2)
            heard.clear()
            rung = time.perf_counter()
            await bell("billing")
            await until(lambda: bool(heard))
            assert heard[0] - rung < 0.5


async def test_a_bell_reaches_only_its_own_role(redis_url: str) -> None:
    async with bells.opened(redis_url) as bell:
        await bell("billing")
        await asyncio.sleep(0.1)
        pool = await create_pool(settings.redis_settings(redis_url))
        waiting = {role: await pool.zcard(settings.queue_name(role)) for role in settings.ROLES}
        await pool.aclose()
    assert waiting == {role: int(role == "billing") for role in settings.ROLES}


async def test_a_job_is_json_and_carries_nothing(redis_url: str) -> None:
    async with bells.opened(redis_url) as bell:
        await bell("indexer")
        await asyncio.sleep(0.1)
        pool = await create_pool(settings.redis_settings(redis_url))
        [job_id] = await pool.zrange(settings.queue_name("indexer"), 0, -1)
        job = json.loads(await pool.get(b"arq:job:" + job_id))
        await pool.aclose()
    assert (job["f"], job["a"], job["k"]) == (settings.RING, [], {})


async def test_a_burst_of_bells_is_one_at_its_first_and_one_at_its_end(redis_url: str) -> None:
    async with bells.opened(redis_url) as bell:
        for _ in range(500):
            await bell("billing")
            await asyncio.sleep(0)
        await asyncio.sleep(bells.COALESCE_SECONDS * 4)
        pool = await create_pool(settings.redis_settings(redis_url))
        waiting = await pool.zcard(settings.queue_name("billing"))
        await pool.aclose()
    assert 1 <= waiting <= 3


async def test_a_role_of_the_own_process_is_rung_without_redis() -> None:
    heard: list[str] = []
    bell = bells.Bells(NOWHERE)
    bell.add_local("billing", lambda: heard.append("billing"))
    await bell("billing")
    await bell.close()
    assert heard == ["billing"]


async def test_without_redis_ringing_neither_raises_nor_waits() -> None:
    async with bells.opened(NOWHERE) as bell:
        started = time.perf_counter()
        for _ in range(100):
            await bell("billing")
        assert time.perf_counter() - started < 0.1
        await asyncio.sleep(0.1)


async def test_a_finished_bell_leaves_no_result_behind(redis_url: str) -> None:
    heard: list[int] = []
    async with listening("billing", redis_url, lambda: heard.append(1)), bells.opened(redis_url) as bell:
        await bell("billing")
        await until(lambda: len(heard) >= 2)
        await asyncio.sleep(0.1)
        pool = await create_pool(settings.redis_settings(redis_url))
        results = await pool.keys("arq:result:*")
        await pool.aclose()
    assert results == []


async def test_the_heartbeat_rings_once_a_second_without_anybody(redis_url: str) -> None:
    heard: list[int] = []
    async with listening("billing", redis_url, lambda: heard.append(1)):
        await until(lambda: len(heard) >= 3)


async def test_a_listener_waits_for_a_redis_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    async with listening("billing", NOWHERE, lambda: None):
        await until(lambda: any("Redis is away" in record.message for record in caplog.records))
