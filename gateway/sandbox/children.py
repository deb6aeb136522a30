"""Child processes: started with a log file each, restarted when they die, ended in reverse order."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from gateway.config import ENV_PREFIX, NO_SETTINGS
from gateway.sandbox.errors import SandboxFailed, with_tail
from gateway.sandbox.interruptions import interruptions
from gateway.sandbox.ports import HOST

STOP_SECONDS: Final = 5.0
START_SECONDS: Final = 30.0
RESTARTS_MAX: Final = 20
"""After so many deaths a child stays dead: something is wrong that starting again does not mend."""

_POLL_SECONDS: Final = 0.05
_WATCH_SECONDS: Final = 0.2


class Child:
    """One process and what is needed to start it again."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, environ: Mapping[str, str]) -> None:
        self.name: Final = name
        self.log: Final = log
        self.restarts = 0
        self._arguments = list(arguments)
        self._environ = dict(environ)
        self._process = self._start()

    @property
    def pid(self) -> int:
        """Process id of the current life."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it lives."""
        return self._process.poll()

    def restart(self) -> None:
        """Start it again after it died."""
        self.restarts += 1
        self._process = self._start()

    def kill(self) -> None:
        """End it as a power cut would."""
        _signal(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it, first politely."""
        if not self.is_running:
            return
        _signal(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own commands, no shell
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                start_new_session=True,  # Ctrl-C reaches only the sandbox, which ends its children in order
            )


class Children:
    """All of them. Leaving the `with` block ends every one, whatever happened."""

    def __init__(self, logs: Path) -> None:
        """`logs` is the folder for their log files."""
        self._logs = logs
        self._children: list[Child] = []
        self._supervised: set[str] = set()
        self._ending = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        port: int | None = None,
        supervised: bool = False,
    ) -> Child:
        """Start a child; with a port, wait until it listens there. A supervised child is started again when it dies.

        Raises:
            SandboxFailed: it died, or did not listen in time; the end of its log is in the message.
        """
        log = self._logs / f"{name}.log"
        with interruptions.held():
            try:
                child = Child(name, arguments, log, _inherited() | dict(environ or {}))
            except OSError as error:
                raise SandboxFailed(f"{name}: {arguments[0]} cannot be started ({error.strerror}).") from None
            self._children.append(child)
        if port is not None:
            self._wait_for(child, port)
        if supervised:
            self._supervised.add(name)
        return child

    def check(self) -> None:
        """Raise when a child is dead for good.

        Raises:
            SandboxFailed: which one, with the end of its log.
        """
        for child in self._children:
            if not child.is_running and (child.name not in self._supervised or child.restarts >= RESTARTS_MAX):
                raise SandboxFailed(with_tail(f"{child.name} ended with status {child.status}.", child.log))

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._watcher.join()
        for child in reversed(self._children):
            child.stop()

    def _watch(self) -> None:
        while not self._ending.wait(_WATCH_SECONDS):
            for child in list(self._children):
                if child.name in self._supervised and not child.is_running and child.restarts < RESTARTS_MAX:
                    child.restart()

    def _wait_for(self, child: Child, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not child.is_running:
                raise SandboxFailed(with_tail(f"{child.name} ended with status {child.status}.", child.log))
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    return
            time.sleep(_POLL_SECONDS)
        raise SandboxFailed(with_tail(f"{child.name} did not listen within {START_SECONDS:g} s.", child.log))


def _inherited() -> dict[str, str]:
    """This process's environment without settings of another installation: a child has its own file."""
    return {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX) or name in NO_SETTINGS}


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
