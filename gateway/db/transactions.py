"""What is sent: lanes, transactions, and the signed bytes of every attempt. No merchant owns these rows.

A lane is one signer on one chain. A nonce is taken from its row in the transaction that stores the bytes signed with
it: there is no nonce without bytes, and no gap.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, func, or_, select, text, update

from chain.primitives import Address, BlockRef, Fees, Hash32, SendResult, SignedTransaction, TransactionRequest
from gateway.db import bulk, keys, rows, schema
from gateway.db.engine import Connection
from gateway.db.errors import LeaseLost, WriteConflict
from gateway.db.tables.chain import Purpose, TransactionStatus

__all__ = [
    "ChainTransaction",
    "Lane",
    "Purpose",
    "TransactionAttempt",
    "TransactionStatus",
    "add_attempts",
    "add_many",
    "by_hashes",
    "check_lease",
    "count_open",
    "halt_lane",
    "lock_lane",
    "mark_sent",
    "open_lane",
    "open_of_lane",
    "release_lane",
    "reserve",
    "save_many",
    "take_lane",
]

LEASE: Final = timedelta(seconds=20)
"""How long a lane stays with a worker that died."""

_LANES: Final = schema.lanes
_T: Final = schema.chain_transactions
_ATTEMPTS: Final = schema.transaction_attempts
# As the partial index says it, so that it serves.
_IN_FLIGHT: Final = text("chain_transactions.status IN ('open', 'mined')")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One signer on one chain. `next_nonce` is the first that no stored transaction has."""

    chain_id: int
    signer: Address
    next_nonce: int
    owner: str | None = None
    leased_until: datetime | None = None
    halted_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTransaction:
    """What is to happen at one nonce.

    Attributes:
        wanted: False when its purpose is gone and only its nonce must be used up, by a no-op.
        used_since_block: head at which the nonce was first seen used without a receipt of ours.
        mined_block: block of the receipt that was found last; None after a re-org took it away.
        succeeded: what the receipt says, once the block is final.
    """

    id: str
    chain_id: int
    signer: Address
    nonce: int
    to: Address
    data: bytes
    gas: int
    purpose: Purpose
    status: TransactionStatus
    created_at: datetime
    wanted: bool = True
    used_since_block: int | None = None
    mined_block: BlockRef | None = None
    succeeded: bool | None = None

    @classmethod
    def planned(
        cls,
        transaction_id: str,
        signer: Address,
        request: TransactionRequest,
        *,
        purpose: Purpose,
        created_at: datetime,
    ) -> Self:
        """Return the open transaction that a request describes."""
        return cls(
            id=transaction_id,
            chain_id=request.chain_id,
            signer=signer,
            nonce=request.nonce,
            to=request.to,
            data=request.data,
            gas=request.gas,
            purpose=purpose,
            status=TransactionStatus.OPEN,
            created_at=created_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionAttempt:
    """Signed bytes. Heads of the chain: `made_at_block` when it was signed, `sent_at_block` when it was last sent."""

    hash: Hash32
    transaction_id: str
    raw: bytes
    fees: Fees
    made_at_block: int
    created_at: datetime
    is_noop: bool = False
    sent_at: datetime | None = None
    sent_at_block: int | None = None
    send_count: int = 0
    last_result: SendResult | None = None
    last_error: str | None = None

    @classmethod
    def of(cls, transaction: ChainTransaction, signed: SignedTransaction, fees: Fees, *, made_at_block: int) -> Self:
        """Return the first attempt of a transaction, not sent yet."""
        return cls(
            hash=signed.hash,
            transaction_id=transaction.id,
            raw=signed.raw,
            fees=fees,
            made_at_block=made_at_block,
            created_at=transaction.created_at,
        )


async def open_lane(conn: Connection, chain_id: int, signer: Address, first_nonce: int) -> None:
    """Make the lane, unless it is known: then its own nonce counts and `first_nonce` does not."""
    row = {
        "chain_id": chain_id,
        "signer": signer,
        "next_nonce": first_nonce,
        "owner": None,
        "leased_until": None,
        "halted_reason": None,
    }
    await bulk.insert(conn, _LANES, [row], ignore_known=True)


async def lock_lane(conn: Connection, chain_id: int, signer: Address) -> Lane | None:
    """Lock a lane's row until the transaction ends, whoever holds its lease; None when it was never opened."""
    query = rows.locked(select(_LANES).where(_is_lane(chain_id, signer)), _LANES, lock=True)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else as_lane(row)


async def take_lane(
    conn: Connection, chain_id: int, signer: Address, *, owner: str, now: datetime, lease: timedelta = LEASE
) -> Lane | None:
    """Take or extend the lease of a lane, halted or not; None while another has it, or when it was never opened."""
    statement = (
        update(_LANES)
        .where(
            _is_lane(chain_id, signer),
            or_(_LANES.c.owner.is_(None), _LANES.c.owner == owner, _LANES.c.leased_until <= now),
        )
        .values(owner=owner, leased_until=now + lease)
        .returning(_LANES)
    )
    row = (await conn.execute(statement)).one_or_none()
    return None if row is None else as_lane(row)


async def check_lease(conn: Connection, lane: Lane) -> None:
    """Lock the lane's row and make sure that nobody has taken it since `lane` was; until the commit nobody can.

    Raises:
        LeaseLost: the lease ran out and somebody has taken it.
    """
    current = await lock_lane(conn, lane.chain_id, lane.signer)
    if current is None or (current.owner, current.leased_until) != (lane.owner, lane.leased_until):
        raise LeaseLost(f"the lane of {lane.signer} on chain {lane.chain_id} is no longer held by {lane.owner}")


async def release_lane(conn: Connection, lane: Lane) -> None:
    """Give a lease back, if it still is this owner's."""
    await conn.execute(
        update(_LANES)
        .where(_is_lane(lane.chain_id, lane.signer), _LANES.c.owner == lane.owner)
        .values(owner=None, leased_until=None)
    )


async def halt_lane(conn: Connection, chain_id: int, signer: Address, reason: str) -> None:
    """Send nothing more from this lane until a person resumes it; the first reason stays."""
    await conn.execute(
        update(_LANES).where(_is_lane(chain_id, signer), _LANES.c.halted_reason.is_(None)).values(halted_reason=reason)
    )


async def reserve(conn: Connection, lane: Lane, count: int) -> int:
    """Take `count` nonces of a lane that this transaction has locked; return the first.

    Raises:
        WriteConflict: the lane has moved on since it was read, or is halted.
    """
    statement = (
        update(_LANES)
        .where(
            _is_lane(lane.chain_id, lane.signer),
            _LANES.c.next_nonce == lane.next_nonce,
            _LANES.c.halted_reason.is_(None),
        )
        .values(next_nonce=_LANES.c.next_nonce + count)
    )
    if (await conn.execute(statement)).rowcount != 1:
        raise WriteConflict(f"the lane of {lane.signer} on chain {lane.chain_id} has moved on")
    return lane.next_nonce


async def add_many(conn: Connection, planned: Sequence[tuple[ChainTransaction, TransactionAttempt]]) -> None:
    """Write transactions down, each with the bytes of its first attempt.

    Raises:
        ConstraintBroken: `uq_chain_transactions_nonce`: the nonce has its transaction.
    """
    await bulk.insert(conn, _T, [_transaction_row(transaction) for transaction, _ in planned])
    await add_attempts(conn, [attempt for _, attempt in planned])


async def add_attempts(conn: Connection, attempts: Sequence[TransactionAttempt]) -> None:
    """Write the bytes of further attempts down."""
    await bulk.insert(conn, _ATTEMPTS, [_attempt_row(attempt) for attempt in attempts])


async def save_many(conn: Connection, transactions: Sequence[ChainTransaction]) -> int:
    """Write what is known of transactions now; returns how many of them have changed."""
    ids = [transaction.id for transaction in transactions]
    stored = {row.id: _transaction(row) for row in await rows.fetch(conn, _T, ids, lock=True)}
    changed = [transaction for transaction in transactions if stored.get(transaction.id) != transaction]
    fields = ("id", "status", "wanted", "used_since_block", "mined_number", "mined_hash", "succeeded")
    written = [{name: row[name] for name in fields} for row in map(_transaction_row, changed)]
    await bulk.update(conn, _T, written)
    return len(changed)


async def mark_sent(conn: Connection, attempts: Sequence[TransactionAttempt]) -> None:
    """Write what came of sending."""
    fields = ("hash", "sent_at", "sent_at_block", "send_count", "last_result", "last_error")
    written = [{name: row[name] for name in fields} for row in map(_attempt_row, attempts)]
    await bulk.update(conn, _ATTEMPTS, written, key="hash")


async def open_of_lane(
    conn: Connection, chain_id: int, signer: Address
) -> list[tuple[ChainTransaction, list[TransactionAttempt]]]:
    """Transactions of a lane that are not final, lowest nonce first, each with its attempts, oldest first."""
    query = select(_T).where(_T.c.chain_id == chain_id, _T.c.signer == signer, _IN_FLIGHT).order_by(_T.c.nonce)
    transactions = [_transaction(row) for row in await conn.execute(query)]
    if not transactions:
        return []
    attempts = await _attempts_of(conn, [transaction.id for transaction in transactions])
    return [(transaction, attempts.get(transaction.id, [])) for transaction in transactions]


async def count_open(conn: Connection, chain_id: int, signer: Address) -> int:
    """How many transactions of a lane are not mined yet."""
    query = select(func.count()).where(
        _T.c.chain_id == chain_id, _T.c.signer == signer, _IN_FLIGHT, _T.c.status == TransactionStatus.OPEN
    )
    return (await conn.execute(query)).scalar_one()


async def by_hashes(conn: Connection, hashes: Iterable[Hash32]) -> dict[Hash32, ChainTransaction]:
    """Transactions to which these attempts belong, by the attempt's hash."""
    query = (
        select(_T, _ATTEMPTS.c.hash)
        .join_from(_ATTEMPTS, _T, _ATTEMPTS.c.transaction_id == _T.c.id)
        .where(keys.any_of(_ATTEMPTS.c.hash, hashes))
    )
    return {row.hash: _transaction(row) for row in await conn.execute(query)}


async def _attempts_of(conn: Connection, ids: Sequence[str]) -> dict[str, list[TransactionAttempt]]:
    found: dict[str, list[TransactionAttempt]] = {}
    query = select(_ATTEMPTS).where(keys.any_of(_ATTEMPTS.c.transaction_id, ids))
    for row in await conn.execute(query):
        found.setdefault(row.transaction_id, []).append(_attempt(row))
    return {key: sorted(attempts, key=_age) for key, attempts in found.items()}


def _age(attempt: TransactionAttempt) -> tuple[int, datetime, int]:
    # Replacements are dearer each time: the fee orders attempts of one moment.
    return attempt.made_at_block, attempt.created_at, attempt.fees.max_fee_per_gas


def _is_lane(chain_id: int, signer: Address) -> ColumnElement[bool]:
    return (_LANES.c.chain_id == chain_id) & (_LANES.c.signer == signer)


def as_lane(row: Any) -> Lane:
    """A lane from its row."""
    return Lane(
        chain_id=row.chain_id,
        signer=row.signer,
        next_nonce=row.next_nonce,
        owner=row.owner,
        leased_until=row.leased_until,
        halted_reason=row.halted_reason,
    )


def _transaction_row(value: ChainTransaction) -> bulk.Row:
    return {
        "id": value.id,
        "chain_id": value.chain_id,
        "signer": value.signer,
        "nonce": value.nonce,
        "to": value.to,
        "data": value.data,
        "gas": value.gas,
        "purpose": value.purpose,
        "status": value.status,
        "created_at": value.created_at,
        "wanted": value.wanted,
        "used_since_block": value.used_since_block,
        "mined_number": None if value.mined_block is None else value.mined_block.number,
        "mined_hash": None if value.mined_block is None else value.mined_block.hash,
        "succeeded": value.succeeded,
    }


def _transaction(row: Any) -> ChainTransaction:
    return ChainTransaction(
        id=row.id,
        chain_id=row.chain_id,
        signer=row.signer,
        nonce=row.nonce,
        to=row.to,
        data=row.data,
        gas=row.gas,
        purpose=row.purpose,
        status=row.status,
        created_at=row.created_at,
        wanted=row.wanted,
        used_since_block=row.used_since_block,
        mined_block=None if row.mined_hash is None else BlockRef(row.mined_number, row.mined_hash),
        succeeded=row.succeeded,
    )


def _attempt_row(value: TransactionAttempt) -> bulk.Row:
    return {
        "hash": value.hash,
        "transaction_id": value.transaction_id,
        "raw": value.raw,
        "max_fee_per_gas": value.fees.max_fee_per_gas,
        "max_priority_fee_per_gas": value.fees.max_priority_fee_per_gas,
        "made_at_block": value.made_at_block,
        "created_at": value.created_at,
        "is_noop": value.is_noop,
        "sent_at": value.sent_at,
        "sent_at_block": value.sent_at_block,
        "send_count": value.send_count,
        "last_result": value.last_result,
        "last_error": value.last_error,
    }


def _attempt(row: Any) -> TransactionAttempt:
    return TransactionAttempt(
        hash=row.hash,
        transaction_id=row.transaction_id,
        raw=row.raw,
        fees=Fees(max_fee_per_gas=row.max_fee_per_gas, max_priority_fee_per_gas=row.max_priority_fee_per_gas),
        made_at_block=row.made_at_block,
        created_at=row.created_at,
        is_noop=row.is_noop,
        sent_at=row.sent_at,
        sent_at_block=row.sent_at_block,
        send_count=row.send_count,
        last_result=row.last_result,
        last_error=row.last_error,
    )
