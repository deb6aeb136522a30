"""Rows that renderings need beside the object itself: a rendering loads nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chain.primitives import Address
from gateway.domain.catalog import PaymentMethod, Price
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.money import Token
from gateway.domain.tax import TaxRate


@dataclass(frozen=True, slots=True)
class WalletCall:
    """A transaction that a payer's wallet may send; calldata as hex text."""

    type: Literal["cancel_mandate", "revoke_allowance"]
    to: Address
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """What the caller loaded, in bulk.

    Attributes:
        prices: by id; a subscription embeds those of its items, an invoice those of its lines.
        intents: by the id of the *invoice* that each of them pays.
        typed_data: by mandate id, the EIP-712 document that the payer signs (only `chain.eip712` builds it).
        permits: by mandate id, the EIP-2612 document that may replace an `approve`, where the token has one.
        collected: by mandate id, how many periods it has paid.
        revocations: by mandate id, what its payer can send to end it.
        modes: by chain, whether it is one of live mode.
        beside: by id of a mandate for a single payment, what the wallet has to allow for its subscription besides.
        calldata: by refund id, what the merchant's wallet sends to the token (only `chain.erc20` builds it).
    """

    prices: Mapping[str, Price] = field(default_factory=dict)
    intents: Mapping[str, ChargeIntent] = field(default_factory=dict)
    invoices: Mapping[str, Invoice] = field(default_factory=dict)
    mandates: Mapping[str, Mandate] = field(default_factory=dict)
    payment_methods: Mapping[str, PaymentMethod] = field(default_factory=dict)
    tax_rates: Mapping[str, TaxRate] = field(default_factory=dict)
    tokens: Mapping[tuple[int, Address], Token] = field(default_factory=dict)
    typed_data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    permits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    calldata: Mapping[str, str] = field(default_factory=dict)
    collected: Mapping[str, int] = field(default_factory=dict)
    revocations: Mapping[str, Sequence[WalletCall]] = field(default_factory=dict)
    modes: Mapping[int, bool] = field(default_factory=dict)
    beside: Mapping[str, int] = field(default_factory=dict)
    public_url: str = ""
