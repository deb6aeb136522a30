"""A re-org below finality (TRUST R8, C07): what was final and is gone is owed again, and collected once."""

import pytest
from sqlalchemy import delete

from gateway.db import blocks, schema
from gateway.db.engine import Books
from gateway.domain import charge as charge_domain
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain.errors import Conflict
from gateway.domain.subscription import Status, Subscription
from gateway.services import halts, indexing, reconciliation, refunds, reversal
from gateway.services import subscriptions as subscription_services
from gateway.services.reversal import Reversal
from tests import factories
from tests.services.house import House

PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def renewed(house: House) -> Subscription:
    """A subscription whose second period is paid and final, in one of the newest blocks."""
    active = await house.active()
    await house.renew(active)
    return await house.subscription(active)


def depth_of_the_last_charge(house: House) -> int:
    """How many blocks a re-org has to take so that the newest collection is gone."""
    for depth, block in enumerate(reversed(house.chain.blocks), start=1):
        if any(log.address == factories.CONTRACT for log in block.logs):
            return depth
    raise AssertionError("nothing was collected")


async def halted(house: House) -> str | None:
    async with house.gateway.books.read() as conn:
        return (await blocks.cursor(conn, house.chain.chain_id)).halted_reason


async def resume(house: House) -> Reversal | None:
    [standing] = await halts.standings(house.gateway)
    return (await halts.resume(house.gateway, house.chain, standing, now=house.now)).reversal


async def differences(house: House) -> int:
    return sum([len(s.differences) async for s in reconciliation.audit(house.gateway, house.chain)])


@pytest.mark.parametrize("keep", [True, False], ids=["mined again by itself", "lost by the node"])
async def test_C07_a_final_transfer_that_a_reorg_took_away_is_owed_again_and_collected_once(
    house: House, *, keep: bool
) -> None:
    subscription = await renewed(house)
    before = await house.charge(subscription)
    house.chain.reorg(depth_of_the_last_charge(house), blocks=30, keep_transactions=keep)
    await indexing.converge(house.gateway, house.chain, now=house.now)
    assert "was final" in (await halted(house) or "")
    taken = await resume(house)
    assert taken is not None
    assert (taken.charges, taken.reopened) == (1, 1)
    assert (await house.subscription(subscription)).status is Status.PAST_DUE
    assert (await house.invoice(subscription)).status is invoice_domain.Status.OPEN
    intent = await house.intent(subscription)
    assert (intent.status, intent.reason.code) == (intent_domain.Status.REVERSED, "reversed")
    await house.pump()
    assert [period for _, period, _ in house.charged()] == [1, 2]
    assert (await house.subscription(subscription)).status is Status.ACTIVE
    assert (await house.invoice(subscription)).status is invoice_domain.Status.PAID
    assert (await house.charge(subscription)).id != before.id
    assert await differences(house) == 0
    types = await house.event_types()
    assert (types.count("charge.reversed"), types.count("charge_intent.reversed")) == (1, 1)
    await house.renew(subscription)
    assert [period for _, period, _ in house.charged()] == [1, 2, 3]


async def test_C07_a_canceled_subscription_stays_as_it_is(house: House) -> None:
    subscription = await renewed(house)
    async with house.gateway.books.write() as conn:
        await subscription_services.cancel(
            conn, house.gateway, scope=house.scope, subscription_id=subscription.id, now=house.now, origin=house.origin
        )
    house.chain.reorg(depth_of_the_last_charge(house), blocks=30, keep_transactions=False)
    await indexing.converge(house.gateway, house.chain, now=house.now)
    assert await resume(house) is not None
    assert (await house.subscription(subscription)).status is Status.CANCELED
    assert (await house.invoice(subscription)).status is invoice_domain.Status.OPEN


async def test_blocks_that_are_all_there_are_left_alone(house: House) -> None:
    subscription = await renewed(house)
    async with house.gateway.books.write() as conn:
        await blocks.halt(conn, house.chain.chain_id, "somebody wanted a look")
    assert await resume(house) is None
    assert await halted(house) is None
    assert (await house.charge(subscription)).status is charge_domain.Status.SUCCEEDED


async def test_a_refund_that_is_gone_is_left_to_a_person_and_nothing_changes(house: House) -> None:
    subscription = await renewed(house)
    charge = await house.charge(subscription)
    async with house.gateway.books.write() as conn:
        await refunds.create(conn, house.gateway, scope=house.scope, charge_id=charge.id, origin=house.origin)
    house.chain.transfer(factories.TOKEN, factories.PAYEE, house.wallet(), PRICE_UNITS)
    await house.pump()
    house.chain.reorg(depth_of_the_last_charge(house), blocks=60)
    await indexing.converge(house.gateway, house.chain, now=house.now)
    with pytest.raises(Conflict, match="Settle those by hand"):
        await resume(house)
    assert await halted(house) is not None
    assert (await house.charge(subscription)).status is charge_domain.Status.SUCCEEDED


async def test_a_reorg_below_everything_that_is_kept_wants_a_backup(house: House) -> None:
    await renewed(house)
    async with house.gateway.books.write() as conn:
        await conn.execute(delete(schema.blocks).where(schema.blocks.c.number < 3))  # as after many blocks
    house.chain.reorg(len(house.chain.blocks) - 2, blocks=80)
    with pytest.raises(Conflict, match="restore the database from a backup"):
        await reversal.take_back(house.gateway, house.chain, now=house.now)
