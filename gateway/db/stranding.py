"""Transactions of ours that are over, and what waits for them in vain.

A transaction that was wanted, succeeded and is final has said something about all that it carried: a charge, or a
mandate's registration. If nothing was heard, it was not listened to (`unheard`). Any other end moved nothing: what it
carried is stranded, and can be tried again.
"""

from typing import Final

from sqlalchemy import ColumnElement, and_, exists, or_, select, text, union

from chain.primitives import BlockRef
from gateway.db import schema
from gateway.db.engine import Connection
from gateway.db.tables.chain import TransactionStatus

_SENT: Final = schema.chain_transactions
_CHARGES: Final = schema.charges
_SETUPS: Final = schema.setup_intents


def moved_nothing() -> ColumnElement[bool]:
    """Whether a transaction's nonce went elsewhere, or it is final and reverted, or nobody wanted it any more."""
    over = and_(_SENT.c.status == TransactionStatus.FINAL, or_(~_SENT.c.succeeded, ~_SENT.c.wanted & _is_settled()))
    return or_(_SENT.c.status == TransactionStatus.LOST, over)


async def unheard(conn: Connection, chain_id: int, *, limit: int) -> list[BlockRef]:
    """For workers: final blocks in which transactions of ours succeeded of which no event has spoken.

    Looks only at what is pending, of which there is as much as transactions in flight carry.
    """
    silent = and_(
        _SENT.c.chain_id == chain_id,
        _SENT.c.status == TransactionStatus.FINAL,
        _SENT.c.succeeded,
        _SENT.c.wanted,
        _is_settled(),
    )
    block = select(_SENT.c.mined_number, _SENT.c.mined_hash)
    of_charges = block.join_from(_CHARGES, _SENT, _CHARGES.c.transaction_id == _SENT.c.id).where(
        text("charges.status = 'pending'"), silent
    )
    of_setups = block.join_from(_SETUPS, _SENT, _SETUPS.c.transaction_id == _SENT.c.id).where(
        text("setup_intents.status = 'processing'"), silent
    )
    query = union(of_charges, of_setups).order_by("mined_number").limit(limit)
    return [BlockRef(row.mined_number, row.mined_hash) for row in await conn.execute(query)]


def _is_settled() -> ColumnElement[bool]:
    """Whether the block of a transaction is final in the index, and all of its events that were seen are settled."""
    logs, cursors = schema.chain_logs, schema.chain_cursors
    unsettled = exists().where(
        logs.c.chain_id == _SENT.c.chain_id, logs.c.block_number == _SENT.c.mined_number, logs.c.settled_at.is_(None)
    )
    indexed = exists().where(cursors.c.chain_id == _SENT.c.chain_id, cursors.c.final_number >= _SENT.c.mined_number)
    return and_(indexed, ~unsettled)
