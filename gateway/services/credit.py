"""The customer's balance: applied when an invoice is finalised, given back when it is voided, or booked by hand."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.db import balances, catalog
from gateway.db.engine import Connection
from gateway.domain.catalog import Customer, Scope
from gateway.domain.credit import BalanceTransaction, TransactionType, book
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.invoice import Invoice
from gateway.domain.pricing import settle
from gateway.domain.transition import Event, Moved
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin


async def apply(conn: Connection, drafts: Sequence[tuple[Invoice, datetime]], changes: Changes) -> dict[str, int]:
    """Settle drafts that become open with their customers' balances, in order; return the balance each started from.

    Only customers whose balance takes part are locked.
    """
    seen = await catalog.load_customers(conn, sorted({invoice.customer_id for invoice, _ in drafts}))
    involved = {invoice.customer_id for invoice, _ in drafts if invoice.total < 0 or seen[invoice.customer_id].balance}
    if not involved:
        return {}
    books = Balances(await catalog.load_customers(conn, sorted(involved), lock=True))
    starting: dict[str, int] = {}
    for invoice, at in drafts:
        customer = books.customers.get(invoice.customer_id)
        if customer is None:
            continue
        foreign = customer.balance_currency not in (None, invoice.currency)
        balance = 0 if foreign and invoice.total >= 0 else customer.balance
        starting[invoice.id] = balance
        change = settle(invoice.total, balance).ending_balance - balance
        if change:
            books.book(customer, invoice, change, TransactionType.APPLIED_TO_INVOICE, at)
    await books.write(conn, changes)
    return starting


async def give_back(conn: Connection, voided: Sequence[tuple[Invoice, datetime]], changes: Changes) -> None:
    """Return to balances what voided invoices took from them."""
    owing = [(invoice, at) for invoice, at in voided if invoice.balance_change]
    if not owing:
        return
    books = Balances(
        await catalog.load_customers(conn, sorted({invoice.customer_id for invoice, _ in owing}), lock=True)
    )
    for invoice, at in owing:
        customer = books.customers[invoice.customer_id]
        books.book(customer, invoice, -invoice.balance_change, TransactionType.UNAPPLIED_FROM_INVOICE, at)
    await books.write(conn, changes)


async def adjust(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    customer_id: str,
    amount: int,
    currency: str,
    description: str | None,
    metadata: Mapping[str, str],
    now: datetime,
    origin: Origin,
) -> BalanceTransaction:
    """Give credit (a negative amount) or add a debt by hand.

    Raises:
        InvalidRequest: nothing to book, another currency than the balance's, or beyond its bounds.
        NotFound: there is no such customer.
    """
    customer = await catalog.get_customer(conn, scope, customer_id, lock=True)
    if customer is None or customer.deleted:
        raise NotFound("customer", customer_id)
    if amount == 0:
        raise InvalidRequest("amount must not be 0.", code="invalid_amount", param="amount")
    after, entry = book(
        customer, amount, currency, TransactionType.ADJUSTMENT, now, description=description, metadata=metadata
    )
    changes = Changes()
    await catalog.save_customers(conn, [after])
    await balances.shelf.add(conn, [entry])
    changes.announced.append(_updated(customer, after, now))
    await changes.write(conn, gateway, origin)
    return entry


class Balances:
    """Balances of locked customers while they are booked on."""

    def __init__(self, customers: dict[str, Customer]) -> None:
        self.customers = customers
        self._before = dict(customers)
        self._entries: list[BalanceTransaction] = []

    def book(self, customer: Customer, invoice: Invoice, amount: int, kind: TransactionType, at: datetime) -> None:
        """Change a balance on behalf of an invoice.

        Raises:
            InvalidRequest: it is in another currency, or would leave its bounds.
        """
        after, entry = book(customer, amount, invoice.currency, kind, at, invoice_id=invoice.id)
        self.customers[customer.id] = after
        self._entries.append(entry)

    async def write(self, conn: Connection, changes: Changes) -> None:
        """Write what was booked, and tell of it."""
        if not self._entries:
            return
        last = {entry.customer_id: entry.created_at for entry in self._entries}
        await catalog.save_customers(conn, [self.customers[customer_id] for customer_id in last])
        await balances.shelf.add(conn, self._entries)
        for customer_id, at in last.items():
            changes.announced.append(_updated(self._before[customer_id], self.customers[customer_id], at))


def _updated(before: Customer, after: Customer, at: datetime) -> Moved[Customer]:
    return Moved(
        value=after, before=before, events=(Event(type=EventType.CUSTOMER_UPDATED, object_id=after.id, at=at),)
    )
