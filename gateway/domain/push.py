"""A payment that a customer sends: an ERC-20 transfer to the merchant's payout wallet, and which invoice it pays.

Nothing is guessed: a transfer pays what its amount or its sender names without doubt, and everything else is kept and
told to the merchant. Why so: docs/decisions/push-payments.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from chain.primitives import Address, Hash32, Transferred
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.money import Token, exponent, to_base_units, to_minor_units
from gateway.domain.transition import Action, Event, Moved, StateChange, StatusReason, check

KIND: Final = "push_payment"

REFERENCE_DIGITS: Final = 4
"""Digits behind the smallest unit of the currency that tell invoices of one amount apart: what a token of six decimals
has left for a currency of two."""

REFERENCES: Final = 10**REFERENCE_DIGITS - 1
"""Open invoices of one merchant, mode and amount that can be told apart by their amount alone."""


class Status(StrEnum):
    """`unmatched` until the merchant says what it was for."""

    APPLIED = "applied"
    UNMATCHED = "unmatched"
    DISMISSED = "dismissed"


_S = Status
TRANSITIONS: Final = {
    _S.APPLIED: frozenset[Status](),
    _S.UNMATCHED: frozenset({_S.APPLIED, _S.DISMISSED}),
    _S.DISMISSED: frozenset[Status](),
}


class Doubt(StrEnum):
    """Why a transfer was not applied by itself."""

    UNKNOWN_PAYER = "unknown_payer"
    AMBIGUOUS_PAYER = "ambiguous_payer"
    AMBIGUOUS_AMOUNT = "ambiguous_amount"
    NO_OPEN_INVOICE = "no_open_invoice"
    INVOICE_CLOSED = "invoice_closed"
    PULL_IN_FLIGHT = "pull_in_flight"
    CREDIT_REFUSED = "credit_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPayment:
    """A final transfer to a merchant. `token_amount` in base units, the others in minor units of `currency`.

    Attributes:
        amount: what the transfer is worth; less than one minor unit is cut off.
        applied: what was paid with it, over all invoices.
        credited: what went to the customer's balance.
        credited_token_amount: the base units of that; what its charges have is the rest.
        invoice_ids: what it paid, oldest first.
    """

    id: str
    scope: Scope
    status: Status
    reason: StatusReason
    created_at: datetime
    chain_id: int
    token: Address
    sender: Address
    recipient: Address
    token_amount: int
    amount: int
    currency: str
    transaction_hash: Hash32
    block_number: int
    block_hash: Hash32
    log_index: int
    customer_id: str | None = None
    applied: int = 0
    credited: int = 0
    credited_token_amount: int = 0
    invoice_ids: tuple[str, ...] = ()
    test_clock_id: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What an invoice gets of a transfer."""

    invoice: Invoice
    amount: int
    token_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """How a transfer is divided: invoices first, the rest is credit."""

    customer_id: str
    parts: tuple[Part, ...]
    credit: int = 0
    credit_token_amount: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What became clear of a transfer: where it goes, or why that is in doubt."""

    application: Application | None = None
    doubt: Doubt | None = None
    customer_id: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a transfer is judged by.

    Attributes:
        referenced: invoices of the merchant, in any status, whose exact amount and reference it has.
        payers: customers to whom the sending wallet belongs.
        owed: open invoices of those customers, oldest first.
        pulled: invoices whose money may be moving by a pull right now.
    """

    referenced: Sequence[Invoice] = ()
    payers: Collection[str] = ()
    owed: Sequence[Invoice] = ()
    pulled: Collection[str] = ()


def reference_unit(token: Token, currency: str) -> int:
    """Base units of one step of a reference; 0 where the token has no digits left for it."""
    spare = token.decimals - exponent(currency) - REFERENCE_DIGITS
    return int(10**spare) if spare >= 0 else 0


def amount_to_send(invoice: Invoice, token: Token) -> int:
    """Base units that pay an invoice and name it.

    Raises:
        InvalidRequest: the token is pegged to another currency, or cannot express the amount.
    """
    owed = to_base_units(invoice.amount_remaining, invoice.currency, token)
    return owed + (invoice.push_reference or 0) * reference_unit(token, invoice.currency)


def read_reference(token_amount: int, token: Token) -> tuple[int, int] | None:
    """(minor units, reference) that an amount may stand for; None where it names no reference."""
    unit = reference_unit(token, token.currency)
    if not unit:
        return None
    steps, rest = divmod(token_amount, unit)
    amount, reference = divmod(steps, REFERENCES + 1)
    return (amount, reference) if reference and not rest else None


def is_named(invoice: Invoice, token: Token, amount: int, reference: int) -> bool:
    """Whether an amount of a token stands for this invoice: for what it owes, or, once closed, for what it was for."""
    asked = invoice.amount_remaining if invoice.status is InvoiceStatus.OPEN else invoice.amount_due
    return (invoice.currency, asked, invoice.push_reference) == (token.currency, amount, reference)


def recognise(transfer: Transferred, token: Token, circumstances: Circumstances) -> Recognised:
    """Say what a transfer pays.

    1. An exact amount with its reference names one invoice, whoever sends it.
    2. A wallet of exactly one customer pays that customer's sent invoices: the one of exactly this amount (the oldest,
       if there are several), else all of them from the oldest on; what is left becomes credit.
    3. An invoice that is pulled takes a transfer of its wallet only with exactly what it owes, after it was sent.
    """
    worth = to_minor_units(transfer.amount, token.currency, token)
    bill = _named(circumstances) or _of_payers(circumstances, worth, token.currency)
    if isinstance(bill, Recognised):
        return bill
    invoices = bill
    customer_id = invoices[0].customer_id
    if any(invoice.id in circumstances.pulled for invoice in invoices):
        evidence = {"invoice": invoices[0].id}
        return Recognised(doubt=Doubt.PULL_IN_FLIGHT, customer_id=customer_id, evidence=evidence)
    return Recognised(application=divide(invoices, worth, transfer.amount, token), customer_id=customer_id)


