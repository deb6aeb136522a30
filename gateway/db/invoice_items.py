"""Invoice items: those that wait, and those that stand on an invoice."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import delete, select

from gateway.db import keys, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.plain import Shelf
from gateway.domain.invoice_item import InvoiceItem

shelf: Final = Shelf(schema.invoice_items, InvoiceItem, kind="invoiceitem")
_T: Final = schema.invoice_items


async def pending_of(conn: Connection, customer_ids: Iterable[str], *, lock: bool) -> list[InvoiceItem]:
    """For workers: what waits for the next invoices of these customers, oldest first."""
    query = select(_T).where(_T.c.invoice_id.is_(None), keys.any_of(_T.c.customer_id, customer_ids))
    ordered = query.order_by(keys.sort_key(_T.c.id))
    return [shelf.make(row) for row in await conn.execute(rows.locked(ordered, _T, lock=lock))]


async def remove(conn: Connection, item_id: str) -> None:
    """Delete an item that no invoice has fixed."""
    await conn.execute(delete(_T).where(_T.c.id == item_id))


async def page(
    conn: Connection,
    request: PageRequest,
    *,
    customer: str | None = None,
    invoice: str | None = None,
    pending: bool | None = None,
) -> Page[InvoiceItem]:
    """List invoice items."""
    waits = _T.c.invoice_id.is_(None)
    return await shelf.page(
        conn,
        request,
        None if customer is None else _T.c.customer_id == customer,
        None if invoice is None else _T.c.invoice_id == invoice,
        None if pending is None else waits if pending else ~waits,
    )
