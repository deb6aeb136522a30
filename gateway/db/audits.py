"""What an audit reads: everything that was settled in a stretch of blocks, and how far the last audit went."""

from typing import Final

from sqlalchemy import exists, func, select, text, update

from gateway.db import bulk, charges, keys, pushes, refunds, schema
from gateway.db.engine import Connection
from gateway.domain.charge import Charge
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.push import PushPayment
from gateway.domain.refund import Refund

_CHARGES: Final = schema.charges
_REFUNDS: Final = schema.refunds
_PUSHES: Final = schema.push_payments
_LOGS: Final = schema.chain_logs
_INVOICES: Final = schema.invoices
_CURSORS: Final = schema.audit_cursors

NOWHERE: Final = -1
"""Where the audit of a chain stands before its first block."""


async def audited_to(conn: Connection, chain_id: int) -> int:
    """For workers: newest block that was found in order."""
    query = select(_CURSORS.c.number).where(_CURSORS.c.chain_id == chain_id)
    number: int | None = (await conn.execute(query)).scalar_one_or_none()
    return NOWHERE if number is None else number


async def advance(conn: Connection, chain_id: int, *, was: int, number: int) -> None:
    """Everything up to `number` is in order.

    Raises:
        WriteConflict: somebody else moved it; nothing may be committed then.
    """
    await bulk.insert(conn, _CURSORS, [{"chain_id": chain_id, "number": NOWHERE}], ignore_known=True)
    await bulk.update(
        conn, _CURSORS, [{"chain_id": chain_id, "number": number, "was": was}], key="chain_id", guard="number"
    )


async def go_back(conn: Connection, chain_id: int, number: int) -> None:
    """What lies above `number` is to be audited anew."""
    await conn.execute(
        update(_CURSORS).where(_CURSORS.c.chain_id == chain_id, _CURSORS.c.number > number).values(number=number)
    )


async def first_unsettled(conn: Connection, chain_id: int) -> int | None:
    """For workers: the oldest block with an event whose meaning is not in the books yet."""
    query = select(func.min(_LOGS.c.block_number)).where(_LOGS.c.chain_id == chain_id, text("settled_at IS NULL"))
    number: int | None = (await conn.execute(query)).scalar_one()
    return number


async def charges_in(conn: Connection, chain_id: int, first: int, last: int) -> list[Charge]:
    """For workers: charges of any status whose transactions stand in these blocks, both included."""
    query = select(_CHARGES.c.id).where(
        text("charges.block_number IS NOT NULL"),
        _CHARGES.c.chain_id == chain_id,
        _CHARGES.c.block_number.between(first, last),
    )
    return list((await charges.load(conn, (await conn.execute(query)).scalars())).values())


async def refunds_in(conn: Connection, chain_id: int, first: int, last: int) -> list[Refund]:
    """For workers: refunds whose transfers stand in these blocks, both included."""
    query = select(_REFUNDS.c.id).where(
        text("refunds.block_number IS NOT NULL"),
        _REFUNDS.c.chain_id == chain_id,
        _REFUNDS.c.block_number.between(first, last),
    )
    return list((await refunds.load(conn, (await conn.execute(query)).scalars())).values())


async def pushes_in(conn: Connection, chain_id: int, first: int, last: int) -> list[PushPayment]:
    """For workers: what customers sent in these blocks, both included."""
    query = select(_PUSHES.c.id).where(_PUSHES.c.chain_id == chain_id, _PUSHES.c.block_number.between(first, last))
    return list((await pushes.load(conn, (await conn.execute(query)).scalars())).values())


async def unbacked_invoices(conn: Connection, *, after: str, limit: int) -> tuple[list[str], str | None]:
    """For operators: paid invoices of which something was due and nothing was collected, among `limit` after an id.

    Returns their ids, and the id to go on after; None at the end. Reads the whole table page by page.
    """
    collected = exists().where(
        _CHARGES.c.charge_intent_id == schema.charge_intents.c.id, _CHARGES.c.status == ChargeStatus.SUCCEEDED
    )
    key = keys.sort_key(_INVOICES.c.id)
    page = select(_INVOICES.c.id).where(key > after).order_by(key).limit(limit)
    ids = [row.id for row in await conn.execute(page)]
    if not ids:
        return [], None
    query = (
        select(_INVOICES.c.id)
        .join(schema.charge_intents, schema.charge_intents.c.invoice_id == _INVOICES.c.id)
        .where(
            key > after,
            key <= ids[-1],
            _INVOICES.c.status == InvoiceStatus.PAID,
            _INVOICES.c.amount_paid > 0,
            ~collected,
        )
        .order_by(key)
    )
    found = [row.id for row in await conn.execute(query)]
    return found, ids[-1] if len(ids) == limit else None
