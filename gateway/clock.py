"""The system clock, in UTC. Only entry points import this: below them, `now` is an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current instant, timezone-aware."""
    return datetime.now(UTC)
