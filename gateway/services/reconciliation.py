"""Auditing: the chain's events, read again from a node, against the books. Reports, and never repairs.

`step` is the workers' part: it goes behind settlement, block by block, and stops charging on a chain where books and
chain disagree. `audit` is for people: all of it, from the first block.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chain.errors import RpcRejected
from chain.logs import TRANSFER, contract_logs, decode_logs, decode_token_logs
from chain.port import ChainPort
from chain.primitives import Charged, LogFilter, LogPosition, MandateId, Transferred
from gateway.db import audits, blocks, charge_intents, invoices, mandates
from gateway.db.engine import Connection
from gateway.domain import audit as domain
from gateway.domain.audit import Difference
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.mandate import Mandate
from gateway.domain.push import PushPayment
from gateway.domain.refund import Refund
from gateway.domain.refund import Status as RefundStatus
from gateway.services.gateway import Gateway

RANGE_BLOCKS_MAX: Final = 500
"""Blocks of one request, as public endpoints answer it."""

STEP_BLOCKS_MIN: Final = 64
"""A worker waits for so many settled blocks: an audit costs one request, however many blocks it is about."""

INVOICES_PAGE: Final = 1000
SHOWN_MAX: Final = 5
"""Differences whose evidence stands in the reason of a halt; `dues audit` prints them all."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Blocks that were compared, both included; `events` are the collections of mandates of ours."""

    chain_id: int
    first: int
    last: int
    events: int
    differences: tuple[Difference, ...]

    @property
    def faults(self) -> tuple[Difference, ...]:
        """Differences that somebody has to look into."""
        return tuple(difference for difference in self.differences if difference.is_fault)


async def step(gateway: Gateway, chain: ChainPort, *, patience: int = STEP_BLOCKS_MIN) -> int:
    """Audit the next stretch of settled blocks; a difference halts the chain. Returns how many blocks were in order.

    Args:
        gateway: books and networks.
        chain: the chain to audit.
        patience: how many settled blocks to wait for.

    Raises:
        RpcUnavailable: the chain could not be read; nothing changed.
        WriteConflict: another process was faster; nothing changed.
    """
    network = gateway.networks[chain.chain_id]
    async with gateway.books.read() as conn:
        was = await audits.audited_to(conn, chain.chain_id)
        last = await _settled_to(conn, chain.chain_id)
        cursor = await blocks.cursor(conn, chain.chain_id)
    first = max(was + 1, network.start_block)
    if last is None or cursor.halted_reason is not None or last - first + 1 < patience:
        return 0
    stretch = await _compared(gateway, chain, first, last)
    async with gateway.books.write() as conn:
        if stretch.faults:
            await blocks.halt(conn, chain.chain_id, _reason(stretch))
        else:
            await audits.advance(conn, chain.chain_id, was=was, number=stretch.last)
    if stretch.faults:
        _log.critical("chain halted: %s", _reason(stretch), extra={"chain_id": chain.chain_id})
        return 0
    return stretch.last - stretch.first + 1


async def audit(gateway: Gateway, chain: ChainPort, *, first: int | None = None) -> AsyncIterator[Stretch]:
    """Compare every settled block of a chain, from `first` (default: where its contract began) on.

    Raises:
        RpcUnavailable: the chain could not be read.
    """
    async with gateway.books.read() as conn:
        settled = await _settled_to(conn, chain.chain_id)
    number = gateway.networks[chain.chain_id].start_block if first is None else first
    while settled is not None and number <= settled:
        stretch = await _compared(gateway, chain, number, settled)
        yield stretch
        number = stretch.last + 1


async def unbacked(gateway: Gateway) -> AsyncIterator[Sequence[Difference]]:
    """Paid invoices for which the books show no money, page by page through all invoices."""
    after: str | None = ""
    while after is not None:
        async with gateway.books.read() as conn:
            ids, after = await audits.unbacked_invoices(conn, after=after, limit=INVOICES_PAGE)
            found = await invoices.load(conn, ids) if ids else {}
        yield tuple(domain.unbacked(found.values()))


