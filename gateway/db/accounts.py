"""Merchants and their keys. A key is looked up by its digest; nothing here has ever seen the key itself."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import or_, select, update

from gateway.db import bulk, counters, keys, rows, schema
from gateway.db.engine import Connection
from gateway.domain.catalog import Account, ApiKey, Scope
from gateway.domain.permission import Level, Resource
from gateway.domain.settings import AccountSettings

_ACCOUNTS: Final = schema.accounts
_KEYS: Final = schema.api_keys


async def add(conn: Connection, account: Account) -> None:
    """Insert a merchant, with the counters of both modes."""
    row = {
        "id": account.id,
        "name": account.name,
        "payout_address": account.payout_address,
        "created_at": account.created_at,
        "settings": msgspec.to_builtins(account.settings),
    }
    await bulk.insert(conn, _ACCOUNTS, [row])
    scopes = [Scope(account.id, livemode) for livemode in (False, True)]
    await counters.start(conn, schema.event_sequences, scopes)
    await counters.start(conn, schema.invoice_sequences, scopes)


async def get(conn: Connection, account_id: str, *, lock: bool = False) -> Account | None:
    """Return a merchant."""
    return (await get_many(conn, [account_id], lock=lock)).get(account_id)


async def get_many(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, Account]:
    """Those merchants that exist, by id."""
    query = rows.by_id(_ACCOUNTS, ids, lock=lock)
    return {row.id: _account(row) for row in await conn.execute(query)}


async def save(conn: Connection, account: Account) -> None:
    """Write a merchant as it is now."""
    await bulk.update(
        conn,
        _ACCOUNTS,
        [
            {
                "id": account.id,
                "name": account.name,
                "payout_address": account.payout_address,
                "settings": msgspec.to_builtins(account.settings),
            }
        ],
    )


async def add_key(conn: Connection, key: ApiKey) -> None:
    """Insert a key.

    Raises:
        ConstraintBroken: the digest is known already.
    """
    await bulk.insert(conn, _KEYS, [_key_row(key)])


async def save_key(conn: Connection, key: ApiKey) -> None:
    """Write when a key expires or was revoked, and what replaced it."""
    row = {
        "id": key.id,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "replaced_by": key.replaced_by,
    }
    await bulk.update(conn, _KEYS, [row])


async def get_key(conn: Connection, key_id: str, *, lock: bool = False) -> ApiKey | None:
    """For operators: a key of anybody's."""
    row = (await conn.execute(rows.by_id(_KEYS, [key_id], lock=lock))).one_or_none()
    return None if row is None else _key(row)


async def keys_of(conn: Connection, account_id: str) -> list[ApiKey]:
    """All keys of a merchant, oldest first."""
    query = select(_KEYS).where(_KEYS.c.account_id == account_id).order_by(_KEYS.c.id)
    return [_key(row) for row in await conn.execute(query)]


async def all_keys(conn: Connection) -> list[ApiKey]:
    """For operators: every key of every merchant, oldest first."""
    return [_key(row) for row in await conn.execute(select(_KEYS).order_by(_KEYS.c.id))]


async def key_by_digest(conn: Connection, digest: bytes) -> tuple[Account, ApiKey] | None:
    """Return whose key this is, whether it is still valid or not; None when it is nobody's."""
    query = select(_KEYS).where(_KEYS.c.digest == digest)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    account = await get(conn, row.account_id)
    return None if account is None else (account, _key(row))


async def touch_keys(conn: Connection, ids: Iterable[str], *, now: datetime, unless_since: datetime) -> None:
    """Remember when keys were last used; what is known after `unless_since` is new enough."""
    stale = or_(_KEYS.c.used_at.is_(None), _KEYS.c.used_at <= unless_since)
    await conn.execute(update(_KEYS).where(keys.any_of(_KEYS.c.id, ids), stale).values(used_at=now))


def _account(row: Any) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        payout_address=row.payout_address,
        created_at=row.created_at,
        settings=AccountSettings() if row.settings is None else msgspec.convert(row.settings, AccountSettings),
    )


def _key_row(key: ApiKey) -> bulk.Row:
    return {
        "id": key.id,
        "account_id": key.account_id,
        "livemode": key.livemode,
        "kind": key.kind,
        "digest": key.digest,
        "last4": key.last4,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "used_at": key.used_at,
        "name": key.name,
        "permissions": dict(key.permissions) or None,
        "replaced_by": key.replaced_by,
    }


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        account_id=row.account_id,
        livemode=row.livemode,
        kind=row.kind,
        digest=row.digest,
        last4=row.last4,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        name=row.name,
        permissions={Resource(name): Level(level) for name, level in (row.permissions or {}).items()},
        used_at=row.used_at,
        replaced_by=row.replaced_by,
    )
