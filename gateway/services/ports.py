"""What services need of the outside world besides the chain: protocols only, no implementation.

`gateway.webhook_http`, `gateway.mail_post` and `workers.bells` implement them; tests use small real servers or a
recording object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

ANSWER_BYTES_MAX: Final = 500
"""How much of an endpoint's answer is kept: enough for a person to see what it complained of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer of whatever status; `body` holds at most `ANSWER_BYTES_MAX` bytes of it."""

    status: int
    body: bytes
    latency_ms: int

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx; a redirect is none, because it is not followed."""
        return 200 <= self.status < 300  # noqa: PLR2004  (RFC 9110, 15.3)


class HttpFault(StrEnum):
    """Why there was no answer."""

    ADDRESS_REFUSED = "address_refused"
    URL_REFUSED = "url_refused"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    CUT_OFF = "cut_off"


class HttpFailed(Exception):
    """No answer came. The other side may have received everything, a part or nothing.

    Attributes:
        fault: which of the ways it failed.
        latency_ms: time until that was known.
    """

    def __init__(self, fault: HttpFault, words: str, latency_ms: int) -> None:
        super().__init__(f"{fault}: {words}")
        self.fault = fault
        self.latency_ms = latency_ms


class HttpPort(Protocol):
    """Calls URLs that strangers chose."""

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Send `body` once, without following redirects, within the adapter's time limit.

        Raises:
            HttpFailed: there was no answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail on its way out: `message` is the whole of it (RFC 5322)."""

    id: str
    sender: str
    recipient: str
    message: bytes


class Verdict(StrEnum):
    """What became of a letter. `untried`: there was no time for it any more; it counts as no attempt."""

    TAKEN = "taken"
    REFUSED = "refused"
    AWAY = "away"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Posted:
    """A letter's verdict, and why: `refused` is for ever, `away` may pass."""

    verdict: Verdict
    words: str = ""


class MailPort(Protocol):
    """Hands letters to whoever carries them."""

    async def post(self, letters: Sequence[Letter]) -> list[Posted]:
        """Try each letter at most once, within a bounded time, and say of each what became of it; never raises."""
        ...


class Doorbell(Protocol):
    """Tells a role that something may be due. The database is the truth: a lost ring costs latency only."""

    async def __call__(self, role: str) -> None:
        """Ring; never raises, never blocks for long, may be lost."""
        ...
