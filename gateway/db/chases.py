"""Plans of reminders, as JSON inside the row of their invoice."""

from datetime import datetime
from typing import Any

from gateway.domain.period import from_unix, to_unix
from gateway.domain.reminder import Ask, Chase
from gateway.domain.settings import OverdueAction


def chase_json(value: Chase | None) -> dict[str, Any] | None:
    """A plan as it is stored; its moments are whole seconds."""
    if value is None:
        return None
    return {
        "ask": value.ask.value,
        "reminders": [to_unix(moment) for moment in value.reminders],
        "sent": value.sent,
        "overdue_at": _unix(value.overdue_at),
        "act_at": _unix(value.act_at),
        "action": value.action.value,
    }


def chase(stored: dict[str, Any] | None) -> Chase | None:
    """A plan that was stored."""
    if stored is None:
        return None
    return Chase(
        ask=Ask(stored["ask"]),
        reminders=tuple(from_unix(moment) for moment in stored["reminders"]),
        sent=stored["sent"],
        overdue_at=_at(stored["overdue_at"]),
        act_at=_at(stored["act_at"]),
        action=OverdueAction(stored["action"]),
    )


def _unix(at: datetime | None) -> int | None:
    return None if at is None else to_unix(at)


def _at(unix: int | None) -> datetime | None:
    return None if unix is None else from_unix(unix)
