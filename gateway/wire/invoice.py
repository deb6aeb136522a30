"""Invoices on the wire. The intent that pays one stands in three places, so that clients of every age find it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from msgspec import Struct

from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.invoice import Invoice, InvoiceLine, Status
from gateway.domain.period import to_unix
from gateway.domain.tax import TaxAmount
from gateway.wire import catalog, invoice_links, pricing, push
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


class InvoiceItemParentDetails(Struct, frozen=True, kw_only=True):
    """The invoice item that a line came from."""

    invoice_item: str
    proration: bool
    subscription: str


class LineParent(Struct, frozen=True, kw_only=True):
    """What a line belongs to."""

    invoice_item_details: InvoiceItemParentDetails | None = None
    subscription_item_details: LineParentDetails | None = None
    type: Literal["subscription_item_details", "invoice_item_details"]


class DiscountAmount(Struct, frozen=True, kw_only=True):
    """What one discount takes off."""

    amount: int
    discount: str


class TaxRateDetails(Struct, frozen=True, kw_only=True):
    """The rate of a tax."""

    tax_rate: str


class Tax(Struct, frozen=True, kw_only=True):
    """What one rate makes."""

    amount: int
    tax_behavior: Literal["inclusive", "exclusive"]
    tax_rate_details: TaxRateDetails
    taxability_reason: Literal["standard_rated"] = "standard_rated"
    taxable_amount: int
    type: Literal["tax_rate_details"] = "tax_rate_details"


class LineObject(Struct, frozen=True, kw_only=True):
    """So many of a price for a period."""

    id: str
    object: Literal["line_item"] = "line_item"
    amount: int
    currency: str
    description: str
    discount_amounts: Sequence[DiscountAmount]
    discountable: bool
    discounts: Sequence[str]
    invoice: str
    invoice_item: str | None
    livemode: bool
    metadata: Mapping[str, str] = {}
    parent: LineParent
    period: PeriodObject
    plan: catalog.PlanObject | None
    price: catalog.PriceObject | None
    pricing: Pricing | None
    proration: bool
    quantity: int
    subscription: str
    subscription_item: str | None
    subtotal: int
    taxes: Sequence[Tax]
    type: Literal["subscription", "invoiceitem"]


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
    collection_method: Literal["charge_automatically", "send_invoice"]
    confirmation_secret: ConfirmationSecret | None
    created: int
    currency: str
    customer: str
    default_payment_method: str | None
    description: str | None
    discounts: Sequence[pricing.DiscountObject]
    due_date: int | None
    effective_at: int | None
    ending_balance: int | None
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    lines: ListOf[LineObject]
    livemode: bool
    metadata: Mapping[str, str]
    next_payment_attempt: int | None
    number: str | None
    paid: bool
    parent: Parent
    payment_intent: str | None
    payment_instructions: push.PaymentInstructions | None
    payments: ListOf[InvoicePaymentObject]
    period_end: int
    period_start: int
    reminders: push.Reminders | None
    starting_balance: int
    status: str
    status_reason: Reason
    status_transitions: StatusTransitions
    subscription: str
    subtotal: int
    test_clock: str | None
    subtotal_excluding_tax: int
    total: int
    total_discount_amounts: Sequence[DiscountAmount]
    total_excluding_tax: int
    total_taxes: Sequence[Tax]


def _line(line: InvoiceLine, owner: Invoice, related: Related) -> LineObject:
    price = related.prices.get(line.price_id) if line.price_id is not None else None
    return LineObject(
        id=line.id,
        amount=line.amount,
        currency=owner.currency,
        description=line.description,
        discount_amounts=[
            DiscountAmount(amount=part.amount, discount=part.discount_id) for part in line.discount_amounts
        ],
        discountable=line.discountable,
        discounts=[part.discount_id for part in line.discount_amounts],
        invoice=owner.id,
        invoice_item=line.invoice_item_id,
        livemode=owner.scope.livemode,
        parent=_parent(line, owner),
        period=PeriodObject(end=to_unix(line.period_end), start=to_unix(line.period_start)),
        plan=catalog.plan(price) if price is not None else None,
        price=catalog.price(price, related) if price is not None else None,
        pricing=Pricing(
            price_details=PriceDetails(price=line.price_id, product=price.product_id if price is not None else None),
            unit_amount_decimal=str(price.unit_amount) if price is not None else None,
        )
        if line.price_id is not None
        else None,
        proration=line.proration,
        quantity=line.quantity,
        subscription=owner.subscription_id,
        subscription_item=line.subscription_item_id,
        subtotal=line.amount,
        taxes=[_tax(part) for part in line.tax_amounts],
        type="subscription" if line.invoice_item_id is None else "invoiceitem",
    )


def _parent(line: InvoiceLine, owner: Invoice) -> LineParent:
    if line.invoice_item_id is not None and not line.proration:
        return LineParent(
            invoice_item_details=InvoiceItemParentDetails(
                invoice_item=line.invoice_item_id, proration=line.proration, subscription=owner.subscription_id
            ),
            type="invoice_item_details",
        )
    return LineParent(
        subscription_item_details=LineParentDetails(
            invoice_item=line.invoice_item_id,
            proration=line.proration,
            subscription=owner.subscription_id,
            subscription_item=line.subscription_item_id or "",
        ),
        type="subscription_item_details",
    )


def _tax(part: TaxAmount) -> Tax:
    return Tax(
        amount=part.amount,
        tax_behavior="inclusive" if part.inclusive else "exclusive",
        tax_rate_details=TaxRateDetails(tax_rate=part.rate_id),
        taxable_amount=part.taxable,
    )


def _total_taxes(lines: Sequence[InvoiceLine]) -> list[Tax]:
    """One sum for each rate."""
    sums: dict[str, TaxAmount] = {}
    for part in (part for line in lines for part in line.tax_amounts):
        so_far = sums.get(part.rate_id, replace(part, amount=0, taxable=0))
        sums[part.rate_id] = replace(so_far, amount=so_far.amount + part.amount, taxable=so_far.taxable + part.taxable)
    return [_tax(part) for part in sums.values()]


def _total_discounts(lines: Sequence[InvoiceLine]) -> list[DiscountAmount]:
    """One sum for each discount."""
    sums: dict[str, int] = {}
    for part in (part for line in lines for part in line.discount_amounts):
        sums[part.discount_id] = sums.get(part.discount_id, 0) + part.amount
    return [DiscountAmount(amount=amount, discount=discount_id) for discount_id, amount in sums.items()]


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
    inclusive = sum(part.amount for line in value.lines for part in line.tax_amounts if part.inclusive)
    secret = ConfirmationSecret(client_secret=intent.client_secret) if intent is not None else None
    return InvoiceObject(
        id=value.id,
        amount_due=value.amount_due,
        amount_paid=value.amount_paid,
        amount_remaining=value.amount_remaining,
        attempt_count=intent.attempts if intent is not None else 0,
        attempted=intent is not None and intent.latest_charge_id is not None,
        auto_advance=value.auto_advance,
        automatically_finalizes_at=unix(value.wake_at),
        billing_reason=value.billing_reason.value,
        charge=intent.latest_charge_id if intent is not None else None,
        charge_intent=intent_id,
        collection_method=value.collection_method.value,
        confirmation_secret=secret if value.status is Status.OPEN else None,
        created=to_unix(value.created_at),
        currency=value.currency,
        customer=value.customer_id,
        default_payment_method=intent.payment_method_id if intent is not None else None,
        description=value.description,
        discounts=[pricing.discount(part, value.customer_id, value.subscription_id) for part in value.discounts],
        due_date=unix(value.due_at),
        effective_at=unix(value.finalized_at),
        ending_balance=value.ending_balance,
        hosted_invoice_url=invoice_links.page_url(value, related.public_url),
        invoice_pdf=invoice_links.document_url(value, related.public_url),
        lines=ListOf(data=lines, url=f"/v1/invoices/{value.id}/lines"),
        livemode=value.scope.livemode,
        metadata=value.metadata,
        next_payment_attempt=unix(intent.wake_at) if intent is not None and value.status is Status.OPEN else None,
        number=value.number,
        paid=value.status is Status.PAID,
        parent=Parent(subscription_details=SubscriptionDetails(subscription=value.subscription_id)),
        payment_instructions=push.instructions(value, related),
        payment_intent=intent_id,
        payments=ListOf(
            data=[_payment(value, intent)] if intent is not None else [],
            url=f"/v1/invoice_payments?invoice={value.id}",
        ),
        period_end=to_unix(value.period_end),
        period_start=to_unix(value.period_start),
        reminders=None if value.chase is None else push.reminders(value.chase),
        starting_balance=value.starting_balance,
        status=value.status.value,
        status_reason=reason(value.reason),
        status_transitions=StatusTransitions(
            finalized_at=unix(value.finalized_at), paid_at=unix(value.paid_at), voided_at=unix(value.voided_at)
        ),
        subscription=value.subscription_id,
        subtotal=value.subtotal,
        subtotal_excluding_tax=value.subtotal - inclusive,
        test_clock=value.test_clock_id,
        total=value.total,
        total_discount_amounts=_total_discounts(value.lines),
        total_excluding_tax=value.total - sum(part.amount for line in value.lines for part in line.tax_amounts),
        total_taxes=_total_taxes(value.lines),
    )
