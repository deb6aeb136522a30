"""An invoice above what the wallet has signed asks for a signature; it fails no attempt, and the mandate goes on."""

from datetime import timedelta

import pytest

from chain import eip712
from gateway.db import mandates
from gateway.db.engine import Books
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain.mandate import Mandate
from gateway.domain.subscription import Status, Subscription
from gateway.services import intents
from gateway.services.recording import related_to
from tests.services.house import House
from tests.services.test_invoicing import add_item, give_credit

HOUR = timedelta(hours=1)


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def extra_of(house: House, subscription: Subscription) -> Mandate:
    """The mandate that the newest invoice asks for."""
    intent = await house.intent(subscription)
    async with house.gateway.books.read() as conn:
        return (await mandates.load(conn, [intent.mandate_id or ""]))[intent.mandate_id or ""]


async def sign_extra(house: House, subscription: Subscription) -> None:
    mandate = await extra_of(house, subscription)
    digest = eip712.mandate_digest(mandate.terms, mandate.chain_id, mandate.contract)
    async with house.gateway.books.write() as conn:
        await intents.confirm(
            conn,
            house.gateway,
            scope=house.scope,
            intent_id=(await house.intent(subscription)).id,
            signature=house.wallets[mandate.terms.payer].sign_digest(digest),
            permit=None,
            now=house.now,
            origin=house.origin,
        )


async def above_the_cap(house: House) -> Subscription:
    """An extra item of 25 USD pushed the second invoice to 35, and the wallet signed 10 a month."""
    active = await house.active()
    await add_item(house, active, 2500)
    await house.renew(active)
    return await house.subscription(active)


async def test_ST_14_ST_50_an_invoice_above_the_cap_asks_the_wallet_and_costs_no_attempt(house: House) -> None:
    owing = await above_the_cap(house)
    intent, invoice = await house.intent(owing), await house.invoice(owing)
    assert (intent.status, intent.attempts) == (intent_domain.Status.REQUIRES_ACTION, 0)
    assert intent.latest_charge_id is None
    assert (invoice.status, owing.status) == (invoice_domain.Status.OPEN, Status.PAST_DUE)
    told = await house.event_types(invoice.id)
    assert "invoice.payment_action_required" in told
    assert "invoice.payment_failed" not in told
    await house.go_to(house.now + timedelta(days=4))
    assert (await house.intent(owing)).attempts == 0
    assert (await house.subscription(owing)).status is Status.PAST_DUE


async def test_what_is_signed_is_this_one_payment(house: House) -> None:
    owing = await above_the_cap(house)
    extra = await extra_of(house, owing)
    assert (extra.terms.amount, extra.terms.periods) == (35_000_000, 1)
    assert extra.id != owing.mandate_id
    async with house.gateway.books.read() as conn:
        related = await related_to(conn, house.gateway, [await house.intent(owing)])
    # A permit sets the allowance: the periods to come must not lose theirs.
    assert related.beside[extra.id] == 12 * 10_000_000


async def test_once_signed_it_is_paid_and_the_old_mandate_goes_on(house: House) -> None:
    owing = await above_the_cap(house)
    await sign_extra(house, owing)
    await house.pump()
    paid = await house.subscription(owing)
    assert (await house.invoice(owing)).status is invoice_domain.Status.PAID
    assert (paid.status, paid.mandate_id) == (Status.ACTIVE, owing.mandate_id)
    await house.renew(owing)
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 35_000_000, 10_000_000]
    assert len({onchain for onchain, _, _ in house.charged()}) == 2


async def test_it_can_be_signed_weeks_later(house: House) -> None:
    owing = await above_the_cap(house)
    await house.go_to(house.now + timedelta(days=20))
    await sign_extra(house, owing)
    await house.pump()
    assert (await house.invoice(owing)).status is invoice_domain.Status.PAID


async def test_a_debt_on_the_balance_that_raises_an_invoice_above_the_cap_asks_as_well(house: House) -> None:
    active = await house.active()
    await give_credit(house, active.customer_id, 500)
    await house.renew(active)
    assert (await house.intent(active)).status is intent_domain.Status.REQUIRES_ACTION
    assert (await extra_of(house, active)).terms.amount == 15_000_000


async def test_an_invoice_within_the_cap_asks_nobody(house: House) -> None:
    active = await house.active()
    await add_item(house, active, -300)
    await house.renew(active)
    assert (await house.intent(active)).mandate_id == active.mandate_id
    assert (await house.invoice(active)).status is invoice_domain.Status.PAID
