"""How many requests a key may make: a limiter that the application is given, and what its answers carry.

A request is refused before anything else is looked at, so that a refusal leaves nothing behind: its Idempotency-Key is
free, and sending it again has the one effect. The limiter of this module counts in one process; `gateway.redis_limits`
counts for all of them.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from gateway.api.problems import TooManyRequests
from gateway.domain.rate_limit import Bucket, Kind, Limits, Verdict, take

BUCKETS_MAX: Final = 10_000
"""Buckets kept; beyond that the one that was used longest ago is forgotten, which is as good as full."""

STATE: Final = "rate_limit"


class Limiter(Protocol):
    """Counts requests."""

    async def take(self, key_id: str, kind: Kind) -> Verdict | None:
        """Count one request of a key; None where there is no limit."""
        ...


@dataclass(slots=True)
class InProcess:
    """Counts what this process serves."""

    limits: Limits
    clock: Callable[[], datetime]
    buckets: OrderedDict[tuple[str, Kind], Bucket] = field(default_factory=OrderedDict)

    async def take(self, key_id: str, kind: Kind) -> Verdict | None:
        """Count one request."""
        per_second = self.limits.of(kind)
        if not per_second:
            return None
        bucket, found = take(self.buckets.pop((key_id, kind), None), per_second, self.clock())
        self.buckets[key_id, kind] = bucket
        if len(self.buckets) > BUCKETS_MAX:
            self.buckets.popitem(last=False)
        return found


def headers(found: Verdict) -> dict[str, str]:
    """What an answer says of the limit."""
    said = {
        "RateLimit-Limit": str(found.capacity),
        "RateLimit-Remaining": str(found.remaining),
        "RateLimit-Reset": str(found.reset_seconds),
    }
    if not found.allowed:
        # The official SDKs wait and try again by themselves when they are told so.
        said |= {"Retry-After": str(found.retry_after_seconds), "Stripe-Should-Retry": "true"}
    return said


def enforce(found: Verdict, kind: Kind) -> None:
    """Let a request go on.

    Raises:
        TooManyRequests: its bucket is empty.
    """
    if not found.allowed:
        raise TooManyRequests(
            f"Request rate limit exceeded: this key has made too many {kind} requests. "
            f"Try again in {found.retry_after_seconds} s."
        )
