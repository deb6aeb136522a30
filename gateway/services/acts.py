"""Writing privileged acts down, in the transaction that carries them out: an act without its line cannot be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.db import acts
from gateway.db.engine import Connection
from gateway.domain.act import OPERATOR, Act, ActKind
from gateway.domain.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: the id of an API key with its request, or the operator on the command line."""

    id: str = OPERATOR
    request_id: str | None = None


AT_THE_DESK = Actor()
"""The operator."""


async def note(
    conn: Connection,
    kind: ActKind,
    object_id: str,
    *,
    actor: Actor,
    now: datetime,
    account_id: str | None = None,
    livemode: bool | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append one act to the audit log. `details` are plain values, and none of them is a secret."""
    act = Act(
        id=new_id("act", now),
        at=now,
        kind=kind,
        actor=actor.id,
        object_id=object_id,
        account_id=account_id,
        mode=None if livemode is None else "live" if livemode else "test",
        request_id=actor.request_id,
        details=details or {},
    )
    await acts.add(conn, act)