async def _settled_to(conn: Connection, chain_id: int) -> int | None:
    """Newest block of which everything that was seen is final and in the books; None when there is none yet."""
    final = (await blocks.cursor(conn, chain_id)).final_number
    unsettled = await audits.first_unsettled(conn, chain_id)
    if final is None or unsettled is None:
        return final
    return min(final, unsettled - 1)


async def _compared(gateway: Gateway, chain: ChainPort, first: int, last: int) -> Stretch:
    """One request to the node, for as many blocks as it answers for, and one snapshot of the books."""
    last, collected = await _collected(gateway, chain, first, min(last, first + RANGE_BLOCKS_MAX - 1))
    async with gateway.books.read() as conn:
        ids = sorted({event.mandate_id for event in collected})
        ours = await mandates.by_onchain_ids(conn, chain.chain_id, ids) if ids else {}
        booked = await audits.charges_in(conn, chain.chain_id, first, last)
        owed = await invoices.load(conn, sorted({charge.invoice_id for charge in booked})) if booked else {}
        returned = await audits.refunds_in(conn, chain.chain_id, first, last)
        sent = await audits.pushes_in(conn, chain.chain_id, first, last)
        events = [event for event in collected if event.mandate_id in ours]
        early = await _unbilled(conn, chain.chain_id, ours, events, booked)
    differences = list(domain.compare(events, booked, owed, early))
    succeeded = [refund for refund in returned if refund.status is RefundStatus.SUCCEEDED]
    if succeeded or sent:
        transferred = await _transferred(chain, [*succeeded, *sent])
        differences += domain.orphan_refunds(succeeded, transferred)
        differences += domain.wrong_pushes(sent, booked, transferred)
    return Stretch(chain_id=chain.chain_id, first=first, last=last, events=len(events), differences=tuple(differences))


async def _unbilled(
    conn: Connection,
    chain_id: int,
    ours: Mapping[MandateId, Mandate],
    events: Sequence[Charged],
    booked: Sequence[Charge],
) -> set[LogPosition]:
    """Events that are settled in our index, and for whose periods no intent has succeeded: attempts will find them."""
    known = {(charge.block_number, charge.log_index) for charge in booked}
    loose = [event for event in events if (event.at.block_number, event.at.log_index) not in known]
    if not loose:
        return set()
    seen = await blocks.find_charged(conn, chain_id, [(event.mandate_id, event.period) for event in loose])
    settled = {log.event.at for log in seen.values() if log.settled_at is not None}
    periods = [(ours[event.mandate_id].id, event.period) for event in loose]
    intents = await charge_intents.by_mandate_periods(conn, periods)
    paid = {key for key, intent in intents.items() if intent.status is IntentStatus.SUCCEEDED}
    return {e.at for e, key in zip(loose, periods, strict=True) if e.at in settled and key not in paid}


async def _collected(gateway: Gateway, chain: ChainPort, first: int, last: int) -> tuple[int, list[Charged]]:
    """`Charged` events of the blocks up to the returned one; a range that the node refuses is halved."""
    query = contract_logs(gateway.networks[chain.chain_id].contract)
    while True:
        try:
            logs = await chain.logs_in_range(first, last, query)
        except RpcRejected:
            if last == first:
                raise
            last = (first + last) // 2
        else:
            return last, [event for event in decode_logs(logs) if isinstance(event, Charged)]


async def _transferred(chain: ChainPort, moved: Sequence[Refund | PushPayment]) -> dict[tuple[int, int], int]:
    """Amounts of the transfers in the blocks of these, by block and log index."""
    hashes = sorted({one.block_hash for one in moved if one.block_hash is not None})
    tokens = tuple(sorted({one.token for one in moved}))
    found = await chain.logs_of_blocks(hashes, LogFilter(addresses=tokens, topics=((TRANSFER,),)))
    events = decode_token_logs([log for of_block in found for log in of_block])
    return {(e.at.block_number, e.at.log_index): e.amount for e in events if isinstance(e, Transferred)}


def _reason(stretch: Stretch) -> str:
    told = "; ".join(f"{d.finding} {dict(d.evidence)}" for d in stretch.faults[:SHOWN_MAX])
    count = len(stretch.faults)
    return f"books and chain differ {count} times in blocks {stretch.first} to {stretch.last}: {told}"
