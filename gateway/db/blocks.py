"""The chain as it was followed: where the indexer stands, the newest blocks, the contract's events.

No merchant owns these rows. Logs, blocks and cursor change in one transaction, so that the cursor never lies.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, delete, or_, select, update

from chain.primitives import (
    Address,
    BlockRef,
    Canceled,
    Charged,
    ChargeFailed,
    ContractEvent,
    FailReason,
    Hash32,
    Header,
    LogPosition,
    MandateId,
    Subscribed,
)
from gateway.db import bulk, keys, rows, schema
from gateway.db.engine import Connection
from gateway.db.tables.chain import LogKind

KEPT_BLOCKS: Final = 256
"""Blocks that are kept below the final one: for people, and for a finality that was declared too early."""

_CURSORS: Final = schema.chain_cursors
_BLOCKS: Final = schema.blocks
_LOGS: Final = schema.chain_logs


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the indexer stands. `head` is the last block taken in; logs up to `final_number` can be settled."""

    chain_id: int
    head: BlockRef | None = None
    final_number: int | None = None
    halted_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLog:
    """An event of the contract; `settled_at` when its meaning was written into the books."""

    id: int
    event: ContractEvent
    settled_at: datetime | None = None


async def cursor(conn: Connection, chain_id: int, *, lock: bool = False) -> Cursor:
    """Where the indexer of a chain stands; a chain that was never followed stands nowhere.

    `lock` keeps other indexers of the chain waiting until the transaction ends.
    """
    query = rows.locked(select(_CURSORS).where(_CURSORS.c.chain_id == chain_id), _CURSORS, lock=lock)
    row = (await conn.execute(query)).one_or_none()
    if row is None and lock:
        await bulk.insert(conn, _CURSORS, [_cursor_row(Cursor(chain_id=chain_id))], ignore_known=True)
        row = (await conn.execute(query)).one()
    return Cursor(chain_id=chain_id) if row is None else as_cursor(row)


async def recent(conn: Connection, chain_id: int, from_number: int) -> dict[int, Hash32]:
    """Hashes of the blocks from `from_number` on that are kept, by number."""
    query = (
        select(_BLOCKS.c.number, _BLOCKS.c.hash)
        .where(_BLOCKS.c.chain_id == chain_id, _BLOCKS.c.number >= from_number)
        .order_by(_BLOCKS.c.number)
    )
    return {row.number: row.hash for row in await conn.execute(query)}


async def append(
    conn: Connection,
    chain_id: int,
    headers: Sequence[Header],
    logs: Sequence[ContractEvent],
    *,
    final_number: int | None = None,
) -> None:
    """Take blocks in, with their events; the cursor stands on the last of them.

    `headers` ascend and may leave blocks out that are final anyway; events of those are taken all the same. Up to
    `final_number` everything is final now; the caller holds the cursor's lock and knows that it does not go back.

    Raises:
        ConstraintBroken: a block or an event was taken in before.
    """
    if not headers:
        return
    head = headers[-1]
    await bulk.insert(conn, _BLOCKS, [_block_row(chain_id, header) for header in headers])
    await bulk.insert(conn, _LOGS, [_log_row(chain_id, event) for event in logs])
    moved = update(_CURSORS).where(_CURSORS.c.chain_id == chain_id)
    stands: dict[str, Any] = {"head_number": head.number, "head_hash": head.hash}
    if final_number is not None:
        stands["final_number"] = final_number
    stood = await conn.execute(moved.values(**stands))
    if stood.rowcount == 0:
        start = Cursor(chain_id=chain_id, head=head.ref, final_number=final_number)
        await bulk.insert(conn, _CURSORS, [_cursor_row(start)])


async def add_missing(conn: Connection, chain_id: int, logs: Sequence[ContractEvent]) -> int:
    """Take in those of these events that are not there yet, of blocks that were taken in before; return how many."""
    numbers = sorted({event.at.block_number for event in logs})
    query = select(_LOGS.c.block_number, _LOGS.c.log_index).where(
        _LOGS.c.chain_id == chain_id, keys.any_of(_LOGS.c.block_number, numbers)
    )
    known = {(row.block_number, row.log_index) for row in await conn.execute(query)}
    missing = [event for event in logs if (event.at.block_number, event.at.log_index) not in known]
    await bulk.insert(conn, _LOGS, [_log_row(chain_id, event) for event in missing], ignore_known=True)
    return len(missing)


