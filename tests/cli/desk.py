"""A folder with settings and a key, and `dues` run in it against a real node."""

import io
import json
import logging
import os
import pty
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account

from chain.local_node import DEVELOPMENT_KEYS, LocalNode
from chain.primitives import ZERO_ADDRESS, Address
from gateway.cli.app import main

PASSWORD = "correct horse battery staple"
SETTINGS = """
database_url = "sqlite:///dues.db"
redis_url = "redis://127.0.0.1:1/0"
public_url = "http://127.0.0.1:8321"
pepper = "0123456789abcdef0123456789abcdef"
[[chains]]
chain_id = 31337
name = "anvil"
rpc_urls = ["{url}"]
contract = "{contract}"
local = true
[[signers]]
chain_id = 31337
development_key = "{key}"
"""

TOKEN = """
[[tokens]]
chain_id = 31337
address = "{token}"
symbol = "USDC"
decimals = 6
currency = "usd"
"""


@dataclass
class Desk:
    """A folder with settings and a key, and the command run in it."""

    folder: Path
    node: LocalNode

    def configure(
        self, contract: Address = ZERO_ADDRESS, key: str = DEVELOPMENT_KEYS[0], token: Address | None = None
    ) -> None:
        text = SETTINGS.format(url=self.node.url, contract=contract, key=key)
        text += "" if token is None else TOKEN.format(token=token)
        (self.folder / "dues.toml").write_text(text, encoding="utf-8")

    def keystore(self, key: str) -> list[str]:
        (self.folder / "key.json").write_text(
            json.dumps(Account.encrypt(bytes.fromhex(key[2:]), PASSWORD, "pbkdf2", 1000))
        )
        (self.folder / "password").write_text(PASSWORD + "\n")
        return ["--keystore", "key.json", "--password-file", "password"]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.dues("contract", *words)

    def dues(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in this process, because a new one takes seconds to import its libraries; nobody can be asked."""
        told, complained = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(told), redirect_stderr(complained):
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["dues", *words])
            patch.setattr(sys, "stdin", io.StringIO())
            patch.setattr(logging.getLogger(), "handlers", [])
            with pytest.raises(SystemExit) as ended:
                main()
        return subprocess.CompletedProcess(words, int(ended.value.code or 0), told.getvalue(), complained.getvalue())

    def run_at_a_terminal(self, answer: str, *words: str) -> subprocess.CompletedProcess[str]:
        """The command in a process of its own, whose terminal types `answer`."""
        typist, terminal = pty.openpty()
        try:
            os.write(typist, answer.encode())
            return subprocess.run(  # noqa: S603 - our own words
                self._command(words),
                stdin=terminal,
                capture_output=True,
                text=True,
                env=self._environment(),
                cwd=self.folder,
                check=False,
            )
        finally:
            os.close(typist)
            os.close(terminal)

    def json(self, *words: str) -> dict[str, object]:
        answer = self.run(*words, "--json")
        assert answer.returncode == 0, answer.stderr
        found: dict[str, object] = json.loads(answer.stdout)
        return found

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "gateway", "contract", *words]

    def _environment(self) -> dict[str, str]:
        root = Path(__file__).resolve().parents[2]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DUES_")}
        return clean | {"PYTHONPATH": str(root)}
