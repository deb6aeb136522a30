"""A webhook consumer as a merchant would write it: checks both signatures with the official libraries, keeps what came.

It believes nothing that does not verify, answers 200 at once, and tolerates the same event coming twice.
"""

import threading
from dataclasses import dataclass, field
from typing import Any, Final

import stripe
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gateway.sandbox.ports import HOST

PATH: Final = "/webhooks"
_OK: Final = 200
_REFUSED: Final = 400


@dataclass(frozen=True, slots=True)
class Heard:
    """An event whose two signatures were right."""

    id: str
    type: str
    sequence: int
    object_id: str


@dataclass(slots=True)
class Consumer:
    """What was delivered so far. `secret` is known once the endpoint was created."""

    secret: str = ""
    repeated: int = 0
    refused: list[str] = field(default_factory=list)
    _heard: dict[str, Heard] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        """Listen on this machine."""
        app = web.Application()
        app.router.add_post(PATH, self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def heard(self) -> list[Heard]:
        """Every event, in the order of its sequence."""
        with self._lock:
            return sorted(self._heard.values(), key=lambda event: event.sequence)

    def sequence_of(self, event_type: str, object_id: str) -> int | None:
        """Sequence of the first event of this type about this object; None when none came yet."""
        found = (event for event in self.heard() if (event.type, event.object_id) == (event_type, object_id))
        return next((event.sequence for event in found), None)

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            event = self._verified(body, dict(request.headers))
        except (stripe.SignatureVerificationError, WebhookVerificationError, ValueError, KeyError) as error:
            self.refused.append(f"{type(error).__name__}: {error}")
            return web.Response(status=_REFUSED)
        with self._lock:
            self.repeated += event.id in self._heard
            self._heard[event.id] = event
        return web.Response(status=_OK)

    def _verified(self, body: bytes, headers: dict[str, str]) -> Heard:
        lowered = {name.lower(): value for name, value in headers.items()}
        event: Any = stripe.Webhook.construct_event(body, lowered["stripe-signature"], self.secret)
        again: Any = Webhook(self.secret).verify(body, lowered)
        if again["id"] != event["id"]:
            raise ValueError("the two standards signed different bodies")
        return Heard(event["id"], event["type"], event["sequence"], event["data"]["object"]["id"])
