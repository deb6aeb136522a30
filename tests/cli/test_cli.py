"""The command line as a person meets it: a process, its output, its status."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.app import _COMMANDS
from gateway.domain.api_key import is_well_formed

HELP_SECONDS_MAX = 0.3
SETTINGS = """
database_url = "sqlite:///{folder}/dues.db"
redis_url = "redis://127.0.0.1:1/0"
public_url = "http://127.0.0.1:8321"
pepper = "0123456789abcdef0123456789abcdef"
"""
LIVE = """
mode = "live"
debug = true
allow_private_webhooks = true
[[chains]]
chain_id = 31337
name = "local"
rpc_urls = ["http://127.0.0.1:1"]
contract = "0x00000000000000000000000000000000000000c0"
local = true
[[signers]]
chain_id = 31337
development_key = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""
PAYOUT = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "dues.toml"
    path.write_text(SETTINGS.format(folder=tmp_path), encoding="utf-8")
    return path


def dues(*words: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    named = [] if config is None else ["--config", str(config)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DUES_")}
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "gateway", *named, *words], capture_output=True, text=True, env=clean, check=False
    )


def test_help_comes_at_once() -> None:
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert dues("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Time on a processor, so that a busy machine changes nothing.
    assert min(spent) < HELP_SECONDS_MAX


def test_help_lists_every_command() -> None:
    listed = dues("--help").stdout
    assert all(re.search(rf"^  {name} +\S", listed, re.MULTILINE) for name in _COMMANDS)


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    helped = dues(name, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.startswith(f"Usage: dues {name}")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["nope"], 2, "dues: No such command 'nope'. See `dues --help`."),
        (["version", "--nope"], 2, "dues: No such option '--nope'. See `dues version --help`."),
        (["worker", "--roles", "cook"], 2, "cook; known are billing"),
        (["keys", "create"], 2, "Give either --account or --new-account"),
        (["--config", "absent.toml", "api"], 1, "dues: absent.toml: cannot be read (No such file or directory)."),
        (["openapi", "--check", "absent.json"], 1, "dues: absent.json is not what the API says"),
    ],
)
def test_a_mistake_gets_one_precise_line_and_a_status(words: list[str], status: int, said: str) -> None:
    answer = dues(*words)
    assert answer.returncode == status
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_debug_shows_where_an_error_came_from() -> None:
    assert "Traceback" in dues("--debug", "--config", "absent.toml", "migrate").stderr


def test_migrate_makes_the_schema_once(settings: Path) -> None:
    before = dues("migrate", "--check", config=settings)
    assert (before.returncode, "run `dues migrate`" in before.stderr) == (1, True)
    assert re.fullmatch(r"schema empty → \w+\n", dues("migrate", config=settings).stdout)
    assert "nothing to do" in dues("migrate", config=settings).stdout
    assert dues("migrate", "--check", config=settings).returncode == 0


@pytest.mark.parametrize("command", ["api", "worker"])
def test_nothing_starts_on_an_older_schema(settings: Path, command: str) -> None:
    answer = dues(command, config=settings)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith(
        "dues: refusing to start in test mode: database: its schema is empty"
    )


@pytest.mark.parametrize("command", ["api", "worker"])
def test_live_mode_refuses_what_is_only_fit_for_development_all_at_once(tmp_path: Path, command: str) -> None:
    path = tmp_path / "dues.toml"
    path.write_text(SETTINGS.format(folder=tmp_path) + LIVE, encoding="utf-8")
    answer = dues(command, config=path)
    assert answer.returncode == 1
    for problem in ("debug:", "allow_private_webhooks:", "public_url:", "local development chain", "development_key:"):
        assert problem in answer.stderr
    assert "its schema is empty" in answer.stderr
    assert "ac0974be" not in answer.stderr


@pytest.mark.parametrize(
    ("command", "said"), [("worker", "Redis does not answer"), ("api", "/readyz: [Errno 111] Connection refused")]
)
def test_a_health_check_without_anything_to_ask_fails_in_one_line(settings: Path, command: str, said: str) -> None:
    with settings.open("a", encoding="utf-8") as more:
        more.write("[api]\nport = 1\n")
    answer = dues(command, "--check", config=settings)
    assert answer.returncode == 1
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_key_is_shown_once_and_opens_the_account_that_was_made_with_it(settings: Path) -> None:
    dues("migrate", config=settings)
    made = dues("keys", "create", "--new-account", "Lighthouse", "--payout-address", PAYOUT, config=settings)
    key, account = made.stdout.strip(), made.stderr.split()[-1]
    assert is_well_formed(key)
    assert key.startswith("sk_test_")
    assert account.startswith("acct_")
    another = dues("keys", "create", "--account", account, config=settings).stdout.strip()
    assert is_well_formed(another)
    assert another != key
    assert key.encode() not in (settings.parent / "dues.db").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--account", "acct_none"], "there is no account acct_none"),
        (["--new-account", "x", "--payout-address", "0x12"], "not an address"),
        (["--new-account", "x"], "belong together"),
        (["--account", "acct_none", "--live"], "this installation is in test mode"),
    ],
)
def test_a_key_for_nobody_is_refused(settings: Path, words: list[str], said: str) -> None:
    dues("migrate", config=settings)
    answer = dues("keys", "create", *words, config=settings)
    assert answer.returncode != 0
    assert said in answer.stderr
    assert answer.stdout == ""


def test_doctor_says_what_is_wrong_and_what_to_do(settings: Path) -> None:
    answer = dues("doctor", config=settings)
    assert answer.returncode == 1
    assert re.search(r"^!!  database +schema empty\n.*→ run `dues migrate`", answer.stdout, re.MULTILINE)
    assert re.search(r"^!!  redis +no answer", answer.stdout, re.MULTILINE)
    assert answer.stderr == "dues: 2 of 4 checks need attention\n"


def test_the_published_description_of_the_api_is_up_to_date() -> None:
    root = Path(__file__).resolve().parents[2]
    assert dues("openapi", "--check", str(root / "docs" / "openapi.json")).returncode == 0


def test_a_command_without_its_packages_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise ModuleNotFoundError('gone', name='rich')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = dues("sandbox", "--once", "--data-dir", str(tmp_path / "d"))
    assert answer.stderr == "dues: the sandbox needs more packages (rich is missing): `make sandbox`\n"
