"""Roles, their queues, and the arq worker that answers a role's bell. When to run stands here, never what to do.

The database is the truth and Redis a doorbell: a job carries nothing but the name of a function, is written as JSON,
leaves no result, and may be lost or rung twice. What is due, and whether somebody is at it already, only rows say.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from arq.connections import ArqRedis, RedisSettings
from arq.cron import cron
from arq.worker import Worker, func

BILLING: Final = "billing"
COLLECTION: Final = "collection"
SUBMITTER: Final = "submitter"
INDEXER: Final = "indexer"
WEBHOOKS: Final = "webhooks"
CLOCKS: Final = "clocks"
MAIL: Final = "mail"
MAINTENANCE: Final = "maintenance"
ROLES: Final = (BILLING, COLLECTION, SUBMITTER, INDEXER, WEBHOOKS, CLOCKS, MAIL, MAINTENANCE)
"""Every role. Each can run in a process of its own, several times, or all in one."""

NEXT: Final[dict[str, tuple[str, ...]]] = {
    BILLING: (COLLECTION, WEBHOOKS, CLOCKS),  # a moment of a test clock may be over with it
    COLLECTION: (SUBMITTER, BILLING, WEBHOOKS, CLOCKS),
    SUBMITTER: (INDEXER, CLOCKS),
    INDEXER: (SUBMITTER, COLLECTION, BILLING, CLOCKS, WEBHOOKS),
    WEBHOOKS: (),
    CLOCKS: (BILLING, COLLECTION),  # and the indexer where it made blocks, the webhooks where it arrived
    MAIL: (),  # and nobody rings it: a mail has time until the heartbeat
    MAINTENANCE: (),
}
"""Whose bell a role rings after it has done something; nothing done rings nobody, so the ringing ends."""

RING: Final = "ring"
POLL_SECONDS: Final = 0.1  # arq's default of 0.5 s would be the slowest part; each role of a process asks so often
JOBS_MAX: Final = 10  # ringing takes microseconds; this bounds the tasks that a burst of bells makes
JOB_TIMEOUT_SECONDS: Final = 5
HEALTH_SECONDS: Final = 5  # `dues doctor` calls a role dead that has not written its key for longer
BELL_EXPIRES_MS: Final = 60_000  # a bell older than this was overtaken by sixty heartbeats
CONNECT_TIMEOUT_SECONDS: Final = 1


def queue_name(role: str) -> str:
    """Redis key of a role's bells; arq's health key is this with `:health-check`."""
    return f"dues:{role}"


def redis_settings(url: str) -> RedisSettings:
    """How to reach Redis; reconnecting is the caller's part, so that a missing Redis is seen at once."""
    settings = RedisSettings.from_dsn(url)
    settings.conn_timeout = CONNECT_TIMEOUT_SECONDS
    settings.conn_retries = 0
    return settings


def to_json(job: dict[str, Any]) -> bytes:
    """A job as JSON; what JSON cannot say is written as its representation."""
    return msgspec.json.encode(job, enc_hook=repr)


def from_json(blob: bytes) -> dict[str, Any]:
    """The inverse of `to_json`; nothing in Redis is ever executed on the way in, as pickle would."""
    job: dict[str, Any] = msgspec.json.decode(blob)
    return job


def worker(role: str, pool: ArqRedis, ring: Callable[[], None]) -> Worker:
    """The arq worker of one role: every bell, and arq's cron once a second, calls `ring`."""

    async def answer(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None:  # noqa: ARG001  (arq's signature)
        ring()

    return Worker(
        functions=[func(answer, name=RING, keep_result=0, max_tries=1)],
        # Not unique: every process of a role has its own heartbeat, and the rows say who does what.
        cron_jobs=[cron(answer, name="heartbeat", second=None, unique=False, run_at_startup=True, keep_result=0)],
        queue_name=queue_name(role),
        redis_pool=pool,
        handle_signals=False,
        max_jobs=JOBS_MAX,
        job_timeout=JOB_TIMEOUT_SECONDS,
        keep_result=0,
        poll_delay=POLL_SECONDS,
        retry_jobs=False,
        health_check_interval=HEALTH_SECONDS,
        job_serializer=to_json,
        job_deserializer=from_json,
        expires_extra_ms=BELL_EXPIRES_MS,
        log_results=False,
    )
