"""Lives of a worker process, forked from one that has imported everything: a start costs milliseconds, not seconds.

`python -m tests.workers.fork_server` reads one JSON order per line and answers each with one line:
`{"do": "start", "config": path, "log": path, "failpoint": name or "", "marches": bool}` → `{"pid": …}`; a life that
marches ends by itself (see `tests.workers.march`);
`{"do": "wait", "pid": …, "seconds": …}` → `{"status": …}`: exit status, negative for a signal, null while it lives.
"""

import asyncio
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway import composition, failpoints, log
from gateway import config as settings
from gateway.services import submission, webhooks
from tests.workers.march import march
from workers.run import run

SHORT_LEASE = timedelta(seconds=1)
"""A lease outlives its holder; in these tests nobody has the patience of production."""


async def _work(config: settings.Config) -> None:
    async with composition.opened(config, with_signers=True) as house:
        await run(house)


def _live(order: dict[str, Any]) -> None:
    os.setsid()
    out = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(out, stream)
    submission.LEASE = webhooks.LEASE = SHORT_LEASE / 5 if order["marches"] else SHORT_LEASE  # type: ignore[misc]
    if order["failpoint"]:
        failpoints.arm_from(order["failpoint"])
    config = settings.load(Path(order["config"]), {})
    log.configure(form="human", level="warning" if order["marches"] else "info", secrets=config.secrets())
    asyncio.run(march(config) if order["marches"] else _work(config))


def _start(order: dict[str, Any]) -> dict[str, Any]:
    pid = os.fork()
    if pid:
        return {"pid": pid}
    status = 1
    try:
        _live(order)
        status = 0
    finally:
        os._exit(status)


def _wait(pid: int, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return {"status": os.waitstatus_to_exitcode(status)}
        if time.monotonic() >= deadline:
            return {"status": None}
        time.sleep(0.01)


def main() -> None:
    """Serve orders until the input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        answer = _start(order) if order["do"] == "start" else _wait(order["pid"], order["seconds"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
