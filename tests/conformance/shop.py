"""A merchant's server: an unmodified SDK with another URL, against a really listening API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import stripe
import uvicorn

from tests.api.desk import Desk
from tests.services.house import signer

T = TypeVar("T")
WALLET = signer(7)


@dataclass
class Shop:
    """The Python SDK, called from a thread as a synchronous server would call it."""

    desk: Desk
    url: str

    def client(self, key: str | None = None) -> Any:
        return stripe.StripeClient(key or self.desk.key, base_addresses={"api": self.url}, max_network_retries=0).v1

    async def call(self, use: Callable[[Any], T], key: str | None = None) -> T:
        return await asyncio.to_thread(use, self.client(key))


@contextlib.asynccontextmanager
async def listening(desk: Desk) -> AsyncIterator[str]:
    config = uvicorn.Config(desk.app, host="127.0.0.1", port=0, log_config=None, lifespan="on", ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
