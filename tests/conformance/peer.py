"""A client in another language or environment, run as a program of its own against a really listening API.

It speaks the official SDK to the API, and over its standard output, one JSON line each, it asks this side for what a
merchant's server cannot do: sign as the wallet, let time pass, show what was delivered. A `claim` is what it has found
to be true; whatever it cannot confirm ends it with a status that is not 0.
"""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.services import test_clocks, webhooks
from gateway.services.ports import HttpAnswer
from tests import factories
from tests.api.desk import Desk
from tests.conformance.shop import WALLET

ROOT = Path(__file__).resolve().parents[2]
LINE_BYTES_MAX = 2**22
SECONDS_MAX = 120.0


@dataclass
class Mailbox:
    """An `HttpPort` that keeps what was sent."""

    kept: list[dict[str, Any]] = field(default_factory=list)

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        self.kept.append({"url": url, "body": body.decode(), "headers": {k.lower(): v for k, v in headers.items()}})
        return HttpAnswer(status=200, body=b"", latency_ms=1)


@dataclass
class Peer:
    """What this side does for the program."""

    desk: Desk
    mailbox: Mailbox = field(default_factory=Mailbox)
    claims: list[str] = field(default_factory=list)

    async def run(self, arguments: Sequence[str], **environment: str) -> list[str]:
        """Run the program to its end, and return its claims."""
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            cwd=ROOT,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "STRIPE_TELEMETRY": "false", **environment},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        try:
            async with asyncio.timeout(SECONDS_MAX):
                async for line in process.stdout:
                    answer = await self._line(json.loads(line))
                    if answer is not None:
                        process.stdin.write(json.dumps(answer).encode() + b"\n")
                        await process.stdin.drain()
                code = await process.wait()
        except TimeoutError:
            process.send_signal(signal.SIGABRT)  # Python shows where it stands
            code = await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
        assert code == 0, f"after {self.claims[-1:]}: {(await errors).decode()}"
        return self.claims

    async def _line(self, said: dict[str, Any]) -> Any:
        if "claim" in said:
            self.claims.append(said["claim"])
            return None
        asked: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "sign": self._sign,
            "fund": self._fund,
            "pump": self._pump,
            "renew": self._renew,
            "clocks": self._clocks,
            "deliveries": self._deliveries,
        }
        return await asked[said["ask"]](said)

    async def _sign(self, said: dict[str, Any]) -> Any:
        return {"signature": "0x" + WALLET.sign_typed_data(said["typed_data"]).hex()}

    async def _fund(self, said: dict[str, Any]) -> Any:
        house = self.desk.house
        house.chain.fund(factories.TOKEN, WALLET.address, balance=said["balance"], allowance=10**12)
        house.chain.mine(timestamp=house.chain.head_timestamp + 1)
        return {}

    async def _pump(self, _: dict[str, Any]) -> Any:
        await self.desk.house.pump()
        return {}

    async def _renew(self, said: dict[str, Any]) -> Any:
        """Go to the end of the current period of a subscription, and past its draft."""
        house = self.desk.house
        await house.go_to(datetime.fromtimestamp(said["period_end"], UTC))
        await house.go_to(house.now + house.gateway.finalization_delay)
        return {}

    async def _clocks(self, _: dict[str, Any]) -> Any:
        while (await test_clocks.step(self.desk.house.gateway, {}, now=self.desk.house.now)).moved:
            await self.desk.house.pump()
        return {}

    async def _deliveries(self, _: dict[str, Any]) -> Any:
        """Deliver what is due, signed now, and show what arrived."""
        self.mailbox.kept.clear()
        gateway = self.desk.house.gateway
        while await webhooks.deliver_due(gateway, self.mailbox, now=max(self.desk.house.now, datetime.now(UTC))):
            pass
        return {"deliveries": self.mailbox.kept}
