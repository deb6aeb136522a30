"""What keeps the pages safe: headers, where requests may come from, and how many may come.

The pages of checkout set no cookie: whoever has a session's address may act in it, and nobody else's browser has it
to lend. The portal has one, and a token besides (`gateway.web.portal_session`).
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

REQUESTS_MAX: Final = 60
REQUESTS_WINDOW: Final = timedelta(minutes=1)
"""What one session may ask for: far above a person's clicks, and little enough for the database."""

SESSIONS_MAX: Final = 10_000
"""Sessions that the limiter remembers; the oldest is forgotten first."""


def page_headers(nonce: str, *, framed: bool = False) -> dict[str, str]:
    """Headers of a page: nothing is loaded from elsewhere, nothing is run that does not carry the nonce.

    `framed`: other sites may show it in a frame. No page that talks to a wallet may be.
    """
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'nonce-{nonce}'",
            "connect-src 'self'",
            "img-src data:",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors *" if framed else "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
        "Cross-Origin-Resource-Policy": "cross-origin" if framed else "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        # The address holds the session's token: other origins must not read it in a Referer.
        "Referrer-Policy": "same-origin",
        "Vary": "Accept-Language, Accept-Encoding",
    }
    return headers if framed else headers | {"X-Frame-Options": "DENY"}


def is_from_here(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something was sent by a page of ours.

    Browsers say where it comes from in headers that no script can set.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")


@dataclass(slots=True)
class Limiter:
    """How often each session was asked for something lately, in this process."""

    requests_max: int = REQUESTS_MAX
    seen: dict[str, deque[datetime]] = field(default_factory=dict)

    def allows(self, session_id: str, now: datetime) -> bool:
        """Count a request; False when there were too many."""
        times = self.seen.pop(session_id, None) or deque()
        self.seen[session_id] = times
        while len(self.seen) > SESSIONS_MAX:
            del self.seen[next(iter(self.seen))]
        while times and times[0] <= now - REQUESTS_WINDOW:
            times.popleft()
        if len(times) >= self.requests_max:
            return False
        times.append(now)
        return True
