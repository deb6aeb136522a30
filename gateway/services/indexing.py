"""One step in following a chain: look at the head, go back to the common ancestor if there was a re-org, append.

What is written (logs, headers, cursor, the number up to which blocks are final) commits together, so that a kill
between any two steps leaves a cursor that is true. Nothing final is ever undone: a mismatch there halts the chain until
a person has looked. What the logs mean is not decided here but in `gateway.services.settlement`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chain import reorg
from chain.errors import AnswerInvalid, RpcRejected, RpcUnavailable
from chain.logs import contract_logs, decode_logs
from chain.port import ChainPort
from chain.primitives import BlockRef, BlockTag, ContractEvent, Hash32, Header, RawLog
from gateway.db import blocks, stranding
from gateway.db.blocks import Cursor
from gateway.db.engine import Connection
from gateway.db.errors import WriteConflict
from gateway.db.stalled import Stalled
from gateway.failpoints import Failpoint, failpoint
from gateway.services import recovery
from gateway.services.gateway import Gateway, Network

NEAR_BLOCKS_MAX: Final = 64  # headers and logs by hash of one step: two round trips, one short transaction
RANGE_BLOCKS_MAX: Final = 500  # what public endpoints answer for one `eth_getLogs` without refusing
FORGET_EVERY_BLOCKS: Final = 64  # old headers are few and small; looking for them at each block costs more
ROUNDS_MAX: Final = 32  # requests to find a common ancestor: galloping back over more blocks than are ever kept

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    """What we have: the cursor, and the tail of our blocks from the final one up, oldest first."""

    cursor: Cursor
    tail: tuple[BlockRef, ...]

    @property
    def final_number(self) -> int:
        """Newest block that counts as final; -1 when none does yet."""
        return -1 if self.cursor.final_number is None else self.cursor.final_number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """Consecutive blocks that were read: `headers` are those that get a row, the last one becomes the cursor's head."""

    first: int
    headers: tuple[Header, ...]
    logs: tuple[RawLog, ...]

    @property
    def last(self) -> Header:
        """The new head of what is indexed."""
        return self.headers[-1]


async def converge(gateway: Gateway, chain: ChainPort, *, now: datetime) -> int:
    """Take one bounded, idempotent step towards the chain's head; 0 = nothing new, or the chain is halted.

    Raises:
        RpcUnavailable, RpcRejected: the chain could not be read consistently; nothing was written.
        WriteConflict: another indexer was faster; nothing was written.
    """
    network = gateway.networks[chain.chain_id]
    own = await _own(gateway, network.chain_id)
    if own.cursor.halted_reason is not None:
        return 0
    head = await chain.head()
    if _lags(own, head):
        return 0
    match await _compare(chain, own):
        case reorg.BelowFinality(ours, canonical):
            return await _halt(gateway, network, ours, canonical)
        case reorg.Unwind(ancestor):
            return await _unwind(gateway, network, own, ancestor.number)
        case reorg.TailExhausted():
            return await _unwind(gateway, network, own, own.final_number)
        case reorg.Append(tip):
            return await _append(gateway, network, chain, own=own, tip=tip, head=head, now=now)
        case step:
            raise RpcUnavailable(f"no common ancestor was found within {ROUNDS_MAX} requests: {step}")


async def _own(gateway: Gateway, chain_id: int) -> _Own:
    async with gateway.books.read() as conn:
        cursor = await blocks.cursor(conn, chain_id)
        recent = await blocks.recent(conn, chain_id, 0 if cursor.final_number is None else cursor.final_number)
    return _Own(cursor=cursor, tail=tuple(BlockRef(number, recent[number]) for number in sorted(recent)))


def _lags(own: _Own, head: Header) -> bool:
    """Whether the node is behind us on our own chain, which says nothing about re-orgs.

    A head below everything that we keep can only be judged when it has caught up.
    """
    tip = own.cursor.head
    if tip is None or head.number >= tip.number:
        return False
    known = {block.number: block.hash for block in own.tail}
    return head.number < own.final_number or known.get(head.number) == head.hash


