"""Final transfers that were looked for, and how far each chain was searched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select

from chain.primitives import Transferred
from gateway.db import bulk, schema
from gateway.db.engine import Connection

_CURSORS: Final = schema.transfer_cursors
_TRANSFERS: Final = schema.token_transfers

NOWHERE: Final = -1
"""Where the search of a chain stands before its first block."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A final transfer; `object_id` names what it paid, None when nothing waited for it."""

    transfer: Transferred
    object_id: str | None


async def searched_to(conn: Connection, chain_id: int) -> int:
    """Newest block that was searched."""
    query = select(_CURSORS.c.number).where(_CURSORS.c.chain_id == chain_id)
    number: int | None = (await conn.execute(query)).scalar_one_or_none()
    return NOWHERE if number is None else number


async def advance(conn: Connection, chain_id: int, *, was: int, number: int) -> None:
    """The search of a chain went from block `was` to `number`.

    Raises:
        WriteConflict: somebody else moved it; nothing may be committed then.
    """
    if was == NOWHERE:
        await bulk.insert(conn, _CURSORS, [{"chain_id": chain_id, "number": NOWHERE}], ignore_known=True)
    await bulk.update(
        conn, _CURSORS, [{"chain_id": chain_id, "number": number, "was": was}], key="chain_id", guard="number"
    )


async def add_many(conn: Connection, chain_id: int, seen: Sequence[Seen], now: datetime) -> None:
    """Write final transfers down.

    Raises:
        ConstraintBroken: one was written down before.
    """
    await bulk.insert(conn, _TRANSFERS, [_row(chain_id, entry, now) for entry in seen])


def _row(chain_id: int, entry: Seen, now: datetime) -> bulk.Row:
    moved = entry.transfer
    return {
        "chain_id": chain_id,
        "block_number": moved.at.block_number,
        "log_index": moved.at.log_index,
        "block_hash": moved.at.block_hash,
        "transaction_hash": moved.at.transaction_hash,
        "token": moved.token,
        "sender": moved.sender,
        "recipient": moved.recipient,
        "amount": moved.amount,
        "object_id": entry.object_id,
        "seen_at": now,
    }