async def unwind(conn: Connection, chain_id: int, above_number: int) -> None:
    """Forget blocks and events above a number; the cursor stands on the block of that number, if it is kept.

    Raises:
        ValueError: that would take back what is final.
    """
    current = await cursor(conn, chain_id, lock=True)
    if current.final_number is not None and above_number < current.final_number:
        raise ValueError(f"cannot unwind chain {chain_id} to {above_number}: {current.final_number} is final")
    await conn.execute(delete(_LOGS).where(_LOGS.c.chain_id == chain_id, _LOGS.c.block_number > above_number))
    await conn.execute(delete(_BLOCKS).where(_BLOCKS.c.chain_id == chain_id, _BLOCKS.c.number > above_number))
    query = select(_BLOCKS).where(_BLOCKS.c.chain_id == chain_id).order_by(_BLOCKS.c.number.desc()).limit(1)
    row = (await conn.execute(query)).one_or_none()
    head = None if row is None else BlockRef(row.number, row.hash)
    await bulk.update(
        conn,
        _CURSORS,
        [{"chain_id": chain_id, "head_number": head and head.number, "head_hash": head and head.hash}],
        key="chain_id",
    )


async def rewind(conn: Connection, chain_id: int, ancestor: BlockRef) -> None:
    """Forget everything above a block, whether it was final or not; the cursor stands there, and that is final."""
    await conn.execute(delete(_LOGS).where(_LOGS.c.chain_id == chain_id, _LOGS.c.block_number > ancestor.number))
    await conn.execute(delete(_BLOCKS).where(_BLOCKS.c.chain_id == chain_id, _BLOCKS.c.number > ancestor.number))
    stand = {"head_number": ancestor.number, "head_hash": ancestor.hash, "final_number": ancestor.number}
    await bulk.update(conn, _CURSORS, [{"chain_id": chain_id, **stand}], key="chain_id")


async def set_final(conn: Connection, chain_id: int, number: int) -> None:
    """Everything up to `number` is final; it never becomes less."""
    await conn.execute(
        update(_CURSORS)
        .where(
            _CURSORS.c.chain_id == chain_id,
            or_(_CURSORS.c.final_number.is_(None), _CURSORS.c.final_number < number),
        )
        .values(final_number=number)
    )


async def forget(conn: Connection, chain_id: int, number: int) -> None:
    """Forget blocks far below `number`, which is final."""
    await conn.execute(delete(_BLOCKS).where(_BLOCKS.c.chain_id == chain_id, _BLOCKS.c.number < number - KEPT_BLOCKS))


async def halt(conn: Connection, chain_id: int, reason: str) -> None:
    """Follow and charge no further until a person resumes; the first reason stays."""
    await cursor(conn, chain_id, lock=True)
    await conn.execute(
        update(_CURSORS)
        .where(_CURSORS.c.chain_id == chain_id, _CURSORS.c.halted_reason.is_(None))
        .values(halted_reason=reason)
    )


async def unsettled(conn: Connection, chain_id: int, *, up_to_number: int, limit: int) -> list[StoredLog]:
    """Events that are not settled, in the order of the chain, up to a block."""
    query = (
        select(_LOGS)
        .where(_LOGS.c.chain_id == chain_id, _LOGS.c.block_number <= up_to_number, _LOGS.c.settled_at.is_(None))
        .order_by(_LOGS.c.block_number, _LOGS.c.log_index)
        .limit(limit)
    )
    return [_stored(row) for row in await conn.execute(query)]


async def mark_settled(conn: Connection, ids: Iterable[int], *, now: datetime) -> None:
    """The meaning of these events is in the books."""
    await conn.execute(update(_LOGS).where(keys.any_of(_LOGS.c.id, ids)).values(settled_at=now))


async def find_charged(
    conn: Connection, chain_id: int, periods: Sequence[tuple[MandateId, int]]
) -> dict[tuple[MandateId, int], StoredLog]:
    """Collections of these (mandate, period)s that were seen, final or not."""
    wanted = keys.as_table(
        conn,
        "wanted",
        mandate_id=(_LOGS.c.mandate_id.type, [mandate_id for mandate_id, _ in periods]),
        period=(_LOGS.c.period.type, [period for _, period in periods]),
    )
    same = and_(_LOGS.c.mandate_id == wanted.c.mandate_id, _LOGS.c.period == wanted.c.period)
    query = (
        select(_LOGS)
        .join_from(_LOGS, wanted, same)
        .where(_LOGS.c.chain_id == chain_id, _LOGS.c.kind == LogKind.CHARGED)
        .order_by(_LOGS.c.id)
    )
    return {(row.mandate_id, row.period): _stored(row) for row in await conn.execute(query)}


