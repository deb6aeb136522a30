"""The two commands of the README, as a person starts them: separate processes, real signals, real ports."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.sandbox.folder import Folder

pytestmark = pytest.mark.xdist_group("sandbox")

SECONDS_MAX = 120
STEPS = 11
MARK = "THE_SANDBOX_OF_A_TEST"


def sandbox(data_dir: Path, *words: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-m", "gateway", "sandbox", "--data-dir", str(data_dir), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environ | {MARK: str(data_dir)},
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=SECONDS_MAX)
    return process.returncode, out, err


def children_of(data_dir: Path) -> list[str]:
    """Command lines of processes of the sandbox in `data_dir`, itself included.

    They are known by a variable that all inherit, or by their folder: Redis overwrites its environment with its title.
    """
    found = []
    for entry in Path("/proc").iterdir():
        try:
            is_ours = f"{MARK}={data_dir}\0".encode() in (entry / "environ").read_bytes()
            if is_ours or str(data_dir) in str((entry / "cwd").readlink()):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [words for words in found if words]


@contextmanager
def staying_up(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    process = sandbox(data_dir)
    try:
        deadline = time.monotonic() + SECONDS_MAX
        assert process.stdout is not None
        for line in process.stdout:
            if "stays up" in line or time.monotonic() > deadline:
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_story_comes_true_within_a_minute_and_leaves_nothing_running(tmp_path: Path) -> None:
    began = time.monotonic()
    elsewhere = {"DUES_MODE": "live", "DUES_DATABASE_URL": "postgresql+asyncpg://another/installation"}
    code, out, err = ended(sandbox(tmp_path / "d", "--once", NO_COLOR="1", **elsewhere))
    assert (code, err) == (0, "")
    assert len(re.findall(r"^ ?\d+ \w.* \d+\.\d s$", out, re.MULTILINE)) == STEPS
    assert f"The story came true: {STEPS} steps" in out
    told = re.search(r"claims, ([\d.]+) s\.", out)
    assert told is not None
    assert float(told[1]) < 60
    assert time.monotonic() - began < SECONDS_MAX
    assert "\x1b" not in out
    assert children_of(tmp_path / "d") == []


def test_it_stays_up_with_an_api_that_the_printed_curl_line_reaches_until_it_is_interrupted(tmp_path: Path) -> None:
    with staying_up(tmp_path / "d") as process:
        facts = json.loads((tmp_path / "d" / "sandbox.json").read_text(encoding="utf-8"))
        answer = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", _ASK, f"{facts['api_url']}/v1/subscriptions?status=all", facts["api_key"]],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(answer.stdout)["data"][0]["status"] == "canceled"
        for words in (["doctor"], ["api", "--check"], ["worker", "--check"]):
            checked = subprocess.run(  # noqa: S603 - our own words
                [sys.executable, "-m", "gateway", "--config", facts["settings"], *words],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (checked.returncode, checked.stderr) == (0, ""), checked
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert process.returncode == 0
    assert children_of(tmp_path / "d") == []


_ASK = """
import base64, sys, urllib.request
url, key = sys.argv[1:]
basic = base64.b64encode(f"{key}:".encode()).decode()
request = urllib.request.Request(url, headers={"Authorization": "Basic " + basic})
print(urllib.request.urlopen(request).read().decode())
"""


@pytest.mark.parametrize("child", ["anvil", "redis-server", " worker", " api"])
def test_ended_at_the_instant_when_a_child_is_born_it_leaves_nothing_running(tmp_path: Path, child: str) -> None:
    process = sandbox(tmp_path / "d", "--once")
    while not any(child in words for words in children_of(tmp_path / "d")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] != 0
    assert children_of(tmp_path / "d") == []


def test_a_chain_that_cannot_be_started_is_named_in_one_line(tmp_path: Path) -> None:
    code, _, err = ended(sandbox(tmp_path / "d", "--once", DUES_ANVIL="/nonexistent/anvil"))
    assert code == 1
    assert err.splitlines() == ["dues: DUES_ANVIL names /nonexistent/anvil, which cannot be executed"]


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    code, _, err = ended(sandbox(tmp_path, "--once"))
    assert code == 1
    assert "is not empty and not a sandbox" in err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_sandboxes_do_not_share_a_folder(tmp_path: Path) -> None:
    first = Folder.take(tmp_path / "d", fresh=False)
    try:
        code, _, err = ended(sandbox(tmp_path / "d", "--once"))
    finally:
        first.release()
    assert code == 1
    assert "another sandbox runs in" in err


def test_a_taken_port_that_was_asked_for_is_refused_and_others_are_replaced(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = ended(sandbox(tmp_path / "d", "--once", "--port", str(taken.getsockname()[1])))
    assert code == 1
    assert "is taken by another program" in err


def test_a_new_start_keeps_what_the_last_one_left_and_fresh_does_not(tmp_path: Path) -> None:
    first = Folder.take(tmp_path, fresh=False)
    first.database.write_bytes(b"books of a chain that is gone")
    first.release()
    second = Folder.take(tmp_path, fresh=False)
    assert not second.database.exists()
    assert (tmp_path / "previous" / "dues.db").read_bytes() == b"books of a chain that is gone"
    second.release()
    third = Folder.take(tmp_path, fresh=True)
    assert not (tmp_path / "previous").exists()
    third.release()
