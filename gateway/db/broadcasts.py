"""Where transactions stand on their way, for people who wait for them."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from gateway.db import schema
from gateway.db.engine import Connection

_T: Final = schema.chain_transactions
_CURSORS: Final = schema.chain_cursors


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A transaction of ours: the block that took it, if one did, and the newest block that we know."""

    mined_number: int | None
    head_number: int | None

    @property
    def confirmations(self) -> int:
        """Blocks on top of it, its own included."""
        if self.mined_number is None or self.head_number is None:
            return 0
        return max(self.head_number - self.mined_number + 1, 1)


async def of(conn: Connection, transaction_id: str) -> Broadcast | None:
    """For workers and payers' pages: where a transaction stands; None when there is none."""
    query = (
        select(_T.c.mined_number, _CURSORS.c.head_number)
        .join_from(_T, _CURSORS, _T.c.chain_id == _CURSORS.c.chain_id, isouter=True)
        .where(_T.c.id == transaction_id)
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else Broadcast(row.mined_number, row.head_number)
