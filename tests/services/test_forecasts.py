"""The announcement of a renewal says what its pull will meet (ST-51): from the chain, in one round trip for a batch."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chain.errors import RpcUnavailable
from gateway.db import events
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain.subscription import Subscription
from gateway.services import forecasts
from tests.services.house import House

DAY = timedelta(days=1)
PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def announced(house: House) -> list[dict[str, Any]]:
    """The invoices of all announcements, oldest first."""
    async with house.gateway.books.read() as conn:
        page = await events.page(conn, PageRequest(scope=house.scope, limit=100))
    return [msgspec.json.decode(e.snapshot) for e in reversed(page.items) if e.type == "invoice.upcoming"]


async def announce(house: House, active: Subscription) -> dict[str, Any]:
    await house.go_to(active.period_end - 3 * DAY)
    [invoice] = await announced(house)
    reason: dict[str, Any] = invoice["status_reason"]
    return reason


async def test_ST_51_a_renewal_that_can_be_collected_is_announced_with_what_the_wallet_has(house: House) -> None:
    active = await house.active(balance=3 * PRICE_UNITS, allowance=5 * PRICE_UNITS)
    assert await announce(house, active) == {
        "code": "upcoming",
        "action": "none",
        "evidence": {"needed": str(PRICE_UNITS), "balance": str(2 * PRICE_UNITS), "allowance": str(4 * PRICE_UNITS)},
    }


async def test_ST_51_a_renewal_that_will_fail_is_announced_with_its_reason(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS + 1, allowance=5 * PRICE_UNITS)
    reason = await announce(house, active)
    assert (reason["code"], reason["action"]) == ("insufficient_balance", "customer_action")
    assert reason["evidence"]["balance"] == "1"


async def test_SX_24_an_allowance_that_is_used_up_is_announced(house: House) -> None:
    active = await house.active(allowance=PRICE_UNITS)
    assert (await announce(house, active))["code"] == "allowance_revoked"


async def test_a_node_that_is_away_holds_up_no_announcement(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    active = await house.active()

    async def away(*_: object) -> None:
        raise RpcUnavailable("no answer")

    answer = house.chain.calls
    monkeypatch.setattr(house.chain, "calls", away)
    house.now = active.period_end - 3 * DAY
    await house.bill()
    monkeypatch.setattr(house.chain, "calls", answer)
    [invoice] = await announced(house)
    assert invoice["status_reason"] == {"code": "upcoming", "action": "none", "evidence": {}}


async def test_a_batch_is_foreseen_with_one_call_of_the_chain_and_a_fixed_number_of_statements(house: House) -> None:
    actives = [await house.active(number) for number in range(1, 9)]
    house.now = max(active.period_end for active in actives) - 3 * DAY
    calls, statements = house.chain.call_counts.total(), house.gateway.books.statements
    chains = {house.chain.chain_id: house.chain}
    found = await forecasts.of_announcements(house.gateway, chains, now=house.now, limit=100)
    assert sorted(found) == sorted(active.id for active in actives)
    assert house.chain.call_counts.total() - calls == 1
    assert house.gateway.books.statements - statements <= 12
