"""Opening the books, and the only commit.

SQLite: one writer at a time (a lock in the process, `BEGIN IMMEDIATE` and a busy time-out between processes), readers
on snapshots beside it (WAL). PostgreSQL: READ COMMITTED with explicit row locks for writers, REPEATABLE READ and
read-only for readers.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final, Self

from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.db import failures, migrate, sqlite_driver
from gateway.db.errors import BooksUnavailable, SchemaOutdated

Connection = AsyncConnection
"""What every function of `gateway.db` takes first."""

LOCK_TIMEOUT_MS: Final = 10_000
"""How long a writer waits for another process or transaction before it is a `WriteConflict`."""

IDLE_IN_TRANSACTION_MS: Final = 60_000
"""After this PostgreSQL ends a transaction whose process hangs, so that its locks do not last."""

POSTGRES_POOL: Final = 10
POSTGRES_OVERFLOW: Final = 10
SQLITE_READERS: Final = 4
RECYCLE_SECONDS: Final = 1_800

_SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    # Signed bytes must be on the disk before they leave the machine: fsync at each commit.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
)


class Books:
    """The database of one process.

    Attributes:
        statements: statements executed so far, BEGIN and COMMIT apart; an executemany counts once.
    """

    def __init__(self, url: URL, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self.statements = 0
        self._url = url
        self._writer = writer
        self._reader = reader
        self._turn = asyncio.Lock()
        for engine in {writer, reader}:
            event.listen(engine.sync_engine, "before_cursor_execute", self._count)

    @classmethod
    def open(cls, url: str, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> Self:
        """Make the books of `sqlite:///path` or `postgresql+asyncpg://…`; connects when first used.

        Raises:
            BooksUnavailable: the URL is neither.
        """
        try:
            parsed = sqlite_driver.url_of(url)
        except ArgumentError as error:
            raise BooksUnavailable(
                "The database URL is not one. Expected sqlite:///path or postgresql+asyncpg://user@host/name."
            ) from error
        if parsed.drivername == sqlite_driver.DRIVER and parsed.database not in {None, "", ":memory:"}:
            writer, reader = (_sqlite(parsed, lock_timeout_ms, readonly=readonly) for readonly in (False, True))
            return cls(parsed, writer, reader)
        if parsed.drivername == "postgresql+asyncpg":
            engine = _postgresql(parsed, lock_timeout_ms)
            return cls(parsed, engine, engine)
        raise BooksUnavailable(
            f"Cannot open {sqlite_driver.shown(parsed)}. "
            "Expected sqlite:///path (a file) or postgresql+asyncpg://user@host/name."
        )

    async def check(self) -> None:
        """Raise unless the database can be read and has the schema that the code needs.

        Raises:
            BooksUnavailable: it cannot be opened.
            SchemaOutdated: it has another schema, or none.
        """
        async with self.read() as conn:
            found = await conn.run_sync(migrate.revision_of)
        expected = migrate.head()
        if found != expected:
            raise SchemaOutdated(found, expected)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, undone when it raises.

        Raises:
            WriteConflict: begin again from the reads.
            ConstraintBroken: a rule of the schema.
            BooksUnavailable: the database went away.
        """
        async with AsyncExitStack() as stack:
            if self._is_sqlite:
                await stack.enter_async_context(self._turn)
            stack.enter_context(self._translated())
            async with self._connected(self._writer) as conn, conn.begin():
                yield conn

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """One snapshot: everything read in the block is of one moment, and nothing can be written.

        Raises:
            BooksUnavailable: the database went away.
        """
        with self._translated():
            async with self._connected(self._reader) as conn:
                if not self._is_sqlite:
                    await conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with conn.begin():
                    yield conn

    async def close(self) -> None:
        """Give the connections back; a transaction under way is undone."""
        await self._writer.dispose()
        await self._reader.dispose()

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            try:
                conn = await stack.enter_async_context(engine.connect())
            except OSError as error:
                where = sqlite_driver.shown(self._url)
                raise BooksUnavailable(f"Cannot reach {where}: {error}") from error
            yield conn

    @contextmanager
    def _translated(self) -> Iterator[None]:
        # No OSError here: the caller's own block may raise one that has nothing to do with the database.
        try:
            yield
        except SQLAlchemyError as error:
            ours = failures.translated(error, self._url)
            if ours is None:
                raise
            raise ours from error

    def _count(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements += not statement.startswith("BEGIN")


@asynccontextmanager
async def rehearsal(conn: Connection) -> AsyncIterator[None]:
    """Undo what is written in the block at its end: what would happen is known best by doing it."""
    savepoint = await conn.begin_nested()
    try:
        yield
    finally:
        await savepoint.rollback()


def _sqlite(url: URL, lock_timeout_ms: int, *, readonly: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        # We begin transactions ourselves; the driver must not.
        connect_args={"isolation_level": None, "timeout": lock_timeout_ms / 1000},
        hide_parameters=True,
        pool_size=SQLITE_READERS if readonly else 1,
        max_overflow=0,
    )

    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        # A writer waits before it begins, without holding up the loop; from then on nothing can be in its way.
        cursor.execute("PRAGMA query_only = ON" if readonly else "PRAGMA busy_timeout = 0")
        cursor.close()

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if readonly else sqlite_driver.BEGIN_WRITING)

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    return engine


def _postgresql(url: URL, lock_timeout_ms: int) -> AsyncEngine:
    settings = {
        "application_name": "dues",
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        # Compiling plans costs more than our short statements take.
        "jit": "off",
    }
    return create_async_engine(
        url,
        connect_args={"server_settings": settings},
        hide_parameters=True,
        pool_size=POSTGRES_POOL,
        max_overflow=POSTGRES_OVERFLOW,
        pool_pre_ping=True,
        pool_recycle=RECYCLE_SECONDS,
    )
