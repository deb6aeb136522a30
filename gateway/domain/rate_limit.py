"""Token buckets: how many requests a key may make, reads and writes apart, with room for a burst."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

BURST_SECONDS: Final = 2
"""A bucket holds the requests of so many seconds: a client that starts ten tasks at once is no attack."""


class Kind(StrEnum):
    """Which bucket: writes cost more than reads."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Requests per second for each key; 0 is no limit."""

    reads_per_second: int = 0
    writes_per_second: int = 0

    def of(self, kind: Kind) -> int:
        """Requests per second of one kind."""
        return self.reads_per_second if kind is Kind.READ else self.writes_per_second


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens that were left at a moment; each request takes one."""

    tokens: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a request is told: whether it may go on, how much its bucket holds, and when it is full again."""

    allowed: bool
    capacity: int
    remaining: int
    reset_seconds: int
    retry_after_seconds: int = 0


def verdict(tokens: float, per_second: int, *, allowed: bool) -> Verdict:
    """Say what a bucket with so many tokens left means."""
    capacity = per_second * BURST_SECONDS
    return Verdict(
        allowed=allowed,
        capacity=capacity,
        remaining=max(0, math.floor(tokens)),
        reset_seconds=math.ceil(max(0.0, capacity - tokens) / per_second),
        retry_after_seconds=0 if allowed else max(1, math.ceil((1 - tokens) / per_second)),
    )


def take(bucket: Bucket | None, per_second: int, now: datetime) -> tuple[Bucket, Verdict]:
    """Take one token, if there is one; a key never seen before has a full bucket. A clock that goes back adds none."""
    capacity = float(per_second * BURST_SECONDS)
    if bucket is None:
        tokens = capacity
    else:
        passed = max(timedelta(0), now - bucket.at) / timedelta(seconds=1)
        tokens = min(capacity, bucket.tokens + passed * per_second)
    allowed = tokens >= 1
    tokens -= allowed
    return Bucket(tokens, now), verdict(tokens, per_second, allowed=allowed)
