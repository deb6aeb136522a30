"""Privileged acts: what changes who may do what, or what holds for all. Each is written down with its transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

OPERATOR: Final = "operator"
"""Who acts on the command line, where nobody shows a key."""


class ActKind(StrEnum):
    """What was done."""

    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_EXPIRY_SET = "key.expiry_set"
    KEY_REVOKED = "key.revoked"
    ENDPOINT_CREATED = "webhook_endpoint.created"
    ENDPOINT_DELETED = "webhook_endpoint.deleted"
    ENDPOINT_SECRET_ROTATED = "webhook_endpoint.secret_rotated"  # noqa: S105 - the name of an act
    SETTINGS_CHANGED = "settings.changed"
    CHAIN_RESUMED = "chain.resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One privileged act. It never holds a secret, nor anything that a secret could be made from.

    Attributes:
        actor: id of the API key that asked for it, or `operator`.
        account_id: whose things were touched; None when it was the installation.
        mode: `test` or `live`; None when it is about both.
        object_id: what was touched.
        details: what it was before and is now, or what it came to.
        request_id: the request, where it was one.
    """

    id: str
    at: datetime
    kind: ActKind
    actor: str
    object_id: str
    account_id: str | None = None
    mode: str | None = None
    request_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
