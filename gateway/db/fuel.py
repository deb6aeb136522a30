"""How much gas the transactions of a signer asked for lately."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from chain.primitives import Address
from gateway.db import schema
from gateway.db.engine import Connection

RECENT_MAX: Final = 1_000
"""Transactions that say how much gas a signer takes: some weeks of a small gateway, a day of a large one."""

_T: Final = schema.chain_transactions


async def gas_since(conn: Connection, chain_id: int, signer: Address, since: datetime) -> tuple[int, datetime | None]:
    """Gas limits of a signer's newest transactions, at most `RECENT_MAX`, and when the first of them was planned."""
    newest = (
        select(_T.c.gas, _T.c.created_at)
        .where(_T.c.chain_id == chain_id, _T.c.signer == signer)
        .order_by(_T.c.nonce.desc())
        .limit(RECENT_MAX)
        .subquery("newest")
    )
    query = select(func.sum(newest.c.gas).label("gas"), func.min(newest.c.created_at).label("since"))
    row = (await conn.execute(query.where(newest.c.created_at >= since))).one()
    return int(row.gas or 0), row.since
