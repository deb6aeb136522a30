"""One step in the lives of the transactions of one lane (chain, signer): look, decide, write down, send, write down.

Bytes are committed before they are sent, and only a receipt decides what became of them; what a node answers to a
send is kept for people and for the next decision about fees, never as an outcome. Which transactions there are is not
decided here: `gateway.services.collection` plans and signs them.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chain import lifecycle
from chain.fees import NOOP_GAS, FeePolicy, market_fees
from chain.lifecycle import LifecyclePolicy
from chain.port import ChainPort
from chain.primitives import (
    Address,
    BlockTag,
    Fees,
    Hash32,
    Header,
    Receipt,
    SendResult,
    TransactionRequest,
)
from chain.signer import Signer
from gateway.db import blocks, halts, transactions
from gateway.db.engine import Connection
from gateway.db.errors import WriteConflict
from gateway.db.transactions import ChainTransaction, Lane, TransactionAttempt, TransactionStatus
from gateway.failpoints import Failpoint, failpoint
from gateway.services.gateway import Gateway, Network

LEASE: Final = timedelta(seconds=20)
"""How long a lane stays with a worker that died; longer than a step, whose calls all have shorter time limits."""
IN_FLIGHT_MAX: Final = 16  # unmined transactions of one account: geth guarantees an account sixteen places in its pool
WATCHED_MAX: Final = 256  # transactions looked at in one step: all in flight, and those that wait for confirmations
RESEND_UNKNOWN_AFTER: Final = timedelta(seconds=2)  # the send's answer was lost: perhaps it never arrived
RESEND_AFTER: Final = timedelta(seconds=60)  # a chain that makes no blocks would otherwise never be asked again

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A transaction with all its attempts, oldest first."""

    transaction: ChainTransaction
    attempts: tuple[TransactionAttempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sight:
    """What this step has seen of the chain; `canonical` has the hashes of the blocks that hold receipts."""

    network: Network
    head: Header
    finalized: int
    used_nonces: int
    receipts: Mapping[Hash32, Receipt]
    canonical: Mapping[int, Hash32]

    def receipt_of(self, entry: _Entry) -> Receipt | None:
        """Receipt of whichever attempt was mined, if its block is canonical."""
        for attempt in entry.attempts:
            receipt = self.receipts.get(attempt.hash)
            if receipt is not None and self.canonical.get(receipt.block.number) == receipt.block.hash:
                return receipt
        return None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a step does with one transaction: its new row, a new attempt to write down, an attempt to send."""

    transaction: ChainTransaction
    made: TransactionAttempt | None = None
    send: TransactionAttempt | None = None
    alarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Everything that a step does: rows that changed, new bytes, bytes that leave, what a person must see."""

    changed: tuple[ChainTransaction, ...]
    made: tuple[TransactionAttempt, ...]
    sending: tuple[TransactionAttempt, ...]
    alarms: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.changed or self.made or self.sending or self.alarms)

    def without_sending(self) -> "_Step":
        """What a halted lane still does: it writes down what it sees."""
        return replace(self, made=(), sending=())


async def open_lane(gateway: Gateway, chain: ChainPort, signer: Signer) -> None:
    """Make sure that the lane exists and begins at the account's next free nonce. Idempotent.

    A lane with nothing in flight that stands behind the chain is moved forward: its books were restored from a backup,
    or its key signs elsewhere. What those nonces did is in the contract's events, so nothing is charged twice.

    Raises:
        RpcUnavailable: the node could not be asked.
    """
    first_nonce = await chain.nonce(signer.address, BlockTag.LATEST)
    async with gateway.books.write() as conn:
        await transactions.open_lane(conn, chain.chain_id, signer.address, first_nonce)
        await catch_up(conn, chain.chain_id, signer.address, first_nonce)


