"""The form that all status machines share: a table of moves, and values that carry their history with them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

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


def check(kind: str, object_id: str, table: Mapping[S, frozenset[S]], source: S, target: S) -> None:
    """Raise `IllegalTransition` unless `table` has a move from `source` to `target`."""
    if target not in table[source]:
        raise IllegalTransition(kind, object_id, source, target)


def only_from(kind: str, object_id: str, sources: Collection[S], source: S, target: S) -> None:
    """Raise `IllegalTransition` unless a verb may start from `source`: the table knows moves, not what they mean."""
    if source not in sources:
        raise IllegalTransition(kind, object_id, source, target)
