"""What customers send: how to pay an invoice by a transfer, and the payments that came."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from chain.checksum import checksum
from chain.primitives import Address
from gateway.domain.errors import InvalidRequest
from gateway.domain.invoice import Invoice, Status
from gateway.domain.money import Token
from gateway.domain.period import to_unix
from gateway.domain.push import PushPayment, amount_to_send, reference_unit
from gateway.domain.reminder import Chase
from gateway.wire.common import Reason, reason, symbol, unix
from gateway.wire.related import Related


class TransferOption(Struct, frozen=True, kw_only=True):
    """One token that pays: `amount` in base units (exactly so much names the invoice), `uri` by EIP-681."""

    chain_id: int
    token: str
    symbol: str
    decimals: int
    amount: str
    amount_decimal: str
    has_reference: bool
    uri: str


class PaymentInstructions(Struct, frozen=True, kw_only=True):
    """How to pay an open invoice by a transfer of one's own: one of the options, to the recipient."""

    type: Literal["erc20_transfer"] = "erc20_transfer"
    recipient: str
    options: Sequence[TransferOption]


class Reminders(Struct, frozen=True, kw_only=True):
    """What is waited for (`payment` or `approval`), how often that was said, and what follows by itself."""

    ask: str
    sent: int
    next_reminder: int | None
    past_due: int | None
    action: str
    action_at: int | None


class PushPaymentObject(Struct, frozen=True, kw_only=True):
    """A final transfer to the merchant: what it paid, or why that is in doubt."""

    id: str
    object: Literal["push_payment"] = "push_payment"
    amount: int
    amount_applied: int
    amount_credited: int
    block_number: int
    chain_id: int
    created: int
    credited_token_amount: str
    currency: str
    customer: str | None
    invoices: Sequence[str]
    livemode: bool
    log_index: int
    recipient: str
    sender: str
    status: str
    status_reason: Reason
    test_clock: str | None
    token: str
    token_amount: str
    token_symbol: str | None
    transaction_hash: str


def instructions(value: Invoice, related: Related) -> PaymentInstructions | None:
    """How an invoice can be paid by a transfer; None where it cannot, or was not sent."""
    if value.status is not Status.OPEN or value.payee is None:
        return None
    options = []
    for (chain_id, _), token in sorted(related.tokens.items()):
        if related.modes.get(chain_id) is value.scope.livemode and token.currency == value.currency:
            try:
                options.append(_option(value, token, value.payee))
            except InvalidRequest:
                continue  # a token that cannot express the amount
    return PaymentInstructions(recipient=checksum(value.payee), options=options)


def _option(value: Invoice, token: Token, payee: Address) -> TransferOption:
    amount = amount_to_send(value, token)
    whole, part = divmod(amount, 10**token.decimals)
    digits = f"{part:0{token.decimals}d}".rstrip("0") if token.decimals else ""
    return TransferOption(
        chain_id=token.chain_id,
        token=checksum(token.address),
        symbol=token.symbol,
        decimals=token.decimals,
        amount=str(amount),
        amount_decimal=f"{whole}.{digits}" if digits else str(whole),
        has_reference=bool(value.push_reference and reference_unit(token, value.currency)),
        uri=f"ethereum:{checksum(token.address)}@{token.chain_id}/transfer?address={checksum(payee)}&uint256={amount}",
    )


def push_payment(value: PushPayment, related: Related) -> PushPaymentObject:
    """Render a push payment."""
    return PushPaymentObject(
        id=value.id,
        amount=value.amount,
        amount_applied=value.applied,
        amount_credited=value.credited,
        block_number=value.block_number,
        chain_id=value.chain_id,
        created=to_unix(value.created_at),
        credited_token_amount=str(value.credited_token_amount),
        currency=value.currency,
        customer=value.customer_id,
        invoices=value.invoice_ids,
        livemode=value.scope.livemode,
        log_index=value.log_index,
        recipient=checksum(value.recipient),
        sender=checksum(value.sender),
        status=value.status.value,
        status_reason=reason(value.reason),
        test_clock=value.test_clock_id,
        token=checksum(value.token),
        token_amount=str(value.token_amount),
        token_symbol=symbol(related, value.chain_id, value.token),
        transaction_hash=value.transaction_hash,
    )


def reminders(plan: Chase) -> Reminders:
    """Render the plan of an invoice that is waited for."""
    return Reminders(
        ask=plan.ask.value,
        sent=plan.sent,
        next_reminder=unix(plan.reminders[0] if plan.reminders else None),
        past_due=unix(plan.overdue_at),
        action=plan.action.value,
        action_at=unix(plan.act_at),
    )
