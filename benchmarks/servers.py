"""Real servers for benchmarks: a Redis, and a PostgreSQL that writes to the disk as a real one must."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from gateway.sandbox import redis_server
from tests.fixtures import postgres as server


class Missing(Exception):
    """A server is not to be had on this machine."""


@contextmanager
def redis() -> Iterator[str]:
    """URL of a Redis of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        arguments = redis_server.arguments(redis_server.find(), port=port, folder=Path(folder))
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
        try:
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """URL of an empty database. Durable, unlike that of the tests: every commit is on the disk.

    Raises:
        Missing: there is no PostgreSQL here.
    """
    server.SPEED.update(fsync="on", synchronous_commit="on", full_page_writes="on")
    try:
        folder = server._folder()  # noqa: SLF001 - the tests' server, with other settings
        process, sockets = server._serve(folder)  # noqa: SLF001 - same
        url = URL.create("postgresql+asyncpg", "postgres", database="postgres", query={"host": str(sockets)})
        await server._await_start(process, url, folder / "log")  # noqa: SLF001 - same
    except server.NoPostgres as missing:
        raise Missing(str(missing)) from None
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
