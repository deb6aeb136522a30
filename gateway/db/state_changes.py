"""The history of every status. It is written by `gateway.db.moves` only, together with the change itself."""

from collections.abc import Iterable

from sqlalchemy import select

from gateway.db import keys, rows, schema
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope
from gateway.domain.transition import StateChange

_T = schema.state_changes


async def of(conn: Connection, scope: Scope, object_ids: Iterable[str]) -> list[StateChange]:
    """Every change of these objects of the caller's, oldest first."""
    found = await conn.execute(
        select(_T).where(rows.in_scope(_T, scope), keys.any_of(_T.c.object_id, object_ids)).order_by(_T.c.id)
    )
    return [
        StateChange(
            kind=row.kind,
            object_id=row.object_id,
            source=row.source,
            target=row.target,
            reason=rows.reason(row),
            at=row.at,
        )
        for row in found
    ]
