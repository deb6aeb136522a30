"""TRUST R1, the part that always runs: some ordered pairs of kills in one renewal each. `make kills` does thousands."""

import asyncio
import itertools
from pathlib import Path

from gateway.failpoints import Failpoint
from tests.faults import kills
from tests.workers.forks import ForkServer

PAIRS: list[kills.Deaths] = [
    (Failpoint.CHARGE_SIGNED, Failpoint.CHARGE_COMMITTED),
    (Failpoint.TRANSACTION_SENT, Failpoint.SETTLEMENT_WRITTEN),
    (Failpoint.SETTLEMENT_COMMITTED, Failpoint.DELIVERY_SENT),
    (Failpoint.BLOCKS_WRITTEN, Failpoint.BLOCKS_WRITTEN),
]


def test_R1_a_renewal_killed_at_pairs_of_places_is_charged_once_and_told(sqlite_template: Path, tmp_path: Path) -> None:
    (tmp_path / "dues.db").write_bytes(sqlite_template.read_bytes())
    tally = kills.Tally()

    async def live() -> None:
        forks = ForkServer()
        try:
            async with kills.a_town(forks, f"sqlite+aiosqlite:///{tmp_path / 'dues.db'}", tmp_path) as town:
                for deaths in PAIRS:
                    await kills.live_a_month(town, deaths, tally)
        finally:
            forks.close()

    asyncio.run(live())
    assert (tally.months, tally.kills, tally.broken) == (4, 8, [])


def test_R1_every_single_place_and_every_ordered_pair_is_planned() -> None:
    places = len(kills.PLACES)
    planned = set(itertools.islice(kills.plan(1), places + places**2 + 1))
    assert {(first, second) for first in kills.PLACES for second in kills.PLACES} <= planned
    assert {(place,) for place in kills.PLACES} | {kills.SPIKE} <= planned
