"""The client of `tests.workers.fork_server`: worker processes on demand, and how each of them ended."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any


class ForkServer:
    """Worker processes on demand; see `tests.workers.fork_server`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.workers.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def start(self, config: Path, log: Path, failpoint: str = "", *, marches: bool = False) -> int:
        """Begin a life, and return its process id; one that marches ends when nothing is left to do."""
        answer = await self._order(do="start", config=str(config), log=str(log), failpoint=failpoint, marches=marches)
        return int(answer["pid"])

    async def wait(self, pid: int, seconds: float) -> int | None:
        """How a life ended; None when it has not."""
        status: int | None = (await self._order(do="wait", pid=pid, seconds=seconds))["status"]
        return status

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    async def _order(self, **order: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self._ask, json.dumps(order))

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer
