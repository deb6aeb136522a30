"""The benchmark runs, and measures what it says: a figure that nobody can repeat is not a figure."""

from pathlib import Path

from benchmarks import time_travel
from benchmarks.renewals import measure, told

RENEWALS = 30
TABLE_ROWS_A_RENEWAL_MIN = 8


async def test_the_renewal_benchmark_renews_everything_and_prints_ratios(tmp_path: Path) -> None:
    figures = await measure("SQLite", f"sqlite:///{tmp_path}/books.db", RENEWALS)
    assert figures.renewals == RENEWALS
    assert figures.renewals_per_second > 0
    assert figures.rows >= RENEWALS * TABLE_ROWS_A_RENEWAL_MIN
    assert figures.events >= RENEWALS * 5
    lines = told(figures)
    assert "limit: charges" in lines
    assert "% of it" in lines


async def test_the_time_travel_benchmark_pays_every_period_on_the_way(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/books.db"
    figures = await time_travel.measure("SQLite", url, count=4, months=2)
    assert figures.renewals == 8
    assert "4 subscriptions over 2 months" in time_travel.told(figures)
