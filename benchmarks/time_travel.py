"""How long one advance of a test clock takes: N monthly subscriptions, twelve periods, a real chain, one worker.

From the request to the moment at which the clock is ready again: every renewal announced, drafted, finalised, pulled,
mined, final and told, each at its own date. `--apart` lets the subscriptions begin on different days: then next to
nothing falls due together.

    python -m benchmarks.time_travel                          100 subscriptions that began together, SQLite
    python -m benchmarks.time_travel --apart-hours 6          the same, six hours apart
"""

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from benchmarks import ground, servers
from benchmarks.renewals import _config, _working
from chain.json_rpc import JsonRpcChain
from chain.local_node import LOCAL_CHAIN_ID, DevelopmentChain, LocalNode, NodeOptions
from chain.stage import set_stage
from gateway import clock, log
from gateway.composition import House, opened
from gateway.config import Config
from gateway.db import accounts, catalog, migrate, test_clocks
from gateway.domain.period import from_unix, to_unix
from gateway.domain.test_clock import Status, TestClock
from gateway.services import test_clocks as clock_services
from gateway.services.recording import Origin
from tests import crowd, factories

BEGAN: Final = datetime(2027, 1, 15, 9, tzinfo=UTC)
PRICE: Final = 10_000_000
POLL_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 1_800.0
_MONTH: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one advance took."""

    database: str
    subscriptions: int
    months: int
    seconds: float
    cpu_seconds: float
    renewals: int
    statements: int
    rpc_requests: int


async def measure(name: str, url: str, *, count: int, months: int, apart: timedelta = timedelta()) -> Figures:
    """Build a chain and books for `count` subscriptions, and let a worker take their clock over `months` periods."""
    with LocalNode.start(NodeOptions(timestamp=to_unix(BEGAN) - 3600)) as node, servers.redis() as redis_url:
        async with DevelopmentChain(node.url) as levers, JsonRpcChain([node.url], chain_id=LOCAL_CHAIN_ID) as chain:
            stage = set_stage(node.url, chain)
            many = crowd.crowd(
                count,
                now=BEGAN,
                chain_id=LOCAL_CHAIN_ID,
                contract=stage.contract,
                token=stage.token,
                wallets=[key.address for key in ground.wallets()],
                test_clock_id=factories.CLOCK_ID,
                apart=apart,
            )
            shared = -(-count // ground.WALLETS)
            await ground.fund(stage, chain, levers, shared * (months + 1) * PRICE)
            await ground.register(chain, stage.contract, many.terms)
            await levers.set_time(to_unix(BEGAN))
            await migrate.upgrade(url)
            config = _on_a_local_chain(_config(url, redis_url, node.url, stage))
            async with opened(config, with_signers=True) as house:
                await _fill(house, many)
                return await _advance(house, name, count, months)


def _on_a_local_chain(config: Config) -> Config:
    """With the usual hour of a draft: what a merchant's test would wait for."""
    [chain] = config.chains
    billing = msgspec.structs.replace(config.billing, finalization_delay_seconds=3600)
    chain = msgspec.structs.replace(chain, local=True, confirmations=2)
    return msgspec.structs.replace(config, chains=(chain,), billing=billing)


async def _fill(house: House, many: crowd.Crowd) -> None:
    async with house.gateway.books.write() as conn:
        await accounts.add(conn, factories.account())
        await catalog.add_products(conn, [factories.product()])
        await catalog.add_prices(conn, [factories.price()])
        made = clock_services.domain.create(factories.clock(created_at=BEGAN, frozen_at=BEGAN))
        await test_clocks.add_many(conn, [made])
    await crowd.write(house.gateway.books, many)


async def _advance(house: House, name: str, count: int, months: int) -> Figures:
    books, chain = house.gateway.books, house.chains[LOCAL_CHAIN_ID]
    statements, requests = books.statements, chain.round_trips
    async with _working(house):
        began, cpu = time.perf_counter(), time.process_time()
        async with books.write() as conn:
            await clock_services.advance(
                conn,
                house.gateway,
                scope=factories.SCOPE,
                clock_id=factories.CLOCK_ID,
                target=BEGAN + months * _MONTH,
                chain_time=from_unix(await house.local_chains[LOCAL_CHAIN_ID].head_time()),
                origin=Origin(clock.now()),
            )
        while (await _clock(house)).status is not Status.READY:
            if time.perf_counter() - began > PATIENCE_SECONDS:
                raise RuntimeError(f"the clock stands at {(await _clock(house)).frozen_at} and is not ready")
            await asyncio.sleep(POLL_SECONDS)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    async with books.read() as conn:
        paid = await conn.exec_driver_sql("SELECT count(*) FROM charge_intents WHERE status = 'succeeded'")
        renewals = int(paid.scalar_one())
    if renewals < count * months:
        raise RuntimeError(f"only {renewals} of {count * months} renewals were paid")
    return Figures(
        database=name,
        subscriptions=count,
        months=months,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        renewals=renewals,
        statements=books.statements - statements,
        rpc_requests=chain.round_trips - requests,
    )


async def _clock(house: House) -> TestClock:
    async with house.gateway.books.read() as conn:
        return (await test_clocks.load(conn, [factories.CLOCK_ID]))[factories.CLOCK_ID]


def told(f: Figures) -> str:
    """The figures in lines that fit a terminal."""
    return (
        f"{f.database}: {f.subscriptions} subscriptions over {f.months} months in {f.seconds:.1f} s "
        f"({f.cpu_seconds:.1f} s of the worker's processor)\n"
        f"  {f.renewals} renewals, {f.renewals / f.seconds:.0f} a second; "
        f"{f.statements} SQL statements, {f.rpc_requests} RPC requests"
    )


async def main(count: int, months: int, apart: timedelta) -> None:
    """Measure on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/books.db"
        print(told(await measure("SQLite", url, count=count, months=months, apart=apart)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--apart-hours", type=int, default=0)
    given = parser.parse_args()
    log.configure(form="human", level="warning")
    try:
        asyncio.run(main(given.count, given.months, timedelta(hours=given.apart_hours)))
    except servers.Missing as missing:
        sys.exit(f"time_travel.py: {missing}")
