"""Which period of a mandate an invoice may spend: each can be collected once, and the contract sees to it.

A mandate keeps the grid that was signed. After a subscription's own grid was moved (by a resumption), two invoices may
begin within one period of the contract: the second one waits for the next that is free (C16).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from chain.primitives import MandateTerms
from gateway.db import charge_intents
from gateway.db.engine import Connection
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate, period_for

LOOK_AHEAD: Final = 3
"""Periods that are looked at: that of the invoice and the ones after it."""


async def free(conn: Connection, wanted: Sequence[tuple[Mandate | None, Invoice, datetime]]) -> Mapping[str, int]:
    """The mandate's period that each invoice may spend, by invoice; those that have no mandate are left out.

    It is the one in which the invoice's own period begins, or, where the contract would find that too late, the oldest
    that can still be collected.
    """
    asked = [
        (invoice.id, mandate.id, _earliest(mandate.terms, invoice, at))
        for mandate, invoice, at in wanted
        if mandate is not None
    ]
    if not asked:
        return {}
    keys = sorted({(mandate_id, first + ahead) for _, mandate_id, first in asked for ahead in range(LOOK_AHEAD)})
    taken = set(await charge_intents.by_mandate_periods(conn, keys))
    found = {}
    for invoice_id, mandate_id, first in asked:
        period = first
        while (mandate_id, period) in taken:
            period += 1
        taken.add((mandate_id, period))
        found[invoice_id] = period
    return found


def _earliest(terms: MandateTerms, invoice: Invoice, at: datetime) -> int:
    return max(period_for(terms, invoice.period_start), period_for(terms, at) - terms.arrears, 1)
