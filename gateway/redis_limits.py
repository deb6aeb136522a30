"""Token buckets in Redis, shared by all processes of the API. Without Redis each process counts for itself."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway import clock
from gateway.api.rate_limits import InProcess
from gateway.domain.rate_limit import BURST_SECONDS, Kind, Limits, Verdict, verdict

TIMEOUT_SECONDS: Final = 0.1  # a limit that costs more than a request is none
AWAY_SECONDS: Final = 5.0  # how long Redis is not asked after it did not answer

# A bucket is a hash of its tokens and the microsecond they were counted at, by Redis's clock, which is everybody's.
_TAKE: Final = """
local rate, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = capacity
if kept[1] then
  tokens = math.min(capacity, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * rate / 1000000)
end
local allowed = 0
if tokens >= 1 then
  allowed = 1
  tokens = tokens - 1
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(capacity / rate * 1000) + 1000)
return {allowed, tostring(tokens)}
"""

_log: Final = logging.getLogger(__name__)


class RedisLimiter:
    """Counts for all processes; falls back to its own count while Redis is away."""

    def __init__(self, redis: Redis, limits: Limits) -> None:
        """Take a client whose time-outs are short."""
        self._limits = limits
        self._own = InProcess(limits, clock.now)
        self._script = redis.register_script(_TAKE)
        self._away_until = 0.0

    async def take(self, key_id: str, kind: Kind) -> Verdict | None:
        """Count one request."""
        per_second = self._limits.of(kind)
        if not per_second:
            return None
        if clock.now().timestamp() >= self._away_until:
            try:
                names, arguments = [f"dues:rate:{kind}:{key_id}"], [per_second, per_second * BURST_SECONDS]
                allowed, tokens = await self._script(keys=names, args=arguments)
                return verdict(float(tokens), per_second, allowed=bool(allowed))
            except (RedisError, OSError, TimeoutError):
                self._away_until = clock.now().timestamp() + AWAY_SECONDS
                _log.warning("Redis does not count requests; this process counts its own", exc_info=True)
        return await self._own.take(key_id, kind)


@asynccontextmanager
async def opened(
    redis_url: str, limits: Limits, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> AsyncIterator[RedisLimiter]:
    """Connect lazily, and close at the end."""
    options: dict[str, Any] = {"socket_connect_timeout": timeout_seconds, "socket_timeout": timeout_seconds}
    async with Redis.from_url(redis_url, **options) as redis:
        yield RedisLimiter(redis, limits)