async def _compare(chain: ChainPort, own: _Own) -> reorg.Step:
    canonical: dict[int, Header | None] = {}
    step = reorg.next_step(own.tail, canonical, own.final_number)
    for _ in range(ROUNDS_MAX):
        if not isinstance(step, reorg.Ask):
            break
        canonical |= dict(zip(step.numbers, await chain.headers(step.numbers), strict=True))
        step = reorg.next_step(own.tail, canonical, own.final_number)
    if isinstance(step, reorg.BelowFinality) and step.canonical is None:
        raise RpcUnavailable(f"the node does not know block {step.ours.number}, which is final")
    return step


async def _halt(gateway: Gateway, network: Network, ours: BlockRef, canonical: BlockRef | None) -> int:
    shown = "no block" if canonical is None else f"block {canonical.hash}"
    reason = f"block {ours.number} was final with hash {ours.hash}, and the chain now shows {shown} there"
    async with gateway.books.write() as conn:
        await blocks.halt(conn, network.chain_id, reason)
    _log.critical("chain halted: %s", reason, extra={"chain_id": network.chain_id})
    return 1


async def _unwind(gateway: Gateway, network: Network, own: _Own, above: int) -> int:
    async with gateway.books.write() as conn:
        await _check_unmoved(conn, own)
        await blocks.unwind(conn, network.chain_id, above)
        failpoint(Failpoint.BLOCKS_WRITTEN)
    failpoint(Failpoint.BLOCKS_COMMITTED)
    orphans = sum(block.number > above for block in own.tail)
    _log.warning("re-org: %d blocks undone", orphans, extra={"chain_id": network.chain_id, "ancestor_number": above})
    return 1


async def _check_unmoved(conn: Connection, own: _Own) -> None:
    if await blocks.cursor(conn, own.cursor.chain_id, lock=True) != own.cursor:
        raise WriteConflict("another indexer moved the cursor")


async def _append(
    gateway: Gateway,
    network: Network,
    chain: ChainPort,
    *,
    own: _Own,
    tip: BlockRef | None,
    head: Header,
    now: datetime,
) -> int:
    final = await _final_candidate(network, chain, head)
    first = network.start_block if tip is None else tip.number + 1
    if first > head.number:
        finalized = await _finalize(gateway, network, own, min(final, first - 1))
        return finalized or await _listen_again(gateway, network, chain)
    is_far = first + NEAR_BLOCKS_MAX <= final
    if is_far:
        stretch = await _far(network, chain, first, min(first + RANGE_BLOCKS_MAX - 1, final))
    else:
        stretch = await _near(network, chain, tip, first, min(first + NEAR_BLOCKS_MAX - 1, head.number))
    able = await _recovered(gateway, network, chain, stretch, is_far=is_far, final=final, now=now)
    events = _events(stretch, network)
    newly_final = min(final, stretch.last.number)
    failpoint(Failpoint.BLOCKS_READ)
    async with gateway.books.write() as conn:
        await _check_unmoved(conn, own)
        grown = newly_final if newly_final > own.final_number else None
        await blocks.append(conn, network.chain_id, stretch.headers, events, final_number=grown)
        if newly_final // FORGET_EVERY_BLOCKS > max(own.final_number, 0) // FORGET_EVERY_BLOCKS:
            await blocks.forget(conn, network.chain_id, newly_final)
        await recovery.schedule(conn, able)
        failpoint(Failpoint.BLOCKS_WRITTEN)
    failpoint(Failpoint.BLOCKS_COMMITTED)
    return stretch.last.number - stretch.first + 1


async def _recovered(
    gateway: Gateway, network: Network, chain: ChainPort, stretch: _Stretch, *, is_far: bool, final: int, now: datetime
) -> list[Stalled]:
    """Intents whose wallets can pay now. Ranges are not searched for transfers: at their end all wallets are asked."""
    if is_far and stretch.last.number < final:
        return []
    stalled = await recovery.watched(gateway, network, now=now)
    hashes = [header.hash for header in stretch.headers]
    wallets = None if is_far else await recovery.touched(chain, network, stalled, hashes)
    return await recovery.able_to_pay(chain, network, stalled, wallets)


