"""Tax rates."""

from typing import Final

from gateway.db import schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.plain import Shelf
from gateway.domain.tax import TaxRate

shelf: Final = Shelf(schema.tax_rates, TaxRate, kind="tax_rate")


async def page(
    conn: Connection, request: PageRequest, *, active: bool | None = None, inclusive: bool | None = None
) -> Page[TaxRate]:
    """List tax rates."""
    t = shelf.table
    return await shelf.page(
        conn,
        request,
        None if active is None else t.c.active.is_(active),
        None if inclusive is None else t.c.inclusive.is_(inclusive),
    )
