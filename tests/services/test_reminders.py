"""Reminders of sent invoices and of approvals, and what follows when nobody pays: ST-69, ST-70, ST-71."""

from datetime import datetime, timedelta

import pytest

from gateway.db import catalog
from gateway.db.engine import Books
from gateway.domain.errors import InvalidRequest
from gateway.domain.period import Interval, IntervalUnit
from gateway.domain.settings import ApprovalSettings, OverdueAction, SendInvoiceSettings
from gateway.domain.subscription import Status, Subscription
from gateway.services import pauses, reminders
from gateway.services.items import NewItem
from tests import factories
from tests.services.house import House
from tests.services.pushing import UNITS, exact, push, sent, settings, settled, void

DAY = timedelta(days=1)
REMINDERS = frozenset({"invoice.will_be_due", "invoice.overdue", "invoice.approval_reminder"})


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def reminded(house: House, subscription: Subscription) -> list[str]:
    """Reminders of the newest invoice, oldest first."""
    return [event for event in await house.event_types((await house.invoice(subscription)).id) if event in REMINDERS]


async def days(house: House, start: datetime, *numbers: int) -> None:
    """Let time pass up to these days after `start`, one after another."""
    for number in numbers:
        await house.go_to(start + number * DAY)


class TestSentInvoices:
    async def test_ST_69_at_most_three_reminders_at_the_days_that_were_set(self, house: House) -> None:
        await settings(house, send_invoice=SendInvoiceSettings(due_days=20, reminder_days=(-10, 0, 9)))
        subscription = await sent(house, items=await yearly(house))
        start = house.now
        await days(house, start, 9)
        assert await reminded(house, subscription) == []
        await days(house, start, 10)
        assert await reminded(house, subscription) == ["invoice.will_be_due"]
        await days(house, start, 20)
        assert await reminded(house, subscription) == ["invoice.will_be_due", "invoice.overdue"]
        await days(house, start, 29)
        assert await reminded(house, subscription) == ["invoice.will_be_due", "invoice.overdue", "invoice.overdue"]
        invoice = await house.invoice(subscription)
        assert invoice.chase is not None
        assert (invoice.chase.sent, invoice.chase.wake_at) == (3, None)

    async def test_ST_69_a_reminder_from_before_the_invoice_was_sent_is_left_out(self, house: House) -> None:
        await settings(house, send_invoice=SendInvoiceSettings(due_days=5, reminder_days=(-10, -1)))
        subscription = await sent(house)
        await days(house, house.now, 4)
        assert await reminded(house, subscription) == ["invoice.will_be_due"]

    async def test_ST_69_of_reminders_that_were_missed_only_one_is_sent(self, house: House) -> None:
        await settings(house, send_invoice=SendInvoiceSettings(due_days=20, reminder_days=(-10, -5, -1)))
        subscription = await sent(house)
        await days(house, house.now, 19)
        assert await reminded(house, subscription) == ["invoice.will_be_due"]

    async def test_ST_69_nobody_is_reminded_of_what_is_paid_or_void(self, house: House) -> None:
        await settings(house, send_invoice=SendInvoiceSettings(due_days=5, reminder_days=(-3, 1)))
        paid, voided = await sent(house, 1), await sent(house, 2)
        await push(house, await exact(house, paid))
        await void(house, await house.invoice(voided))
        await days(house, house.now, 2, 6)
        assert await reminded(house, paid) == await reminded(house, voided) == []

    async def test_ST_66_ST_69_settings_that_change_later_move_later_invoices_only(self, house: House) -> None:
        await settings(house, send_invoice=SendInvoiceSettings(due_days=20, reminder_days=(-10,)))
        subscription = await sent(house)
        await settings(house, send_invoice=SendInvoiceSettings(due_days=20, reminder_days=(-1,)))
        await days(house, house.now, 10)
        assert await reminded(house, subscription) == ["invoice.will_be_due"]

    @pytest.mark.parametrize(
        ("action", "status"),
        [
            (OverdueAction.CANCEL, Status.CANCELED),
            (OverdueAction.UNPAID, Status.UNPAID),
            (OverdueAction.LEAVE, Status.PAST_DUE),
        ],
    )
    async def test_ST_70_thirty_days_overdue_it_is_canceled_unpaid_or_left(
        self, house: House, action: OverdueAction, status: Status
    ) -> None:
        await settings(house, send_invoice=SendInvoiceSettings(due_days=1, overdue_days=30, overdue_action=action))
        subscription = await sent(house, items=await yearly(house))
        start = house.now
        await days(house, start, 1, 30)
        assert (await house.subscription(subscription)).status is Status.PAST_DUE
        await days(house, start, 31)
        assert (await house.subscription(subscription)).status is status
        if status is Status.CANCELED:
            assert (await house.subscription(subscription)).cancellation_reason == "payment_failed"
            assert (await house.invoice(subscription)).auto_advance is False
        assert await settled(house) == []

    async def test_ST_70_what_is_paid_before_is_left_in_peace(self, house: House) -> None:
        await settings(
            house,
            send_invoice=SendInvoiceSettings(due_days=1, overdue_days=30, overdue_action=OverdueAction.CANCEL),
        )
        subscription = await sent(house, items=await yearly(house))
        start = house.now
        await days(house, start, 20)
        await push(house, await exact(house, subscription))
        await days(house, start, 40)
        assert (await house.subscription(subscription)).status is Status.ACTIVE

    @pytest.mark.parametrize(
        ("wrong", "param"),
        [
            ({"reminder_days": (-11,)}, "send_invoice[reminder_days][0]"),
            ({"reminder_days": (0, 61)}, "send_invoice[reminder_days][1]"),
            ({"reminder_days": (-3, -2, -1, 0)}, "send_invoice[reminder_days]"),
            ({"reminder_days": (3, 1)}, "send_invoice[reminder_days]"),
            ({"overdue_days": 45}, "send_invoice[overdue_days]"),
            ({"due_days": -1}, "send_invoice[due_days]"),
        ],
    )
    def test_ST_69_ST_70_settings_outside_of_their_bounds_are_refused(
        self, wrong: dict[str, object], param: str
    ) -> None:
        with pytest.raises(InvalidRequest) as refused:
            SendInvoiceSettings(**wrong)  # type: ignore[arg-type]
        assert refused.value.param == param


