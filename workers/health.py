"""Which roles have a living worker, as their processes say in Redis (arq's health keys, which expire by themselves)."""

from redis.asyncio import Redis

from workers.settings import CONNECT_TIMEOUT_SECONDS, ROLES, queue_name


async def living_roles(redis_url: str) -> list[str]:
    """Every role that some process answers for, in the order of `ROLES`.

    Raises:
        RedisError, OSError: Redis cannot be asked; the workers may still run, by their own heartbeats.
    """
    client = Redis.from_url(
        redis_url, socket_connect_timeout=CONNECT_TIMEOUT_SECONDS, socket_timeout=CONNECT_TIMEOUT_SECONDS
    )
    try:
        keys = await client.mget([f"{queue_name(role)}:health-check" for role in ROLES])
    finally:
        await client.aclose()
    return [role for role, key in zip(ROLES, keys, strict=True) if key is not None]
