"""After a re-org that went below finality: what was final and is gone is taken back, so that it can be collected anew.

Only a person starts this (`dues chain resume`): the chain was halted, and the books still say what the old blocks said.
Whatever the new blocks still hold comes back by being followed again.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chain.errors import RpcUnavailable
from chain.port import ChainPort
from chain.primitives import BlockRef, Hash32
from gateway.db import audits, blocks, charge_intents, charges, halts, invoices, subscriptions, test_clocks
from gateway.db.blocks import Cursor
from gateway.db.engine import Connection
from gateway.db.errors import WriteConflict
from gateway.domain import charge as charge_domain
from gateway.domain import outcome
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.errors import Conflict
from gateway.domain.failure import FailureCode, failed
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.refund import Status as RefundStatus
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """What was taken back: so many charges above block `ancestor`; `reopened` transactions are sent again."""

    ancestor: int
    charges: int
    reopened: int


async def take_back(gateway: Gateway, chain: ChainPort, *, now: datetime) -> Reversal | None:
    """Reverse what stood in final blocks that the chain does not have any more; None if it has them all.

    Raises:
        Conflict: no block that we keep is left, or transfers that people made by themselves are gone: a person has to
            decide about those, and nothing changed.
        RpcUnavailable: the chain could not be read; nothing changed.
        WriteConflict: another process was faster; nothing changed.
    """
    async with gateway.books.read() as conn:
        cursor = await blocks.cursor(conn, chain.chain_id)
        kept = await blocks.recent(conn, chain.chain_id, 0)
    if cursor.final_number is None or cursor.final_number not in kept:
        return None
    ancestor = await _ancestor(chain, kept)
    if ancestor is None:
        raise Conflict(
            f"None of the {len(kept)} newest blocks of chain {chain.chain_id} that are kept is on the chain any more: "
            "restore the database from a backup that is older than the re-org.",
            code="reorg_too_deep",
        )
    if ancestor.number >= cursor.final_number:
        return None
    async with gateway.books.write() as conn:
        if await blocks.cursor(conn, chain.chain_id, lock=True) != cursor:
            raise WriteConflict("another process moved the cursor")
        changes = Changes()
        count = await _reverse(conn, cursor, ancestor, now, changes)
        await blocks.rewind(conn, chain.chain_id, ancestor)
        await audits.go_back(conn, chain.chain_id, ancestor.number)
        reopened = await halts.reopen_transactions(conn, chain.chain_id, ancestor.number)
        await changes.write(conn, gateway, Origin(now))
    facts = {"chain_id": chain.chain_id, "ancestor_number": ancestor.number, "charges": count}
    _log.error("final blocks are gone: charges were reversed", extra=facts)
    return Reversal(ancestor=ancestor.number, charges=count, reopened=reopened)


async def _ancestor(chain: ChainPort, kept: Mapping[int, Hash32]) -> BlockRef | None:
    """The newest kept block that the chain still has."""
    numbers = sorted(kept)
    headers = await chain.headers(numbers)
    if headers[0] is None:
        raise RpcUnavailable(f"the node does not show block {numbers[0]}, which is far below its head")
    same = [header.ref for header in headers if header is not None and header.hash == kept[header.number]]
    return max(same, key=lambda block: block.number, default=None)


async def _reverse(conn: Connection, cursor: Cursor, ancestor: BlockRef, now: datetime, changes: Changes) -> int:
    first, last = ancestor.number + 1, cursor.final_number or 0
    found = await audits.charges_in(conn, cursor.chain_id, first, last)
    gone = [charge for charge in found if charge.status is charge_domain.Status.SUCCEEDED]
    returned = await audits.refunds_in(conn, cursor.chain_id, first, last)
    by_hand = [refund.id for refund in returned if refund.status is RefundStatus.SUCCEEDED]
    by_hand += [charge.id for charge in gone if charge.onchain_mandate_id is None or charge.amount_refunded]
    if by_hand:
        raise Conflict(
            f"The re-org took transfers that people had made: {', '.join(by_hand)}. Settle those by hand.",
            code="reorg_took_transfers",
        )
    await _take_all(conn, gone, now, changes)
    return len(gone)


async def _take_all(conn: Connection, gone: list[Charge], now: datetime, changes: Changes) -> None:
    """Reverse charges, and what each of them had paid; locks are taken in the order that all keep."""
    read = await charge_intents.load(conn, [charge.charge_intent_id for charge in gone])
    owners = await subscriptions.load(conn, sorted({i.subscription_id for i in read.values()}), lock=True)
    owed = await invoices.load(conn, sorted({i.invoice_id for i in read.values()}), lock=True)
    intents = await charge_intents.load(conn, sorted(read), lock=True)
    locked = await charges.load(conn, [charge.id for charge in gone], lock=True)
    clocks = await test_clocks.load(conn, sorted({i.test_clock_id for i in intents.values() if i.test_clock_id}))
    for charge in locked.values():
        intent = intents[charge.charge_intent_id]
        at = clocks[intent.test_clock_id].frozen_at if intent.test_clock_id else now
        evidence = {"transaction": charge.transaction_hash, "block": charge.block_number}
        changes.update(charge_domain.reverse(charge, failed(FailureCode.REVERSED, evidence), at))
        invoice = changes.current(owed[intent.invoice_id])
        paid = intent.status is IntentStatus.SUCCEEDED and invoice.status is InvoiceStatus.PAID
        if paid and intent.latest_charge_id == charge.id:
            subscription = changes.current(owners[intent.subscription_id])
            taken = outcome.Owed(intent=intent, invoice=invoice, subscription=subscription, is_newest=True)
            changes.take(outcome.taken_away(taken, evidence, at))
