"""The invoice: what is owed for a period, and whether it was paid. The chain decides; this writes it down."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import Scope
from gateway.domain.events import EventType
from gateway.domain.transition import Event, Moved, StateChange, StatusReason, check, only_from

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


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """So many of a price for a period; `amount` in minor units."""

    id: str
    description: str
    amount: int
    quantity: int
    price_id: str
    subscription_item_id: str
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What is owed; amounts in minor units of `currency`.

    Attributes:
        period_index: the subscription's period that this bills; unique for the subscription.
        number: given when it is finalised.
        finalizes_at: when a draft becomes open by itself; None when only a person may do it.
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

    @property
    def amount_remaining(self) -> int:
        """What is still owed."""
        return self.total - self.amount_paid

    @property
    def wake_at(self) -> datetime | None:
        """When a draft becomes open by itself."""
        return self.finalizes_at if self.status is Status.DRAFT and self.auto_advance else None


def _move(before: Invoice, after: Invoice, now: datetime, *events: EventType) -> Moved[Invoice]:
    check(KIND, before.id, TRANSITIONS, before.status, after.status)
    return Moved(
        value=after,
        before=before,
        events=tuple(Event(type=event, object_id=before.id, at=now) for event in events),
        changes=(
            StateChange(
                kind=KIND, object_id=before.id, source=before.status, target=after.status, reason=after.reason, at=now
            ),
        ),
    )


def draft(invoice: Invoice) -> Moved[Invoice]:
    """Open the books on a period (ST-52)."""
    if invoice.status is not Status.DRAFT:
        raise ValueError("an invoice begins as a draft")
    return Moved(
        value=invoice,
        events=(Event(type=EventType.INVOICE_CREATED, object_id=invoice.id, at=invoice.created_at),),
        changes=(
            StateChange(
                kind=KIND,
                object_id=invoice.id,
                source=None,
                target=invoice.status,
                reason=invoice.reason,
                at=invoice.created_at,
            ),
        ),
    )


def finalize(invoice: Invoice, number: str, now: datetime) -> Moved[Invoice]:
    """Fix the amounts and give it its number; from now on it is owed (ST-53). Only a draft can be finalised."""
    only_from(KIND, invoice.id, {Status.DRAFT}, invoice.status, Status.OPEN)
    after = replace(
        invoice,
        status=Status.OPEN,
        reason=StatusReason("finalized"),
        number=number,
        finalized_at=now,
        finalizes_at=None,
    )
    return _move(invoice, after, now, EventType.INVOICE_FINALIZED, EventType.INVOICE_UPDATED)


def attach_intent(finalized: Moved[Invoice], charge_intent_id: str) -> Moved[Invoice]:
    """Name the intent that pays a just finalised invoice (ST-09)."""
    return replace(finalized, value=replace(finalized.value, charge_intent_id=charge_intent_id))


def pay(invoice: Invoice, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """The money is final, or nothing was owed (ST-12, ST-23)."""
    after = replace(invoice, status=Status.PAID, reason=reason, amount_paid=invoice.total, paid_at=now)
    return _move(
        invoice, after, now, EventType.INVOICE_PAID, EventType.INVOICE_PAYMENT_SUCCEEDED, EventType.INVOICE_UPDATED
    )


def require_action(invoice: Invoice, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """It can only be paid after the wallet did something (ST-14, ST-50)."""
    return _noted(invoice, reason, now, EventType.INVOICE_PAYMENT_ACTION_REQUIRED, EventType.INVOICE_UPDATED)


def note_failure(invoice: Invoice, reason: StatusReason, now: datetime, *, needs_wallet: bool) -> Moved[Invoice]:
    """An attempt to pay it failed: it stays open (ST-13, ST-56). `needs_wallet`: the wallet must act before another."""
    needed = (EventType.INVOICE_PAYMENT_ACTION_REQUIRED,) if needs_wallet else ()
    return _noted(invoice, reason, now, EventType.INVOICE_PAYMENT_FAILED, *needed, EventType.INVOICE_UPDATED)


def _noted(invoice: Invoice, reason: StatusReason, now: datetime, *events: EventType) -> Moved[Invoice]:
    return Moved(
        value=replace(invoice, reason=reason),
        before=invoice,
        events=tuple(Event(type=event, object_id=invoice.id, at=now) for event in events),
    )


def void(invoice: Invoice, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """It is owed no more (ST-32, ST-41)."""
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


def reopen(invoice: Invoice, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """The final transfer that paid it is gone from the chain."""
    only_from(KIND, invoice.id, {Status.PAID}, invoice.status, Status.OPEN)
    after = replace(invoice, status=Status.OPEN, reason=reason, amount_paid=0, paid_at=None)
    return _move(invoice, after, now, EventType.INVOICE_UPDATED)
