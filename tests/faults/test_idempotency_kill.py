"""R3: an effect happens once for its key, however often it is asked for and whenever the API dies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MORE = os.environ.get("DUES_IDEMPOTENCY_ROUNDS")
ROUNDS = {"sqlite": int(MORE or 6), "postgresql": int(MORE or 3)}


def test_R3_one_key_fifty_times_at_once_killed_half_way_has_one_effect_and_one_answer(
    books_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    count = ROUNDS["sqlite" if books_url.startswith("sqlite") else "postgresql"]
    words = [sys.executable, "-m", "tests.faults.idempotency", books_url, redis_url, str(count), "7"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60 + 20 * count)  # noqa: S603 - our own
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    figure = json.loads(done.stdout)
    assert (figure["rounds"], figure["wrong_effects"], figure["different_answers"]) == (count, 0, 0)
    assert figure["cut_off"] > 0
    with capsys.disabled():
        print(f"\nR3: {figure}")
