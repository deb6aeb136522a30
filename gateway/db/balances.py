"""The record of customers' balances."""

from typing import Final

from gateway.db import schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.plain import Shelf
from gateway.domain.credit import BalanceTransaction

shelf: Final = Shelf(schema.balance_transactions, BalanceTransaction, kind="customer_balance_transaction")


async def page(
    conn: Connection, request: PageRequest, *, customer: str, invoice: str | None = None
) -> Page[BalanceTransaction]:
    """List what happened to a customer's balance."""
    t = shelf.table
    return await shelf.page(
        conn, request, t.c.customer_id == customer, None if invoice is None else t.c.invoice_id == invoice
    )
