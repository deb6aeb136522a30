"""Watching for transfers that people send by themselves: refunds, from merchants' payout wallets to payers.

Only final blocks are searched, and only while something is waited for, so that nothing here is ever undone. What was
found, what it paid and how far the search went commit together: doing it again finds nothing to do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chain.errors import AnswerInvalid, RpcRejected
from chain.logs import decode_token_logs, outgoing_transfers
from chain.port import ChainPort
from chain.primitives import LogFilter, RawLog, Transferred
from gateway.db import blocks, charges, refunds, test_clocks, transfers
from gateway.db.engine import Connection
from gateway.db.transfers import Seen
from gateway.domain import charge as charge_domain
from gateway.domain import refund as refund_domain
from gateway.domain.refund import Refund, Status
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

RANGE_BLOCKS_MAX: Final = 500
"""Blocks of one request, as public endpoints answer it."""

WALLETS_MAX: Final = 500
"""Wallets of one filter; nodes refuse filters of many thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """What is waited for, and the final blocks that have not been searched for it."""

    searched_to: int
    first: int
    last: int
    awaited: Sequence[Refund]


async def watch(gateway: Gateway, chain: ChainPort, *, now: datetime) -> int:
    """Search some final blocks for transfers that are waited for, and book them; returns how many blocks.

    Raises:
        RpcUnavailable, RpcRejected: the chain could not be read consistently; nothing was written.
        WriteConflict: another process was faster; nothing was written.
    """
    search = await _next_search(gateway, chain.chain_id)
    if search is None:
        return 0
    last, found = await _transfers(chain, search)
    async with gateway.books.write() as conn:
        await transfers.advance(conn, chain.chain_id, was=search.searched_to, number=last)
        if found:
            await _book(conn, gateway, chain.chain_id, found, now)
    return last - search.first + 1


async def _next_search(gateway: Gateway, chain_id: int) -> _Search | None:
    """One snapshot: what is asked for after it can only be paid above the final block that it shows."""
    async with gateway.books.read() as conn:
        awaited = await refunds.awaited(conn, chain_id)
        if not awaited:
            return None
        cursor = await blocks.cursor(conn, chain_id)
        searched_to = await transfers.searched_to(conn, chain_id)
    if cursor.final_number is None or cursor.halted_reason is not None:
        return None
    first = max(searched_to, min(refund.watched_from for refund in awaited)) + 1
    if first > cursor.final_number:
        return None
    last = min(first + RANGE_BLOCKS_MAX - 1, cursor.final_number)
    return _Search(searched_to=searched_to, first=first, last=last, awaited=awaited)


async def _transfers(chain: ChainPort, search: _Search) -> tuple[int, list[Transferred]]:
    """Transfers of the blocks up to the returned one, in the order of the chain; a refused range is halved."""
    last = search.last
    while True:
        try:
            logs = [
                log
                for query in _queries(search.awaited)
                for log in await chain.logs_in_range(search.first, last, query)
            ]
            break
        except RpcRejected:
            if last == search.first:
                raise
            last = (search.first + last) // 2
    await _check_blocks(chain, logs)
    found = [event for event in decode_token_logs(logs) if isinstance(event, Transferred)]
    return last, sorted(found, key=lambda event: (event.at.block_number, event.at.log_index))


def _queries(awaited: Sequence[Refund]) -> Iterator[LogFilter]:
    tokens = sorted({refund.token for refund in awaited})
    senders = sorted({refund.sender for refund in awaited})
    for start in range(0, len(senders), WALLETS_MAX):
        yield outgoing_transfers(tokens, senders[start : start + WALLETS_MAX])


async def _check_blocks(chain: ChainPort, logs: Sequence[RawLog]) -> None:
    """Logs and headers of one node agree, or its answer is worth nothing."""
    numbers = sorted({log.block_number for log in logs})
    hashes = {header.number: header.hash for header in await chain.headers(numbers) if header} if numbers else {}
    for log in logs:
        if hashes.get(log.block_number) != log.block_hash:
            raise AnswerInvalid(f"the node's logs and headers of block {log.block_number} disagree")


async def _book(conn: Connection, gateway: Gateway, chain_id: int, found: Sequence[Transferred], now: datetime) -> None:
    awaited = await refunds.awaited(conn, chain_id)
    matched = refund_domain.matches(awaited, found)
    # Charges before refunds, as whoever asks for a refund does.
    owners = await charges.load(conn, [refund.charge_id for refund in matched.values()], lock=True)
    current = await refunds.load(conn, [refund.id for refund in matched.values()], lock=True)
    clocks = await test_clocks.load(conn, sorted({r.test_clock_id for r in current.values() if r.test_clock_id}))
    nows = {clock.id: clock.frozen_at for clock in clocks.values()}
    changes = Changes()
    seen = []
    for transfer in found:
        refund = matched.get(transfer.at)
        paid = current[refund.id] if refund is not None else None
        if paid is not None and paid.status is Status.REQUIRES_ACTION:
            _settle(paid, transfer, owners, nows.get(paid.test_clock_id or "", now), changes)
            seen.append(Seen(transfer, paid.id))
        else:
            seen.append(Seen(transfer, None))
    await transfers.add_many(conn, chain_id, seen, now)
    await changes.write(conn, gateway, Origin(now))


def _settle(
    refund: Refund,
    transfer: Transferred,
    owners: Mapping[str, charge_domain.Charge],
    now: datetime,
    changes: Changes,
) -> None:
    changes.update(refund_domain.succeed(refund, transfer.at, now))
    charge = changes.current(owners[refund.charge_id])
    if charge.status is charge_domain.Status.SUCCEEDED:
        changes.update(charge_domain.refund(charge, refund.amount, now))
