"""The invoice: what is owed for a period, and whether it was paid. The chain decides; this writes it down."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chain.primitives import Address
from gateway.domain.catalog import Scope
from gateway.domain.discount import Discount
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.reminder import Ask, Chase, counted
from gateway.domain.subscription import CollectionMethod
from gateway.domain.tax import TaxAmount
from gateway.domain.transition import Event, Machine, Moved, StatusReason, only_from

KIND: Final = "invoice"


class Status(StrEnum):
    """Statuses of an invoice (ST-46, ST-59)."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.DRAFT: frozenset({_S.OPEN, _S.VOID}),
    _S.OPEN: frozenset({_S.PAID, _S.VOID, _S.UNCOLLECTIBLE}),
    # A final transfer that a re-org still takes away makes the invoice owed again.
    _S.PAID: frozenset({_S.OPEN}),
    _S.VOID: frozenset(),
    _S.UNCOLLECTIBLE: frozenset({_S.PAID, _S.VOID}),
}


class BillingReason(StrEnum):
    """What an invoice was made for."""

    SUBSCRIPTION_CREATE = "subscription_create"
    SUBSCRIPTION_CYCLE = "subscription_cycle"
    SUBSCRIPTION_UPDATE = "subscription_update"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDiscount:
    """What one discount takes off a line."""

    discount_id: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """So many of a price for a period, or an invoice item.

    Attributes:
        amount: minor units before discounts and taxes; negative for a credit.
        discountable: whether coupons reduce it.
        proration: whether it settles a change in the middle of a period.
        invoice_item_id: what it was swept from; None when it bills a subscription item.
        meter_id: what counted the usage that it bills; None when it bills something else.
    """

    id: str
    description: str
    amount: int
    quantity: int
    price_id: str | None
    subscription_item_id: str | None
    period_start: datetime
    period_end: datetime
    discountable: bool = True
    proration: bool = False
    invoice_item_id: str | None = None
    meter_id: str | None = None
    discount_amounts: tuple[LineDiscount, ...] = ()
    tax_amounts: tuple[TaxAmount, ...] = ()

    @property
    def discount_amount(self) -> int:
        """What all discounts take off."""
        return sum(part.amount for part in self.discount_amounts)

    @property
    def total(self) -> int:
        """What it adds to the invoice, discounts and taxes included."""
        return self.amount - self.discount_amount + sum(tax.amount for tax in self.tax_amounts if not tax.inclusive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What is owed; amounts in minor units of `currency`.

    Attributes:
        period_index: the subscription's period that this bills; unique for the subscription, apart from invoices for
            changes in the middle of it.
        number: given when it is finalised.
        finalizes_at: when a draft becomes open by itself; None when only a person may do it.
        total: of all lines, discounts and taxes included; negative when it is a credit.
        discounts: what reduces its lines.
        starting_balance: the customer's when it was finalised; negative is credit, which pays first.
        ending_balance: the customer's afterwards; None before.
        access_token: the part of its pages' addresses that nobody can guess; None while it is a draft.
        collection_method: the subscription's when it was drafted.
        due_at: when a sent invoice has to be paid.
        payee: where a transfer of the customer's own may pay it; None until it was sent.
        push_reference: what the last digits of such a transfer say, see `gateway.domain.push`.
        chase: reminders and what follows when nobody pays.
    """

    id: str
    scope: Scope
    customer_id: str
    subscription_id: str
    status: Status
    reason: StatusReason
    created_at: datetime
    billing_reason: BillingReason
    currency: str
    lines: tuple[InvoiceLine, ...]
    total: int
    amount_paid: int = 0
    period_index: int
    period_start: datetime
    period_end: datetime
    number: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    auto_advance: bool = True
    finalizes_at: datetime | None = None
    finalized_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    charge_intent_id: str | None = None
    test_clock_id: str | None = None
    discounts: tuple[Discount, ...] = ()
    starting_balance: int = 0
    ending_balance: int | None = None
    access_token: str | None = None
    collection_method: CollectionMethod = CollectionMethod.CHARGE_AUTOMATICALLY
    due_at: datetime | None = None
    payee: Address | None = None
    push_reference: int | None = None
    chase: Chase | None = None

    @property
    def is_sent(self) -> bool:
        """Whether the customer pays it by a transfer, and not we by a pull."""
        return self.collection_method is CollectionMethod.SEND_INVOICE

    @property
    def subtotal(self) -> int:
        """All lines, before discounts and taxes."""
        return sum(line.amount for line in self.lines)

    @property
    def amount_due(self) -> int:
        """What has to be paid after the customer's balance was applied; never negative."""
        return max(self.total + self.starting_balance, 0)

    @property
    def balance_change(self) -> int:
        """By how much finalising it changed the customer's balance; positive where credit was used."""
        return 0 if self.ending_balance is None else self.ending_balance - self.starting_balance

    @property
    def amount_remaining(self) -> int:
        """What is still owed."""
        return self.amount_due - self.amount_paid

    @property
    def wake_at(self) -> datetime | None:
        """When a draft becomes open by itself, or an open one is reminded of."""
        if not self.auto_advance:
            return None
        if self.status is Status.DRAFT:
            return self.finalizes_at
        return self.chase.wake_at if self.status is Status.OPEN and self.chase is not None else None


_MACHINE: Final = Machine[Invoice](KIND, TRANSITIONS)
_move: Final = _MACHINE.move


def draft(invoice: Invoice) -> Moved[Invoice]:
    """Open the books on a period (ST-52)."""
    if invoice.status is not Status.DRAFT:
        raise ValueError("an invoice begins as a draft")
    return _MACHINE.begin(invoice, EventType.INVOICE_CREATED)


def bill_lines(invoice: Invoice, lines: tuple[InvoiceLine, ...], now: datetime) -> Moved[Invoice]:
    """Replace the lines of a draft (ST-51, ST-75): once it is finalised they are fixed.

    Raises:
        InvalidRequest: it is no draft.
    """
    if invoice.status is not Status.DRAFT:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is {invoice.status}; only a draft can be changed.",
            code="invoice_not_editable",
            param="invoice",
        )
    return Moved(
        value=replace(invoice, lines=lines, total=sum(line.total for line in lines)),
        before=invoice,
        events=(Event(type=EventType.INVOICE_UPDATED, object_id=invoice.id, at=now),),
    )


