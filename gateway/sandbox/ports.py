"""TCP ports of the sandbox: fixed ones that a person can remember, free ones where those are taken.

A port is chosen seconds before its program listens on it. Until then a lock on a file of its own, in the user's folder
for temporary files, keeps other sandboxes away from it; the kernel lets it go when its process ends, however it ends.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.sandbox.errors import SandboxFailed

HOST: Final = "127.0.0.1"
DEFAULTS: Final[Mapping[str, int]] = {"api": 8321, "webhooks": 8322, "redis": 8323, "chain": 8545}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each part listens."""

    api: int
    webhooks: int
    redis: int
    chain: int


@contextmanager
def reserved(api: int | None, *, say: Callable[[str], None]) -> Iterator[Ports]:
    """Take the usual ports, or free ones where those are taken; `say` hears of each that differs.

    No other sandbox of this user chooses one of them until the block is left.

    Raises:
        SandboxFailed: the API's port was asked for by number, and it is taken.
    """
    with ExitStack() as locks:
        if api is not None and not _take(api, locks):
            raise SandboxFailed(f"--port: {api} is taken by another program; choose another one, or leave it out.")
        chosen: dict[str, int] = {}
        for name, usual in DEFAULTS.items():
            if name == "api" and api is not None:
                chosen[name] = api
                continue
            chosen[name] = usual if _take(usual, locks) else _take_any(locks)
            if chosen[name] != usual:
                say(f"port {usual} is taken; the {name} listens on {chosen[name]}")
        yield Ports(**chosen)


def _take_any(locks: ExitStack) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if _take(port, locks):
            return port


def _take(port: int, locks: ExitStack) -> bool:
    """Lock `port`, if nobody has it and nothing listens on it."""
    lock = (_folder() / str(port)).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    if not _is_free(port):
        lock.close()
        return False
    locks.callback(lock.close)
    return True


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"dues-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
