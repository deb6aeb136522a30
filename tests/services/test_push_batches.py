"""Many transfers at once, balances that refuse credit, merchants with one wallet: what is beside the plain case."""

from dataclasses import replace

import pytest

from gateway.db import accounts, catalog, invoices, pushes
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.push import Status as PushStatus
from gateway.domain.subscription import CollectionMethod, Status
from gateway.services import indexing, sending
from gateway.services import pushes as services
from gateway.services import subscriptions as subscription_services
from gateway.services.items import NewItem
from tests import factories
from tests.services.house import House
from tests.services.pushing import STRANGER, UNITS, exact, finalise, in_the_books, push, pushed, sent

OTHER = "acct_2"


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def test_a_balance_in_another_currency_takes_no_credit_and_the_payment_is_told(house: House) -> None:
    subscription = await sent(house)
    async with house.gateway.books.write() as conn:
        customer = (await catalog.load_customers(conn, [subscription.customer_id]))[subscription.customer_id]
        await catalog.save_customers(conn, [replace(customer, balance=-500, balance_currency="eur")])
    await push(house, 15_000_000)
    assert [payment.reason.code for payment in await pushed(house)] == ["credit_refused"]
    assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN
    await push(house, UNITS)
    assert (await house.invoice(subscription)).status is InvoiceStatus.PAID


async def test_ST_44_paying_the_newest_leaves_it_past_due_while_an_older_one_is(house: House) -> None:
    subscription = await sent(house, days_until_due=5)
    oldest = await house.invoice(subscription)
    await house.renew(subscription)
    assert (await house.subscription(subscription)).status is Status.PAST_DUE
    await push(house, await exact(house, subscription), sender=STRANGER)
    assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
    assert (await house.subscription(subscription)).status is Status.PAST_DUE
    async with house.gateway.books.read() as conn:
        [left] = await invoices.open_of(conn, [subscription.id])
    assert left.id == oldest.id
    await push(house, UNITS)
    assert (await house.subscription(subscription)).status is Status.ACTIVE


async def test_ST_44_paying_an_older_one_is_enough_while_the_newest_is_not_due(house: House) -> None:
    subscription = await sent(house, days_until_due=5)
    await house.renew(subscription)
    await push(house, UNITS)
    assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN
    assert (await house.subscription(subscription)).status is Status.ACTIVE


async def test_many_transfers_cost_the_statements_of_one_batch(house: House) -> None:
    async def cost(numbers: range) -> int:
        amounts = [await exact(house, await sent(house, number)) for number in numbers]
        for amount in amounts:
            house.chain.mint(factories.TOKEN, STRANGER, amount)
            house.chain.transfer(factories.TOKEN, STRANGER, factories.PAYEE, amount)
        for _ in range(3):
            house.chain.mine(timestamp=house.chain.head_timestamp + 1)
        while await indexing.converge(house.gateway, house.chain, now=house.now):
            pass
        before = house.gateway.books.statements
        await services.watch(house.gateway, house.chain, now=house.now)
        return house.gateway.books.statements - before

    await cost(range(1, 2))  # what is looked up once for all
    few, many = await cost(range(2, 5)), await cost(range(5, 25))
    assert many == few
    assert [payment.status for payment in await pushed(house)] == [PushStatus.APPLIED] * 24
    assert await in_the_books(house) == house.balance(factories.PAYEE)


async def test_merchants_with_one_wallet_get_what_their_own_invoices_name(house: House) -> None:
    mine = await sent(house, 1)
    amount = await exact(house, mine)
    scope = Scope(OTHER, livemode=False)
    async with house.gateway.books.write() as conn:
        await accounts.add(conn, factories.account(id=OTHER))
        await catalog.add_products(conn, [factories.product(id="prod_2", scope=scope)])
        await catalog.add_prices(conn, [factories.price(id="price_2", scope=scope, product_id="prod_2")])
        await catalog.add_customers(conn, [factories.customer(id="cus_other", scope=scope)])
        theirs = await subscription_services.create(
            conn,
            house.gateway,
            scope=scope,
            customer_id="cus_other",
            items=[NewItem(price_id="price_2", quantity=2)],
            collection_method=CollectionMethod.SEND_INVOICE,
            now=house.now,
            origin=house.origin,
        )
    wanted = await exact(house, theirs)
    await push(house, wanted, sender=STRANGER)
    await push(house, amount, sender=STRANGER)
    assert (await house.invoice(mine)).status is InvoiceStatus.PAID
    assert (await house.invoice(theirs)).status is InvoiceStatus.PAID
    async with house.gateway.books.read() as conn:
        own = (await pushes.page(conn, PageRequest(scope=house.scope, limit=9))).items
        other = (await pushes.page(conn, PageRequest(scope=scope, limit=9))).items
    assert ([payment.token_amount for payment in own], [payment.token_amount for payment in other]) == (
        [amount],
        [wanted],
    )


async def test_what_came_while_nobody_watched_is_found_later(house: House) -> None:
    subscription = await sent(house)
    amount = await exact(house, subscription)
    house.chain.mint(factories.TOKEN, STRANGER, amount)
    house.chain.transfer(factories.TOKEN, STRANGER, factories.PAYEE, amount)
    house.chain.mine(services.RANGE_BLOCKS_MAX + 20)
    await finalise(house)
    await finalise(house)
    assert (await house.invoice(subscription)).status is InvoiceStatus.PAID


async def test_where_all_references_are_taken_only_known_wallets_pay(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "REFERENCES", 1)
    first, second = await sent(house, 1), await sent(house, 2)
    assert [(await house.invoice(one)).push_reference for one in (first, second)] == [1, None]
    await push(house, await exact(house, second), sender=STRANGER)
    assert [payment.reason.code for payment in await pushed(house)] == ["unknown_payer"]
    await push(house, UNITS, sender=house.wallet(2))
    assert (await house.invoice(first)).status is InvoiceStatus.OPEN
    assert (await house.invoice(second)).status is InvoiceStatus.PAID