async def catch_up(conn: Connection, chain_id: int, signer: Address, first_free: int) -> int:
    """Give up the nonces that the chain has seen used without us; return how many. Only if nothing is in flight."""
    lane = await transactions.lock_lane(conn, chain_id, signer)
    if lane is None or lane.next_nonce >= first_free or await transactions.count_open(conn, chain_id, signer):
        return 0
    await halts.skip_nonces(conn, lane, first_free)
    skipped = first_free - lane.next_nonce
    facts = {"chain_id": chain_id, "signer": signer, "nonce": lane.next_nonce, "skipped": skipped}
    _log.error("nonces were used without this gateway: restored books, or a key that signs elsewhere", extra=facts)
    return skipped


async def advance(gateway: Gateway, chain: ChainPort, signer: Signer, *, now: datetime, owner: str) -> int:
    """Take one bounded, idempotent step for the lane; returns how many transactions moved or were sent.

    Anybody may look and write down what a receipt says; only the holder of the lane's lease sends, `owner` being its
    name. A halted lane, or one of a halted chain, is still watched, but nothing of it is sent.

    Raises:
        RpcUnavailable: nothing was decided; the same step later does the same.
        WriteConflict: somebody else was faster; nothing was decided.
    """
    async with gateway.books.read() as conn:
        entries = await _entries(conn, chain.chain_id, signer)
        cursor = await blocks.cursor(conn, chain.chain_id)
    if not entries:
        return 0
    finalized = -1 if cursor.final_number is None else cursor.final_number
    sight = await _look(gateway.networks[chain.chain_id], chain, signer, entries, finalized)
    failpoint(Failpoint.RECEIPTS_READ)
    step = _step(entries, _decide(entries, sight, signer, now))
    if cursor.halted_reason is not None:
        step = step.without_sending()
    if step.is_empty:
        return 0
    async with gateway.books.write() as conn:
        lane = await _lane(conn, chain, signer, step, owner=owner, now=now)
        if lane is None:
            return 0
        if await _entries(conn, chain.chain_id, signer) != entries:
            raise WriteConflict("the lane's transactions have changed since they were read")
        if lane.halted_reason is not None:
            step = step.without_sending()
        await _write_down(conn, lane, step)
        failpoint(Failpoint.TRANSACTION_STATUS_WRITTEN)
    failpoint(Failpoint.TRANSACTION_STATUS_COMMITTED)
    if step.made:
        failpoint(Failpoint.REPLACEMENT_COMMITTED)
    _tell(lane, step)
    if step.sending:
        await _send(gateway, chain, lane, step.sending, head=sight.head, now=now)
    return len(step.changed) + len(step.sending)


def _step(entries: Sequence[_Entry], outcomes: Sequence[_Outcome]) -> _Step:
    before = {entry.transaction.id: entry.transaction for entry in entries}
    alarms = tuple(outcome.alarm for outcome in outcomes if outcome.alarm is not None)
    step = _Step(
        changed=tuple(o.transaction for o in outcomes if o.transaction != before[o.transaction.id]),
        made=tuple(outcome.made for outcome in outcomes if outcome.made is not None),
        sending=tuple(outcome.send for outcome in outcomes if outcome.send is not None),
        alarms=alarms,
    )
    return step.without_sending() if alarms else step


async def _lane(
    conn: Connection, chain: ChainPort, signer: Signer, step: _Step, *, owner: str, now: datetime
) -> Lane | None:
    """The lane's row, locked; with its lease if this step sends. None while somebody else sends."""
    if not step.sending:
        return await transactions.lock_lane(conn, chain.chain_id, signer.address)
    return await transactions.take_lane(conn, chain.chain_id, signer.address, owner=owner, now=now, lease=LEASE)


async def _entries(conn: Connection, chain_id: int, signer: Signer) -> list[_Entry]:
    rows = await transactions.open_of_lane(conn, chain_id, signer.address)
    return [_Entry(transaction, tuple(attempts)) for transaction, attempts in rows[:WATCHED_MAX]]


