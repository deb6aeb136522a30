"""Payment methods by the wallets that they name, and how far each chain was searched for approvals."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, select

from chain.primitives import Address
from gateway.db import bulk, catalog, keys, rows, schema
from gateway.db.engine import Connection
from gateway.domain.catalog import PaymentMethod

_CURSORS: Final = schema.wallet_cursors
_METHODS: Final = schema.payment_methods

NOWHERE: Final = -1
"""Where the search of a chain stands before its first block."""


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


async def methods_of(
    conn: Connection, chain_id: int, wallets: Sequence[tuple[Address, Address]], *, lock: bool = False
) -> list[PaymentMethod]:
    """For workers: payment methods of any merchant that name one of these (token, owner)s, oldest first."""
    wanted = keys.as_table(
        conn,
        "wanted",
        token=(_METHODS.c.token.type, [token for token, _ in wallets]),
        owner=(_METHODS.c.owner.type, [owner for _, owner in wallets]),
    )
    same = and_(_METHODS.c.owner == wanted.c.owner, _METHODS.c.token == wanted.c.token)
    query = (
        select(_METHODS)
        .join_from(wanted, _METHODS, same)
        .where(_METHODS.c.chain_id == chain_id)
        .order_by(keys.sort_key(_METHODS.c.id))
    )
    return [catalog.method(row) for row in await conn.execute(rows.locked(query, _METHODS, lock=lock))]
