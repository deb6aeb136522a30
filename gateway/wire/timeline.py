"""The timeline of a subscription on the wire (PRODUCT: a timeline per subscription)."""

from typing import Literal

from msgspec import Struct

from gateway.domain.period import to_unix
from gateway.domain.transition import StateChange
from gateway.wire.common import Reason, reason


class TimelineEntry(Struct, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    """One change of a status: of what, from which to which, when and why; `from` is null at its creation."""

    id: str
    object: Literal["timeline_entry"] = "timeline_entry"
    created: int
    subject: str
    subject_type: str
    source: str | None
    target: str
    reason: Reason


def entry(entry_id: str, change: StateChange) -> TimelineEntry:
    """Show a change."""
    return TimelineEntry(
        id=entry_id,
        created=to_unix(change.at),
        subject=change.object_id,
        subject_type=change.kind,
        source=change.source,
        target=change.target,
        reason=reason(change.reason),
    )
