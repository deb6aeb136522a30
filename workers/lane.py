"""A lane: one step, called again and again while it finds something to do; it survives whatever the step raises.

Bells are coalesced: ringing while the step runs makes it run once more, however often it was rung. Without any bell it
runs every `beat_seconds`, so that a lost Redis, a lost bell or a stuck queue costs latency only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from redis.exceptions import RedisError

from chain.errors import LocalNodeFailed, RpcRejected, RpcUnavailable, WrongChain
from gateway.db.errors import BooksUnavailable, LeaseLost, WriteConflict

BEAT_SECONDS: Final = 2.0  # arq's heartbeat comes every second; this one is only heard when that one is gone
IDLE_GROWTH: Final = 1.5
IDLE_BEAT_MAX_SECONDS: Final = 0.5  # quick heartbeats slow down to this while nothing happens: idling must be cheap
BACKOFF_FIRST_SECONDS: Final = 0.25
BACKOFF_MAX_SECONDS: Final = 15.0  # an endpoint that came back is noticed within this time
BACKOFF_DOUBLINGS_MAX: Final = 10

INFRASTRUCTURE: Final = (
    RpcUnavailable,
    RpcRejected,
    WrongChain,
    LocalNodeFailed,
    WriteConflict,
    LeaseLost,
    BooksUnavailable,
    RedisError,
    OSError,
    TimeoutError,
)
"""What passes by itself or is the operator's to repair: one line in the log, no traceback, nothing is lost."""

CONTENTION: Final = (WriteConflict, LeaseLost)
"""Another worker was faster: ordinary among several, and worth a warning only when it goes on."""

Step = Callable[[], Awaitable[int]]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Health:
    """What a lane has lived through, for `dues doctor` and tests."""

    steps: int = 0
    done: int = 0
    failures_in_a_row: int = 0
    last_error: str | None = None


class Lane:
    """One lane of one role, such as the indexer of one chain.

    Attributes:
        is_busy: whether it is taking steps, or recovering from one that failed.
    """

    def __init__(
        self, name: str, step: Step, *, ring_next: Callable[[], None], beat_seconds: float = BEAT_SECONDS
    ) -> None:
        """Take the lane's step: bounded, idempotent, returning how much it did; 0 means nothing is left.

        `ring_next` is called after every step that did something.
        """
        self.name: Final = name
        self.health: Final = Health()
        self._step = step
        self._ring_next = ring_next
        self._beat_seconds = beat_seconds
        self._bell = asyncio.Event()
        self._stopped = asyncio.Event()
        self.is_busy = False

    def ring(self) -> None:
        """Something may be due. Costs nothing, however often."""
        self._bell.set()

    def stop(self) -> None:
        """Return from `run` after the step that is running."""
        self._stopped.set()
        self._bell.set()

    async def run(self) -> None:
        """Serve until `stop`; starts with a step, because something may have become due while nobody ran."""
        self._bell.set()
        beat_seconds = self._beat_seconds
        while not self._stopped.is_set():
            self.is_busy = False
            await _wait(self._bell, beat_seconds)
            self.is_busy = True
            self._bell.clear()
            has_worked = False
            while not self._stopped.is_set() and await self._try_step():
                has_worked = True
            beat_seconds = self._beat_seconds if has_worked else self._idle_beat(beat_seconds)

    def _idle_beat(self, beat_seconds: float) -> float:
        return max(self._beat_seconds, min(beat_seconds * IDLE_GROWTH, IDLE_BEAT_MAX_SECONDS))

    async def _try_step(self) -> bool:
        """Take one step; whether another one should follow at once."""
        try:
            done = await self._step()
        except Exception as error:  # noqa: BLE001  (nothing that a step raises may end the lane)
            self._note(error)
            await self._pause()
            return True
        self.health.steps += 1
        self.health.done += done
        self.health.failures_in_a_row = 0
        self.health.last_error = None
        if done:
            self._ring_next()
        return done > 0

    def _note(self, error: Exception) -> None:
        self.health.failures_in_a_row += 1
        self.health.last_error = f"{type(error).__name__}: {error}"
        facts = {"lane": self.name, "failures_in_a_row": self.health.failures_in_a_row}
        if isinstance(error, INFRASTRUCTURE):
            is_ordinary = isinstance(error, CONTENTION) and self.health.failures_in_a_row == 1
            level = logging.INFO if is_ordinary else logging.WARNING
            _log.log(level, "%s waits: %s: %s", self.name, type(error).__name__, error, extra=facts)
        else:
            _log.error("%s failed and will be tried again", self.name, exc_info=error, extra=facts)

    async def _pause(self) -> None:
        """Back off without listening: bells must not turn an outage into a busy loop."""
        doublings = min(self.health.failures_in_a_row - 1, BACKOFF_DOUBLINGS_MAX)
        await _wait(self._stopped, min(BACKOFF_FIRST_SECONDS * 2**doublings, BACKOFF_MAX_SECONDS))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
