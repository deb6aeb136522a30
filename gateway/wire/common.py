"""What the wire's objects share: lists, reasons, amounts, unix seconds.

Nothing here reads a clock or a row: everything comes in as domain values.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import Struct

from chain.checksum import checksum
from chain.primitives import Address
from gateway.domain.period import to_unix
from gateway.domain.transition import StatusReason
from gateway.wire.related import Related

API_VERSION: Final = "2026-10-28.endive"
"""The version that shapes are pinned to; other `Stripe-Version` values are accepted and ignored."""

T = TypeVar("T")


class ListOf(Struct, Generic[T], frozen=True, kw_only=True):
    """A list inside an object, or the answer of a list route."""

    object: Literal["list"] = "list"
    data: Sequence[T]
    has_more: bool = False
    url: str


class Reason(Struct, frozen=True, kw_only=True):
    """Why an object has its status, who has to act, and facts to check it by."""

    code: str
    action: str
    evidence: Mapping[str, Any]


def unix(at: datetime | None) -> int | None:
    """Unix seconds, or None."""
    return None if at is None else to_unix(at)


def reason(value: StatusReason) -> Reason:
    """`status_reason` of an object."""
    return Reason(code=value.code, action=value.action.value, evidence=value.evidence)


def shown_address(account: Address | None) -> str | None:
    """An address in EIP-55 case, or None."""
    return None if account is None else checksum(account)


def symbol(related: Related, chain_id: int | None, token: Address | None) -> str | None:
    """Symbol of a configured token, or None."""
    known = related.tokens.get((chain_id, token)) if chain_id is not None and token is not None else None
    return known.symbol if known is not None else None


def decimal_amount(base_units: int | None) -> str | None:
    """Base units as a decimal string: they outgrow the integers of JavaScript."""
    return None if base_units is None else str(base_units)
