"""SQLite in the thread of the event loop: a statement costs what SQLite takes for it, not changes of threads.

The usual asynchronous drivers hand each step of a statement (cursor, execution, rows, close) to a thread of their own,
which takes ten times as long as the statement. Ours are short: bounded batches of rows found by indexes. Only what may
wait does so without holding up the loop: for the one writer's turn by sleeping, for the disk by committing in a thread.
Why, and what it brought: docs/decisions/sqlite-in-the-loop.md.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import AsyncAdaptedQueuePool, Pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.util import await_

DRIVER: Final = "sqlite+inline"
"""Name of this driver in SQLAlchemy's URLs."""

BEGIN_WRITING: Final = "BEGIN IMMEDIATE"
"""The one statement that waits for other processes, for as long as the connection's `timeout` says."""

_NAMES: Final = frozenset({"sqlite", "sqlite+aiosqlite"})
"""How configurations name a file: the second as they did before our own driver."""

_PAUSE_SECONDS: Final = 0.001
_PAUSE_MAX_SECONDS: Final = 0.05


class _Cursor(sqlite3.Cursor):
    """Has read all rows when `execute` returns: nobody waits for them, and none is left open across a commit."""

    def __init__(self, connection: "_Connection") -> None:
        super().__init__(connection)
        self.patience_seconds = connection.patience_seconds
        self._rows: deque[Any] = deque()

    def execute(self, sql: str, parameters: Any = (), /) -> "_Cursor":
        super().execute(sql, parameters)
        self._rows = deque(super().fetchall()) if self.description else deque()
        return self

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        return [self._rows.popleft() for _ in range(min(size or 1, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows, self._rows = list(self._rows), deque()
        return rows

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        while self._rows:
            yield self._rows.popleft()

    async def _async_soft_close(self) -> None:
        """What SQLAlchemy awaits before it hands rows out; there is nothing to wait for."""


class _Connection(sqlite3.Connection):
    """Knows whether it has written rows since it last committed: only then a commit waits for the disk.

    Attributes:
        patience_seconds: how long `BEGIN_WRITING` waits.
    """

    def __init__(self, database: str, *, timeout: float = 5.0, **options: Any) -> None:
        super().__init__(database, timeout=timeout, **options)
        self.patience_seconds = timeout
        self._committed_changes = 0

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    @property
    def has_written(self) -> bool:
        return self.total_changes != self._committed_changes

    def commit(self) -> None:
        super().commit()
        self._committed_changes = self.total_changes


class Dialect(SQLiteDialect_pysqlite):
    """SQLAlchemy's SQLite, called from within its asynchronous engine."""

    driver = "inline"
    is_async = True
    has_terminate = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """Connections of a file, waited for and not opened without bound."""
        return AsyncAdaptedQueuePool if cls._is_url_file_db(url) else super().get_pool_class(url)

    def create_connect_args(self, url: URL) -> Any:
        """The driver's own connection; one task uses it at a time, and its commit runs in another thread."""
        arguments, options = super().create_connect_args(url)
        return arguments, {**options, "factory": _Connection, "check_same_thread": False}

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:  # noqa: ARG002  (SQLAlchemy passes it by name)
        """Execute at once, or when it is a writer's turn."""
        await_(_begin_writing(cursor) if statement == BEGIN_WRITING else _execute(cursor, statement, parameters))

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:  # noqa: ARG002  (as above)
        """Execute at once with each of the parameters."""
        await_(_executemany(cursor, statement, parameters))

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit; rows that were written are on the disk when it returns."""
        if dbapi_connection.has_written:
            await_(_undisturbed(dbapi_connection.commit))
        else:
            dbapi_connection.commit()

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close a connection that nobody gave back."""
        dbapi_connection.close()


def url_of(text: str) -> URL:
    """Read a database's URL; what names a file of SQLite is opened by this driver.

    Raises:
        sqlalchemy.exc.ArgumentError: it is no URL.
    """
    url = make_url(text)
    return url.set(drivername=DRIVER) if url.drivername in _NAMES else url


def shown(url: URL) -> str:
    """A database's URL as configurations write it, without its password."""
    return (url.set(drivername="sqlite") if url.drivername == DRIVER else url).render_as_string(hide_password=True)


registry.register(DRIVER.replace("+", "."), __name__, Dialect.__name__)


# SQLAlchemy refuses drivers that never await; awaiting what does not suspend costs next to nothing.
async def _execute(cursor: _Cursor, statement: str, parameters: Any) -> None:
    cursor.execute(statement, parameters)


async def _executemany(cursor: _Cursor, statement: str, parameters: Any) -> None:
    cursor.executemany(statement, parameters)


async def _begin_writing(cursor: _Cursor) -> None:
    """Ask again and again, as SQLite itself would: it has no other way to hear that a lock is free."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + cursor.patience_seconds, _PAUSE_SECONDS
    while True:
        try:
            cursor.execute(BEGIN_WRITING)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or loop.time() >= until:
                raise
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _PAUSE_MAX_SECONDS)


async def _undisturbed(work: Callable[[], None]) -> None:
    """Run `work` in a thread to its end, even if the task is cancelled meanwhile."""
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
