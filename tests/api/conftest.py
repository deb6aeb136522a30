"""An API over real books, with a chain in memory: `desk` runs a test on both databases, `small_desk` on SQLite."""

from collections.abc import AsyncIterator

import pytest

from gateway.db.engine import Books
from tests.api.desk import Desk


@pytest.fixture
async def desk(books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(books) as opened:
        yield opened


@pytest.fixture
async def small_desk(sqlite_books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(sqlite_books) as opened:
        yield opened
