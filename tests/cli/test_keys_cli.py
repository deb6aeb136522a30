"""`dues keys` and `dues audit-log` as an operator meets them: one process each, an SQLite file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAYOUT = "0x" + "9a" * 20


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Path:
    (tmp_path / "dues.db").write_bytes(sqlite_template.read_bytes())
    (tmp_path / "dues.toml").write_text(
        f'database_url = "sqlite+aiosqlite:///{tmp_path}/dues.db"\n'
        'public_url = "http://127.0.0.1:8321"\nredis_url = "redis://127.0.0.1:1/0"\n'
        'pepper = "0123456789abcdef0123456789abcdef"\n',
        encoding="utf-8",
    )
    return tmp_path


def dues(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "--config", str(folder / "dues.toml"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own command


def told(folder: Path, *words: str) -> Any:
    answer = dues(folder, *words, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_a_restricted_key_is_made_listed_rotated_and_revoked_and_all_of_it_is_in_the_audit_log(folder: Path) -> None:
    account = told(folder, "keys", "create", "--new-account", "Lighthouse", "--payout-address", PAYOUT)["account"]
    allow = ("--allow", "invoices:read", "--allow", "customers:write", "--name", "bookkeeping")
    made = told(folder, "keys", "create", "--account", account, "--restricted", *allow, "--expires-after", "90d")
    assert made["key"].startswith("rk_test_")
    assert (made["permissions"], made["state"]) == (["customers:write", "invoices:read"], "active")
    rotated = told(folder, "keys", "rotate", made["id"], "--overlap", "48h")
    assert rotated["old"]["replaced_by"] == rotated["new"]["id"]
    assert rotated["new"]["permissions"] == made["permissions"]
    assert dues(folder, "keys", "revoke", made["id"]).stdout == f"{made['id']} is revoked\n"
    lines = dues(folder, "keys", "list", "--account", account).stdout.splitlines()
    assert [line.split()[3] for line in lines] == ["active", "revoked", "active"]
    assert "customers:write invoices:read" in lines[1]
    log = told(folder, "audit-log", "--account", account, "--since", "1h")
    kinds = ["key.revoked", "key.rotated", "key.created", "key.created"]
    assert [(act["kind"], act["actor"]) for act in log] == [(kind, "operator") for kind in kinds]
    for text in (json.dumps(log), "\n".join(lines)):
        assert made["key"] not in text
        assert rotated["new"]["key"] not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "--account", "a", "--restricted"], "needs at least one --allow"),
        (["create", "--account", "a", "--restricted", "--allow", "money:read"], "There is no resource 'money'"),
        (["create", "--account", "a", "--restricted", "--allow", "invoices"], "write invoices:read or invoices:write"),
        (["create", "--account", "a", "--allow", "invoices:read"], "--allow goes with --restricted"),
        (["create", "--account", "a", "--restricted", "--publishable"], "either --publishable or --restricted"),
        (["rotate", "key_none"], "No such key: 'key_none'"),
        (["rotate", "key_none", "--overlap", "soon"], "write 30m, 48h or 90d"),
        (["revoke", "key_none"], "No such key: 'key_none'"),
        (["expire", "key_none"], "Missing option '--after'"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else None,
)
def test_what_cannot_be_done_is_one_line(folder: Path, words: list[str], said: str) -> None:
    answer = dues(folder, "keys", *words)
    assert answer.returncode != 0
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stdout == ""
