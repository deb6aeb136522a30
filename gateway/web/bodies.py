"""What scripts of the pages send, and how much of it."""

from typing import Annotated, Any, Final

import msgspec

from gateway.api.fields import PermitParams
from gateway.domain.errors import InvalidRequest

BODY_BYTES_MAX: Final = 64 * 1024
STREAMS_MAX: Final = 500
"""Streams of one process; a page without one shows what it shows, and goes on when it is reloaded."""

WRITE_TRIES_MAX: Final = 3


class WalletBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wallet that was connected."""

    address: Annotated[str, msgspec.Meta(max_length=100)]
    chain_id: int
    token: Annotated[str, msgspec.Meta(max_length=100)]


class SignBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the wallet signed."""

    signature: Annotated[str, msgspec.Meta(max_length=16_386)]
    permit: PermitParams | None = None


class SentBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mandate that the wallet says it has sent."""

    mandate: Annotated[str, msgspec.Meta(max_length=100)]


def read_body(raw: bytes, kind: Any) -> Any:
    """Read what a script sent.

    Raises:
        InvalidRequest: it is not of the form that a page of ours sends.
    """
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.MsgspecError:
        raise InvalidRequest("The request could not be read.", code="request_malformed") from None
