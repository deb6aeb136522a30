"""Pricing tables."""

from typing import Final

from gateway.db import schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.plain import Shelf
from gateway.domain.pricing_table import KIND, PricingTable

shelf: Final = Shelf(schema.pricing_tables, PricingTable, kind=KIND)


async def page(conn: Connection, request: PageRequest, *, active: bool | None = None) -> Page[PricingTable]:
    """List pricing tables."""
    return await shelf.page(conn, request, None if active is None else shelf.table.c.active.is_(active))
