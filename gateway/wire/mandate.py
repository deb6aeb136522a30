"""Mandates on the wire: what was signed, what is left of it, and how the payer ends it without anybody's help."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from chain.checksum import checksum
from chain.primitives import MandateTerms
from gateway.domain.mandate import USABLE, Mandate, approved_periods
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.period import to_unix
from gateway.wire import catalog, payments
from gateway.wire.common import Reason, reason, unix
from gateway.wire.related import Related


class WalletCallObject(Struct, frozen=True, kw_only=True):
    """A ready-made transaction of the payer's wallet.

    `cancel_mandate` ends this mandate for ever; `revoke_allowance` takes the whole allowance of the token away, which
    other mandates of the wallet with the same contract draw on as well.
    """

    type: Literal["cancel_mandate", "revoke_allowance"]
    chain_id: int
    sender: str
    to: str
    data: str
    value: str = "0x0"


class Terms(Struct, frozen=True, kw_only=True):
    """What was signed (EIP-712 `Mandate`); amounts in base units and the salt as decimal strings, times in seconds."""

    payer: str
    payee: str
    token: str
    amount: str
    unit: Literal["seconds", "months"]
    every: int
    fee_bps: int
    start: int
    periods: int
    arrears: int
    deadline: int
    salt: str


class CustomerAcceptance(Struct, frozen=True, kw_only=True):
    """When the payer signed, if it did."""

    accepted_at: int | None
    type: Literal["online"] = "online"


class MandatePaymentDetails(Struct, frozen=True, kw_only=True):
    """The payment method as it stands."""

    type: Literal["erc20_allowance"] = "erc20_allowance"
    erc20_allowance: catalog.Erc20Allowance | None


class MandateObject(Struct, frozen=True, kw_only=True):
    """What the payer agreed to, and its state on the chain."""

    id: str
    object: Literal["mandate"] = "mandate"
    approved_periods: int
    chain_id: int
    contract: str
    created: int
    customer: str
    customer_acceptance: CustomerAcceptance
    livemode: bool
    next_action: payments.NextAction | None
    onchain_id: str
    payment_method: str
    payment_method_details: MandatePaymentDetails
    registered_at: int | None
    remaining_periods: int
    revocation: Sequence[WalletCallObject]
    revoked_at: int | None
    signed_at: int | None
    status: str
    status_reason: Reason
    subscription: str | None
    terms: Terms
    type: Literal["multi_use"] = "multi_use"


def revocation(value: Mandate, related: Related) -> list[WalletCallObject]:
    """What the payer can send to end it: our contract and the token know nothing of the merchant (C12)."""
    return [
        WalletCallObject(
            type=call.type,
            chain_id=value.chain_id,
            sender=checksum(value.terms.payer),
            to=checksum(call.to),
            data=call.data,
        )
        for call in related.revocations.get(value.id, ())
    ]


def _terms(value: MandateTerms) -> Terms:
    return Terms(
        payer=checksum(value.payer),
        payee=checksum(value.payee),
        token=checksum(value.token),
        amount=str(value.amount),
        unit="months" if value.unit else "seconds",
        every=value.every,
        fee_bps=value.fee_bps,
        start=value.start,
        periods=value.periods,
        arrears=value.arrears,
        deadline=value.deadline,
        salt=str(value.salt),
    )


def mandate(value: Mandate, related: Related) -> MandateObject:
    """Render a mandate. The signature stays here: it is all that is needed to register the mandate."""
    approved = approved_periods(value.terms, value.created_at)
    method = related.payment_methods.get(value.payment_method_id)
    return MandateObject(
        id=value.id,
        approved_periods=approved,
        chain_id=value.chain_id,
        contract=checksum(value.contract),
        created=to_unix(value.created_at),
        customer=value.customer_id,
        customer_acceptance=CustomerAcceptance(accepted_at=unix(value.signed_at)),
        livemode=value.scope.livemode,
        next_action=payments.next_action(value, related) if value.status is MandateStatus.PENDING else None,
        onchain_id=value.onchain_id,
        payment_method=value.payment_method_id,
        payment_method_details=MandatePaymentDetails(
            erc20_allowance=catalog.erc20_allowance(method, related) if method is not None else None
        ),
        registered_at=unix(value.registered_at),
        remaining_periods=max(approved - related.collected.get(value.id, 0), 0) if value.status in USABLE else 0,
        revocation=revocation(value, related),
        revoked_at=unix(value.revoked_at),
        signed_at=unix(value.signed_at),
        status=value.status.value,
        status_reason=reason(value.reason),
        subscription=value.subscription_id,
        terms=_terms(value.terms),
    )