async def _final_candidate(network: Network, chain: ChainPort, head: Header) -> int:
    """Newest block that counts as final: by the network's own word, or by the number of confirmations (itself is 1)."""
    if network.final_tag is not None and network.final_tag is not BlockTag.LATEST:
        return min((await chain.tagged(network.final_tag)).number, head.number)
    return head.number - network.confirmations + 1


async def _finalize(gateway: Gateway, network: Network, own: _Own, final: int) -> int:
    """No new block, but perhaps the network calls more of ours final."""
    if final <= own.final_number:
        return 0
    async with gateway.books.write() as conn:
        await _check_unmoved(conn, own)
        await blocks.set_final(conn, network.chain_id, final)
    return 1


async def _listen_again(gateway: Gateway, network: Network, chain: ChainPort) -> int:
    """Ask again for the events of final blocks in which our own transactions succeeded and nothing was heard of them.

    A node that answers `[]` where there are logs would otherwise leave money that moved without an entry in the books.
    """
    async with gateway.books.read() as conn:
        silent = await stranding.unheard(conn, network.chain_id, limit=NEAR_BLOCKS_MAX)
    if not silent:
        return 0
    found = await chain.logs_of_blocks([block.hash for block in silent], contract_logs(network.contract))
    events = decode_logs([log for of_block in found for log in of_block])
    async with gateway.books.write() as conn:
        added = await blocks.add_missing(conn, network.chain_id, events)
    facts = {"chain_id": network.chain_id, "block_number": silent[0].number, "blocks": len(silent), "found": added}
    _log.error("the node had shown no events of our own transactions", extra=facts)
    return added


async def _near(network: Network, chain: ChainPort, tip: BlockRef | None, first: int, last: int) -> _Stretch:
    """Near the head: headers by number, each checked against its parent, logs by block hash."""
    found = await chain.headers(range(first, last + 1))
    headers = tuple(header for header in found if header is not None)
    if len(headers) != len(found):
        raise RpcUnavailable(f"the node does not show all blocks from {first} to {last}")
    parent = None if tip is None else tip.hash
    for header in headers:
        if parent is not None and header.parent_hash != parent:
            raise RpcUnavailable(f"the chain changed while block {header.number} was read")
        parent = header.hash
    logs = await chain.logs_of_blocks([header.hash for header in headers], contract_logs(network.contract))
    return _Stretch(first=first, headers=headers, logs=tuple(log for of_block in logs for log in of_block))


async def _far(network: Network, chain: ChainPort, first: int, last: int) -> _Stretch:
    """Backfill of final blocks: logs by range, halved when the node refuses; each log's block checked by its header."""
    while True:
        try:
            logs = await chain.logs_in_range(first, last, contract_logs(network.contract))
            break
        except RpcRejected:
            if last == first:
                raise
            last = (first + last) // 2
    numbers = sorted({log.block_number for log in logs} | {last})
    by_number: Mapping[int, Header | None] = dict(zip(numbers, await chain.headers(numbers), strict=True))
    for log in logs:
        header = by_number[log.block_number]
        if header is None or header.hash != log.block_hash:
            raise AnswerInvalid(f"the node's logs and headers of block {log.block_number} disagree")
    newest = by_number[last]
    if newest is None:
        raise RpcUnavailable(f"the node does not show block {last}")
    return _Stretch(first=first, headers=(newest,), logs=tuple(logs))


def _events(stretch: _Stretch, network: Network) -> Sequence[ContractEvent]:
    known: Mapping[int, Hash32] = {header.number: header.hash for header in stretch.headers}
    for log in stretch.logs:
        foreign = log.address != network.contract or not stretch.first <= log.block_number <= stretch.last.number
        if foreign or known.get(log.block_number, log.block_hash) != log.block_hash:
            raise AnswerInvalid(f"a log of block {log.block_number} was not asked for")
    return decode_logs(stretch.logs)
