"""Invoices on the wire. The intent that pays one stands in three places, so that clients of every age find it."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.invoice import Invoice, InvoiceLine, Status
from gateway.domain.period import to_unix
from gateway.wire import catalog
from gateway.wire.common import ListOf, Reason, reason, unix
from gateway.wire.related import Related


class PeriodObject(Struct, frozen=True, kw_only=True):
    """[start, end) in unix seconds."""

    end: int
    start: int


class PriceDetails(Struct, frozen=True, kw_only=True):
    """Ids of what a line charges for."""

    price: str
    product: str | None


class Pricing(Struct, frozen=True, kw_only=True):
    """How a line's amount came about."""

    price_details: PriceDetails
    type: Literal["price_details"] = "price_details"
    unit_amount_decimal: str | None


class LineParentDetails(Struct, frozen=True, kw_only=True):
    """The subscription item that a line bills."""

    invoice_item: str | None = None
    proration: bool = False
    subscription: str
    subscription_item: str


class LineParent(Struct, frozen=True, kw_only=True):
    """What a line belongs to."""

    subscription_item_details: LineParentDetails
    type: Literal["subscription_item_details"] = "subscription_item_details"


class LineObject(Struct, frozen=True, kw_only=True):
    """So many of a price for a period."""

    id: str
    object: Literal["line_item"] = "line_item"
    amount: int
    currency: str
    description: str
    discount_amounts: Sequence[str] = ()
    discountable: bool = True
    discounts: Sequence[str] = ()
    invoice: str
    livemode: bool
    metadata: Mapping[str, str] = {}
    parent: LineParent
    period: PeriodObject
    plan: catalog.PlanObject | None
    price: catalog.PriceObject | None
    pricing: Pricing
    proration: bool = False
    quantity: int
    subscription: str
    subscription_item: str
    subtotal: int
    taxes: Sequence[str] = ()
    type: Literal["subscription"] = "subscription"


class Payment(Struct, frozen=True, kw_only=True):
    """The intent, under both names."""

    type: Literal["charge_intent"] = "charge_intent"
    charge_intent: str
    payment_intent: str


class PaymentTransitions(Struct, frozen=True, kw_only=True):
    """When a payment ended."""

    canceled_at: int | None
    paid_at: int | None


class InvoicePaymentObject(Struct, frozen=True, kw_only=True):
    """The intent as a payment of its invoice."""

    id: str
    object: Literal["invoice_payment"] = "invoice_payment"
    amount_paid: int | None
    amount_requested: int
    created: int
    currency: str
    invoice: str
    is_default: bool = True
    livemode: bool
    payment: Payment
    status: Literal["open", "paid", "canceled"]
    status_transitions: PaymentTransitions


class SubscriptionDetails(Struct, frozen=True, kw_only=True):
    """The subscription that an invoice bills."""

    metadata: Mapping[str, str] = {}
    subscription: str


class Parent(Struct, frozen=True, kw_only=True):
    """What an invoice belongs to."""

    subscription_details: SubscriptionDetails
    type: Literal["subscription_details"] = "subscription_details"


class StatusTransitions(Struct, frozen=True, kw_only=True):
    """When an invoice changed its status."""

    finalized_at: int | None
    marked_uncollectible_at: int | None = None
    paid_at: int | None
    voided_at: int | None


class ConfirmationSecret(Struct, frozen=True, kw_only=True):
    """What a page needs to let the payer confirm."""

    client_secret: str
    type: Literal["charge_intent"] = "charge_intent"


class InvoiceObject(Struct, frozen=True, kw_only=True):
    """What is owed for a period."""

    id: str
    object: Literal["invoice"] = "invoice"
    amount_due: int
    amount_overpaid: int = 0
    amount_paid: int
    amount_remaining: int
    amount_shipping: int = 0
    attempt_count: int
    attempted: bool
    auto_advance: bool
    automatically_finalizes_at: int | None
    billing_reason: str
    charge: str | None
    charge_intent: str | None
    collection_method: Literal["charge_automatically"] = "charge_automatically"
    confirmation_secret: ConfirmationSecret | None
    created: int
    currency: str
    customer: str
    default_payment_method: str | None
    description: str | None
    discounts: Sequence[str] = ()
    due_date: int | None = None
    effective_at: int | None
    ending_balance: int = 0
    lines: ListOf[LineObject]
    livemode: bool
    metadata: Mapping[str, str]
    next_payment_attempt: int | None
    number: str | None
    paid: bool
    parent: Parent
    payment_intent: str | None
    payments: ListOf[InvoicePaymentObject]
    period_end: int
    period_start: int
    starting_balance: int = 0
    status: str
    status_reason: Reason
    status_transitions: StatusTransitions
    subscription: str
    subtotal: int
    test_clock: str | None
    total: int
    total_taxes: Sequence[str] = ()


