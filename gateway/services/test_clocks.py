"""Test clocks: moving the rows' time, the workers and the local chain's block time together.

A clock advances in steps, from one due moment to the next. At each it waits until everything that was due is done,
money included, so that a year of renewals happens in the order in which it would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway.db import blocks, test_clocks
from gateway.db.engine import Connection
from gateway.domain import test_clock as domain
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.period import from_unix, to_unix
from gateway.domain.test_clock import Status, TestClock
from gateway.domain.transition import Moved, StatusReason
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin, record

CHAIN_AHEAD_MAX: Final = timedelta(hours=1)
"""How far the local chain may be ahead of a clock: less than the shortest period, so that its grid still fits."""

NAME_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Progress:
    """How many clocks moved on, how many of them are where they were to go, and how many blocks were mined for them."""

    moved: int = 0
    arrived: int = 0
    mined: int = 0


class LocalChainPort(Protocol):
    """A development chain whose time can be moved forward."""

    async def head_number(self) -> int:
        """Number of the newest block."""
        ...

    async def head_time(self) -> int:
        """Timestamp of the newest block, unix seconds."""
        ...

    async def reach(self, unix: int) -> None:
        """Bring the chain to this time, unless it is there: a block at or after it exists then."""
        ...

    async def mine(self, blocks: int) -> None:
        """Mine so many blocks now."""
        ...


async def create(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    frozen_at: datetime,
    name: str | None,
    chain_time: datetime | None,
    origin: Origin,
) -> TestClock:
    """Make a clock that stands at `frozen_at`. One ahead of the local chain takes the chain along before it is ready.

    `chain_time` is that of the newest block of the local chain, None where there is no local chain.

    Raises:
        InvalidRequest: live mode, a name that is too long, or a time that the chain has left behind.
    """
    if scope.livemode:
        raise InvalidRequest("Test clocks exist in test mode only. Use a test key.", code="test_mode_only")
    if name is not None and len(name) > NAME_MAX:
        raise InvalidRequest(f"name takes up to {NAME_MAX} characters.", code="string_too_long", param="name")
    _not_behind(frozen_at, chain_time)
    ahead = chain_time is not None and frozen_at > chain_time
    clock = domain.create(
        TestClock(
            id=new_id("clock", origin.system_now),
            scope=scope,
            created_at=origin.system_now,
            frozen_at=frozen_at,
            status=Status.ADVANCING if ahead else Status.READY,
            reason=StatusReason("created"),
            name=name,
            target_at=frozen_at if ahead else None,
        )
    )
    await test_clocks.add_many(conn, [clock])
    await record(conn, gateway, [clock], origin=origin)
    return clock.value


async def advance(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    clock_id: str,
    target: datetime,
    chain_time: datetime | None,
    origin: Origin,
) -> TestClock:
    """Ask for a later time; a worker goes there (`step`).

    Raises:
        Conflict: it is advancing already.
        InvalidRequest: the time is not later, too far, or one that the chain has left behind.
        NotFound: there is no such clock.
    """
    clock = await _locked(conn, scope, clock_id)
    moved = domain.advance(clock, target)
    _not_behind(target, chain_time)
    return await _save(conn, gateway, moved, origin)


async def delete(conn: Connection, gateway: Gateway, *, scope: Scope, clock_id: str, origin: Origin) -> TestClock:
    """Forget a clock. Its customers stay, standing at its last time for ever.

    Raises:
        Conflict: it is advancing.
        NotFound: there is no such clock.
    """
    clock = await _locked(conn, scope, clock_id)
    return await _save(conn, gateway, domain.delete(clock), origin)


async def step(gateway: Gateway, local_chains: Mapping[int, LocalChainPort], *, now: datetime) -> Progress:
    """Move every advancing clock on by one due moment, if nothing is left to do where it stands.

    While money is waiting for its confirmations local chains mine them, in one go.
    """
    async with gateway.books.read() as conn:
        standings = await test_clocks.standings(conn)
    if not standings:
        return Progress()
    mined = 0
    if any(standing.waits for standing in standings):
        for chain_id, chain in local_chains.items():
            mined += await _confirm(gateway, chain_id, chain)
    ready = [standing for standing in standings if not standing.is_busy]
    arrived = 0
    for standing in ready:
        arrived += await _step(gateway, local_chains, standing.clock, standing.next_due, now)
    return Progress(moved=len(ready), arrived=arrived, mined=mined)


async def _confirm(gateway: Gateway, chain_id: int, chain: LocalChainPort) -> int:
    """Mine what makes a transaction in the newest block final, unless the indexer has as much to read already.

    Nothing that waits is helped by more blocks than that; each would be read, searched and checked for nothing.
    """
    wanted = gateway.networks[chain_id].confirmations
    async with gateway.books.read() as conn:
        indexed = (await blocks.cursor(conn, chain_id)).head
    read_to = -1 if indexed is None else indexed.number
    if await chain.head_number() - read_to >= wanted:
        return 0
    await chain.mine(wanted)
    return wanted


async def _step(
    gateway: Gateway,
    local_chains: Mapping[int, LocalChainPort],
    clock: TestClock,
    next_due: datetime | None,
    now: datetime,
) -> bool:
    """Move one clock, the chains before it; whether it is where it was to go."""
    target = clock.target_at
    if target is None:
        raise ValueError(f"clock {clock.id} advances to nowhere")
    to = target if next_due is None else max(clock.frozen_at, min(next_due, target))
    # The chain first: a row is never at a time that the chain has not reached.
    for chain in local_chains.values():
        await chain.reach(to_unix(to))
    async with gateway.books.write() as conn:
        current = await test_clocks.load(conn, [clock.id], lock=True)
        if current.get(clock.id) != clock:
            return False
        arrived = to == target and (next_due is None or next_due > target)
        await _save(conn, gateway, domain.arrive(clock) if arrived else domain.step(clock, to), Origin(now))
    return arrived


def _not_behind(wanted: datetime, chain_time: datetime | None) -> None:
    if chain_time is not None and chain_time - wanted > CHAIN_AHEAD_MAX:
        raise InvalidRequest(
            f"The local chain stands at {to_unix(chain_time)} ({chain_time:%Y-%m-%d %H:%M:%S} UTC) and cannot go back. "
            "Use that time or a later one.",
            code="test_clock_behind_chain",
            param="frozen_time",
        )


async def chain_time(local_chains: Mapping[int, LocalChainPort]) -> datetime | None:
    """Time of the local chain that is furthest ahead; None where there is no local chain."""
    times = [await chain.head_time() for chain in local_chains.values()]
    return from_unix(max(times)) if times else None


async def _locked(conn: Connection, scope: Scope, clock_id: str) -> TestClock:
    found = await test_clocks.get(conn, scope, clock_id, lock=True)
    if found is None or found.deleted:
        raise NotFound("test_clock", clock_id)
    return found


async def _save(conn: Connection, gateway: Gateway, moved: Moved[TestClock], origin: Origin) -> TestClock:
    await test_clocks.save_many(conn, [moved])
    await record(conn, gateway, [moved], origin=origin)
    return moved.value
