"""What is approved, what is left of it, and what dangles after the end (SX-24, C12)."""

import pytest

from gateway.db.engine import Books
from gateway.domain import mandate as mandate_domain
from gateway.domain.subscription import Subscription
from gateway.services import subscriptions as services
from gateway.services.recording import related_to
from gateway.wire.mandate import MandateObject
from gateway.wire.mandate import mandate as shown_mandate
from gateway.wire.subscription import SubscriptionObject
from gateway.wire.subscription import subscription as shown_subscription
from tests import factories
from tests.services.house import House


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def mandate_of(house: House, subscription: Subscription) -> MandateObject:
    value = await house.mandate(subscription)
    async with house.gateway.books.read() as conn:
        return shown_mandate(value, await related_to(conn, house.gateway, [value]))


async def shown(house: House, subscription: Subscription) -> SubscriptionObject:
    value = await house.subscription(subscription)
    async with house.gateway.books.read() as conn:
        return shown_subscription(value, await related_to(conn, house.gateway, [value]))


async def canceled(house: House) -> Subscription:
    active = await house.active()
    async with house.gateway.books.write() as conn:
        await services.cancel(
            conn, house.gateway, scope=house.scope, subscription_id=active.id, now=house.now, origin=house.origin
        )
    return active


async def test_SX_24_each_payment_uses_up_one_of_the_approved_periods(house: House) -> None:
    opened = await house.subscribe()
    asked = await mandate_of(house, opened)
    assert (asked.approved_periods, asked.remaining_periods, asked.revocation) == (12, 0, [])
    await house.sign(opened)
    await house.pump()
    first = await mandate_of(house, opened)
    assert (first.approved_periods, first.remaining_periods) == (12, 11)
    await house.renew(opened)
    assert (await mandate_of(house, opened)).remaining_periods == 10


async def test_C12_a_canceled_subscription_shows_how_the_payer_ends_what_outlived_it(house: House) -> None:
    ended = await shown(house, await canceled(house))
    assert ended.dangling_allowance is not None
    assert ended.dangling_allowance.mandate == ended.mandate
    assert [call.type for call in ended.dangling_allowance.revocation] == ["cancel_mandate", "revoke_allowance"]


async def test_C12_the_prepared_call_ends_the_mandate_and_then_nothing_dangles(house: House) -> None:
    subscription = await canceled(house)
    dangling = (await shown(house, subscription)).dangling_allowance
    assert dangling is not None
    [cancel, revoke] = dangling.revocation
    assert cancel.to.lower() == factories.CONTRACT
    assert (revoke.to.lower(), revoke.data[:10]) == (factories.TOKEN, "0x095ea7b3")
    assert int(revoke.data[-64:], 16) == 0
    house.chain.execute(house.wallet(), bytes.fromhex(cancel.data[2:]))
    await house.pump()
    revoked = await house.mandate(subscription)
    assert (revoked.status, revoked.reason.code) == (mandate_domain.Status.REVOKED, "revoked_on_chain")
    assert (await house.event_types(revoked.id)).count("mandate.updated") == 3
    assert (await shown(house, subscription)).dangling_allowance is None
    assert [call.type for call in (await mandate_of(house, subscription)).revocation] == ["revoke_allowance"]


async def test_nothing_dangles_while_a_subscription_lives(house: House) -> None:
    assert (await shown(house, await house.active())).dangling_allowance is None
