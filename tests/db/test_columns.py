"""A value that has not the form of its type never reaches the database."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Column, Table, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from gateway.db import columns, schema
from gateway.db.engine import Books, Connection
from gateway.domain.invoice import Status
from tests import factories as f
from tests.keeping import keep, keep_merchant

REFUSED: list[tuple[Any, Any]] = [
    (columns.BaseUnits(), -1),
    (columns.BaseUnits(), 1.0),
    (columns.BaseUnits(), True),
    (columns.BaseUnits(), "12"),
    (columns.UtcDateTime(), datetime(2026, 1, 1)),  # noqa: DTZ001 - that it has no zone is the point
    (columns.AddressColumn(), "0x" + "AB" * 20),
    (columns.AddressColumn(), "0x1234"),
    (columns.Hash32Column(), "0x" + "ab" * 20),
    (columns.Hash32Column(), "ab" * 32),
    (columns.MandateIdColumn(), "0x" + "ab" * 20),
    (columns.EnumColumn(Status), "open"),
    (columns.EnumColumn(Status), "opne"),
]


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_value_of_another_form_is_refused(kind: Any, value: Any, dialect: Any) -> None:
    convert = kind.bind_processor(dialect)
    assert convert is not None
    with pytest.raises((ValueError, TypeError)):
        convert(value)
    assert convert(None) is None


async def probe(conn: Connection, kind: Any, values: list[Any]) -> list[Any]:
    """Values as they come back from a column of a type."""
    table = Table("probe", schema.metadata.__class__(), Column("at", columns.Count), Column("value", kind))
    await conn.run_sync(table.create)
    for number, value in enumerate(values):
        await conn.execute(insert(table).values(at=number, value=value))
    return list((await conn.execute(select(table.c.value).order_by(table.c.at))).scalars())


async def test_base_units_go_up_to_the_largest_word_of_the_chain(books: Books) -> None:
    values = [0, 1, 10**18, 2**63, 2**96 - 1, 2**256 - 1, None]
    async with books.write() as conn:
        assert await probe(conn, columns.BaseUnits(), values) == values


async def test_instants_compare_in_the_database_as_they_do_outside(books: Books) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    moments = [f.NOW.astimezone(zone), f.NOW + timedelta(microseconds=1), f.NOW - timedelta(days=40_000)]
    async with books.write() as conn:
        assert await probe(conn, columns.UtcDateTime(), moments) == moments
        found = await conn.execute(text("SELECT at FROM probe ORDER BY value"))
        assert list(found.scalars()) == [2, 0, 1]


async def test_json_is_stored_as_the_same_text_whatever_the_order_of_its_keys(books: Books) -> None:
    async with books.write() as conn:
        documents = [{"b": [1, None], "a": "é"}, {"a": "é", "b": [1, None]}]
        assert await probe(conn, columns.Json(), documents) == documents
        texts = list((await conn.execute(text("SELECT value FROM probe"))).scalars())
        assert len(set(texts)) == 1
        assert json.loads(texts[0]) == documents[0]


async def test_a_status_that_the_code_does_not_know_is_an_error_and_not_a_guess(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.subscription(), f.invoice())
        await conn.execute(text("UPDATE invoices SET status = 'posted'"))
        with pytest.raises((ValueError, StatementError), match="posted"):
            (await conn.execute(select(schema.invoices))).all()