async def _look(
    network: Network, chain: ChainPort, signer: Signer, entries: Sequence[_Entry], finalized: int
) -> _Sight:
    head = await chain.head()
    hashes = [attempt.hash for entry in entries for attempt in entry.attempts]
    found = await chain.receipts(hashes)
    receipts = {wanted: receipt for wanted, receipt in zip(hashes, found, strict=True) if receipt is not None}
    numbers = sorted({receipt.block.number for receipt in receipts.values()})
    headers = await chain.headers(numbers) if numbers else []
    missing = any(not any(attempt.hash in receipts for attempt in entry.attempts) for entry in entries)
    return _Sight(
        network=network,
        head=head,
        finalized=finalized,
        used_nonces=await chain.nonce(signer.address, BlockTag.LATEST) if missing else 0,
        receipts=receipts,
        canonical={header.number: header.hash for header in headers if header is not None},
    )


def _decide(entries: Sequence[_Entry], sight: _Sight, signer: Signer, now: datetime) -> list[_Outcome]:
    outcomes = []
    in_flight = 0
    for entry in entries:
        decision = _next_step(entry, sight)
        if not isinstance(decision, lifecycle.Mined | lifecycle.Finalized | lifecycle.Lost):
            in_flight += 1
        if in_flight > IN_FLIGHT_MAX and isinstance(decision, lifecycle.Broadcast):
            continue
        outcomes.append(_outcome(entry, decision, sight, signer, now))
    return outcomes


def _next_step(entry: _Entry, sight: _Sight) -> lifecycle.Decision:
    transaction = entry.transaction
    market = market_fees(
        sight.head.base_fee_per_gas,
        FeePolicy(tip=min(sight.network.tip, sight.network.fee_cap), cap=sight.network.fee_cap),
    )
    facts = lifecycle.TransactionFacts(
        nonce=transaction.nonce,
        attempts=tuple(
            lifecycle.Attempt(
                hash=attempt.hash,
                fees=attempt.fees,
                made_block=attempt.made_at_block,
                sent_block=attempt.sent_at_block,
                last_result=attempt.last_result,
                is_noop=attempt.is_noop,
            )
            for attempt in entry.attempts
        ),
        receipt=sight.receipt_of(entry),
        head=sight.head.number,
        finalized=sight.finalized,
        finalized_nonce=sight.used_nonces,
        used_since=transaction.used_since_block,
        base_fee=sight.head.base_fee_per_gas,
        market=market,
        fee_cap=sight.network.fee_cap,
        wanted=transaction.wanted,
    )
    # Nonces are counted at the head, so a use of ours that a re-org takes back must have had time to come again.
    patience = max(lifecycle.LOST_AFTER_BLOCKS, sight.network.confirmations)
    return lifecycle.next_step(facts, LifecyclePolicy(lost_after=patience))


def _outcome(entry: _Entry, step: lifecycle.Decision, sight: _Sight, signer: Signer, now: datetime) -> _Outcome:
    transaction, newest = entry.transaction, entry.attempts[-1]
    match step:
        case lifecycle.Finalized(receipt):
            outcome = _Outcome(_with(transaction, TransactionStatus.FINAL, receipt, succeeded=receipt.succeeded))
        case lifecycle.Mined(receipt):
            outcome = _Outcome(_with(transaction, TransactionStatus.MINED, receipt))
        case lifecycle.Lost(nonce):
            alarm = f"nonce {nonce} was used by a transaction that is not ours: the key signs elsewhere"
            outcome = _Outcome(_with(transaction, TransactionStatus.LOST), alarm=alarm)
        case lifecycle.Replace(fees):
            made = _signed(transaction, signer, fees, sight.head, now, is_noop=False)
            outcome = _Outcome(_with(transaction, TransactionStatus.OPEN), made=made, send=made)
        case lifecycle.ReplaceByNoop(fees):
            made = _signed(transaction, signer, fees, sight.head, now, is_noop=True)
            outcome = _Outcome(_with(transaction, TransactionStatus.OPEN), made=made, send=made)
        case lifecycle.Broadcast() | lifecycle.Resend():
            outcome = _Outcome(_with(transaction, TransactionStatus.OPEN), send=newest)
        case lifecycle.AlertCapReached(resend):
            facts = {"chain_id": transaction.chain_id, "nonce": transaction.nonce, "fee_cap": sight.network.fee_cap}
            _log.warning("a transaction waits at the fee cap", extra=facts)
            outcome = _Outcome(_with(transaction, TransactionStatus.OPEN), send=newest if resend else None)
        case lifecycle.Wait(reason):
            since = None
            if reason is lifecycle.WaitReason.RECEIPT_MISSING:
                since = sight.head.number if transaction.used_since_block is None else transaction.used_since_block
            waiting = replace(_with(transaction, TransactionStatus.OPEN), used_since_block=since)
            outcome = _Outcome(waiting, send=newest if _is_stale(newest, now) else None)
    return outcome