async def yearly(house: House) -> list[NewItem]:
    """Items of a plan that is billed once a year, so that nothing else falls due meanwhile."""
    price = factories.price(id=factories.numbered("price", 2), interval=Interval(IntervalUnit.YEAR, 1))
    async with house.gateway.books.write() as conn:
        await catalog.add_prices(conn, [price])
    return [NewItem(price_id=price.id)]


class TestApprovals:
    async def refused(self, house: House, *, allowance: int = UNITS) -> Subscription:
        """A renewal that failed because the wallet allows too little."""
        active = await house.active(allowance=allowance)
        await house.renew(active)
        assert (await house.intent(active)).reason.code == "allowance_revoked"
        return active

    async def test_ST_71_a_wallet_that_has_to_approve_is_reminded_on_the_days_that_were_set(self, house: House) -> None:
        await settings(house, approvals=ApprovalSettings(reminder_days=(1, 3, 7)))
        active = await self.refused(house)
        start = house.now
        await days(house, start, 1, 2, 3, 6, 7, 8, 12)
        assert await reminded(house, active) == ["invoice.approval_reminder"] * 3

    async def test_ST_71_approving_ends_the_asking(self, house: House) -> None:
        await settings(house, approvals=ApprovalSettings(reminder_days=(1, 3, 7), action=OverdueAction.CANCEL))
        active = await self.refused(house)
        start = house.now
        await days(house, start, 1)
        house.chain.approve(factories.TOKEN, house.wallet(), 100 * UNITS)
        await house.pump()
        await days(house, start, 3, 7, 9)
        assert await reminded(house, active) == ["invoice.approval_reminder"]
        assert (await house.subscription(active)).status is Status.ACTIVE

    @pytest.mark.parametrize(
        ("action", "status"), [(OverdueAction.CANCEL, Status.CANCELED), (OverdueAction.UNPAID, Status.UNPAID)]
    )
    async def test_ST_71_a_day_after_the_last_reminder_comes_the_action(
        self, house: House, action: OverdueAction, status: Status
    ) -> None:
        await settings(house, approvals=ApprovalSettings(reminder_days=(1,), action=action))
        active = await self.refused(house)
        start = house.now
        await days(house, start, 1)
        assert (await house.subscription(active)).status is Status.PAST_DUE
        await days(house, start, 2)
        current = await house.subscription(active)
        assert (current.status, len(house.charged())) == (status, 1)

    async def test_ST_71_an_empty_wallet_is_not_asked_to_approve(self, house: House) -> None:
        await settings(house, approvals=ApprovalSettings(reminder_days=(1,)))
        active = await house.active(balance=UNITS, allowance=100 * UNITS)
        await house.renew(active)
        await days(house, house.now, 1)
        assert await reminded(house, active) == []

    async def test_ST_71_a_wallet_that_approved_and_is_empty_is_asked_no_more(self, house: House) -> None:
        await settings(house, approvals=ApprovalSettings(reminder_days=(3,), action=OverdueAction.CANCEL))
        active = await house.active(balance=UNITS, allowance=UNITS)
        await house.renew(active)
        start = house.now
        house.chain.approve(factories.TOKEN, house.wallet(), 100 * UNITS)
        await days(house, start, 1, 2)
        assert (await house.intent(active)).reason.code == "insufficient_balance"
        await days(house, start, 3, 4, 5)
        assert await reminded(house, active) == []
        assert (await house.subscription(active)).status is not Status.CANCELED

    async def test_ST_71_a_paused_subscription_is_not_reminded_and_nothing_happens_to_it(self, house: House) -> None:
        await settings(house, approvals=ApprovalSettings(reminder_days=(1,), action=OverdueAction.CANCEL))
        active = await self.refused(house)
        async with house.gateway.books.write() as conn:
            await pauses.pause(
                conn,
                house.gateway,
                scope=house.scope,
                subscription_id=active.id,
                now=house.now,
                origin=house.origin,
            )
        await days(house, house.now, 1, 5)
        assert await reminded(house, active) == []
        assert (await house.subscription(active)).status is Status.PAUSED

    @pytest.mark.parametrize("wrong", [(0,), (8,), (1, 2, 3, 4), (3, 2)])
    def test_ST_71_days_outside_of_one_to_seven_are_refused(self, wrong: tuple[int, ...]) -> None:
        with pytest.raises(InvalidRequest):
            ApprovalSettings(reminder_days=wrong)


async def test_reminding_many_costs_the_statements_of_one_batch(house: House) -> None:
    await settings(house, send_invoice=SendInvoiceSettings(due_days=10, reminder_days=(-6,)))

    async def cost(numbers: range) -> int:
        for number in numbers:
            await sent(house, number)
        house.now += 4 * DAY
        before = house.gateway.books.statements
        assert await reminders.chase_due(house.gateway, now=house.now) == len(numbers)
        return house.gateway.books.statements - before

    assert await cost(range(1, 3)) == await cost(range(3, 15))
