"""Charge intents, their alias `payment_intent`, charges and mandates on the wire."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from chain.checksum import checksum
from gateway.domain.charge import Charge
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.charge_intent import ChargeIntent, Status
from gateway.domain.mandate import Mandate, allowance_to_ask
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.period import to_unix
from gateway.domain.transition import Action, StatusReason
from gateway.wire import catalog
from gateway.wire.common import Reason, decimal_amount, reason, shown_address, symbol, unix
from gateway.wire.related import Related

_FAILED_LIKE: Final = frozenset({Action.CUSTOMER_ACTION, Action.NEW_PAYMENT_METHOD})
_ALLOWANCE_CODES: Final = frozenset({"insufficient_allowance", "allowance_revoked", "permit_expired"})
_STRIPE_STATUS: Final[Mapping[str, str]] = dict.fromkeys((Status.FAILED, Status.REVERSED), "requires_payment_method")
_WALLET_WORDS: Final[Mapping[str, str]] = {
    "insufficient_balance": "The wallet does not hold enough of the token.",
    "insufficient_allowance": "The wallet allows less than the amount due.",
    "mandate_revoked": "The payer has revoked the mandate.",
    "mandate_ended": "The mandate has no period left.",
    "amount_above_mandate": "The amount due is more than the mandate allows in one period.",
    "allowance_revoked": "The payer has revoked the token allowance.",
    "permit_expired": "The signed permit has expired.",
    "signature_invalid": "The contract does not accept the signature of the mandate.",
    "wallet_blocked": "The token's issuer refuses transfers from this wallet.",
    "token_paused": "The token's issuer has paused transfers.",
    "unsupported_token": "The token does not behave as an ERC-20 token should.",
    "wallet_rejected": "The contract wallet refused the payment.",
}


class Wallets(Struct, frozen=True, kw_only=True):
    """What a wallet has to do: sign the mandate, and allow the spender so much (base units, decimal string)."""

    chain_id: int
    token: str
    symbol: str | None
    spender: str
    amount: str
    hosted_url: str | None = None
    mandate: str
    eip712: Mapping[str, Any] | None
    permit: Mapping[str, Any] | None


class NextAction(Struct, frozen=True, kw_only=True):
    """The step that only the payer can take."""

    type: Literal["approve_allowance"] = "approve_allowance"
    approve_allowance: Wallets


class PaymentError(Struct, frozen=True, kw_only=True):
    """Why the last attempt failed, in the form of an API error."""

    type: Literal["card_error"] = "card_error"
    code: str = "charge_failed"
    decline_code: str
    message: str
    charge: str | None
    payment_method: str | None
    evidence: Mapping[str, Any]


class ChargeIntentObject(Struct, frozen=True, kw_only=True):
    """How one invoice gets paid. `payment_intent` is the same under its older name."""

    id: str
    object: Literal["charge_intent", "payment_intent"]
    amount: int
    amount_capturable: int = 0
    amount_received: int
    attempt_count: int
    canceled_at: int | None
    cancellation_reason: str | None
    capture_method: Literal["automatic"] = "automatic"
    chain_id: int | None
    client_secret: str
    confirmation_method: Literal["automatic"] = "automatic"
    created: int
    currency: str
    customer: str
    description: str | None = None
    invoice: str
    last_payment_error: PaymentError | None
    latest_charge: str | None
    livemode: bool
    mandate: str | None
    mandate_period: int | None
    metadata: Mapping[str, str]
    next_action: NextAction | None
    next_payment_attempt: int | None
    payment_method: str | None
    payment_method_types: Sequence[str] = (catalog.ERC20_ALLOWANCE,)
    setup_future_usage: Literal["off_session"] = "off_session"
    status: str
    status_reason: Reason
    subscription: str
    succeeded_at: int | None
    token: str | None
    token_amount: str | None
    token_symbol: str | None


class ChargePaymentDetails(Struct, frozen=True, kw_only=True):
    """Where on a chain a charge took place: as a pull by an allowance, or as a transfer that the customer sent.

    The transaction of a pull is known once it is mined.
    """

    type: Literal["erc20_allowance", "erc20_transfer"]
    erc20_allowance: "ChargeOnChain | None"
    erc20_transfer: "ChargeOnChain | None"


class ChargeOnChain(Struct, frozen=True, kw_only=True):
    """Facts that anybody can check on the chain."""

    chain_id: int
    token: str
    symbol: str | None
    token_amount: str
    mandate_onchain_id: str | None
    mandate_period: int | None
    payer: str | None
    transaction_hash: str | None
    block_number: int | None
    block_hash: str | None
    log_index: int | None


class ChargeObject(Struct, frozen=True, kw_only=True):
    """One attempt, and its one outcome."""

    id: str
    object: Literal["charge"] = "charge"
    amount: int
    amount_captured: int
    amount_refunded: int
    balance_transaction: None = None
    captured: bool
    charge_intent: str
    created: int
    currency: str
    customer: str
    disputed: bool = False
    failure_code: str | None
    failure_message: str | None
    invoice: str
    livemode: bool
    metadata: Mapping[str, str] = {}
    paid: bool
    payment_intent: str
    payment_method: str | None
    payment_method_details: ChargePaymentDetails
    push_payment: str | None
    refunded: bool
    settled_at: int | None
    status: str
    status_reason: Reason
    subscription: str
    transaction_hash: str | None


def failure_message(code: str) -> str:
    """A failure code in words."""
    return _WALLET_WORDS.get(code, f"The payment failed: {code.replace('_', ' ')}.")


def next_action(mandate: Mandate, related: Related) -> NextAction:
    """What a wallet has to do for a mandate."""
    return NextAction(
        approve_allowance=Wallets(
            chain_id=mandate.chain_id,
            token=checksum(mandate.terms.token),
            symbol=symbol(related, mandate.chain_id, mandate.terms.token),
            spender=checksum(mandate.contract),
            amount=str(allowance_to_ask(mandate.terms, mandate.created_at) + related.beside.get(mandate.id, 0)),
            mandate=mandate.id,
            eip712=related.typed_data.get(mandate.id),
            permit=related.permits.get(mandate.id),
        )
    )


def _asks_wallet(intent: ChargeIntent, mandate: Mandate) -> bool:
    """Whether only the wallet can help: it has not signed yet, or it allows too little."""
    if intent.status is Status.REQUIRES_ACTION:
        return mandate.status is MandateStatus.PENDING
    return intent.status is Status.FAILED and intent.reason.code in _ALLOWANCE_CODES


def _last_error(status: Status, why: StatusReason, charge: str | None, method: str | None) -> PaymentError | None:
    failed = status is Status.FAILED or why.action in _FAILED_LIKE
    if not failed or charge is None or status in {Status.SUCCEEDED, Status.PROCESSING, Status.CANCELED}:
        return None
    return PaymentError(
        decline_code=why.code,
        message=failure_message(why.code),
        charge=charge,
        payment_method=method,
        evidence=why.evidence,
    )


def _intent(
    value: ChargeIntent, related: Related, name: Literal["charge_intent", "payment_intent"], status: str
) -> ChargeIntentObject:
    mandate = related.mandates.get(value.mandate_id) if value.mandate_id is not None else None
    paid = value.status is Status.SUCCEEDED
    return ChargeIntentObject(
        id=value.id,
        object=name,
        amount=value.amount,
        amount_received=value.amount if paid else 0,
        attempt_count=value.attempts,
        canceled_at=unix(value.canceled_at),
        cancellation_reason=value.reason.code if value.status is Status.CANCELED else None,
        chain_id=value.chain_id,
        client_secret=value.client_secret,
        created=to_unix(value.created_at),
        currency=value.currency,
        customer=value.customer_id,
        invoice=value.invoice_id,
        last_payment_error=_last_error(value.status, value.reason, value.latest_charge_id, value.payment_method_id),
        latest_charge=value.latest_charge_id,
        livemode=value.scope.livemode,
        mandate=value.mandate_id,
        mandate_period=value.mandate_period,
        metadata=value.metadata,
        next_action=next_action(mandate, related) if mandate is not None and _asks_wallet(value, mandate) else None,
        next_payment_attempt=unix(value.wake_at),
        payment_method=value.payment_method_id,
        status=status,
        status_reason=reason(value.reason),
        subscription=value.subscription_id,
        succeeded_at=unix(value.succeeded_at),
        token=shown_address(value.token),
        token_amount=decimal_amount(value.token_amount),
        token_symbol=symbol(related, value.chain_id, value.token),
    )


def charge_intent(value: ChargeIntent, related: Related) -> ChargeIntentObject:
    """Render a charge intent."""
    return _intent(value, related, "charge_intent", value.status.value)


def payment_intent(value: ChargeIntent, related: Related) -> ChargeIntentObject:
    """Render the alias, with Stripe's word for a status where it has another one (C07)."""
    return _intent(value, related, "payment_intent", _STRIPE_STATUS.get(value.status, value.status.value))


