"""Bringing a database to the schema of the code, with Alembic and without a configuration file.

Several processes may start at once: PostgreSQL lets one of them work and the others wait for it, SQLite has one writer.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.db import failures, sqlite_driver

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x64756573
"""Key of the advisory lock: "dues"."""


async def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision; does nothing where it is there already. All or nothing.

    Raises:
        BooksUnavailable: it cannot be opened.
    """
    async with _connected(url) as conn, conn.begin():
        await conn.run_sync(_upgrade, revision)


async def current(url: str) -> str | None:
    """Return the revision of the database; None when it has no tables of ours.

    Raises:
        BooksUnavailable: it cannot be opened.
    """
    async with _connected(url) as conn:
        return await conn.run_sync(revision_of)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(sqlite_driver.url_of(url), poolclass=NullPool)
    try:
        async with engine.connect() as conn:
            yield conn
    except (SQLAlchemyError, OSError) as error:
        ours = failures.translated(error, engine.url)
        if ours is None:
            raise
        raise ours from error
    finally:
        await engine.dispose()


@cache
def head() -> str:
    """Return the revision that the code needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("the package was built without its migrations")
    return revision


def revision_of(conn: Connection) -> str | None:
    """Return the revision that a connection's database says it has."""
    return MigrationContext.configure(conn).get_current_revision()


def _upgrade(conn: Connection, revision: str) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:
        # Stays with the file. Who opens the books later finds it so, and need not have the file to itself to say it.
        conn.exec_driver_sql("PRAGMA journal_mode = WAL")
        # The driver would begin only at the first row written; tables must come all or not at all.
        conn.exec_driver_sql(sqlite_driver.BEGIN_WRITING)
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