def _named(circumstances: Circumstances) -> Sequence[Invoice] | Recognised | None:
    """The invoice that the amount itself names; None where it names none."""
    if not circumstances.referenced:
        return None
    named = [invoice for invoice in circumstances.referenced if invoice.status is InvoiceStatus.OPEN]
    if not named:
        closed = circumstances.referenced[-1]
        evidence = {"invoice": closed.id, "status": closed.status.value}
        return Recognised(doubt=Doubt.INVOICE_CLOSED, customer_id=closed.customer_id, evidence=evidence)
    return named if len(named) == 1 else Recognised(doubt=Doubt.AMBIGUOUS_AMOUNT)


def _of_payers(circumstances: Circumstances, worth: int, currency: str) -> Sequence[Invoice] | Recognised:
    """What the sending wallet owes, in the order in which it is paid."""
    payers = circumstances.payers
    if not payers:
        return Recognised(doubt=Doubt.UNKNOWN_PAYER)
    owed = [one for one in circumstances.owed if one.currency == currency and one.payee is not None]
    exact = [one for one in owed if one.amount_remaining == worth]
    if len(payers) > 1:
        return exact if len(exact) == 1 else Recognised(doubt=Doubt.AMBIGUOUS_PAYER)
    sent = [one for one in owed if one.is_sent]
    return exact[:1] or sent or Recognised(doubt=Doubt.NO_OPEN_INVOICE, customer_id=next(iter(payers)))


def divide(invoices: Sequence[Invoice], worth: int, units: int, token: Token) -> Application:
    """Divide a transfer over invoices in their order; all base units go somewhere.

    What is worth less than one minor unit goes with the last part.
    """
    parts: list[Part] = []
    left, left_units = worth, units
    for invoice in invoices:
        amount = min(invoice.amount_remaining, left)
        if not amount:
            break
        part_units = to_base_units(amount, invoice.currency, token)
        parts.append(Part(invoice, amount, part_units))
        left, left_units = left - amount, left_units - part_units
    credit_units = to_base_units(left, invoices[0].currency, token)
    parts[-1] = replace(parts[-1], token_amount=parts[-1].token_amount + left_units - credit_units)
    return Application(
        customer_id=invoices[0].customer_id, parts=tuple(parts), credit=left, credit_token_amount=credit_units
    )


def _told(
    push: PushPayment, event: EventType, source: Status | None, before: PushPayment | None, now: datetime
) -> Moved[PushPayment]:
    change = StateChange(kind=KIND, object_id=push.id, source=source, target=push.status, reason=push.reason, at=now)
    return Moved(value=push, before=before, events=(Event(type=event, object_id=push.id, at=now),), changes=(change,))


def record(push: PushPayment) -> Moved[PushPayment]:
    """Write down a transfer that was seen."""
    event = {
        Status.APPLIED: EventType.PUSH_PAYMENT_APPLIED,
        Status.UNMATCHED: EventType.PUSH_PAYMENT_UNMATCHED,
    }[push.status]
    return _told(push, event, None, None, push.created_at)


def applied(push: PushPayment, application: Application) -> PushPayment:
    """The payment, as it is once it has paid what it pays."""
    return replace(
        push,
        status=Status.APPLIED,
        reason=StatusReason("applied", Action.SUCCESS),
        customer_id=application.customer_id,
        applied=sum(part.amount for part in application.parts),
        credited=application.credit,
        credited_token_amount=application.credit_token_amount,
        invoice_ids=tuple(part.invoice.id for part in application.parts),
        test_clock_id=application.parts[0].invoice.test_clock_id,
    )


def apply(push: PushPayment, application: Application, now: datetime) -> Moved[PushPayment]:
    """The merchant said what it was for.

    Raises:
        IllegalTransition: it is applied or dismissed already.
    """
    check(KIND, push.id, TRANSITIONS, push.status, Status.APPLIED)
    return _told(applied(push, application), EventType.PUSH_PAYMENT_APPLIED, push.status, push, now)


def dismiss(push: PushPayment, now: datetime) -> Moved[PushPayment]:
    """The merchant knows of it, and it pays nothing here.

    Raises:
        IllegalTransition: it is applied or dismissed already.
    """
    check(KIND, push.id, TRANSITIONS, push.status, Status.DISMISSED)
    after = replace(push, status=Status.DISMISSED, reason=StatusReason("dismissed_by_merchant"))
    return _told(after, EventType.PUSH_PAYMENT_DISMISSED, push.status, push, now)


def open_to(push: PushPayment) -> None:
    """Raise unless it may still be applied or dismissed.

    Raises:
        IllegalTransition: it was already.
    """
    check(KIND, push.id, TRANSITIONS, push.status, Status.APPLIED)


def applicable(invoice: Invoice, push: PushPayment) -> None:
    """Raise unless a payment may be applied to an invoice by hand.

    Raises:
        InvalidRequest: it is not open, or in another currency.
    """
    if invoice.status is not InvoiceStatus.OPEN:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is {invoice.status}; only an open one can be paid.",
            code="invoice_not_open",
            param="invoice",
        )
    if invoice.currency != push.currency:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is in {invoice.currency}; this payment is in {push.currency}.",
            code="token_currency_mismatch",
            param="invoice",
        )
