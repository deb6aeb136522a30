"""Invoices that are sent: due dates, what is past due, and changing between sending and pulling."""

from datetime import timedelta

import pytest

from gateway.db import invoices
from gateway.db.engine import Books
from gateway.domain.beginning import Schedule
from gateway.domain.errors import InvalidRequest
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.settings import SendInvoiceSettings
from gateway.domain.subscription import CollectionMethod, Status
from tests import factories
from tests.services.house import House
from tests.services.pushing import SENT, UNITS, change, exact, in_the_books, push, sent, settings, settled, void


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


class TestSending:
    async def test_ST_76_PM_01_an_invoice_is_sent_and_no_mandate_is_asked_for(self, house: House) -> None:
        subscription = await sent(house, days_until_due=14)
        invoice = await house.invoice(subscription)
        assert (invoice.status, invoice.collection_method) == (InvoiceStatus.OPEN, SENT)
        assert invoice.due_at == house.now + timedelta(days=14)
        assert invoice.payee == factories.PAYEE
        current = await house.subscription(subscription)
        assert (current.status, current.mandate_id) == (Status.ACTIVE, None)
        intent = await house.intent(subscription)
        assert (intent.status, intent.reason.code) == ("requires_payment_method", "awaiting_transfer")
        assert "invoice.sent" in await house.event_types(invoice.id)
        assert await house.event_types(subscription.id) == [
            "customer.subscription.opened",
            "customer.subscription.created",
            "customer.subscription.activated",
            "customer.subscription.updated",
        ]

    async def test_ST_69_the_due_date_follows_the_settings_where_nothing_else_is_said(self, house: House) -> None:
        await settings(house, send_invoice=SendInvoiceSettings(due_days=10))
        subscription = await sent(house)
        assert subscription.days_until_due == 10
        assert (await house.invoice(subscription)).due_at == house.now + timedelta(days=10)

    async def test_ST_76_nothing_is_ever_pulled_for_it(self, house: House) -> None:
        subscription = await sent(house, days_until_due=1)
        for _ in range(3):
            await house.renew(subscription)
        assert house.charged() == []
        assert await settled(house) == []

    async def test_PM_01_each_period_is_drafted_sent_and_paid_by_a_transfer(self, house: House) -> None:
        subscription = await sent(house)
        await push(house, await exact(house, subscription))
        for _ in range(2):
            await house.renew(subscription)
            assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN
            await push(house, await exact(house, subscription))
            assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
        types = await house.event_types(subscription.id)
        assert types.count("customer.subscription.renewed") == 2
        assert await in_the_books(house) == house.balance(factories.PAYEE)

    async def test_ST_44_what_is_not_paid_is_past_due_after_its_date_and_good_again_when_it_is(
        self, house: House
    ) -> None:
        subscription = await sent(house, days_until_due=5)
        await house.go_to(house.now + timedelta(days=5) - timedelta(seconds=1))
        assert (await house.subscription(subscription)).status is Status.ACTIVE
        await house.go_to(house.now + timedelta(seconds=1))
        current = await house.subscription(subscription)
        assert (current.status, current.reason.code) == (Status.PAST_DUE, "invoice_overdue")
        await push(house, await exact(house, subscription))
        assert (await house.subscription(subscription)).status is Status.ACTIVE

    async def test_ST_44_voiding_the_newest_leaves_it_past_due_while_an_older_one_is_overdue(
        self, house: House
    ) -> None:
        subscription = await sent(house, days_until_due=5)
        await house.renew(subscription)
        assert (await house.subscription(subscription)).status is Status.PAST_DUE
        await void(house, await house.invoice(subscription))
        assert (await house.subscription(subscription)).status is Status.PAST_DUE
        async with house.gateway.books.read() as conn:
            [first] = await invoices.open_of(conn, [subscription.id])
        await void(house, first)

    async def test_ST_44_voiding_the_newest_after_a_paid_one_makes_it_active(self, house: House) -> None:
        subscription = await sent(house, days_until_due=5)
        await push(house, await exact(house, subscription))
        await house.renew(subscription)
        await house.go_to(house.now + timedelta(days=6))
        assert (await house.subscription(subscription)).status is Status.PAST_DUE
        await void(house, await house.invoice(subscription))
        assert (await house.subscription(subscription)).status is Status.ACTIVE

    async def test_a_trial_whose_invoice_is_sent_asks_no_wallet(self, house: House) -> None:
        subscription = await sent(house, schedule=Schedule(trial_days=7))
        assert (subscription.status, subscription.pending_setup_intent_id) == (Status.TRIALING, None)
        await house.renew(subscription)
        assert (await house.subscription(subscription)).status is Status.ACTIVE
        assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN


class TestChangingTheMethod:
    async def test_ST_61_a_pulled_subscription_is_sent_from_the_next_invoice_on(self, house: House) -> None:
        active = await house.active()
        await change(house, active, method=SENT, days_until_due=3)
        await house.renew(active)
        invoice = await house.invoice(active)
        assert (invoice.status, invoice.is_sent) == (InvoiceStatus.OPEN, True)
        assert len(house.charged()) == 1

    async def test_ST_61_a_sent_subscription_asks_its_wallet_for_a_mandate_and_is_pulled_then(
        self, house: House
    ) -> None:
        subscription = await sent(house)
        await push(house, await exact(house, subscription))
        changed = await change(house, subscription, method=CollectionMethod.CHARGE_AUTOMATICALLY)
        assert changed.pending_setup_intent_id is not None
        house.chain.approve(factories.TOKEN, house.wallet(), 100 * UNITS)
        await house.sign_setup(subscription)
        await house.pump()
        await house.renew(subscription)
        assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
        assert len(house.charged()) == 1

    async def test_ST_61_an_invoice_that_was_sent_is_not_pulled_as_well(self, house: House) -> None:
        subscription = await sent(house)
        await change(house, subscription, method=CollectionMethod.CHARGE_AUTOMATICALLY)
        house.chain.approve(factories.TOKEN, house.wallet(), 100 * UNITS)
        await house.sign_setup(subscription)
        await house.pump()
        assert house.charged() == []
        assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN

    async def test_days_go_with_sent_invoices_only(self, house: House) -> None:
        active = await house.active()
        with pytest.raises(InvalidRequest) as refused:
            await change(house, active, days_until_due=3)
        assert refused.value.param == "days_until_due"
