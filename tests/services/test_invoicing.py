"""What stands on invoices: taxes, coupons, credit, invoice items; ST-04, ST-23, ST-51, ST-73, ST-75, MX-09."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.db import balances, catalog, discounts, invoice_items, invoices, tax_rates
from gateway.db.engine import Books
from gateway.domain.catalog import Customer
from gateway.domain.discount import Coupon, Duration
from gateway.domain.errors import InvalidRequest
from gateway.domain.invoice import Invoice, Status
from gateway.domain.invoice_item import InvoiceItem
from gateway.domain.subscription import Subscription
from gateway.domain.tax import TaxRate
from gateway.services import credit
from gateway.services import invoice_items as item_services
from gateway.services import invoices as invoice_services
from gateway.services.discounts import DiscountRequest
from gateway.services.invoice_items import NewInvoiceItem
from gateway.services.items import NewItem
from tests import factories
from tests.services.house import House

VAT = TaxRate(
    id="txr_vat",
    scope=factories.SCOPE,
    created_at=factories.NOW,
    display_name="VAT",
    percentage_ppm=190_000,
    inclusive=False,
)
HALF = Coupon(id="HALF", scope=factories.SCOPE, created_at=factories.NOW, duration=Duration.FOREVER, percent_off=5_000)


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def keep_coupon(house: House, coupon: Coupon) -> DiscountRequest:
    async with house.gateway.books.write() as conn:
        await discounts.add_coupon(conn, coupon, coupon.id)
    return DiscountRequest(coupon_id=coupon.id)


async def keep_rates(house: House, *rates: TaxRate) -> None:
    async with house.gateway.books.write() as conn:
        await tax_rates.shelf.add(conn, rates)


async def add_item(house: House, subscription: Subscription, amount: int, **fields: Any) -> InvoiceItem:
    async with house.gateway.books.write() as conn:
        return await item_services.create(
            conn,
            house.gateway,
            scope=house.scope,
            new=NewInvoiceItem(customer_id=subscription.customer_id, amount=amount, currency="usd", **fields),
            now=house.now,
            origin=house.origin,
        )


async def give_credit(house: House, customer_id: str, amount: int) -> None:
    async with house.gateway.books.write() as conn:
        await credit.adjust(
            conn,
            house.gateway,
            scope=house.scope,
            customer_id=customer_id,
            amount=amount,
            currency="usd",
            description=None,
            metadata={},
            now=house.now,
            origin=house.origin,
        )


async def customer_of(house: House, subscription: Subscription) -> Customer:
    async with house.gateway.books.read() as conn:
        return (await catalog.load_customers(conn, [subscription.customer_id]))[subscription.customer_id]


def amounts(invoice: Invoice) -> Sequence[int]:
    return [line.amount for line in invoice.lines]


async def test_ST_04_an_exclusive_rate_is_pulled_on_top_of_the_price(house: House) -> None:
    await keep_rates(house, VAT)
    subscription = await house.active(default_tax_rate_ids=[VAT.id])
    invoice = await house.invoice(subscription)
    assert (invoice.subtotal, invoice.total, invoice.status) == (1000, 1190, Status.PAID)
    assert house.charged() == [((await house.mandate(subscription)).onchain_id, 1, 11_900_000)]


async def test_ST_04_a_rate_of_an_item_replaces_that_of_the_subscription(house: House) -> None:
    await keep_rates(house, VAT, replace(VAT, id="txr_low", percentage_ppm=70_000, inclusive=True))
    item = NewItem(price_id=factories.PRICE_ID, tax_rate_ids=["txr_low"])
    invoice = await house.invoice(await house.subscribe(items=[item], default_tax_rate_ids=[VAT.id]))
    [tax] = invoice.lines[0].tax_amounts
    assert (invoice.total, tax.rate_id, tax.amount) == (1000, "txr_low", 65)


async def test_ST_73_a_coupon_for_ever_reduces_every_invoice_and_the_mandate_asks_for_no_more(house: House) -> None:
    request = await keep_coupon(house, HALF)
    subscription = await house.active(discounts=[request])
    await house.renew(subscription)
    assert [amount for _, _, amount in house.charged()] == [5_000_000, 5_000_000]
    assert (await house.mandate(subscription)).terms.amount == 5_000_000
    assert "customer.discount.created" in await house.event_types()


async def test_ST_73_a_coupon_for_once_reduces_the_first_invoice_only_and_the_mandate_covers_the_full_price(
    house: House,
) -> None:
    request = await keep_coupon(house, replace(HALF, duration=Duration.ONCE))
    subscription = await house.active(discounts=[request])
    await house.renew(subscription)
    assert [amount for _, _, amount in house.charged()] == [5_000_000, 10_000_000]
    assert (await house.subscription(subscription)).discounts == ()


async def test_ST_23_a_coupon_for_everything_pays_the_invoice_without_a_transaction(house: House) -> None:
    request = await keep_coupon(house, replace(HALF, percent_off=10_000))
    subscription = await house.subscribe(discounts=[request])
    invoice = await house.invoice(subscription)
    assert (invoice.status, invoice.total, invoice.charge_intent_id) == (Status.PAID, 0, None)
    assert house.charged() == []


async def test_ST_73_a_coupon_is_redeemed_as_often_as_its_limit_says(house: House) -> None:
    request = await keep_coupon(house, replace(HALF, max_redemptions=1))
    await house.subscribe(1, discounts=[request])
    with pytest.raises(InvalidRequest) as refused:
        await house.subscribe(2, discounts=[request])
    assert (refused.value.code, refused.value.param) == ("coupon_expired", "discounts[0][coupon]")


async def test_ST_23_credit_pays_first_and_the_rest_is_pulled(house: House) -> None:
    subscription = await house.active()
    await give_credit(house, subscription.customer_id, -1300)
    await house.renew(subscription)
    invoice = await house.invoice(subscription)
    assert (invoice.total, invoice.amount_due, invoice.status) == (1000, 0, Status.PAID)
    assert (invoice.starting_balance, invoice.ending_balance) == (-1300, -300)
    await house.renew(subscription)
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 7_000_000]
    assert (await customer_of(house, subscription)).balance == 0


async def test_ST_73_the_record_of_a_balance_sums_to_it(house: House) -> None:
    subscription = await house.active()
    await give_credit(house, subscription.customer_id, -1300)
    await house.renew(subscription)
    async with house.gateway.books.read() as conn:
        query = balances.shelf.table.select().order_by(balances.shelf.table.c.id)
        entries = [balances.shelf.make(row) for row in await conn.execute(query)]
    assert [(entry.amount, entry.type.value) for entry in entries] == [
        (-1300, "adjustment"),
        (1000, "applied_to_invoice"),
    ]
    assert sum(entry.amount for entry in entries) == (await customer_of(house, subscription)).balance


async def test_ST_73_voiding_gives_credit_back(house: House) -> None:
    subscription = await house.active()
    await give_credit(house, subscription.customer_id, -300)
    await house.go_to((await house.subscription(subscription)).period_end)
    invoice = await house.invoice(subscription)
    async with house.gateway.books.write() as conn:
        await invoice_services.finalize(
            conn, house.gateway, scope=house.scope, invoice_id=invoice.id, now=house.now, origin=house.origin
        )
    assert (await customer_of(house, subscription)).balance == 0
    async with house.gateway.books.write() as conn:
        await invoice_services.void(
            conn, house.gateway, scope=house.scope, invoice_id=invoice.id, now=house.now, origin=house.origin
        )
    assert (await customer_of(house, subscription)).balance == -300


async def test_ST_75_a_waiting_item_is_swept_into_the_next_invoice_once(house: House) -> None:
    subscription = await house.active()
    item = await add_item(house, subscription, -250, description="Sorry for the outage")
    await house.renew(subscription)
    await house.renew(subscription)
    async with house.gateway.books.read() as conn:
        kept = await invoice_items.shelf.get(conn, house.scope, item.id)
        assert kept is not None
        assert kept.invoice_id is not None
        [taken] = (await invoices.load(conn, [kept.invoice_id])).values()
    assert amounts(taken) == [1000, -250]
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 7_500_000, 10_000_000]


async def test_ST_75_an_item_of_another_subscription_is_left_alone(house: House) -> None:
    first = await house.active(1)
    second = await house.active(2)
    await add_item(house, first, -100, subscription_id=first.id)
    await house.renew(second)
    assert amounts(await house.invoice(second)) == [1000]
    assert amounts(await house.invoice(first)) == [1000, -100]


async def test_ST_51_an_item_may_be_added_to_a_draft_and_no_more_once_it_is_finalised(house: House) -> None:
    await keep_rates(house, VAT)
    subscription = await house.active()
    await house.go_to((await house.subscription(subscription)).period_end)
    draft = await house.invoice(subscription)
    assert draft.status is Status.DRAFT
    await add_item(house, subscription, -400, invoice_id=draft.id, tax_rate_ids=[VAT.id])
    changed = await house.invoice(subscription)
    assert (amounts(changed), changed.total) == ([1000, -400], 1000 - 476)
    await house.go_to(house.now + timedelta(hours=1))
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 5_240_000]
    with pytest.raises(InvalidRequest) as refused:
        await add_item(house, subscription, 1, invoice_id=draft.id)
    assert (refused.value.code, refused.value.param) == ("invoice_not_editable", "invoice")


async def test_ST_73_a_negative_invoice_is_paid_and_becomes_credit(house: House) -> None:
    subscription = await house.active()
    await add_item(house, subscription, -1500)
    await house.renew(subscription)
    invoice = await house.invoice(subscription)
    assert (invoice.total, invoice.amount_due, invoice.status) == (-500, 0, Status.PAID)
    assert (await customer_of(house, subscription)).balance == -500
    await house.renew(subscription)
    assert [amount for _, _, amount in house.charged()] == [10_000_000, 5_000_000]


async def test_ST_74_an_invoice_above_the_mandates_cap_is_never_pulled_and_says_why(house: House) -> None:
    subscription = await house.active()
    await add_item(house, subscription, 1)
    await house.renew(subscription)
    intent = await house.intent(subscription)
    assert (intent.status, intent.reason.code, intent.attempts) == ("requires_action", "mandate_unsigned", 0)
    assert [amount for _, _, amount in house.charged()] == [10_000_000]
    assert (await house.subscription(subscription)).status == "past_due"
