"""Invoice items: extra lines that wait for a customer's next invoice, or stand on a draft (ST-51, ST-75)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain.catalog import Scope
from gateway.domain.ids import new_id
from gateway.domain.invoice import InvoiceLine


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceItem:
    """So much more, or less, to bill.

    Attributes:
        amount: minor units; negative is a credit.
        subscription_id: only this subscription's next invoice takes it; None leaves it to the customer's next one.
        invoice_id: the invoice that took it; None while it waits.
        proration: it settles a change of `subscription_item_id` in the middle of a period.
    """

    id: str
    scope: Scope
    created_at: datetime
    customer_id: str
    currency: str
    amount: int
    quantity: int
    period_start: datetime
    period_end: datetime
    unit_amount: int | None = None
    description: str | None = None
    price_id: str | None = None
    subscription_id: str | None = None
    subscription_item_id: str | None = None
    invoice_id: str | None = None
    discountable: bool = True
    proration: bool = False
    tax_rate_ids: tuple[str, ...] = ()
    test_clock_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def line_of(item: InvoiceItem, now: datetime) -> InvoiceLine:
    """Return the line that an item becomes on an invoice, before discounts and taxes."""
    return InvoiceLine(
        id=new_id("il", now),
        description=item.description or "Invoice item",
        amount=item.amount,
        quantity=item.quantity,
        price_id=item.price_id,
        subscription_item_id=item.subscription_item_id,
        period_start=item.period_start,
        period_end=item.period_end,
        discountable=item.discountable,
        proration=item.proration,
        invoice_item_id=item.id,
    )
