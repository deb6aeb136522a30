"""A gateway whose books were lost and restored from an old backup: the chain has gone on without them."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.db.engine import Books
from gateway.domain import invoice as invoice_domain
from gateway.domain.subscription import Status
from gateway.services import submission
from tests.services.house import House

HOUR = timedelta(hours=1)


@pytest.fixture
async def house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books)


async def test_a_restored_backup_catches_up_from_the_chain_and_charges_nobody_twice(
    house: House, tmp_path: Path
) -> None:
    subscriptions = [await house.active(number) for number in (1, 2, 3)]
    with sqlite3.connect(tmp_path / "dues.db") as source, sqlite3.connect(tmp_path / "backup.db") as backup:
        source.backup(backup)
    for _ in range(2):
        await house.renew(subscriptions[0])
    collected = house.charged()
    assert len(collected) == 9
    restored = Books.open(f"sqlite:///{tmp_path / 'backup.db'}")
    house.gateway = replace(house.gateway, books=restored)
    await submission.open_lane(house.gateway, house.chain, house.operator)
    try:
        for _ in range(4):
            await house.go_to(house.now + house.gateway.finalization_delay)
        assert house.charged() == collected
        for subscription in subscriptions:
            current = await house.subscription(subscription)
            assert (current.status, current.period_index) == (Status.ACTIVE, 3)
            assert (await house.invoice(current)).status is invoice_domain.Status.PAID
        await house.renew(subscriptions[0])
        assert len(house.charged()) == 12
    finally:
        await restored.close()
