"""Who is calling: an API key as a bearer token, or as the user name of Basic authentication, as the SDKs send it."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.api.problems import AuthenticationFailed, PermissionDenied
from gateway.db import accounts
from gateway.db.engine import Connection
from gateway.domain import permission
from gateway.domain.api_key import KeyKind, digest, is_well_formed, shown
from gateway.domain.catalog import Account, Scope
from gateway.domain.permission import Level, Permissions, Resource

_HEADER_LENGTH_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose key it is, and what it opens.

    Attributes:
        is_public: it has a publishable key, which opens one object with that object's client secret (ST-11).
        permissions: what a restricted key may do; None for a key that may do everything.
        shown: the key as an error may repeat it.
        used_at: when the key was last seen to be used.
    """

    account: Account
    scope: Scope
    key_id: str
    is_public: bool = False
    permissions: Permissions | None = None
    shown: str = ""
    used_at: datetime | None = None


def key_of(authorization: str | None) -> str:
    """The key that a header carries.

    Raises:
        AuthenticationFailed: there is none.
    """
    if not authorization or len(authorization) > _HEADER_LENGTH_MAX:
        raise AuthenticationFailed(
            "You did not provide an API key. Send it as 'Authorization: Bearer sk_…' or as the user of Basic "
            "authentication.",
            code="api_key_missing",
        )
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            return _basic_user(value.strip())
        case _:
            raise AuthenticationFailed("Unknown authentication scheme. Use Bearer or Basic.", code="api_key_missing")


def _basic_user(value: str) -> str:
    try:
        user, _, _ = base64.b64decode(value, validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise AuthenticationFailed("The Basic credentials cannot be read.", code="api_key_missing") from None
    return user


async def authenticate(
    conn: Connection,
    authorization: str | None,
    *,
    resource: Resource,
    level: Level,
    pepper: bytes,
    now: datetime,
    public: bool = False,
) -> Caller:
    """Find the account that a key belongs to. What a key does not open looks the same whether it once did or never.

    `resource` and `level`: what a restricted key needs a permission for.
    `public`: what is asked for may be opened by a publishable key, together with a client secret.

    Raises:
        AuthenticationFailed: no key, an unknown one, or one that is revoked or has expired.
        PermissionDenied: a publishable key where a secret one is needed, or a restricted one that may not do this.
    """
    key = key_of(authorization)
    refused = AuthenticationFailed(f"Invalid API key provided: {shown(key)}", code="api_key_invalid")
    if not is_well_formed(key):
        raise refused
    found = await accounts.key_by_digest(conn, digest(key, pepper))
    if found is None:
        raise refused
    account, stored = found
    if stored.revoked_at is not None and stored.revoked_at <= now:
        raise refused
    if stored.expires_at is not None and stored.expires_at <= now:
        raise AuthenticationFailed(f"Expired API key provided: {shown(key)}", code="api_key_expired")
    is_public = public and stored.kind == KeyKind.PUBLISHABLE
    if stored.kind == KeyKind.PUBLISHABLE and not is_public:
        raise PermissionDenied(
            f"This request needs a secret key (sk_…); {shown(key)} is not one.", code="secret_key_required"
        )
    scope = Scope(stored.account_id, stored.livemode)
    caller = Caller(
        account=account,
        scope=scope,
        key_id=stored.id,
        is_public=is_public,
        permissions=stored.permissions if stored.kind == KeyKind.RESTRICTED else None,
        shown=shown(key),
        used_at=stored.used_at,
    )
    demand(caller, resource, level)
    return caller


def demand(caller: Caller, resource: Resource, level: Level) -> None:
    """Let only keys pass that may do this; secret keys may do everything.

    Raises:
        PermissionDenied: a restricted key without that permission; the message names it.
    """
    if caller.permissions is None or permission.allows(caller.permissions, resource, level):
        return
    raise PermissionDenied(
        f"The provided key '{caller.shown}' does not have the required permissions for this endpoint on account "
        f"'{caller.account.id}'. Having the '{permission.name(resource, level)}' permission would allow this request "
        "to continue.",
        code="more_permissions_required",
    )
