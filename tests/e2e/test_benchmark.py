"""The benchmark runs, and measures what it says: a figure that nobody can repeat is not a figure."""

from pathlib import Path

from benchmarks.renewals import measure, told

RENEWALS = 30
TABLE_ROWS_A_RENEWAL_MIN = 8


async def test_the_renewal_benchmark_renews_everything_and_prints_ratios(tmp_path: Path) -> None:
    figures = await measure("SQLite", f"sqlite+aiosqlite:///{tmp_path}/books.db", RENEWALS)
    assert figures.renewals == RENEWALS
    assert figures.renewals_per_second > 0
    assert figures.rows >= RENEWALS * TABLE_ROWS_A_RENEWAL_MIN
    assert figures.events >= RENEWALS * 5
    lines = told(figures)
    assert "limit: charges" in lines
    assert "% of it" in lines
