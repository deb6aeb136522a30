"""Runs roles in this process until it is told to stop: lanes beside each other, one arq worker for each role's bell."""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from arq.connections import ArqRedis, create_pool
from arq.worker import Worker
from redis.exceptions import RedisError

from gateway import clock, mail_post, webhook_http
from gateway.composition import House
from workers import settings
from workers.bells import RECONNECT_SECONDS
from workers.bells import opened as bells_opened
from workers.lane import Lane
from workers.roles import Bench, lanes_of, ring_of

COLLECT_AFTER: Final = 50_000  # objects; at the default of 700 a fifth of a renewal's time went into looking
SHUTDOWN_SECONDS: Final = 12.0
"""Patience with steps that are running; a webhook may take ten seconds. Cancelling one is as safe as a crash."""

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


async def run(house: House, roles: Sequence[str] = settings.ROLES, *, handle_signals: bool = True) -> None:
    """Serve `roles` until SIGTERM or SIGINT, or until cancelled; either way running steps end first.

    A Redis that is away costs latency: every lane has a heartbeat of its own.

    Raises:
        ValueError: there is no such role.
    """
    if unknown := sorted(set(roles) - set(settings.ROLES)):
        raise ValueError(f"no such role: {', '.join(unknown)}; there are {', '.join(settings.ROLES)}")
    redis_url = house.config.redis_url.reveal()
    stop = asyncio.Event()
    # arq tells of every bell, and of every bell that died with its worker; neither means anything here.
    logging.getLogger("arq").setLevel(logging.ERROR)
    async with (
        webhook_http.opened(
            allow_private=house.config.allow_private_webhooks, livemode=house.config.mode == "live"
        ) as http,
        bells_opened(redis_url) as bells,
    ):
        bench = Bench(
            gateway=house.gateway,
            chains=house.chains,
            local_chains=house.local_chains,
            signers=house.signers,
            http=http,
            clock=clock.now,
            owner=owner_name(),
            ring=bells.ring,
            post=mail_post.of(house.config),
        )
        lanes = {role: lanes_of(role, bench) for role in dict.fromkeys(roles)}
        for role, of_role in lanes.items():
            bells.add_local(role, ring_of(role, of_role))
        with _on_signal(stop.set) if handle_signals else contextlib.nullcontext(), _collecting_rarely():
            await _serve(lanes, redis_url, stop)


def owner_name() -> str:
    """Names this process in leases: machine, process, and a part that no other life of it has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


async def _serve(lanes: dict[str, list[Lane]], redis_url: str, stop: asyncio.Event) -> None:
    _log.info("worker started", extra={"roles": ",".join(lanes)})
    every = [lane for of_role in lanes.values() for lane in of_role]
    running = [asyncio.create_task(lane.run(), name=lane.name) for lane in every]
    listening = [
        asyncio.create_task(_listen(role, redis_url, ring_of(role, of_role)), name=f"bell {role}")
        for role, of_role in lanes.items()
    ]
    try:
        await stop.wait()
    finally:
        for lane in every:
            lane.stop()
        await _end(listening, 0)
        await _end(running, SHUTDOWN_SECONDS)
        _log.info("worker stopped")


async def _end(tasks: Iterable[asyncio.Task[None]], patience_seconds: float) -> None:
    waiting = set(tasks)
    if patience_seconds:
        _, waiting = await asyncio.wait(waiting, timeout=patience_seconds)
    for task in waiting:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            _log.error("a task of the worker had failed", exc_info=result)


async def _listen(role: str, redis_url: str, ring: Callable[[], None]) -> None:
    """Answer the bell of one role for ever; while Redis is away, look for it once a second."""
    is_away = False
    while True:
        try:
            pool = await create_pool(settings.redis_settings(redis_url), job_serializer=settings.to_json)
            if is_away:
                _log.info("%s: Redis is back", role)
            is_away = False
            await _answer(role, pool, ring)
        except (RedisError, OSError, TimeoutError) as error:
            if not is_away:
                _log.warning("%s: Redis is away (%s); going by the heartbeat", role, type(error).__name__)
            is_away = True
        except Exception:  # noqa: BLE001  (logged with its traceback; the role must not lose its bell for good)
            _log.exception("%s: the bell failed and is set up again", role)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _answer(role: str, pool: ArqRedis, ring: Callable[[], None]) -> None:
    worker = settings.worker(role, pool, ring)
    try:
        await worker.async_run()
    finally:
        await _close(worker, pool)


async def _close(worker: Worker, pool: ArqRedis) -> None:
    """Give everything back, whether or not Redis still answers."""
    tasks = list(worker.tasks.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        await pool.delete(worker.health_check_key)
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        await pool.aclose(close_connection_pool=True)


@contextlib.contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Look for cycles of dead objects less often: batches make many objects and next to no cycles."""
    before = gc.get_threshold()
    gc.freeze()  # modules, schema and settings live as long as the process
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def _on_signal(act: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