def _line(line: InvoiceLine, owner: Invoice, related: Related) -> LineObject:
    price = related.prices.get(line.price_id)
    return LineObject(
        id=line.id,
        amount=line.amount,
        currency=owner.currency,
        description=line.description,
        invoice=owner.id,
        livemode=owner.scope.livemode,
        parent=LineParent(
            subscription_item_details=LineParentDetails(
                subscription=owner.subscription_id, subscription_item=line.subscription_item_id
            )
        ),
        period=PeriodObject(end=to_unix(line.period_end), start=to_unix(line.period_start)),
        plan=catalog.plan(price) if price is not None else None,
        price=catalog.price(price, related) if price is not None else None,
        pricing=Pricing(
            price_details=PriceDetails(price=line.price_id, product=price.product_id if price is not None else None),
            unit_amount_decimal=str(price.unit_amount) if price is not None else None,
        ),
        quantity=line.quantity,
        subscription=owner.subscription_id,
        subscription_item=line.subscription_item_id,
        subtotal=line.amount,
    )


def _payment(owner: Invoice, intent: ChargeIntent) -> InvoicePaymentObject:
    paid = intent.status is IntentStatus.SUCCEEDED
    canceled = intent.status is IntentStatus.CANCELED
    return InvoicePaymentObject(
        id=intent.id.replace("ci_", "inpay_", 1),
        amount_paid=intent.amount if paid else None,
        amount_requested=intent.amount,
        created=to_unix(intent.created_at),
        currency=intent.currency,
        invoice=owner.id,
        livemode=owner.scope.livemode,
        payment=Payment(charge_intent=intent.id, payment_intent=intent.id),
        status="paid" if paid else "canceled" if canceled else "open",
        status_transitions=PaymentTransitions(canceled_at=unix(intent.canceled_at), paid_at=unix(intent.succeeded_at)),
    )


def invoice(value: Invoice, related: Related) -> InvoiceObject:
    """Render an invoice with its lines and, where it has one, the intent that pays it."""
    intent = related.intents.get(value.id)
    lines = [_line(line, value, related) for line in value.lines]
    intent_id = intent.id if intent is not None else value.charge_intent_id
    secret = ConfirmationSecret(client_secret=intent.client_secret) if intent is not None else None
    return InvoiceObject(
        id=value.id,
        amount_due=value.total,
        amount_paid=value.amount_paid,
        amount_remaining=value.amount_remaining,
        attempt_count=intent.attempts if intent is not None else 0,
        attempted=intent is not None and intent.latest_charge_id is not None,
        auto_advance=value.auto_advance,
        automatically_finalizes_at=unix(value.wake_at),
        billing_reason=value.billing_reason.value,
        charge=intent.latest_charge_id if intent is not None else None,
        charge_intent=intent_id,
        confirmation_secret=secret if value.status is Status.OPEN else None,
        created=to_unix(value.created_at),
        currency=value.currency,
        customer=value.customer_id,
        default_payment_method=intent.payment_method_id if intent is not None else None,
        description=value.description,
        effective_at=unix(value.finalized_at),
        lines=ListOf(data=lines, url=f"/v1/invoices/{value.id}/lines"),
        livemode=value.scope.livemode,
        metadata=value.metadata,
        next_payment_attempt=unix(intent.wake_at) if intent is not None and value.status is Status.OPEN else None,
        number=value.number,
        paid=value.status is Status.PAID,
        parent=Parent(subscription_details=SubscriptionDetails(subscription=value.subscription_id)),
        payment_intent=intent_id,
        payments=ListOf(
            data=[_payment(value, intent)] if intent is not None else [],
            url=f"/v1/invoice_payments?invoice={value.id}",
        ),
        period_end=to_unix(value.period_end),
        period_start=to_unix(value.period_start),
        status=value.status.value,
        status_reason=reason(value.reason),
        status_transitions=StatusTransitions(
            finalized_at=unix(value.finalized_at), paid_at=unix(value.paid_at), voided_at=unix(value.voided_at)
        ),
        subscription=value.subscription_id,
        subtotal=sum(line.amount for line in value.lines),
        test_clock=value.test_clock_id,
        total=value.total,
    )
