"""An event loop in a thread of its own, so that the story can be told in plain synchronous code.

The story uses the synchronous SDK, as most merchants do; the webhook consumer and the chain connection do not.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

CALL_SECONDS: Final = 60.0
"""Longest wait for one call; everything here is on this machine."""


class Backstage:
    """Runs coroutines for code that has no loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="backstage", daemon=True)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` and wait for its answer.

        Raises:
            TimeoutError: no answer within `CALL_SECONDS`.
        """
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
