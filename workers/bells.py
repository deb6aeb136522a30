"""Bells: how one role tells another that something may be due, in this process or in another one.

A bell is never needed for correctness. It does not raise, it does not wait for long, and a burst of them is one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from arq.connections import ArqRedis, create_pool
from redis.exceptions import RedisError

from workers.settings import RING, queue_name, redis_settings, to_json

COALESCE_SECONDS: Final = 0.05  # a burst of writes rings at its first and once at its end, not for every write
TIMEOUT_SECONDS: Final = 0.5
RECONNECT_SECONDS: Final = 1.0  # while Redis is away, roles run by their own heartbeat anyway

_log = logging.getLogger(__name__)


class Bells:
    """Rings the roles of this process directly, all others through Redis."""

    def __init__(self, redis_url: str, local: Mapping[str, Callable[[], None]] | None = None) -> None:
        """Connect lazily; `local` holds the `ring` of every role that runs in this process."""
        self._redis_url = redis_url
        self._local = dict(local or {})
        self._pool: ArqRedis | None = None
        self._pending: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._away_until = 0.0

    def add_local(self, role: str, ring: Callable[[], None]) -> None:
        """From now on `role` runs in this process."""
        self._local[role] = ring

    async def __call__(self, role: str) -> None:
        """Ring `role`. Returns at once; never raises."""
        self.ring(role)

    def ring(self, role: str) -> None:
        """As calling, for code that does not await."""
        if local := self._local.get(role):
            local()
        elif role in self._pending:
            self._again.add(role)
        else:
            self._pending[role] = asyncio.get_running_loop().create_task(self._deliver(role))

    async def close(self) -> None:
        """Drop what was not rung yet and give the connection back."""
        for task in self._pending.values():
            task.cancel()
        await asyncio.gather(*self._pending.values(), return_exceptions=True)
        if self._pool is not None:
            await self._pool.aclose(close_connection_pool=True)
            self._pool = None

    async def _deliver(self, role: str) -> None:
        try:
            while True:
                self._again.discard(role)
                await self._enqueue(role)
                await asyncio.sleep(COALESCE_SECONDS)
                if role not in self._again:
                    return
        finally:
            del self._pending[role]

    async def _enqueue(self, role: str) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            return
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if self._pool is None:
                    self._pool = await create_pool(redis_settings(self._redis_url), job_serializer=to_json)
                await self._pool.enqueue_job(RING, _queue_name=queue_name(role))
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = loop.time() + RECONNECT_SECONDS
            _log.warning("no bell for %s: Redis is away (%s); it runs by its heartbeat", role, type(error).__name__)


@asynccontextmanager
async def opened(redis_url: str) -> AsyncIterator[Bells]:
    """Bells for a process that runs no role itself, such as the API."""
    bells = Bells(redis_url)
    try:
        yield bells
    finally:
        await bells.close()
