"""One round of a role that has several duties: a look at what there is at all, then only what there is.

A duty that is found is claimed and done by its own service, which is safe whoever else does the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chain.port import ChainPort
from gateway.db import duties
from gateway.db.duties import Duty
from gateway.services import (
    billing,
    checkout,
    forecasts,
    indexing,
    pushes,
    reminders,
    settlement,
    transfers,
    wallets,
)
from gateway.services.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Heeded:
    """How many events and charges were settled, and how many final blocks were searched."""

    settled: int = 0
    searched: int = 0


async def bill(gateway: Gateway, chains: Mapping[int, ChainPort], *, now: datetime, limit: int = billing.BATCH) -> int:
    """Renew, chase, expire and finalise what is due; returns how much was done, 0 when nothing is due."""
    async with gateway.books.read() as conn:
        due = await duties.due(conn, now=now)
    done = 0
    if Duty.SUBSCRIPTIONS in due:
        foreseen = await forecasts.of_announcements(gateway, chains, now=now, limit=limit)
        done += await billing.renew_due(gateway, now=now, limit=limit, foreseen=foreseen)
    if Duty.OPEN_INVOICES in due:
        done += await reminders.chase_due(gateway, now=now, limit=limit)
    if Duty.CHECKOUTS in due:
        done += await checkout.expire_due(gateway, now=now, limit=limit)
    if Duty.DRAFTS in due:
        done += await billing.finalize_due(gateway, now=now, limit=limit)
    return done


async def follow(gateway: Gateway, chain: ChainPort, *, now: datetime, limit: int = settlement.BATCH) -> int:
    """Follow a chain by one step, settle what is final, and search the blocks that became it; returns how much.

    Raises:
        RpcUnavailable, RpcRejected: the chain could not be read; what was written before stands.
        WriteConflict: another process was faster.
    """
    read = await indexing.converge(gateway, chain, now=now)
    heeded = await heed(gateway, chain, now=now, limit=limit)
    return read + heeded.settled + heeded.searched


async def heed(gateway: Gateway, chain: ChainPort, *, now: datetime, limit: int = settlement.BATCH) -> Heeded:
    """Settle what is final in the blocks that were read, and search those that became it.

    Raises:
        RpcUnavailable, RpcRejected: the chain could not be read; what was written before stands.
        WriteConflict: another process was faster.
    """
    async with gateway.books.read() as conn:
        news = await duties.news(conn, chain.chain_id)
    if news is None:
        return Heeded()
    settled = searched = 0
    if news.to_settle:
        settled = await settlement.settle(gateway, chain_id=chain.chain_id, now=now, limit=limit)
    if news.for_pushes:
        searched += await pushes.watch(gateway, chain, now=now)
    if news.for_refunds:
        searched += await transfers.watch(gateway, chain, now=now)
    if news.for_wallets:
        searched += await wallets.watch(gateway, chain, now=now)
    return Heeded(settled, searched)
