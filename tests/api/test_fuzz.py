"""R14, a small part of it: `make fuzz` sends 50,000 such requests."""

import pytest

from tests.api import fuzzing


def test_R14_requests_made_from_the_document_meet_no_5xx_and_nothing_undocumented(
    sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fuzz = fuzzing.run(sqlite_url, cases=1, seeds=7, step=4, derandomize=True)
    assert fuzz.wrong == []
    assert max(fuzz.statuses) < 500
    assert fuzz.statuses[200] > 5
    with capsys.disabled():
        print(f"\nR14: {sum(fuzz.statuses.values())} cases, 0 x 5xx, 0 undocumented")