def finalize(invoice: Invoice, number: str, now: datetime, *, balance: int = 0) -> Moved[Invoice]:
    """Fix the amounts and give it its number; from now on it is owed (ST-53). Only a draft can be finalised.

    `balance` is the customer's: credit pays first, and what a negative total leaves becomes credit (ST-73).
    """
    only_from(KIND, invoice.id, {Status.DRAFT}, invoice.status, Status.OPEN)
    after = replace(
        invoice,
        status=Status.OPEN,
        reason=StatusReason("finalized"),
        number=number,
        finalized_at=now,
        finalizes_at=None,
        starting_balance=balance,
        ending_balance=min(invoice.total + balance, 0),
    )
    return _move(invoice, after, now, EventType.INVOICE_FINALIZED, EventType.INVOICE_UPDATED)


def attach_intent(finalized: Moved[Invoice], charge_intent_id: str) -> Moved[Invoice]:
    """Name the intent that pays a just finalised invoice (ST-09)."""
    return replace(finalized, value=replace(finalized.value, charge_intent_id=charge_intent_id))


def pay(invoice: Invoice, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """The money is final, or nothing was owed (ST-12, ST-23)."""
    after = replace(invoice, status=Status.PAID, reason=reason, amount_paid=invoice.amount_due, paid_at=now)
    return _move(
        invoice, after, now, EventType.INVOICE_PAID, EventType.INVOICE_PAYMENT_SUCCEEDED, EventType.INVOICE_UPDATED
    )


def require_action(
    invoice: Invoice, reason: StatusReason, now: datetime, *, chase: Chase | None = None
) -> Moved[Invoice]:
    """It can only be paid after the wallet did something (ST-14, ST-50); `chase` says what follows if it does not."""
    planned = replace(invoice, chase=invoice.chase or chase)
    return _noted(invoice, planned, reason, now, EventType.INVOICE_PAYMENT_ACTION_REQUIRED, EventType.INVOICE_UPDATED)


def note_failure(
    invoice: Invoice, reason: StatusReason, now: datetime, *, needs_wallet: bool, chase: Chase | None = None
) -> Moved[Invoice]:
    """An attempt to pay it failed: it stays open (ST-13, ST-56). `needs_wallet`: the wallet must act before another."""
    needed = (EventType.INVOICE_PAYMENT_ACTION_REQUIRED,) if needs_wallet else ()
    planned = replace(invoice, chase=invoice.chase or chase) if needs_wallet else invoice
    return _noted(invoice, planned, reason, now, EventType.INVOICE_PAYMENT_FAILED, *needed, EventType.INVOICE_UPDATED)


def remind(invoice: Invoice, now: datetime) -> Moved[Invoice]:
    """Remind of it: that it will be due, that it was (ST-69), or that its wallet has to approve (ST-71).

    Raises:
        InvalidRequest: it is not open, or nobody is to be reminded of it.
    """
    if invoice.status is not Status.OPEN or invoice.chase is None:
        raise InvalidRequest(f"Invoice '{invoice.id}' is not waiting for anybody.", code="invoice_not_open")
    if invoice.chase.ask is Ask.APPROVAL:
        event = EventType.INVOICE_APPROVAL_REMINDER
    else:
        is_before = invoice.due_at is not None and now < invoice.due_at
        event = EventType.INVOICE_WILL_BE_DUE if is_before else EventType.INVOICE_OVERDUE
    after = replace(invoice, chase=counted(invoice.chase))
    return Moved(value=after, before=invoice, events=(Event(type=event, object_id=invoice.id, at=now),))


def follow(invoice: Invoice, chase: Chase | None) -> Moved[Invoice]:
    """Go on with another plan, or with none."""
    return Moved(value=replace(invoice, chase=chase), before=invoice)


def _noted(
    before: Invoice, planned: Invoice, reason: StatusReason, now: datetime, *events: EventType
) -> Moved[Invoice]:
    return Moved(
        value=replace(planned, reason=reason),
        before=before,
        events=tuple(Event(type=event, object_id=before.id, at=now) for event in events),
    )


def void(invoice: Invoice, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """It is owed no more (ST-32, ST-41).

    Raises:
        InvalidRequest: a part of it is paid.
    """
    if invoice.status is Status.OPEN and invoice.amount_paid:
        raise InvalidRequest(
            f"{invoice.amount_paid} of invoice '{invoice.id}' is paid already; mark it uncollectible instead.",
            code="invoice_partly_paid",
        )
    after = replace(invoice, status=Status.VOID, reason=reason, voided_at=now, auto_advance=False, finalizes_at=None)
    return _move(invoice, after, now, EventType.INVOICE_VOIDED, EventType.INVOICE_UPDATED)


def mark_uncollectible(invoice: Invoice, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """It is written off; it may still be paid (ST-46)."""
    after = replace(invoice, status=Status.UNCOLLECTIBLE, reason=reason, auto_advance=False)
    return _move(invoice, after, now, EventType.INVOICE_MARKED_UNCOLLECTIBLE, EventType.INVOICE_UPDATED)


def stop_advancing(invoice: Invoice, now: datetime) -> Moved[Invoice]:
    """Nothing happens to it by itself any more: its subscription ended (ST-38)."""
    return Moved(
        before=invoice,
        value=replace(invoice, auto_advance=False, finalizes_at=None),
        events=(Event(type=EventType.INVOICE_UPDATED, object_id=invoice.id, at=now),),
    )


def advance(invoice: Invoice, finalizes_at: datetime | None, now: datetime) -> Moved[Invoice]:
    """Let it go on by itself again (ST-36): a draft becomes open at `finalizes_at`.

    Raises:
        InvalidRequest: it is neither a draft nor open.
    """
    advancing(invoice)
    opens_at = finalizes_at if invoice.status is Status.DRAFT else None
    return Moved(
        before=invoice,
        value=replace(invoice, auto_advance=True, finalizes_at=opens_at),
        events=(Event(type=EventType.INVOICE_UPDATED, object_id=invoice.id, at=now),),
    )


def advancing(invoice: Invoice) -> None:
    """Raise unless something may still happen to it by itself."""
    if invoice.status not in {Status.DRAFT, Status.OPEN}:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is {invoice.status}; auto_advance means nothing to it any more.",
            code="invoice_not_editable",
            param="auto_advance",
        )


def describe(invoice: Invoice, description: str | None, metadata: Mapping[str, str], now: datetime) -> Moved[Invoice]:
    """Take over what stands beside the amounts. The description is printed: it is fixed when it is finalised.

    Raises:
        InvalidRequest: another description, and it is no draft.
    """
    if invoice.status is not Status.DRAFT and description != invoice.description:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is {invoice.status}; only a draft takes another description.",
            code="invoice_not_editable",
            param="description",
        )
    return Moved(
        before=invoice,
        value=replace(invoice, description=description, metadata=metadata),
        events=(Event(type=EventType.INVOICE_UPDATED, object_id=invoice.id, at=now),),
    )


def reopen(invoice: Invoice, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """The final transfer that paid it is gone from the chain."""
    only_from(KIND, invoice.id, {Status.PAID}, invoice.status, Status.OPEN)
    after = replace(invoice, status=Status.OPEN, reason=reason, amount_paid=0, paid_at=None)
    return _move(invoice, after, now, EventType.INVOICE_UPDATED)
