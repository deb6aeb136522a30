"""The migrations lead to exactly the tables that the code has."""

import asyncio
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from gateway.db import migrate, schema, sqlite_driver
from gateway.db.engine import Books
from gateway.db.errors import SchemaOutdated
from tests.fixtures.postgres import aside

_SQLITE_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_auto%'"
_SQLITE_COLUMNS = """
    SELECT m.name || ' ' || c.name, c.type || ' ' || c."notnull" || ' ' || coalesce(c.dflt_value, '-') || ' ' || c.pk
    FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"""
_SQLITE_REFERENCES = """
    SELECT m.name || ' -> ' || f."from", f."table" || '.' || f."to" || ' ' || f.on_delete
    FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'"""
_POSTGRES_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
_POSTGRES_CONSTRAINTS = """
    SELECT conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace"""
_POSTGRES_COLUMNS = """
    SELECT table_name || ' ' || column_name,
        concat_ws(' ', data_type, numeric_precision, numeric_scale, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'"""


@pytest.fixture
def empty_url(books_url: str, tmp_path: Path) -> str:
    """A database without tables, of the kind that `books_url` is."""
    if books_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path}/empty.db"

    def clear(conn: Connection) -> None:
        conn.execute(text("DROP SCHEMA public CASCADE"))
        conn.execute(text("CREATE SCHEMA public"))

    aside(_run(books_url, clear))
    return books_url


async def _run(url: str, work: Callable[[Connection], Any]) -> Any:
    engine = create_async_engine(sqlite_driver.url_of(url), poolclass=NullPool)
    try:
        async with engine.begin() as conn:
            return await conn.run_sync(work)
    finally:
        await engine.dispose()


def _description(conn: Connection) -> dict[str, str]:
    """Everything that the database says of its tables, apart from Alembic's own and from the order of columns.

    A column that a migration adds stands last, and no statement of ours depends on the order.
    """
    queries = [_SQLITE_INDEXES, _SQLITE_COLUMNS, _SQLITE_REFERENCES] if conn.dialect.name == "sqlite" else [
        _POSTGRES_INDEXES, _POSTGRES_CONSTRAINTS, _POSTGRES_COLUMNS
    ]  # fmt: skip
    said = {name: definition for query in queries for name, definition in conn.execute(text(query))}
    return {name: re.sub(r"\s+", "", text_ or "") for name, text_ in said.items() if "alembic" not in name}


async def test_migrated_tables_are_those_of_the_code(empty_url: str) -> None:
    await migrate.upgrade(empty_url)
    migrated = await _run(empty_url, _description)
    await _run(empty_url, _recreated)
    made = await _run(empty_url, _description)
    assert migrated == made
    assert len(migrated) > len(schema.metadata.tables)


def _recreated(conn: Connection) -> None:
    schema.metadata.drop_all(conn)
    schema.metadata.create_all(conn)


async def test_upgrading_again_changes_nothing(empty_url: str) -> None:
    assert await migrate.current(empty_url) is None
    await migrate.upgrade(empty_url)
    before = await _run(empty_url, _description)
    await migrate.upgrade(empty_url)
    assert await _run(empty_url, _description) == before
    assert await migrate.current(empty_url) == migrate.head()


async def test_several_processes_may_upgrade_at_once(empty_url: str) -> None:
    await asyncio.gather(*(migrate.upgrade(empty_url) for _ in range(4)))
    assert await migrate.current(empty_url) == migrate.head()


async def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = Path(migrate.__file__).parent / "migrations"
    original = Path.read_text
    statements = count()

    def broken(path: Path, *args: Any, **kw: Any) -> str:
        content = original(path, *args, **kw)
        next(statements)
        return content + ";\nTHIS IS NOT SQL;\n" if path.parent == scripts / "sql" else content

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", broken)
        with pytest.raises(Exception, match=r"(?i)syntax"):
            await migrate.upgrade(empty_url)
    assert next(statements) > 0
    assert await _run(empty_url, lambda conn: inspect(conn).get_table_names()) == []
    await migrate.upgrade(empty_url)
    assert await migrate.current(empty_url) == migrate.head()


async def test_an_empty_database_is_not_served(empty_url: str) -> None:
    opened = Books.open(empty_url)
    try:
        with pytest.raises(SchemaOutdated, match=r"has no tables yet.*dues migrate") as outdated:
            await opened.check()
    finally:
        await opened.close()
    assert (outdated.value.found, outdated.value.expected) == (None, migrate.head())


async def test_a_database_of_another_version_is_not_served(books: Books) -> None:
    await books.check()
    async with books.write() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(SchemaOutdated, match=f"is at schema 0000, the code needs {migrate.head()}"):
        await books.check()


def test_every_tenant_has_both_columns() -> None:
    for table in schema.metadata.tables.values():
        if "livemode" in table.c:
            assert not table.c.livemode.nullable
            assert not table.c.account_id.nullable
        if "account_id" in table.c:
            assert "livemode" in table.c
