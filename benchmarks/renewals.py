"""Renewals per second, end to end: N subscriptions fall due at once, a real worker renews them on a local chain.

From the first due row to the last `succeeded` charge intent with its events written, beside what the database and the
chain of the same machine give without any of it, measured in the same run. Figures of a busy or small machine are only
comparable through their ratios.

    make bench                                  1,000 at once, SQLite and PostgreSQL
    make bench ARGS="--count 10000 --json f"    more, and the figures as JSON
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks import ground, servers
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, LOCAL_CHAIN_ID, DevelopmentChain, LocalNode, NodeOptions
from chain.stage import Stage, set_stage
from gateway import log
from gateway.composition import House, opened
from gateway.config import Billing, Chain, Config, Secret, Signer, Token
from gateway.db import accounts, catalog, migrate
from gateway.db.engine import Books
from gateway.domain.period import to_unix
from gateway.services.collection import BATCH_ITEMS
from tests import crowd, factories
from workers.run import run

EVENT_BYTES: Final = 1_000
"""About what one event's snapshot takes."""

PERIOD: Final = timedelta(days=31, hours=1)
"""Every subscription began so long ago: its second month is due, and has not been for long."""

POLL_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One database's figures; each limit was measured beside it."""

    database: str
    renewals: int
    seconds: float
    cpu_seconds: float
    rows: int
    events: int
    statements: int
    rpc_requests: int
    insert_rows_per_second: float
    charges_per_second: float
    transactions_per_second: float

    @property
    def renewals_per_second(self) -> float:
        """The figure."""
        return self.renewals / self.seconds


async def measure(name: str, url: str, count: int) -> Figures:
    """Build a chain and books for `count` due subscriptions, let a worker renew them, and measure the limits."""
    began_at = datetime.now(UTC).replace(microsecond=0) - PERIOD
    # Beside a block for each transaction one a second: a transaction that misses its own block is not left behind.
    genesis = NodeOptions(timestamp=to_unix(began_at) - 3600, block_seconds=1, mixed_mining=True)
    with LocalNode.start(genesis) as node, servers.redis() as redis_url:
        async with DevelopmentChain(node.url) as levers, JsonRpcChain([node.url], chain_id=LOCAL_CHAIN_ID) as chain:
            stage = set_stage(node.url, chain)
            many, others = _crowds(stage, began_at, count)
            await ground.fund(stage, chain, levers, 2 * count * 10_000_000)
            await ground.register(chain, stage.contract, [*many.terms, *others.terms])
            await levers.set_time(to_unix(datetime.now(UTC)))
            await migrate.upgrade(url)
            async with opened(_config(url, redis_url, node.url, stage), with_signers=True) as house:
                await _fill(house.gateway.books, many)
                inserted = await _insert_limit(house.gateway.books, max(count * 8, 10_000))
                figures = await _renew(house, count)
            charged = await ground.charge(chain, stage.contract, others.second_periods(), BATCH_ITEMS)
            noops = await ground.noops(chain, 1_000)
    return Figures(
        database=name,
        renewals=count,
        **figures,
        insert_rows_per_second=inserted,
        charges_per_second=count / charged.seconds,
        transactions_per_second=1_000 / noops.seconds,
    )


def _crowds(stage: Stage, began_at: datetime, count: int) -> tuple[crowd.Crowd, crowd.Crowd]:
    """Those that the gateway renews, and as many again for the chain's own limit (other salts, other mandates)."""
    owners = [key.address for key in ground.wallets()]
    both = crowd.crowd(
        2 * count,
        now=began_at,
        chain_id=LOCAL_CHAIN_ID,
        contract=stage.contract,
        token=stage.token,
        wallets=owners,
    )
    return (
        crowd.Crowd(both.subscriptions[:count], both.mandates[:count]),
        crowd.Crowd(both.subscriptions[count:], both.mandates[count:]),
    )


def _config(url: str, redis_url: str, rpc_url: str, stage: Stage) -> Config:
    return Config(
        database_url=Secret(url),
        redis_url=Secret(redis_url),
        public_url="http://127.0.0.1:8321",
        pepper=Secret("benchmarks have no keys"),
        billing=Billing(finalization_delay_seconds=0),
        chains=(
            Chain(
                chain_id=LOCAL_CHAIN_ID,
                name="local",
                rpc_urls=(Secret(rpc_url),),
                contract=stage.contract,
                confirmations=1,
            ),
        ),
        tokens=(Token(chain_id=LOCAL_CHAIN_ID, address=stage.token, symbol="USDC", decimals=6, currency="usd"),),
        signers=(Signer(chain_id=LOCAL_CHAIN_ID, development_key=Secret(DEVELOPMENT_KEYS[1])),),
    )


async def _fill(books: Books, many: crowd.Crowd) -> None:
    async with books.write() as conn:
        await accounts.add(conn, factories.account())
        await catalog.add_products(conn, [factories.product()])
        await catalog.add_prices(conn, [factories.price()])
    await crowd.write(books, many)


