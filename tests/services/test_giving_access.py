"""The consumers of docs/giving-access.md, run against what a gateway really tells."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.db import events
from gateway.db.engine import Books
from gateway.domain.events import EventProfile, public_type
from gateway.domain.subscription import Subscription
from gateway.services import subscriptions as service
from gateway.wire import webhook
from tests import factories
from tests.services.house import House

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "giving-access.md"
DAY = timedelta(days=1)
PRICE_UNITS = 10_000_000


def consumer(name: str) -> Callable[..., None]:
    """A function of the guide, as a reader would copy it."""
    copied: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, copied)  # noqa: S102 - our own page
    found: Callable[..., None] = copied[name]
    return found


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def told(house: House, profile: EventProfile = EventProfile.DEFAULT) -> list[dict[str, Any]]:
    """Every event as an endpoint of this profile hears it, in order."""
    async with house.gateway.books.read() as conn:
        written = await events.after_sequence(conn, house.scope, 0, limit=10_000)
    named = [(record, public_type(record.type, profile)) for record in written]
    return [msgspec.json.decode(webhook.event(record, name)) for record, name in named if name is not None]


async def _cancel(house: House, of: Subscription) -> None:
    async with house.gateway.books.write() as conn:
        await service.cancel(
            conn, house.gateway, scope=house.scope, subscription_id=of.id, now=house.now, origin=house.origin
        )


async def test_SX_15_FR_11_FR_36_two_events_give_and_take_access(house: House) -> None:
    hear, access = consumer("hear"), dict[str, bool]()

    async def listen() -> None:
        for event in await told(house):
            hear(event, access)

    opened = await house.subscribe()
    await listen()
    assert not access.get(opened.customer_id)
    await house.sign(opened)
    await house.pump()
    await listen()
    assert access == {opened.customer_id: True}
    await _cancel(house, opened)
    await listen()
    assert access == {opened.customer_id: False}


async def test_MX_08_ST_08_ST_58_FR_32_the_careful_consumer_follows_the_status_in_any_order(house: House) -> None:
    follow, access, seen = consumer("follow"), dict[str, bool](), dict[str, int]()

    async def listen() -> None:
        for event in reversed(await told(house)):
            follow(event, access, seen)

    opened = await house.subscribe(balance=PRICE_UNITS, allowance=10 * PRICE_UNITS)
    await listen()
    assert access == {opened.customer_id: False}
    await house.sign(opened)
    await house.pump()
    await listen()
    assert access == {opened.customer_id: True}
    await house.renew(opened)
    await listen()
    assert access == {opened.customer_id: True}
    for _ in range(3):
        await house.go_to(house.now + DAY)
    await listen()
    assert access == {opened.customer_id: False}


async def test_C06_the_stripe_profile_hears_of_a_creation_that_gives_no_access_yet(house: House) -> None:
    opened = await house.subscribe()
    heard = [
        event for event in await told(house, EventProfile.STRIPE) if event["type"].endswith("subscription.created")
    ]
    assert [event["data"]["object"]["id"] for event in heard] == [opened.id]
    assert heard[0]["data"]["object"]["status"] not in {"active", "trialing"}
    assert factories.PRICE_ID in str(heard[0])