def _is_stale(attempt: TransactionAttempt, now: datetime) -> bool:
    patience = RESEND_UNKNOWN_AFTER if attempt.last_result is SendResult.UNKNOWN else RESEND_AFTER
    return attempt.sent_at is not None and now - attempt.sent_at >= patience


def _with(
    transaction: ChainTransaction,
    status: TransactionStatus,
    receipt: Receipt | None = None,
    *,
    succeeded: bool | None = None,
) -> ChainTransaction:
    """The transaction in `status`; going back to `open` forgets the block that a re-org took away."""
    return replace(
        transaction,
        status=status,
        mined_block=None if receipt is None else receipt.block,
        succeeded=succeeded,
        used_since_block=None,
    )


def _signed(
    transaction: ChainTransaction, signer: Signer, fees: Fees, head: Header, now: datetime, *, is_noop: bool
) -> TransactionAttempt:
    request = TransactionRequest(
        chain_id=transaction.chain_id,
        nonce=transaction.nonce,
        to=signer.address if is_noop else transaction.to,
        data=b"" if is_noop else transaction.data,
        gas=NOOP_GAS if is_noop else transaction.gas,
        fees=fees,
    )
    signed = signer.sign(request)
    failpoint(Failpoint.REPLACEMENT_SIGNED)
    return TransactionAttempt(
        hash=signed.hash,
        transaction_id=transaction.id,
        raw=signed.raw,
        fees=fees,
        made_at_block=head.number,
        created_at=now,
        is_noop=is_noop,
    )


async def _write_down(conn: Connection, lane: Lane, step: _Step) -> None:
    """Everything that was decided, new bytes included, before anything leaves."""
    await transactions.save_many(conn, step.changed)
    await transactions.add_attempts(conn, step.made)
    for alarm in step.alarms[:1]:
        await transactions.halt_lane(conn, lane.chain_id, lane.signer, alarm)


def _tell(lane: Lane, step: _Step) -> None:
    for transaction in step.changed:
        facts = {"chain_id": lane.chain_id, "nonce": transaction.nonce, "transaction_id": transaction.id}
        _log.info("transaction is %s", transaction.status, extra=facts)
    for alarm in step.alarms:
        _log.critical("lane paused: %s", alarm, extra={"chain_id": lane.chain_id, "signer": lane.signer})


async def _send(
    gateway: Gateway,
    chain: ChainPort,
    lane: Lane,
    sending: Sequence[TransactionAttempt],
    *,
    head: Header,
    now: datetime,
) -> None:
    """Hand committed bytes to the nodes, lowest nonce first, and note what they said; it decides nothing."""
    failpoint(Failpoint.TRANSACTION_SENDING)
    try:
        answers = await chain.send([attempt.raw for attempt in sending])
    except BaseException:
        async with gateway.books.write() as conn:
            await transactions.release_lane(conn, lane)
        raise
    failpoint(Failpoint.TRANSACTION_SENT)
    sent = [
        replace(
            attempt,
            sent_at=now,
            sent_at_block=head.number,
            send_count=attempt.send_count + 1,
            last_result=result,
            last_error=words or None,
        )
        for attempt, (result, words) in zip(sending, answers, strict=True)
    ]
    async with gateway.books.write() as conn:
        await transactions.mark_sent(conn, sent)
        await transactions.release_lane(conn, lane)
    failpoint(Failpoint.TRANSACTION_SEND_COMMITTED)
