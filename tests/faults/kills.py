"""TRUST R1: `kill -9` at every failpoint of a renewal, alone and in ordered pairs, thousands of times.

    make kills KILLS=10000                                         both databases, half of the kills each
    python -m tests.faults.kills --database sqlite --seed 7        one of them, in another order
    python -m tests.faults.kills --replay charge.signed,blocks.written

Each month in the life of a subscription, on a real node and a real database, is lived by processes that die; then
chain, books and the merchant's receiver are asked what happened. Counted are kills, and what must be none of them:
periods charged twice, money or events lost, renewals wrongly failed, transactions wasted.
"""

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import servers
from chain.local_node import LocalNode
from gateway.db import migrate
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.failpoints import Failpoint
from tests.workers.forks import ForkServer
from tests.workers.town import Town

GWEI = 10**9
SPIKE = (Failpoint.CHARGE_COMMITTED, Failpoint.REPLACEMENT_SIGNED, Failpoint.REPLACEMENT_COMMITTED)
"""Replacements happen after a fee spike only: these three are one month."""
PLACES = [failpoint for failpoint in Failpoint if not failpoint.startswith("replacement.")]
MONTHS_OF_A_TOWN = 60
"""Then another one is built: what a month costs to check grows with the months before."""

Deaths = tuple[Failpoint, ...]


@dataclass
class Tally:
    """What was counted. Everything but the first four must stay empty; a line of it can be replayed."""

    months: int = 0
    kills: int = 0
    unreached: int = 0
    places: set[Failpoint] = field(default_factory=set)
    double: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrongly_failed: list[str] = field(default_factory=list)
    wasted: list[str] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        """Every month that broke a promise."""
        return [*self.double, *self.lost, *self.wrongly_failed, *self.wasted]

    def told(self, database: str, seconds: float) -> str:
        """The figures in one line."""
        return (
            f"{database}: {self.kills:,} kills at {len(self.places)} places in {self.months:,} renewals"
            f" ({self.kills / seconds * 3600:,.0f} an hour; {self.unreached} places were not passed again):"
            f" {len(self.double)} double, {len(self.lost)} lost, {len(self.wrongly_failed)} wrongly failed,"
            f" {len(self.wasted)} wasted"
        )


def plan(seed: int) -> Iterator[Deaths]:
    """Every single place and every ordered pair of places, in an order of the seed's, again and again."""
    every: list[Deaths] = [(place,) for place in PLACES]
    every += itertools.product(PLACES, repeat=2)
    every.append(SPIKE)
    order = random.Random(seed)  # noqa: S311  (an order, not a secret)
    while True:
        order.shuffle(every)
        yield from every


async def live_a_month(town: Town, deaths: Deaths, tally: Tally) -> None:
    """One renewal, killed at each of `deaths` that is still passed; what came of it is counted."""
    [subscription] = town.subscribed
    nonce, before = await town.operator_nonce(), await town.newest_intent(subscription)
    await town.advance_a_month()
    for number, place in enumerate(deaths):
        killed = await town.march(str(place))
        tally.kills += killed
        tally.unreached += not killed
        tally.places |= {place} if killed else set()
        if deaths == SPIKE and number == 0:
            await town.local.set_base_fee(60 * GWEI)
            await town.local.mine()
    await town.march()
    tally.months += 1
    name = ",".join(deaths)
    intent = await town.newest_intent(subscription)
    if max((await town.charged()).values()) > 1:
        tally.double.append(name)
    if intent.id == before.id or intent.status is not IntentStatus.SUCCEEDED:
        tally.lost.append(f"{name}: the renewal is {intent.status}")
    if await town.charge_statuses(intent) != ["succeeded"]:
        tally.wrongly_failed.append(f"{name}: charges {await town.charge_statuses(intent)}")
    if await town.operator_nonce() != nonce + 1:
        tally.wasted.append(f"{name}: {await town.operator_nonce() - nonce} transactions")
    if untold := await _untold(town, intent.invoice_id):
        tally.lost.append(f"{name}: {untold}")


async def _untold(town: Town, invoice_id: str) -> str:
    """What is wrong with the events of the town; nothing if each was written once, without a gap, and heard."""
    written = await town.events()
    if [event.sequence for event in written] != list(range(1, len(written) + 1)):
        return "the sequence of events has a gap"
    paid = [event for event in written if event.type == "invoice.paid" and event.object_id == invoice_id]
    heard = {event["id"] for event in town.receiver.heard}
    missing = {event.id for event in written if event.type != "customer.subscription.opened"} - heard
    if len(paid) != 1 or missing or town.receiver.refused:
        return f"{len(paid)} times paid, {len(missing)} events not heard, {len(town.receiver.refused)} refused"
    return ""


@asynccontextmanager
async def a_town(forks: ForkServer, database: str, folder: Path) -> AsyncIterator[Town]:
    """A merchant with a subscriber on a node of its own; `database` is the URL of an empty one."""
    await migrate.upgrade(database)
    with LocalNode.start() as node:
        town = await Town.build(node, forks, folder, database=database, redis="redis://127.0.0.1:1/0")
        try:
            yield town
        finally:
            await town.close()


async def kill(forks: ForkServer, database: str, deaths: Iterator[Deaths], kills: int, tally: Tally) -> None:
    """Live months until so many kills were counted, or a promise was broken; in towns of `MONTHS_OF_A_TOWN` each."""
    began = time.monotonic()
    while tally.kills < kills and not tally.broken:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            async with _emptied(database, folder) as url, a_town(forks, url, folder) as town:
                for month in itertools.islice(deaths, MONTHS_OF_A_TOWN):
                    await live_a_month(town, month, tally)
                    if tally.kills >= kills or tally.broken:
                        break
        print(f"  so far {tally.told(database, time.monotonic() - began)}", file=sys.stderr, flush=True)


@asynccontextmanager
async def _emptied(database: str, folder: Path) -> AsyncIterator[str]:
    if database == "sqlite":
        yield f"sqlite+aiosqlite:///{folder / 'dues.db'}"
    else:
        async with servers.postgres() as url:
            yield url


async def main(databases: Sequence[str], kills: int, seed: int, replay: str | None) -> int:
    """Print the figures of each database; the exit status says whether all of them are what they must be."""
    status = 0
    forks = ForkServer()
    try:
        for database in databases:
            deaths = plan(seed)
            if replay is not None:
                deaths = iter([tuple(Failpoint(name) for name in replay.split(","))])
            tally, began = Tally(), time.monotonic()
            share = 1 if replay else kills // len(databases)
            await kill(forks, database, deaths, share, tally)
            print(tally.told(database, time.monotonic() - began), flush=True)
            for line in tally.broken:
                status = 1
                print(f"  seed {seed}, replay with --database {database} --replay {line}", flush=True)
    finally:
        forks.close()
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgres"], action="append")
    parser.add_argument("--replay", help="places of one month, with commas between")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.database or ["sqlite", "postgres"], given.kills, given.seed, given.replay)))
