"""Invoice items at a merchant's request: waiting for the next invoice, or straight onto a draft (ST-51, ST-75)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.db import catalog, invoice_items, invoices, subscriptions
from gateway.db.engine import Connection
from gateway.domain import subscription as subscription_domain
from gateway.domain.catalog import Customer, Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.ids import new_id
from gateway.domain.invoice import Invoice, Status
from gateway.domain.invoice_item import InvoiceItem, line_of
from gateway.domain.money import AMOUNT_MAX, currency
from gateway.domain.tax import TaxAmount
from gateway.domain.transition import Event, Moved
from gateway.services import invoicing, tax_rates
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvoiceItem:
    """An invoice item as asked for: an amount with its currency, or so many of a one-time price."""

    customer_id: str
    amount: int | None = None
    currency: str | None = None
    price_id: str | None = None
    quantity: int = 1
    description: str | None = None
    subscription_id: str | None = None
    invoice_id: str | None = None
    discountable: bool | None = None
    tax_rate_ids: Sequence[str] = ()
    period: tuple[datetime, datetime] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


async def create(
    conn: Connection, gateway: Gateway, *, scope: Scope, new: NewInvoiceItem, now: datetime, origin: Origin
) -> InvoiceItem:
    """Add something to bill.

    Raises:
        InvalidRequest: amount or price are missing or contradict each other, the invoice is no draft, or currencies
            differ.
        NotFound: customer, price, subscription, invoice or tax rate do not exist, or are not the customer's.
    """
    customer = await catalog.get_customer(conn, scope, new.customer_id)
    if customer is None or customer.deleted:
        raise NotFound("customer", new.customer_id, param="customer")
    unit_amount, code = await _amount(conn, scope, new)
    if new.period is not None and new.period[1] < new.period[0]:
        raise InvalidRequest("period[end] must not be before its start.", code="invalid_period", param="period[end]")
    rate_ids = tax_rates.distinct(new.tax_rate_ids, param="tax_rates")
    await tax_rates.usable(conn, scope, rate_ids, param="tax_rates")
    await _check_subscription(conn, customer, new, code)
    invoice = None if new.invoice_id is None else await _draft(conn, customer, new.invoice_id, code)
    amount = unit_amount * new.quantity
    start, end = new.period or (now, now)
    item = InvoiceItem(
        id=new_id("ii", now),
        scope=scope,
        created_at=now,
        customer_id=customer.id,
        currency=code,
        amount=amount,
        quantity=new.quantity,
        unit_amount=unit_amount,
        period_start=start,
        period_end=end,
        description=new.description,
        price_id=new.price_id,
        subscription_id=invoice.subscription_id if invoice is not None else new.subscription_id,
        invoice_id=new.invoice_id,
        discountable=amount >= 0 if new.discountable is None else new.discountable,
        tax_rate_ids=rate_ids,
        test_clock_id=customer.test_clock_id,
        metadata=new.metadata,
    )
    await invoice_items.shelf.add(conn, [item])
    changes = Changes()
    changes.announced.append(
        Moved(value=item, events=(Event(type=EventType.INVOICEITEM_CREATED, object_id=item.id, at=now),))
    )
    if invoice is not None:
        line = replace(line_of(item, now), tax_amounts=_asked(rate_ids))
        changes.update(await invoicing.reprice(conn, invoice, (*invoice.lines, line), now))
    await changes.write(conn, gateway, origin)
    return item


def _asked(rate_ids: Sequence[str]) -> tuple[TaxAmount, ...]:
    """Rates of a line that is still to be priced."""
    return tuple(TaxAmount(rate_id=rate_id, amount=0, inclusive=False, taxable=0) for rate_id in rate_ids)


async def _amount(conn: Connection, scope: Scope, new: NewInvoiceItem) -> tuple[int, str]:
    """Unit amount and currency."""
    if (new.amount is None) == (new.price_id is None):
        raise InvalidRequest("Give either amount or pricing[price].", code="parameter_conflict", param="amount")
    if new.amount is not None:
        if new.currency is None:
            raise InvalidRequest("amount needs the currency that it is in.", code="parameter_missing", param="currency")
        if not -AMOUNT_MAX <= new.amount <= AMOUNT_MAX:
            raise InvalidRequest(
                f"amount must be between -{AMOUNT_MAX} and {AMOUNT_MAX}.", code="invalid_amount", param="amount"
            )
        if new.quantity != 1:
            raise InvalidRequest(
                "quantity goes with a price; amount is the whole.", code="parameter_conflict", param="quantity"
            )
        return new.amount, currency(new.currency)
    price = await catalog.get_price(conn, scope, new.price_id or "")
    if price is None:
        raise NotFound("price", new.price_id or "", param="pricing[price]")
    if price.interval is not None or not price.active:
        raise InvalidRequest(
            f"Price '{price.id}' is recurring or inactive; invoice items take active one-time prices.",
            code="price_not_one_time",
            param="pricing[price]",
        )
    if price.unit_amount * new.quantity > AMOUNT_MAX:
        raise InvalidRequest(f"The item would cost more than {AMOUNT_MAX}.", code="invalid_amount", param="quantity")
    return price.unit_amount, price.currency


async def _check_subscription(conn: Connection, customer: Customer, new: NewInvoiceItem, code: str) -> None:
    if new.subscription_id is None:
        return
    found = await subscriptions.get(conn, customer.scope, new.subscription_id)
    if found is None or found.customer_id != customer.id:
        raise NotFound("subscription", new.subscription_id, param="subscription")
    subscription_domain.modifiable(found)
    _check_currency(found.currency, code)


def _check_currency(expected: str, code: str) -> None:
    if code != expected:
        raise InvalidRequest(
            f"The item is in {code}, but it is to be billed in {expected}.",
            code="mixed_currencies",
            param="currency",
        )


async def _draft(conn: Connection, customer: Customer, invoice_id: str, code: str) -> Invoice:
    found = await invoices.get(conn, customer.scope, invoice_id, lock=True)
    if found is None or found.customer_id != customer.id:
        raise NotFound("invoice", invoice_id, param="invoice")
    if found.status is not Status.DRAFT:
        raise _fixed(found)
    _check_currency(found.currency, code)
    return found


def _fixed(invoice: Invoice) -> InvalidRequest:
    return InvalidRequest(
        f"Invoice '{invoice.id}' is {invoice.status}; only a draft can be changed.",
        code="invoice_not_editable",
        param="invoice",
    )


async def delete(
    conn: Connection, gateway: Gateway, *, scope: Scope, item_id: str, now: datetime, origin: Origin
) -> InvoiceItem:
    """Take an item back, also from a draft that has taken it.

    Raises:
        InvalidRequest: the invoice that took it is finalised.
        NotFound: there is no such item.
    """
    seen = await invoice_items.shelf.get(conn, scope, item_id)
    if seen is None:
        raise NotFound("invoiceitem", item_id)
    invoice = None if seen.invoice_id is None else await invoices.get(conn, scope, seen.invoice_id, lock=True)
    item = await invoice_items.shelf.get(conn, scope, item_id, lock=True)
    if item is None:
        raise NotFound("invoiceitem", item_id)
    if invoice is not None and invoice.status is not Status.DRAFT:
        raise _fixed(invoice)
    await invoice_items.remove(conn, item.id)
    changes = Changes()
    if invoice is not None:
        lines = [line for line in invoice.lines if line.invoice_item_id != item.id]
        changes.update(await invoicing.reprice(conn, invoice, lines, now))
    changes.announced.append(
        Moved(value=item, events=(Event(type=EventType.INVOICEITEM_DELETED, object_id=item.id, at=now),))
    )
    await changes.write(conn, gateway, origin)
    return item
