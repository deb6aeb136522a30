"""Many values as one table: right on both databases, and read once however many columns it has."""

from sqlalchemy import Boolean, Integer, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.db import keys
from gateway.db.engine import Books


async def _plan(conn: AsyncConnection, columns: int) -> list[str]:
    wanted = keys.as_table(conn, "wanted", **{f"c{number}": (Text(), ["a", "b"]) for number in range(columns)})
    query = select(wanted).compile(dialect=conn.dialect)
    explained = await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", tuple(query.params.values()))
    return [str(row.detail) for row in explained]


async def test_E4_values_of_many_columns_are_read_once_and_never_joined_by_their_position(
    sqlite_books: Books,
) -> None:
    async with sqlite_books.read() as conn:
        assert [len(await _plan(conn, columns)) for columns in (1, 2, 6)] == [1, 1, 1]


async def test_values_come_back_as_they_went_in_in_their_order(books: Books) -> None:
    numbers, flags, words = [3, 1, 7], [True, False, True], ["a'b", "", "ü\n"]
    async with books.read() as conn:
        wanted = keys.as_table(conn, "wanted", n=(Integer(), numbers), flag=(Boolean(), flags), word=(Text(), words))
        found = [(row.n, row.flag, row.word) for row in await conn.execute(select(wanted))]
    assert found == list(zip(numbers, flags, words, strict=True))
