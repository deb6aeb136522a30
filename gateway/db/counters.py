"""Numbers without gaps, one row per merchant and mode.

A number is taken in the transaction that uses it: a roll-back gives it back. The row stays locked until the commit, so
take numbers as late as possible. Rows are locked in sorted order, so that two writers cannot wait for each other.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Table, and_, select, update

from gateway.db import bulk, keys, rows
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope


async def start(conn: Connection, table: Table, scopes: Sequence[Scope]) -> None:
    """Begin to count at 1, where nothing was counted yet."""
    await bulk.insert(conn, table, [{**rows.tenant(scope), "last": 0} for scope in scopes], ignore_known=True)


async def take(conn: Connection, table: Table, counts: Mapping[Scope, int]) -> dict[Scope, int]:
    """Take so many numbers for each; return the first of each.

    Raises:
        LookupError: one of the merchants does not exist.
    """
    scopes = sorted(counts, key=lambda scope: (scope.account_id, scope.livemode))
    wanted = keys.as_table(
        conn,
        "wanted",
        account_id=(table.c.account_id.type, [scope.account_id for scope in scopes]),
        livemode=(table.c.livemode.type, [scope.livemode for scope in scopes]),
        count=(table.c.last.type, [counts[scope] for scope in scopes]),
    )
    ordered = (
        select(table.c.account_id, table.c.livemode, wanted.c.count)
        .join_from(
            table, wanted, and_(table.c.account_id == wanted.c.account_id, table.c.livemode == wanted.c.livemode)
        )
        .order_by(table.c.account_id, table.c.livemode)
        .with_for_update(key_share=True, of=table)
        .cte("ordered")
    )
    statement = (
        update(table)
        .where(table.c.account_id == ordered.c.account_id, table.c.livemode == ordered.c.livemode)
        .values(last=table.c.last + ordered.c.count)
        .returning(table.c.account_id, table.c.livemode, table.c.last)
    )
    lasts = {Scope(row.account_id, row.livemode): row.last for row in await conn.execute(statement)}
    missing = [scope for scope in scopes if scope not in lasts]
    if missing:
        raise LookupError(f"no counter for {missing[0]} in {table.name}: the account was never added")
    return {scope: lasts[scope] - counts[scope] + 1 for scope in scopes}
