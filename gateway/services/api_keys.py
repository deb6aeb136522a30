"""Making and revoking API keys. The key itself is returned once and stored nowhere."""

import secrets
from datetime import datetime

from gateway.db import accounts
from gateway.db.engine import Connection
from gateway.domain.api_key import ENTROPY_BYTES, KeyKind, digest, form_key
from gateway.domain.catalog import ApiKey
from gateway.domain.ids import new_id


async def mint(
    conn: Connection, *, account_id: str, livemode: bool, pepper: bytes, now: datetime, kind: KeyKind = KeyKind.SECRET
) -> tuple[ApiKey, str]:
    """Make a key of an existing account: what is stored of it, and the key, which cannot be shown again."""
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
    await accounts.add_key(conn, stored)
    return stored, key
