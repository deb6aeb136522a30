"""What use cases that change plain objects share: which fields a request gave, and the change that it makes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.domain.events import EventType
from gateway.domain.transition import Event, Moved

Metadata = Mapping[str, str | None] | None


def moved(before: Any, after: Any, event: EventType, now: datetime) -> Moved[Any]:
    """A change that one event announces."""
    return Moved(value=after, before=before, events=(Event(type=event, object_id=after.id, at=now),))


def kept(given: frozenset[str], changes: object, names: Mapping[str, str]) -> dict[str, Any]:
    """The fields that were given, by the names of the domain object."""
    return {target: getattr(changes, source) for source, target in names.items() if source in given}
