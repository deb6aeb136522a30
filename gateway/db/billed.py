"""What was billed for subscription items: on invoices that are owed or paid, and on items that wait for one."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import or_, select

from gateway.db import keys, schema
from gateway.db.engine import Connection
from gateway.domain.invoice import Status
from gateway.domain.proration import Billed

_COUNTING: Final = (Status.DRAFT, Status.OPEN, Status.PAID)
"""A voided invoice is owed no more, and one that was written off is not expected to be paid."""


async def beyond(
    conn: Connection, customer_ids: Iterable[str], item_ids: Iterable[str], at: datetime
) -> dict[str, list[Billed]]:
    """For workers: what these customers were billed for the time after `at`, by subscription item."""
    ids = sorted(item_ids)
    if not ids:
        return {}
    found: dict[str, list[Billed]] = {}
    lines, owners, waiting = schema.invoice_lines, schema.invoices, schema.invoice_items
    on_invoices = (
        select(lines)
        .join_from(lines, owners, lines.c.invoice_id == owners.c.id)
        .where(
            keys.any_of(lines.c.subscription_item_id, ids),
            lines.c.period_end > at,
            or_(*(owners.c.status == status for status in _COUNTING)),
        )
    )
    for row in await conn.execute(on_invoices):
        billed = Billed(
            item_id=row.subscription_item_id,
            amount=row.amount - sum(taken for _, taken in row.discount_amounts),
            start=row.period_start,
            end=row.period_end,
            rate_ids=tuple(rate_id for rate_id, *_ in row.tax_amounts),
        )
        found.setdefault(billed.item_id, []).append(billed)
    not_yet = select(waiting).where(
        keys.any_of(waiting.c.customer_id, customer_ids),
        waiting.c.invoice_id.is_(None),
        keys.any_of(waiting.c.subscription_item_id, ids),
        waiting.c.period_end > at,
    )
    for row in await conn.execute(not_yet):
        billed = Billed(
            item_id=row.subscription_item_id,
            amount=row.amount,
            start=row.period_start,
            end=row.period_end,
            rate_ids=tuple(row.tax_rate_ids),
        )
        found.setdefault(billed.item_id, []).append(billed)
    return found
