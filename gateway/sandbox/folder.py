"""The folder of the sandbox: settings, database, logs. One sandbox at a time, and a fresh folder for each start.

The local chain keeps nothing when it stops, so books of an earlier chain would only contradict the new one: what the
last run left is moved to `previous/`, where it can still be looked at.
"""

import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from gateway.sandbox.errors import SandboxFailed

DEFAULT: Final = Path(".dues")
_MARKER: Final = "sandbox.json"
_LOCK: Final = ".lock"
_PREVIOUS: Final = "previous"


@dataclass(frozen=True, slots=True)
class Folder:
    """An empty folder that this process holds the lock of."""

    root: Path
    _lock: IO[bytes]

    @property
    def settings(self) -> Path:
        """The settings file of this run; `dues --config` takes it."""
        return self.root / "dues.toml"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "dues.db"

    @property
    def logs(self) -> Path:
        """Where each child writes."""
        return self.root / "logs"

    @property
    def outbox(self) -> Path:
        """Mails that the gateway wrote, one file each."""
        return self.root / "outbox"

    @property
    def redis(self) -> Path:
        """Where Redis would write, if it wrote."""
        return self.root / "redis"

    def describe(self, facts: dict[str, object]) -> None:
        """Write down what runs here, for people and scripts."""
        (self.root / _MARKER).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def release(self) -> None:
        """Let the next sandbox have it."""
        self._lock.close()

    @classmethod
    def take(cls, root: Path, *, fresh: bool) -> Self:
        """Make `root` ready; with `fresh`, what the last run left is deleted instead of kept.

        Raises:
            SandboxFailed: another sandbox runs in it, or it holds files that are none of ours.
        """
        root = root.absolute()
        if root.exists() and not _is_ours(root):
            raise SandboxFailed(f"--data-dir: {root} is not empty and not a sandbox; choose another folder")
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (root / _LOCK).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise SandboxFailed(
                f"another sandbox runs in {root}; stop it, or give this one its own folder with --data-dir"
            ) from None
        _clear(root, keep=not fresh)
        folder = cls(root, lock)
        folder.logs.mkdir()
        folder.redis.mkdir()
        folder.describe({"pid": os.getpid()})
        return folder


def _is_ours(root: Path) -> bool:
    return root.is_dir() and (not any(root.iterdir()) or (root / _MARKER).is_file() or (root / _LOCK).is_file())


def _clear(root: Path, *, keep: bool) -> None:
    previous = root / _PREVIOUS
    shutil.rmtree(previous, ignore_errors=True)
    left = [entry for entry in root.iterdir() if entry.name != _LOCK]
    if not left:
        return
    previous.mkdir()
    for entry in left:
        entry.rename(previous / entry.name)
    if not keep:
        shutil.rmtree(previous)
