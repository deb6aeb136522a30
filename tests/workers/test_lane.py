"""A lane runs its step while there is something to do, and survives everything that the step raises."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from chain.errors import RpcUnavailable
from gateway.db.errors import BooksUnavailable, WriteConflict
from workers import lane as lanes
from workers.lane import Lane


class Work:
    """A step that does what its script says: a number done, or an error."""

    def __init__(self, *script: int | Exception) -> None:
        self.script = deque(script)
        self.calls = 0
        self.rung = 0

    async def __call__(self) -> int:
        self.calls += 1
        await asyncio.sleep(0)
        outcome = self.script.popleft() if self.script else 0
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def ring_next(self) -> None:
        self.rung += 1


@asynccontextmanager
async def running(work: Work, *, beat_seconds: float = 60) -> AsyncIterator[Lane]:
    lane = Lane("test", work, ring_next=work.ring_next, beat_seconds=beat_seconds)
    task = asyncio.create_task(lane.run())
    try:
        yield lane
    finally:
        lane.stop()
        await asyncio.wait_for(task, 5)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BACKOFF_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(lanes, "BACKOFF_MAX_SECONDS", 0.05)


async def test_it_starts_with_a_step_and_goes_on_until_nothing_is_left() -> None:
    work = Work(5, 3, 0)
    async with running(work):
        await until(lambda: work.calls == 3)
        await asyncio.sleep(0.05)
    assert work.calls == 3


async def test_it_rings_the_next_role_only_after_doing_something() -> None:
    work = Work(5, 3, 0)
    async with running(work):
        await until(lambda: work.calls == 3)
    assert work.rung == 2


async def test_a_bell_wakes_it() -> None:
    work = Work()
    async with running(work) as lane:
        await until(lambda: work.calls == 1)
        lane.ring()
        await until(lambda: work.calls == 2)


async def test_many_bells_during_a_step_are_one_more_step() -> None:
    gate = asyncio.Event()
    work = Work()

    async def slow() -> int:
        work.calls += 1
        await gate.wait()
        return 0

    lane = Lane("slow", slow, ring_next=work.ring_next, beat_seconds=60)
    task = asyncio.create_task(lane.run())
    await until(lambda: work.calls == 1)
    for _ in range(100):
        lane.ring()
    gate.set()
    await until(lambda: work.calls == 2)
    await asyncio.sleep(0.05)
    lane.stop()
    await task
    assert work.calls == 2


async def test_without_any_bell_it_runs_by_its_heartbeat() -> None:
    work = Work()
    async with running(work, beat_seconds=0.02):
        await until(lambda: work.calls >= 4)


async def test_a_quick_heartbeat_slows_down_while_nothing_happens_and_work_makes_it_quick_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "IDLE_BEAT_MAX_SECONDS", 0.2)
    work = Work()
    async with running(work, beat_seconds=0.01) as lane:
        await asyncio.sleep(0.6)
        calls = work.calls
        await asyncio.sleep(0.4)
        assert work.calls - calls <= 3
        work.script.append(1)
        lane.ring()
        calls = work.calls
        await asyncio.sleep(0.1)
        assert work.calls - calls >= 3


@pytest.mark.parametrize(
    "error", [RpcUnavailable("host does not answer"), BooksUnavailable("starting up"), ConnectionResetError()]
)
async def test_trouble_of_the_infrastructure_is_one_line_and_tried_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(error, error, 1, 0)
    async with running(work) as lane:
        await until(lambda: work.calls == 4)
    assert [(record.levelno, record.exc_info) for record in caplog.records] == [(logging.WARNING, None)] * 2
    assert (lane.health.failures_in_a_row, lane.health.last_error) == (0, None)


async def test_losing_to_another_worker_is_worth_a_warning_only_when_it_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    work = Work(WriteConflict("faster"), WriteConflict("faster"), 1, 0)
    async with running(work):
        await until(lambda: work.calls == 4)
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING]


async def test_a_defect_is_logged_with_its_traceback_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(KeyError("a defect"), 1, 0)
    async with running(work):
        await until(lambda: work.calls == 3)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


async def test_bells_do_not_shorten_the_pause_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BACKOFF_FIRST_SECONDS", 0.2)
    monkeypatch.setattr(lanes, "BACKOFF_MAX_SECONDS", 0.2)
    work = Work(RpcUnavailable("away"))
    async with running(work) as lane:
        await until(lambda: work.calls == 1)
        for _ in range(10):
            lane.ring()
            await asyncio.sleep(0.005)
        assert work.calls == 1
        await until(lambda: work.calls >= 2)


async def test_stopping_ends_the_step_that_runs_and_starts_no_other() -> None:
    work = Work(*[1] * 100_000)
    async with running(work):
        await until(lambda: work.calls >= 2)
    calls = work.calls
    await asyncio.sleep(0.02)
    assert work.calls == calls < 100_000


async def test_stopping_does_not_wait_for_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BACKOFF_FIRST_SECONDS", 30)
    monkeypatch.setattr(lanes, "BACKOFF_MAX_SECONDS", 30)
    work = Work(RpcUnavailable("away"))
    async with running(work):
        await until(lambda: work.calls == 1)