async def _insert_limit(books: Books, rows: int) -> float:
    """Rows per second of a plain bulk insert into the same database: an id, a number, and a payload like an event's."""
    payload = "x" * EVENT_BYTES
    async with books.write() as conn:
        await conn.exec_driver_sql("CREATE TABLE bench_rows (id TEXT PRIMARY KEY, number BIGINT, payload TEXT)")
    mark = "?, ?, ?" if books_are_sqlite(books) else "$1, $2, $3"
    began = time.perf_counter()
    for start in range(0, rows, 1_000):
        chunk = [(f"row_{number:026d}", number, payload) for number in range(start, min(start + 1_000, rows))]
        async with books.write() as conn:
            await conn.exec_driver_sql(f"INSERT INTO bench_rows VALUES ({mark})", chunk)  # noqa: S608 - our own text
    seconds = time.perf_counter() - began
    async with books.write() as conn:
        await conn.exec_driver_sql("DROP TABLE bench_rows")
    return rows / seconds


def books_are_sqlite(books: Books) -> bool:
    """Which placeholders its driver wants."""
    return books._is_sqlite  # noqa: SLF001 - a benchmark may look


async def _renew(house: House, count: int) -> dict[str, Any]:
    """Let one worker process with all roles renew everything; returns what it took."""
    books = house.gateway.books
    rows = await _rows(books)
    chain = house.chains[LOCAL_CHAIN_ID]
    statements, requests = books.statements, chain.round_trips
    began, cpu = time.perf_counter(), time.process_time()
    async with _working(house):
        while await _count(books, "charge_intents WHERE status = 'succeeded'") < count:
            if time.perf_counter() - began > PATIENCE_SECONDS:
                raise RuntimeError(f"not all of {count} renewals succeeded within {PATIENCE_SECONDS:g} s")
            await asyncio.sleep(POLL_SECONDS)
            statements += 1  # ours
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        spent = books.statements - statements, chain.round_trips - requests
    written = await _rows(books)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "rows": sum(written.values()) - sum(rows.values()),
        "events": written["events"] - rows["events"],
        "statements": spent[0],
        "rpc_requests": spent[1],
    }


@asynccontextmanager
async def _working(house: House) -> AsyncIterator[None]:
    worker = asyncio.create_task(run(house, handle_signals=False))
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def _rows(books: Books) -> dict[str, int]:
    tables = [
        "invoices",
        "invoice_lines",
        "charge_intents",
        "charges",
        "events",
        "state_changes",
        "chain_transactions",
        "transaction_attempts",
    ]
    return {table: await _count(books, table) for table in tables}


async def _count(books: Books, what: str) -> int:
    async with books.read() as conn:
        return int((await conn.exec_driver_sql(f"SELECT count(*) FROM {what}")).scalar_one())  # noqa: S608 - our own text


def told(figures: Figures) -> str:
    """The figures and their ratios, in lines that fit a terminal."""
    f = figures
    per = 1_000 / f.renewals
    rows_per_second = f.rows / f.seconds
    lines = {
        "renewals": (f.renewals_per_second, f"/s  ({f.seconds:.2f} s, {f.events:,} events written)"),
        "limit: charges": (
            f.charges_per_second,
            f"/s  raw to anvil, batches of {BATCH_ITEMS}: {f.renewals_per_second / f.charges_per_second:.0%} of it",
        ),
        "limit: bulk insert": (
            f.insert_rows_per_second,
            f"rows/s  {f.rows / f.renewals:.1f} rows a renewal: {rows_per_second / f.insert_rows_per_second:.0%} of it",
        ),
        "anvil transactions": (f.transactions_per_second, "/s  that do nothing"),
        "worker's processor": (f.renewals / f.cpu_seconds, f"renewals for each second of it ({f.cpu_seconds:.2f} s)"),
        "per 1,000 renewals": (f.statements * per, f"SQL statements and {f.rpc_requests * per:,.0f} RPC requests"),
    }
    head = f"{f.database}: {f.renewals:,} renewals due at once, one worker process"
    return "\n".join([head, *(f"  {name:<19}{value:10,.0f} {rest}" for name, (value, rest) in lines.items())])


async def main(count: int, databases: list[str]) -> list[Figures]:
    """Measure each database on a chain of its own."""
    measured = []
    for name in databases:
        with tempfile.TemporaryDirectory() as folder:
            if name == "sqlite":
                measured.append(await measure("SQLite", f"sqlite:///{folder}/books.db", count))
            else:
                async with servers.postgres() as url:
                    measured.append(await measure("PostgreSQL", url, count))
        print(told(measured[-1]), flush=True)
    return measured


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--database", choices=["sqlite", "postgres"], action="append")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    log.configure(form="human", level="warning")
    try:
        results = asyncio.run(main(given.count, given.database or ["sqlite", "postgres"]))
    except servers.Missing as missing:
        sys.exit(f"renewals.py: {missing}")
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(figures) for figures in results], indent=2) + "\n", encoding="utf-8")