_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder: Final = msgspec.json.Encoder(order="deterministic")


def as_payment_intent(snapshot: bytes) -> bytes:
    """Render a stored snapshot of a charge intent as the alias: its name and its word for the status (C07)."""
    fields = _fields.decode(snapshot)
    status = msgspec.json.decode(fields["status"], type=str)
    fields["object"] = msgspec.Raw(_encoder.encode("payment_intent"))
    fields["status"] = msgspec.Raw(_encoder.encode(_STRIPE_STATUS.get(status, status)))
    return _encoder.encode(fields)


def charge(value: Charge, related: Related) -> ChargeObject:
    """Render a charge."""
    failed = value.status is ChargeStatus.FAILED
    paid = value.status is ChargeStatus.SUCCEEDED
    return ChargeObject(
        id=value.id,
        amount=value.amount,
        amount_captured=value.amount if paid else 0,
        amount_refunded=value.amount_refunded,
        captured=paid,
        charge_intent=value.charge_intent_id,
        created=to_unix(value.created_at),
        currency=value.currency,
        customer=value.customer_id,
        failure_code=value.reason.code if failed else None,
        failure_message=failure_message(value.reason.code) if failed else None,
        invoice=value.invoice_id,
        livemode=value.scope.livemode,
        paid=paid,
        payment_intent=value.charge_intent_id,
        payment_method=value.payment_method_id,
        payment_method_details=ChargePaymentDetails(
            type="erc20_transfer" if value.is_push else "erc20_allowance",
            erc20_allowance=None if value.is_push else _on_chain(value, related),
            erc20_transfer=_on_chain(value, related) if value.is_push else None,
        ),
        push_payment=value.push_payment_id,
        refunded=value.amount_refunded == value.amount,
        settled_at=unix(value.settled_at),
        status=value.status.value,
        status_reason=reason(value.reason),
        subscription=value.subscription_id,
        transaction_hash=value.transaction_hash,
    )


def _on_chain(value: Charge, related: Related) -> ChargeOnChain:
    return ChargeOnChain(
        chain_id=value.chain_id,
        token=checksum(value.token),
        symbol=symbol(related, value.chain_id, value.token),
        token_amount=str(value.token_amount),
        mandate_onchain_id=value.onchain_mandate_id,
        mandate_period=value.mandate_period,
        payer=shown_address(value.payer),
        transaction_hash=value.transaction_hash,
        block_number=value.block_number,
        block_hash=value.block_hash,
        log_index=value.log_index,
    )
