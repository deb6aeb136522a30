"""TRUST R7: a node in bad weather costs time, never money: the books are those of a calm month, for any seed.

`DUES_FAULT_SEEDS=50 pytest tests/faults` (or `make faults`) tries more seeds; each prints what it met, and a seed that
fails is in the name of its test, which replays it.
"""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chain.local_node import LocalNode
from gateway.domain.charge_intent import Status as IntentStatus
from tests.faults.weather import Weather
from tests.workers.forks import ForkServer
from tests.workers.town import Town

SEEDS = int(os.environ.get("DUES_FAULT_SEEDS", "3"))
SHARE = 0.2


@dataclass(frozen=True)
class Month:
    """What a renewal leaves behind, without ids and times."""

    status: str
    attempts: int
    charges: tuple[str, ...]
    events: Counter[str]
    transactions: int


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all tests of this module: the town outlives each of them."""
    with asyncio.Runner() as one:
        yield one


@pytest.fixture(scope="module")
def node() -> Iterator[LocalNode]:
    with LocalNode.start() as running:
        yield running


@pytest.fixture(scope="module")
def town(
    runner: asyncio.Runner,
    node: LocalNode,
    sqlite_template: Path,
    redis_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    shutil.copyfile(sqlite_template, folder / "dues.db")
    database, redis = f"sqlite:///{folder / 'dues.db'}", f"redis://127.0.0.1:{redis_port}/3"
    forks = ForkServer()
    built = runner.run(Town.build(node, forks, folder, database=database, redis=redis))
    yield built
    runner.run(built.close())
    forks.close()


def behind(town: Town, url: str) -> Path:
    """Settings whose node is the one at `url`."""
    lines = town.config.read_text().splitlines()
    path = town.folder / "behind.toml"
    path.write_text("\n".join(f'rpc_urls = ["{url}"]' if line.startswith("rpc_urls") else line for line in lines))
    return path


async def month(town: Town, config: Path | None = None) -> Month:
    """One renewal by a worker with these settings, and what it left in the books."""
    [subscription] = town.subscribed
    before, nonce, written = await town.newest_intent(subscription), await town.operator_nonce(), await town.events()
    await town.advance_a_month()
    await town.recover(config)
    intent = await town.newest_intent(subscription)
    assert intent.mandate_period == (before.mandate_period or 0) + 1
    assert set((await town.charged()).values()) == {1}
    return Month(
        status=intent.status,
        attempts=intent.attempts,
        charges=tuple(await town.charge_statuses(intent)),
        events=Counter(str(event.type) for event in (await town.events())[len(written) :]),
        transactions=await town.operator_nonce() - nonce,
    )


@pytest.fixture(scope="module")
def calm(runner: asyncio.Runner, town: Town) -> Month:
    """What a renewal comes to when nothing goes wrong."""
    found = runner.run(month(town))
    assert (found.status, found.attempts, found.charges) == (IntentStatus.SUCCEEDED, 0, ("succeeded",))
    assert found.transactions == 1
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_R7_a_month_of_bad_weather_leaves_the_books_of_a_calm_one(
    runner: asyncio.Runner, node: LocalNode, town: Town, calm: Month, seed: int
) -> None:
    async def run() -> None:
        async with Weather(node.url) as weather:
            weather.begin(seed, SHARE)
            found = await month(town, behind(town, weather.url))
            told = ", ".join(f"{count} x {fault.name}" for fault, count in sorted(weather.met.items()))
            print(f"\nseed {seed}: {weather.met.total()} faults in {weather.requests} requests ({told})")
            assert weather.met.total() >= 3, "the weather was not bad enough to say anything"
            assert found == calm, f"seed {seed}: {told}"

    runner.run(run())