async def charged_in(conn: Connection, chain_id: int, numbers: Iterable[int]) -> list[Charged]:
    """Collections that were seen in these blocks, in the order of the chain."""
    query = (
        select(_LOGS)
        .where(
            _LOGS.c.chain_id == chain_id,
            keys.any_of(_LOGS.c.block_number, numbers),
            _LOGS.c.kind == LogKind.CHARGED,
        )
        .order_by(_LOGS.c.block_number, _LOGS.c.log_index)
    )
    events = [_stored(row).event for row in await conn.execute(query)]
    return [event for event in events if isinstance(event, Charged)]


async def of_mandates(conn: Connection, chain_id: int, mandate_ids: Iterable[MandateId]) -> list[StoredLog]:
    """Everything that was seen of these mandates, in the order of the chain."""
    query = (
        select(_LOGS)
        .where(_LOGS.c.chain_id == chain_id, keys.any_of(_LOGS.c.mandate_id, mandate_ids))
        .order_by(_LOGS.c.block_number, _LOGS.c.log_index)
    )
    return [_stored(row) for row in await conn.execute(query)]


def _cursor_row(value: Cursor) -> bulk.Row:
    return {
        "chain_id": value.chain_id,
        "head_number": None if value.head is None else value.head.number,
        "head_hash": None if value.head is None else value.head.hash,
        "final_number": value.final_number,
        "halted_reason": value.halted_reason,
    }


def as_cursor(row: Any) -> Cursor:
    """A cursor from its row."""
    return Cursor(
        chain_id=row.chain_id,
        head=None if row.head_hash is None else BlockRef(row.head_number, row.head_hash),
        final_number=row.final_number,
        halted_reason=row.halted_reason,
    )


def _block_row(chain_id: int, header: Header) -> bulk.Row:
    return {
        "chain_id": chain_id,
        "number": header.number,
        "hash": header.hash,
        "timestamp_seconds": header.timestamp,
    }


def _log_row(chain_id: int, event: ContractEvent) -> bulk.Row:
    kind, period, amount, detail = _content(event)
    return {
        "chain_id": chain_id,
        "block_number": event.at.block_number,
        "log_index": event.at.log_index,
        "block_hash": event.at.block_hash,
        "transaction_hash": event.at.transaction_hash,
        "kind": kind,
        "mandate_id": event.mandate_id,
        "period": period,
        "amount": amount,
        "detail": detail,
        "settled_at": None,
    }


def _content(event: ContractEvent) -> tuple[LogKind, int | None, int | None, Mapping[str, Any] | None]:
    match event:
        case Charged():
            return LogKind.CHARGED, event.period, event.amount, None
        case ChargeFailed():
            detail = {"reason": int(event.reason), "token_error": event.token_error.hex()}
            return LogKind.CHARGE_FAILED, event.period, None, detail
        case Subscribed():
            terms = {
                "payer": event.payer,
                "plan_id": event.plan_id,
                "start": event.start,
                "periods": event.periods,
            }
            return LogKind.SUBSCRIBED, None, None, terms
        case Canceled():
            return LogKind.CANCELED, None, None, {"by": event.by}


def _charged(row: Any, at: LogPosition) -> Charged:
    return Charged(at=at, mandate_id=row.mandate_id, period=row.period, amount=row.amount)


def _charge_failed(row: Any, at: LogPosition) -> ChargeFailed:
    return ChargeFailed(
        at=at,
        mandate_id=row.mandate_id,
        period=row.period,
        reason=FailReason(row.detail["reason"]),
        token_error=bytes.fromhex(row.detail["token_error"]),
    )


def _subscribed(row: Any, at: LogPosition) -> Subscribed:
    return Subscribed(
        at=at,
        mandate_id=row.mandate_id,
        payer=Address(row.detail["payer"]),
        plan_id=row.detail["plan_id"],
        start=row.detail["start"],
        periods=row.detail["periods"],
    )


def _canceled(row: Any, at: LogPosition) -> Canceled:
    return Canceled(at=at, mandate_id=row.mandate_id, by=Address(row.detail["by"]))


_READERS: Final[Mapping[LogKind, Callable[[Any, LogPosition], ContractEvent]]] = {
    LogKind.CHARGED: _charged,
    LogKind.CHARGE_FAILED: _charge_failed,
    LogKind.SUBSCRIBED: _subscribed,
    LogKind.CANCELED: _canceled,
}


def _stored(row: Any) -> StoredLog:
    at = LogPosition(
        block_number=row.block_number,
        block_hash=row.block_hash,
        transaction_hash=row.transaction_hash,
        log_index=row.log_index,
    )
    return StoredLog(id=row.id, event=_READERS[row.kind](row, at), settled_at=row.settled_at)
