"""The form that all status machines share: a table of moves, and values that carry their history with them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from gateway.domain.errors import IllegalTransition
from gateway.domain.events import EventType

T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S", bound=StrEnum)


class Action(StrEnum):
    """Who has to do what about a status."""

    NONE = "none"
    CUSTOMER_ACTION = "customer_action"
    NEW_PAYMENT_METHOD = "new_payment_method"
    WAIT = "wait"
    RETRY = "retry"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class StatusReason:
    """Why an object has its status.

    Attributes:
        code: a failure code or the name of the event that led here.
        action: what has to happen next, and by whom.
        evidence: facts that a person can check: amounts, hashes, blocks. JSON values only; integers of base units as
            decimal strings.
    """

    code: str
    action: Action = Action.NONE
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """One line of the history of an object; `source` is None at creation."""

    kind: str
    object_id: str
    source: str | None
    target: str
    reason: StatusReason
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that the merchant will hear of. The snapshot is rendered when it is recorded."""

    type: EventType
    object_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Generic[T_co]):
    """What a verb returns: the value before (None at creation) and after, what to announce, and its history."""

    value: T_co
    before: T_co | None = None
    events: tuple[Event, ...] = ()
    changes: tuple[StateChange, ...] = ()


class Stateful(Protocol):
    """What all objects with a status have."""

    @property
    def id(self) -> str:
        """Its identifier."""

    @property
    def status(self) -> StrEnum:
        """Where it stands."""

    @property
    def reason(self) -> StatusReason:
        """Why it stands there."""

    @property
    def created_at(self) -> datetime:
        """When it began."""


V = TypeVar("V", bound=Stateful)


@dataclass(frozen=True)
class Machine(Generic[V]):
    """One kind of object, and the moves that `table` allows its status."""

    kind: str
    table: Mapping[Any, frozenset[Any]]

    def begin(self, value: V, *events: EventType) -> Moved[V]:
        """A new object, with the first line of its history."""
        return self._told(None, value, value.created_at, events)

    def move(self, before: V, after: V, now: datetime, *events: EventType) -> Moved[V]:
        """A change of status.

        Raises:
            IllegalTransition: the table does not have it.
        """
        check(self.kind, before.id, self.table, before.status, after.status)
        return self._told(before, after, now, events)

    def _told(self, before: V | None, after: V, at: datetime, events: tuple[EventType, ...]) -> Moved[V]:
        change = StateChange(
            kind=self.kind,
            object_id=after.id,
            source=None if before is None else before.status,
            target=after.status,
            reason=after.reason,
            at=at,
        )
        told = tuple(Event(type=event, object_id=after.id, at=at) for event in events)
        return Moved(value=after, before=before, events=told, changes=(change,))


def check(kind: str, object_id: str, table: Mapping[S, frozenset[S]], source: S, target: S) -> None:
    """Raise `IllegalTransition` unless `table` has a move from `source` to `target`."""
    if target not in table[source]:
        raise IllegalTransition(kind, object_id, source, target)


def only_from(kind: str, object_id: str, sources: Collection[S], source: S, target: S) -> None:
    """Raise `IllegalTransition` unless a verb may start from `source`: the table knows moves, not what they mean."""
    if source not in sources:
        raise IllegalTransition(kind, object_id, source, target)
