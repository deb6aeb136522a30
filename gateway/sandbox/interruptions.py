"""Signals that end the sandbox, turned into exceptions, but never while a child is started and not yet written down.

Otherwise a Ctrl-C at the wrong instant would leave a process behind that nobody knows of.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptions:
    """One for the process; signals reach its main thread only."""

    def __init__(self) -> None:
        self._held = 0
        self._pending: int | None = None

    def install(self) -> None:
        """From now on a signal raises: `KeyboardInterrupt` for Ctrl-C, `SystemExit` for the others."""
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the block has ended."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if not self._held and self._pending is not None:
            number, self._pending = self._pending, None
            _raise(number)

    def _receive(self, number: int, _: "FrameType | None") -> None:
        if self._held:
            self._pending = number
        else:
            _raise(number)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


interruptions: Final = Interruptions()
