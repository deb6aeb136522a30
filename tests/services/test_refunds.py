"""Refunds from request to finality, on both databases: nothing here moves money, and none is ever counted twice."""

import asyncio
from typing import Any

import pytest

from chain.errors import RpcRejected, RpcUnavailable
from gateway.db import charges, refunds
from gateway.db.engine import Books
from gateway.domain.errors import DomainError, IllegalTransition, InvalidRequest, NotFound
from gateway.domain.refund import Refund, Status
from gateway.domain.subscription import Subscription
from gateway.services import refunds as services
from gateway.services import transfers
from tests import factories
from tests.services.house import House

UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def ask(house: House, subscription: Subscription, amount: int | None = None, **options: Any) -> Refund:
    charge = await house.charge(subscription)
    async with house.gateway.books.write() as conn:
        return await services.create(
            conn,
            house.gateway,
            scope=house.scope,
            charge_id=charge.id,
            amount=amount,
            origin=house.origin,
            **options,
        )


async def current(house: House, refund: Refund) -> Refund:
    async with house.gateway.books.read() as conn:
        return (await refunds.load(conn, [refund.id]))[refund.id]


async def give_back(house: House, amount: int = UNITS) -> None:
    """The payout wallet sends; the block is mined, and not final yet."""
    house.chain.transfer(factories.TOKEN, factories.PAYEE, house.wallet(), amount)


async def finalise(house: House) -> None:
    for _ in range(4):
        house.chain.mine(timestamp=house.chain.head_timestamp + 1)
        await house.watch()


async def test_a_refund_asks_the_payout_wallet_for_exactly_what_was_paid(house: House) -> None:
    refund = await ask(house, await house.active())
    assert refund.status is Status.REQUIRES_ACTION
    assert (refund.sender, refund.recipient) == (factories.PAYEE, house.wallet())
    assert (refund.amount, refund.token_amount) == (1000, UNITS)


async def test_it_succeeds_when_the_transfer_is_final_and_not_before(house: House) -> None:
    active = await house.active()
    refund = await ask(house, active)
    await give_back(house)
    await house.watch()
    assert (await current(house, refund)).status is Status.REQUIRES_ACTION
    await finalise(house)
    done = await current(house, refund)
    assert done.status is Status.SUCCEEDED
    assert done.transaction_hash is not None
    assert done.reason.evidence["transaction"] == done.transaction_hash
    assert (await house.charge(active)).amount_refunded == 1000
    assert await house.event_types(refund.id) == ["refund.created", "refund.updated"]
    assert "charge.refunded" in await house.event_types((await house.charge(active)).id)


async def test_the_search_goes_on_where_it_stopped_and_books_a_transfer_once(house: House) -> None:
    active = await house.active()
    house.chain.mint(factories.TOKEN, factories.PAYEE, UNITS)
    first = await ask(house, active, 400)
    second = await ask(house, active, 600)
    await give_back(house, 4_000_000)
    await finalise(house)
    assert (await house.charge(active)).amount_refunded == 400
    await give_back(house, 4_000_000)
    await finalise(house)
    assert (await house.charge(active)).amount_refunded == 400
    await give_back(house, 6_000_000)
    await finalise(house)
    assert (await house.charge(active)).amount_refunded == 1000
    assert [(await current(house, refund)).status for refund in (first, second)] == [Status.SUCCEEDED] * 2


async def test_a_transfer_undone_by_a_re_org_before_finality_pays_nothing(house: House) -> None:
    refund = await ask(house, await house.active())
    await give_back(house)
    await house.watch()
    house.chain.reorg(1, keep_transactions=False)
    await finalise(house)
    assert (await current(house, refund)).status is Status.REQUIRES_ACTION


async def test_a_transfer_from_before_the_request_is_not_its_own(house: House) -> None:
    active = await house.active()
    await give_back(house)
    await finalise(house)
    refund = await ask(house, active)
    await finalise(house)
    assert (await current(house, refund)).status is Status.REQUIRES_ACTION


async def test_a_node_that_refuses_or_fails_is_asked_again_and_nothing_is_lost(house: House) -> None:
    refund = await ask(house, await house.active())
    await give_back(house)
    house.chain.fail_next("logs_in_range", RpcUnavailable("away"))
    with pytest.raises(RpcUnavailable):
        await finalise(house)
    house.chain.fail_next("logs_in_range", RpcRejected(-32005, "range too large"))
    await finalise(house)
    assert (await current(house, refund)).status is Status.SUCCEEDED


async def test_two_watchers_at_once_book_a_transfer_once(house: House) -> None:
    active = await house.active()
    await ask(house, active)
    await give_back(house)
    for _ in range(3):
        house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    await asyncio.gather(
        *(transfers.watch(house.gateway, house.chain, now=house.now) for _ in range(4)), return_exceptions=True
    )
    await finalise(house)
    assert (await house.charge(active)).amount_refunded == 1000


async def test_requests_at_once_never_ask_for_more_than_was_collected(house: House) -> None:
    active = await house.active()
    amounts = (300, 310, 320, 330, 340)
    asked = await asyncio.gather(*(ask(house, active, amount) for amount in amounts), return_exceptions=True)
    made = [refund for refund in asked if isinstance(refund, Refund)]
    refused = [error for error in asked if isinstance(error, BaseException)]
    assert len(made) == 3
    assert sum(refund.amount for refund in made) <= 1000
    assert {error.code for error in refused if isinstance(error, DomainError)} == {"amount_too_large"}
    assert len(refused) == 2


async def test_what_was_canceled_can_be_asked_for_again(house: House) -> None:
    active = await house.active()
    refund = await ask(house, active)
    async with house.gateway.books.write() as conn:
        canceled = await services.cancel(
            conn, house.gateway, scope=house.scope, refund_id=refund.id, origin=house.origin
        )
    assert canceled.status is Status.CANCELED
    again = await ask(house, active)
    await give_back(house)
    await finalise(house)
    assert (await current(house, refund)).status is Status.CANCELED
    assert (await current(house, again)).status is Status.SUCCEEDED


async def test_what_is_final_cannot_be_canceled(house: House) -> None:
    refund = await ask(house, await house.active())
    await give_back(house)
    await finalise(house)
    with pytest.raises(IllegalTransition):
        async with house.gateway.books.write() as conn:
            await services.cancel(conn, house.gateway, scope=house.scope, refund_id=refund.id, origin=house.origin)


async def test_nothing_is_searched_while_nothing_is_waited_for(house: House) -> None:
    await house.active()
    await finalise(house)
    before = house.chain.call_counts["logs_in_range"]
    assert await transfers.watch(house.gateway, house.chain, now=house.now) == 0
    assert house.chain.call_counts["logs_in_range"] == before


async def test_a_foreign_charge_is_not_there(house: House) -> None:
    await house.active()
    with pytest.raises(NotFound):
        async with house.gateway.books.write() as conn:
            await services.create(
                conn, house.gateway, scope=house.scope, charge_id=factories.numbered("ch", 9), origin=house.origin
            )
    async with house.gateway.books.read() as conn:
        assert await charges.load(conn, [factories.numbered("ch", 9)]) == {}


async def test_an_intent_that_collected_nothing_has_nothing_to_return(house: House) -> None:
    opened = await house.subscribe()
    intent = await house.intent(opened)
    with pytest.raises(InvalidRequest, match="collected nothing"):
        async with house.gateway.books.write() as conn:
            await services.create(
                conn, house.gateway, scope=house.scope, charge_intent_id=intent.id, origin=house.origin
            )
