"""A shop for each test: the API listens on a port of its own, over an SQLite file and a chain in memory."""

from collections.abc import AsyncIterator

import pytest

from gateway.db.engine import Books
from tests.api.desk import Desk
from tests.conformance.shop import Shop, listening


@pytest.fixture
async def desk(books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(books) as opened:
        yield opened


@pytest.fixture
async def small_desk(sqlite_books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(sqlite_books) as opened:
        yield opened


@pytest.fixture
async def shop(desk: Desk) -> AsyncIterator[Shop]:
    async with listening(desk) as url:
        yield Shop(desk, url)


@pytest.fixture
async def small_shop(small_desk: Desk) -> AsyncIterator[Shop]:
    async with listening(small_desk) as url:
        yield Shop(small_desk, url)
