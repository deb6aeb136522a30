"""Refunds on the wire, with the transfer that the merchant's wallet has to send."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from chain.checksum import checksum
from gateway.domain.period import to_unix
from gateway.domain.refund import Refund, Status
from gateway.wire.common import Reason, reason, symbol, unix
from gateway.wire.related import Related


class PreparedTransfer(Struct, frozen=True, kw_only=True):
    """A ready-made `eth_sendTransaction`: `from` sends `data` to the contract of the token; `value` is no ether."""

    chain_id: int
    sender: str
    to: str
    data: str
    value: str = "0x0"
    token: str
    symbol: str | None
    recipient: str
    amount: str


class SendTransfer(Struct, frozen=True, kw_only=True):
    """The step that only the merchant can take."""

    type: Literal["send_transfer"] = "send_transfer"
    send_transfer: PreparedTransfer


class RefundObject(Struct, frozen=True, kw_only=True):
    """Money that goes back from the merchant's own wallet."""

    id: str
    object: Literal["refund"] = "refund"
    amount: int
    balance_transaction: None = None
    canceled_at: int | None
    chain_id: int
    charge: str
    charge_intent: str
    created: int
    currency: str
    customer: str
    block_number: int | None
    livemode: bool
    metadata: Mapping[str, str]
    next_action: SendTransfer | None
    payment_intent: str
    reason: str | None
    receipt_number: None = None
    recipient: str
    sender: str
    status: str
    status_reason: Reason
    succeeded_at: int | None
    token: str
    token_amount: str
    token_symbol: str | None
    transaction_hash: str | None


def refund(value: Refund, related: Related) -> RefundObject:
    """Render a refund."""
    return RefundObject(
        id=value.id,
        amount=value.amount,
        block_number=value.block_number,
        canceled_at=unix(value.canceled_at),
        chain_id=value.chain_id,
        charge=value.charge_id,
        charge_intent=value.charge_intent_id,
        created=to_unix(value.created_at),
        currency=value.currency,
        customer=value.customer_id,
        livemode=value.scope.livemode,
        metadata=value.metadata,
        next_action=_transfer(value, related) if value.status is Status.REQUIRES_ACTION else None,
        payment_intent=value.charge_intent_id,
        reason=None if value.motive is None else value.motive.value,
        recipient=checksum(value.recipient),
        sender=checksum(value.sender),
        status=value.status.value,
        status_reason=reason(value.reason),
        succeeded_at=unix(value.succeeded_at),
        token=checksum(value.token),
        token_amount=str(value.token_amount),
        token_symbol=symbol(related, value.chain_id, value.token),
        transaction_hash=value.transaction_hash,
    )


def _transfer(value: Refund, related: Related) -> SendTransfer:
    return SendTransfer(
        send_transfer=PreparedTransfer(
            chain_id=value.chain_id,
            sender=checksum(value.sender),
            to=checksum(value.token),
            data=related.calldata.get(value.id, ""),
            token=checksum(value.token),
            symbol=symbol(related, value.chain_id, value.token),
            recipient=checksum(value.recipient),
            amount=str(value.token_amount),
        )
    )
