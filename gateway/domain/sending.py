"""Invoices that the customer pays by a transfer of their own (`send_invoice`; C04, ST-76, PM-01).

Sending one gives credit until its due date: the subscription is good from the moment it is sent, and past due when the
date has passed (ST-44). Docs: docs/decisions/push-payments.md.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from chain.primitives import Address
from gateway.domain import invoice as invoices
from gateway.domain import subscription as subscriptions
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.invoice import Invoice
from gateway.domain.reminder import Chase
from gateway.domain.settings import DUE_DAYS_MAX
from gateway.domain.subscription import CollectionMethod, Status, Subscription, modifiable, move
from gateway.domain.transition import Action, Event, Moved, StatusReason

AWAITING_TRANSFER: Final = "awaiting_transfer"


def collection_terms(method: CollectionMethod, days_until_due: int | None) -> None:
    """Check that a collection method and days go together.

    Raises:
        InvalidRequest: days out of range, or with an automatic charge.
    """
    if days_until_due is None:
        return
    if method is not CollectionMethod.SEND_INVOICE:
        raise InvalidRequest(
            "days_until_due goes with collection_method 'send_invoice' only.",
            code="parameter_conflict",
            param="days_until_due",
        )
    if not 0 <= days_until_due <= DUE_DAYS_MAX:
        raise InvalidRequest(
            f"days_until_due must be between 0 and {DUE_DAYS_MAX}.", code="parameter_invalid", param="days_until_due"
        )


def collect_by(
    subscription: Subscription, method: CollectionMethod, days_until_due: int | None, now: datetime
) -> Moved[Subscription]:
    """Collect invoices otherwise from the next draft on; those that were drafted stay as they are (ST-61, ST-76).

    Raises:
        InvalidRequest: it is over, or the days do not go with the method.
    """
    modifiable(subscription)
    collection_terms(method, days_until_due)
    after = replace(subscription, collection_method=method, days_until_due=days_until_due)
    event = Event(type=EventType.SUBSCRIPTION_UPDATED, object_id=subscription.id, at=now)
    return Moved(value=after, before=subscription, events=(event,))


def send(
    invoice: Invoice,
    *,
    payee: Address,
    reference: int | None,
    now: datetime,
    due_at: datetime | None = None,
    chase: Chase | None = None,
) -> Moved[Invoice]:
    """Say how it is paid by a transfer: to whom, and by which reference it is recognised. Sending again says it again.

    Raises:
        InvalidRequest: it is not open.
    """
    if invoice.status is not invoices.Status.OPEN:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is {invoice.status}; only an open one can be sent.", code="invoice_not_open"
        )
    after = replace(
        invoice,
        payee=invoice.payee or payee,
        push_reference=invoice.push_reference or reference,
        due_at=due_at or invoice.due_at,
        chase=chase or invoice.chase,
    )
    event = Event(type=EventType.INVOICE_SENT, object_id=invoice.id, at=now)
    return Moved(value=after, before=invoice, events=(event,))


def give_credit(subscription: Subscription, invoice: Invoice, now: datetime) -> Moved[Subscription] | None:
    """Its first invoice was sent: it is good until that is past due. None where that changes nothing."""
    if subscription.status not in {Status.PENDING, Status.INCOMPLETE, Status.TRIALING}:
        return None
    evidence = {"invoice": invoice.id, "due_date": None if invoice.due_at is None else int(invoice.due_at.timestamp())}
    after = replace(
        subscription,
        status=Status.ACTIVE,
        reason=StatusReason("invoice_sent", Action.CUSTOMER_ACTION, evidence),
        expires_at=None,
        activated_at=subscription.activated_at or now,
    )
    begun = () if subscription.status is Status.TRIALING else (EventType.SUBSCRIPTION_CREATED,)
    return move(subscription, after, now, *begun, EventType.SUBSCRIPTION_ACTIVATED, EventType.SUBSCRIPTION_UPDATED)


def receive(invoice: Invoice, amount: int, reason: StatusReason, now: datetime) -> Moved[Invoice]:
    """A part of it was paid and is final; the rest stays owed.

    Raises:
        ValueError: it is not a part of what is owed.
    """
    if invoice.status is not invoices.Status.OPEN or not 0 < amount < invoice.amount_remaining:
        raise ValueError(f"{amount} is no part of the {invoice.amount_remaining} that invoice {invoice.id} owes")
    after = replace(invoice, amount_paid=invoice.amount_paid + amount, reason=reason)
    event = Event(type=EventType.INVOICE_UPDATED, object_id=invoice.id, at=now)
    return Moved(value=after, before=invoice, events=(event,))


def thank(subscription: Subscription, invoice: Invoice, now: datetime, *, owes: bool) -> Moved[Subscription] | None:
    """A sent invoice was paid. `owes`: another one of the subscription is past due, and keeps it where it is."""
    match subscription.status:
        case Status.PENDING | Status.INCOMPLETE:
            return subscriptions.activate(subscription, now)
        case Status.ACTIVE:
            renewed = invoice.billing_reason is invoices.BillingReason.SUBSCRIPTION_CYCLE
            return subscriptions.renew(subscription, now) if renewed else None
        case Status.PAST_DUE | Status.UNPAID | Status.TRIALING:
            return None if owes else subscriptions.renew(subscription, now)
        case Status.PAUSED | Status.INCOMPLETE_EXPIRED | Status.CANCELED:
            return None
