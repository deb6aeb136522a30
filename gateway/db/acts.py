"""The audit log: privileged acts, appended in the transaction of the act and never changed."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from gateway.db import bulk, schema
from gateway.db.engine import Connection
from gateway.domain.act import Act

_T: Final = schema.acts


async def add(conn: Connection, act: Act) -> None:
    """Append an act."""
    row = {
        "id": act.id,
        "at": act.at,
        "kind": act.kind,
        "actor": act.actor,
        "object_id": act.object_id,
        "merchant_id": act.account_id,
        "mode": act.mode,
        "request_id": act.request_id,
        "details": dict(act.details),
    }
    await bulk.insert(conn, _T, [row])


async def newest(
    conn: Connection, *, limit: int, account_id: str | None = None, since: datetime | None = None
) -> list[Act]:
    """For operators: the newest acts, those of one account or of all, newest first."""
    query = select(_T).order_by(_T.c.id.desc()).limit(limit)
    if account_id is not None:
        query = query.where(_T.c.merchant_id == account_id)
    if since is not None:
        query = query.where(_T.c.at >= since)
    return [_act(row) for row in await conn.execute(query)]


def _act(row: Any) -> Act:
    return Act(
        id=row.id,
        at=row.at,
        kind=row.kind,
        actor=row.actor,
        object_id=row.object_id,
        account_id=row.merchant_id,
        mode=row.mode,
        request_id=row.request_id,
        details=row.details,
    )
