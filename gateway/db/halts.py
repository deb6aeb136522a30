"""What operators see of the chains and lanes that are followed, and how they take a halt back."""

from typing import Final

from sqlalchemy import select, update

from chain.primitives import Address
from gateway.db import schema
from gateway.db.blocks import Cursor, as_cursor
from gateway.db.engine import Connection
from gateway.db.transactions import Lane, TransactionStatus, as_lane

_CURSORS: Final = schema.chain_cursors
_LANES: Final = schema.lanes


async def cursors(conn: Connection) -> list[Cursor]:
    """For operators: where every chain stands, by chain."""
    query = select(_CURSORS).order_by(_CURSORS.c.chain_id)
    return [as_cursor(row) for row in await conn.execute(query)]


async def lanes(conn: Connection) -> list[Lane]:
    """For operators: every lane, by chain and signer."""
    query = select(_LANES).order_by(_LANES.c.chain_id, _LANES.c.signer)
    return [as_lane(row) for row in await conn.execute(query)]


async def resume_chain(conn: Connection, chain_id: int) -> None:
    """Follow and charge again."""
    await conn.execute(update(_CURSORS).where(_CURSORS.c.chain_id == chain_id).values(halted_reason=None))


async def resume_lane(conn: Connection, chain_id: int, signer: Address) -> None:
    """Send again."""
    await conn.execute(
        update(_LANES).where(_LANES.c.chain_id == chain_id, _LANES.c.signer == signer).values(halted_reason=None)
    )


async def reopen_transactions(conn: Connection, chain_id: int, above: int) -> int:
    """Watch and send again what was mined above a block that is the newest one left; returns how many."""
    sent = schema.chain_transactions
    again = update(sent).where(sent.c.chain_id == chain_id, sent.c.mined_number > above)
    opened = again.values(status=TransactionStatus.OPEN, mined_number=None, mined_hash=None, succeeded=None)
    return (await conn.execute(opened)).rowcount


async def skip_nonces(conn: Connection, lane: Lane, first_free: int) -> None:
    """Give no nonce below `first_free` any more: the chain has seen them used. The lane is locked already."""
    await conn.execute(
        update(_LANES)
        .where(_LANES.c.chain_id == lane.chain_id, _LANES.c.signer == lane.signer, _LANES.c.next_nonce < first_free)
        .values(next_nonce=first_free)
    )
