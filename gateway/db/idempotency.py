"""Answers that are given again: one row for each Idempotency-Key, written in the transaction of the effect.

While the transaction of the first request runs, a second one with its key finds out at once and does not wait:
PostgreSQL tells by an advisory lock; SQLite has one writer, so that it cannot happen there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, tuple_, update

from gateway.db import bulk, rows, schema
from gateway.db.engine import Connection
from gateway.db.keys import POSTGRESQL
from gateway.domain.catalog import Scope

RETENTION: Final = timedelta(days=30)
"""How long an answer is kept; clients repeat within a day."""

_T: Final = schema.idempotency_keys


@dataclass(frozen=True, slots=True)
class Fresh:
    """The key was not used: the effect is the caller's to have, and `store` must follow."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A request with this key is being served."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The answer that the first request got, and the digest of what it asked for."""

    fingerprint: bytes
    status_code: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


async def find(conn: Connection, scope: Scope, key: str) -> Stored | None:
    """Return the answer that is stored under a key; locks nothing."""
    row = (await conn.execute(select(_T).where(_is_key(scope, key)))).one_or_none()
    return None if row is None or row.status_code is None else _stored(row)


async def claim(
    conn: Connection, scope: Scope, key: str, *, fingerprint: bytes, method: str, path: str, now: datetime
) -> Fresh | InFlight | Mismatch | Stored:
    """Take a key in the transaction of the effect; rolled back, it is free again."""
    if not await _alone(conn, scope, key):
        return InFlight()
    row = (await conn.execute(select(_T).where(_is_key(scope, key)))).one_or_none()
    if row is not None:
        if row.fingerprint != fingerprint:
            return Mismatch()
        return InFlight() if row.status_code is None else _stored(row)
    claimed = {
        **rows.tenant(scope),
        "key": key,
        "method": method,
        "path": path,
        "fingerprint": fingerprint,
        "created_at": now,
        "status_code": None,
        "headers": None,
        "body": None,
    }
    await bulk.insert(conn, _T, [claimed])
    return Fresh()


async def store(
    conn: Connection, scope: Scope, key: str, *, status_code: int, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    """Write the answer down, in the transaction that claimed the key.

    Raises:
        LookupError: the key was not claimed.
    """
    statement = (
        update(_T).where(_is_key(scope, key)).values(status_code=status_code, body=body, headers=dict(headers or {}))
    )
    if (await conn.execute(statement)).rowcount != 1:
        raise LookupError("the Idempotency-Key was not claimed")


async def purge(conn: Connection, *, before: datetime, limit: int = 1000) -> int:
    """Forget at most `limit` answers older than `before`; returns how many."""
    identity = tuple_(_T.c.account_id, _T.c.livemode, _T.c.key)
    oldest = select(*identity).where(_T.c.created_at < before).order_by(_T.c.created_at).limit(limit)
    return (await conn.execute(delete(_T).where(identity.in_(oldest)))).rowcount


async def _alone(conn: Connection, scope: Scope, key: str) -> bool:
    if conn.dialect.name != POSTGRESQL:
        return True
    name = f"{scope.account_id} {scope.livemode} {key}"
    lock = select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)))
    is_alone: bool = (await conn.execute(lock)).scalar_one()
    return is_alone


def _is_key(scope: Scope, key: str) -> ColumnElement[bool]:
    return rows.in_scope(_T, scope) & (_T.c.key == key)


def _stored(row: Any) -> Stored:
    return Stored(fingerprint=row.fingerprint, status_code=row.status_code, body=row.body, headers=row.headers or {})
