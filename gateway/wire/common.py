"""What the wire's objects share: lists, reasons, unix seconds, and the rows that a rendering needs beside its own.

Nothing here reads a clock or a row: everything comes in as domain values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import Struct

from chain.checksum import checksum
from chain.primitives import Address
from gateway.domain.catalog import PaymentMethod, Price
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.money import Token
from gateway.domain.period import to_unix
from gateway.domain.transition import StatusReason

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Rows that renderings need beside the object itself, loaded in bulk by the caller.

    Attributes:
        prices: by id; a subscription embeds those of its items, an invoice those of its lines.
        intents: by the id of the *invoice* that each of them pays.
        typed_data: by mandate id, the EIP-712 document that the payer signs (only `chain.eip712` builds it).
        permits: by mandate id, the EIP-2612 document that may replace an `approve`, where the token has one.
    """

    prices: Mapping[str, Price] = field(default_factory=dict)
    intents: Mapping[str, ChargeIntent] = field(default_factory=dict)
    invoices: Mapping[str, Invoice] = field(default_factory=dict)
    mandates: Mapping[str, Mandate] = field(default_factory=dict)
    payment_methods: Mapping[str, PaymentMethod] = field(default_factory=dict)
    tokens: Mapping[tuple[int, Address], Token] = field(default_factory=dict)
    typed_data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    permits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    public_url: str = ""


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
