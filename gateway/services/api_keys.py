"""Making, rotating and ending API keys. A key is returned once and stored nowhere; each act is written down."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.db import accounts
from gateway.db.engine import Connection
from gateway.domain import permission
from gateway.domain.act import ActKind
from gateway.domain.api_key import ENTROPY_BYTES, KeyKind, digest, form_key
from gateway.domain.catalog import ApiKey
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.permission import NOTHING, Permissions
from gateway.services import acts
from gateway.services.acts import AT_THE_DESK, Actor

OVERLAP_MAX: Final = timedelta(days=30)
"""How long an old key may go on beside the new one: what is rotated must end."""

USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""A key's last use is known to the minute; writing it with each request would make every read a write."""


async def mint(
    conn: Connection,
    *,
    account_id: str,
    livemode: bool,
    pepper: bytes,
    now: datetime,
    kind: KeyKind = KeyKind.SECRET,
    permissions: Permissions = NOTHING,
    name: str | None = None,
    expires_at: datetime | None = None,
    actor: Actor = AT_THE_DESK,
) -> tuple[ApiKey, str]:
    """Make a key of an existing account: what is stored of it, and the key, which cannot be shown again.

    Raises:
        InvalidRequest: permissions of a key that is not restricted, or an end that has passed.
    """
    if permissions and kind is not KeyKind.RESTRICTED:
        raise InvalidRequest("Only a restricted key has permissions.", code="permission_unexpected", param="allow")
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest("A key cannot have expired before it is made.", code="expiry_passed", param="expires_at")
    stored, key = _new(account_id, kind, livemode=livemode, pepper=pepper, now=now)
    stored = replace(stored, permissions=dict(permissions), name=name, expires_at=expires_at)
    await accounts.add_key(conn, stored)
    await _note(conn, ActKind.KEY_CREATED, stored, actor=actor, now=now, details=_described(stored))
    return stored, key


def _new(account_id: str, kind: KeyKind, *, livemode: bool, pepper: bytes, now: datetime) -> tuple[ApiKey, str]:
    key = form_key(kind, livemode=livemode, entropy=secrets.token_bytes(ENTROPY_BYTES))
    stored = ApiKey(
        id=new_id("key", now),
        account_id=account_id,
        livemode=livemode,
        kind=kind.value,
        digest=digest(key, pepper),
        last4=key[-4:],
        created_at=now,
    )
    return stored, key


def _described(stored: ApiKey) -> dict[str, object]:
    """What the audit log says of a key: everything but its digest."""
    return {
        "kind": stored.kind,
        "name": stored.name,
        "permissions": [permission.name(resource, level) for resource, level in stored.permissions.items()],
        "expires_at": None if stored.expires_at is None else stored.expires_at.isoformat(),
    }


async def _note(
    conn: Connection,
    kind: ActKind,
    stored: ApiKey,
    *,
    actor: Actor,
    now: datetime,
    details: Mapping[str, object] | None = None,
) -> None:
    await acts.note(
        conn,
        kind,
        stored.id,
        actor=actor,
        now=now,
        account_id=stored.account_id,
        livemode=stored.livemode,
        details=details,
    )


async def _standing(conn: Connection, key_id: str, now: datetime) -> ApiKey:
    """A key that still opens something, locked."""
    found = await accounts.get_key(conn, key_id, lock=True)
    if found is None:
        raise NotFound("key", key_id)
    if not is_open(found, now):
        raise InvalidRequest(f"Key '{key_id}' opens nothing any more.", code="key_ended", param="key")
    return found


def is_open(stored: ApiKey, now: datetime) -> bool:
    """Whether a key is neither revoked nor expired."""
    ends = [end for end in (stored.revoked_at, stored.expires_at) if end is not None]
    return all(end > now for end in ends)


async def rotate(
    conn: Connection,
    key_id: str,
    *,
    overlap: timedelta,
    pepper: bytes,
    now: datetime,
    actor: Actor = AT_THE_DESK,
) -> tuple[ApiKey, ApiKey, str]:
    """Make a key that opens what `key_id` opens; that one goes on until the overlap ends, and never longer than before.

    Returns:
        The old key, the new one, and its text, which cannot be shown again.

    Raises:
        NotFound: there is no such key.
        InvalidRequest: it has ended, it was rotated already, or the overlap is too long.
    """
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise InvalidRequest(f"An overlap is at most {OVERLAP_MAX.days} days.", code="overlap_invalid", param="overlap")
    before = await _standing(conn, key_id, now)
    if before.replaced_by is not None:
        raise InvalidRequest(
            f"Key '{key_id}' was rotated already; its successor is '{before.replaced_by}'.",
            code="key_rotated",
            param="key",
        )
    fresh, key = _new(before.account_id, KeyKind(before.kind), livemode=before.livemode, pepper=pepper, now=now)
    fresh = replace(fresh, permissions=before.permissions, name=before.name, expires_at=before.expires_at)
    await accounts.add_key(conn, fresh)
    until = now + overlap
    if before.expires_at is not None:
        until = min(until, before.expires_at)
    after = replace(before, expires_at=until, replaced_by=fresh.id)
    await accounts.save_key(conn, after)
    ends = {"replaced_by": fresh.id, "valid_until": until.isoformat()}
    await _note(conn, ActKind.KEY_ROTATED, after, actor=actor, now=now, details=ends)
    return after, fresh, key


async def expire(conn: Connection, key_id: str, *, at: datetime, now: datetime, actor: Actor = AT_THE_DESK) -> ApiKey:
    """Let a key end at a moment to come.

    Raises:
        NotFound: there is no such key.
        InvalidRequest: it has ended, or the moment has passed.
    """
    before = await _standing(conn, key_id, now)
    if at <= now:
        raise InvalidRequest("That moment has passed; revoke the key instead.", code="expiry_passed", param="after")
    after = replace(before, expires_at=at)
    await accounts.save_key(conn, after)
    was = None if before.expires_at is None else before.expires_at.isoformat()
    moved = {"was": was, "expires_at": at.isoformat()}
    await _note(conn, ActKind.KEY_EXPIRY_SET, after, actor=actor, now=now, details=moved)
    return after


async def revoke(conn: Connection, key_id: str, *, now: datetime, actor: Actor = AT_THE_DESK) -> ApiKey:
    """End a key now. What it opened is closed from the next request on, in every process.

    Raises:
        NotFound: there is no such key.
        InvalidRequest: it has ended already.
    """
    before = await _standing(conn, key_id, now)
    after = replace(before, revoked_at=now)
    await accounts.save_key(conn, after)
    await _note(conn, ActKind.KEY_REVOKED, after, actor=actor, now=now)
    return after


async def used(conn: Connection, key_ids: Sequence[str], *, now: datetime) -> None:
    """Remember that keys opened something, to the minute: other processes may have said so just before."""
    await accounts.touch_keys(conn, key_ids, now=now, unless_since=now - USE_NOTED_EVERY)
