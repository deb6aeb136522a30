"""What customers push: no transfer pays what it does not name, and none is lost."""

import asyncio

import pytest

from chain import mandates as contract
from chain.errors import RpcRejected, RpcUnavailable
from chain.primitives import ChargeItem
from gateway.db import catalog, invoices
from gateway.db.engine import Books
from gateway.domain.errors import IllegalTransition, InvalidRequest
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.push import PushPayment
from gateway.domain.push import Status as PushStatus
from gateway.domain.subscription import Status, Subscription
from gateway.services import applications, sending
from gateway.services import invoices as invoice_services
from gateway.services import pushes as push_services
from tests import factories
from tests.services.house import House
from tests.services.pushing import (
    STRANGER,
    UNITS,
    balance_of,
    exact,
    finalise,
    in_the_books,
    push,
    pushed,
    sent,
    settled,
    void,
)


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


class TestRecognising:
    async def test_the_exact_amount_names_its_invoice_whoever_sends_it(self, house: House) -> None:
        subscription = await sent(house)
        amount = await exact(house, subscription)
        assert amount > UNITS
        await push(house, amount, sender=STRANGER)
        invoice = await house.invoice(subscription)
        assert (invoice.status, invoice.amount_paid) == (InvoiceStatus.PAID, 1000)
        charge = await house.charge(subscription)
        assert (charge.is_push, charge.payer, charge.token_amount) == (True, STRANGER, amount)
        assert (charge.payment_method_id, charge.onchain_mandate_id, charge.mandate_period) == (None, None, None)
        intent = await house.intent(subscription)
        assert (intent.status, intent.reason.code) == ("succeeded", "transfer_final")
        [payment] = await pushed(house)
        assert (payment.status, payment.invoice_ids, payment.applied) == (PushStatus.APPLIED, (invoice.id,), 1000)
        assert await in_the_books(house) == house.balance(factories.PAYEE)

    async def test_a_strangers_round_sum_pays_nothing_and_is_told(self, house: House) -> None:
        subscription = await sent(house)
        await push(house, UNITS, sender=STRANGER)
        assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN
        [payment] = await pushed(house)
        assert (payment.status, payment.reason.code) == (PushStatus.UNMATCHED, "unknown_payer")
        assert await house.event_types(payment.id) == ["push_payment.unmatched"]
        assert await in_the_books(house) == house.balance(factories.PAYEE)

    async def test_the_customers_own_wallet_may_send_the_round_sum(self, house: House) -> None:
        subscription = await sent(house)
        await push(house, UNITS)
        assert (await house.invoice(subscription)).status is InvoiceStatus.PAID

    async def test_two_invoices_of_one_amount_are_told_apart_by_their_reference(self, house: House) -> None:
        first, second = await sent(house, 1), await sent(house, 2)
        amounts = [await exact(house, one) for one in (first, second)]
        assert len(set(amounts)) == 2
        await push(house, amounts[1], sender=STRANGER)
        assert (await house.invoice(first)).status is InvoiceStatus.OPEN
        assert (await house.invoice(second)).status is InvoiceStatus.PAID

    async def test_of_two_invoices_of_one_wallet_and_amount_the_oldest_is_paid(self, house: House) -> None:
        subscription = await sent(house)
        oldest = await house.invoice(subscription)
        await house.renew(subscription)
        await push(house, UNITS)
        async with house.gateway.books.read() as conn:
            [left] = await invoices.open_of(conn, [subscription.id])
        assert left.id > oldest.id

    async def test_a_part_is_kept_on_the_invoice_until_the_rest_comes(self, house: House) -> None:
        subscription = await sent(house)
        await push(house, 4_000_000)
        invoice = await house.invoice(subscription)
        assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == (InvoiceStatus.OPEN, 400, 600)
        rest = await exact(house, subscription)
        assert 6_000_000 < rest < 6_010_000
        await push(house, rest, sender=STRANGER)
        invoice = await house.invoice(subscription)
        assert (invoice.status, invoice.amount_paid) == (InvoiceStatus.PAID, 1000)
        assert sorted(charge.amount for charge in await settled(house)) == [400, 600]
        assert await in_the_books(house) == house.balance(factories.PAYEE)

    async def test_too_much_becomes_credit_which_the_next_invoice_uses(self, house: House) -> None:
        subscription = await sent(house)
        await push(house, 17_000_000)
        assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
        assert await balance_of(house) == -700
        [payment] = await pushed(house)
        assert (payment.applied, payment.credited, payment.credited_token_amount) == (1000, 700, 7_000_000)
        assert await in_the_books(house) == house.balance(factories.PAYEE)
        await house.renew(subscription)
        assert (await house.invoice(subscription)).amount_due == 300
        await push(house, await exact(house, subscription))
        assert (await house.invoice(subscription)).status is InvoiceStatus.PAID

    async def test_one_transfer_pays_several_invoices_from_the_oldest_on(self, house: House) -> None:
        subscription = await sent(house)
        await house.renew(subscription)
        await push(house, 15_000_000)
        newest = await house.invoice(subscription)
        assert (newest.status, newest.amount_paid) == (InvoiceStatus.OPEN, 500)
        assert sorted(charge.amount for charge in await settled(house)) == [500, 1000]
        assert await in_the_books(house) == house.balance(factories.PAYEE)

    async def test_a_payment_after_voiding_is_told_and_not_lost(self, house: House) -> None:
        subscription = await sent(house)
        amount = await exact(house, subscription)
        await void(house, await house.invoice(subscription))
        await push(house, amount, sender=STRANGER)
        [payment] = await pushed(house)
        assert (payment.status, payment.reason.code) == (PushStatus.UNMATCHED, "invoice_closed")
        assert payment.reason.evidence["invoice"] == (await house.invoice(subscription)).id
        assert (await house.invoice(subscription)).status is InvoiceStatus.VOID

    async def test_the_same_payment_twice_pays_once_and_the_second_is_told(self, house: House) -> None:
        subscription = await sent(house)
        amount = await exact(house, subscription)
        await push(house, amount, sender=STRANGER)
        await push(house, amount, sender=STRANGER)
        assert [payment.status for payment in await pushed(house)] == [PushStatus.APPLIED, PushStatus.UNMATCHED]
        assert (await pushed(house))[1].reason.code == "invoice_closed"
        assert len(await settled(house)) == 1
        assert await in_the_books(house) == house.balance(factories.PAYEE)

    async def test_a_wallet_of_two_customers_pays_only_what_is_beyond_doubt(self, house: House) -> None:
        first, second = await sent(house, 1), await sent(house, 2)
        async with house.gateway.books.write() as conn:
            shared = factories.payment_method(
                id=factories.numbered("pm", 9), customer_id=factories.numbered("cus", 2), owner=house.wallet(1)
            )
            await catalog.add_payment_methods(conn, [shared])
        await push(house, UNITS)
        assert [payment.reason.code for payment in await pushed(house)] == ["ambiguous_payer"]
        await push(house, await exact(house, second))
        assert (await house.invoice(second)).status is InvoiceStatus.PAID
        await push(house, UNITS)
        assert (await house.invoice(first)).status is InvoiceStatus.PAID

    async def test_dust_and_transfers_of_nothing_are_passed_over(self, house: House) -> None:
        await sent(house)
        await push(house, 0)
        await push(house, 9_999)
        assert await pushed(house) == []

    async def test_a_token_that_is_not_accepted_pays_nothing(self, house: House) -> None:
        subscription = await sent(house)
        other = factories.some_address(77)
        house.chain.deploy_token(other)
        house.chain.mint(other, house.wallet(), UNITS)
        house.chain.transfer(other, house.wallet(), factories.PAYEE, UNITS)
        await finalise(house)
        assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN
        assert await pushed(house) == []


class TestTheChain:
    async def test_a_transfer_pays_when_it_is_final_and_not_before(self, house: House) -> None:
        subscription = await sent(house)
        house.chain.transfer(factories.TOKEN, house.wallet(), factories.PAYEE, UNITS)
        await house.watch()
        assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN
        await finalise(house)
        assert (await house.invoice(subscription)).status is InvoiceStatus.PAID

    async def test_a_transfer_undone_by_a_re_org_pays_nothing(self, house: House) -> None:
        subscription = await sent(house)
        house.chain.transfer(factories.TOKEN, house.wallet(), factories.PAYEE, UNITS)
        await house.watch()
        house.chain.reorg(1, keep_transactions=False)
        await finalise(house)
        assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN
        assert await pushed(house) == []

    async def test_a_transfer_from_before_the_invoice_is_not_its_own(self, house: House) -> None:
        house.chain.fund(factories.TOKEN, house.wallet(), UNITS)
        house.chain.transfer(factories.TOKEN, house.wallet(), factories.PAYEE, UNITS)
        await finalise(house)
        subscription = await sent(house)
        await finalise(house)
        assert (await house.invoice(subscription)).status is InvoiceStatus.OPEN
        assert await pushed(house) == []

    async def test_a_node_that_refuses_or_fails_is_asked_again_and_nothing_is_lost(self, house: House) -> None:
        subscription = await sent(house)
        house.chain.transfer(factories.TOKEN, house.wallet(), factories.PAYEE, UNITS)
        for _ in range(3):
            house.chain.mine(timestamp=house.chain.head_timestamp + 1)
        house.chain.fail_next("logs_in_range", RpcUnavailable("away"))
        with pytest.raises(RpcUnavailable):
            await house.watch()
        house.chain.fail_next("logs_in_range", RpcRejected(-32005, "range too large"))
        await finalise(house)
        assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
        assert len(await settled(house)) == 1

    async def test_nothing_is_searched_while_no_invoice_was_ever_sent(self, house: House) -> None:
        await house.active()
        await finalise(house)
        before = house.chain.call_counts["logs_in_range"]
        assert await push_services.watch(house.gateway, house.chain, now=house.now) == 0
        assert house.chain.call_counts["logs_in_range"] == before

    async def test_a_pull_is_no_push_whoever_made_it(self, house: House) -> None:
        await sent(house, 2)
        active = await house.active(1)
        await house.go_to((await house.subscription(active)).period_end)
        mandate = await house.mandate(active)
        house.chain.execute(factories.PAYEE, contract.charge_data(ChargeItem(mandate.onchain_id, 2, UNITS)))
        await house.pump()
        await house.go_to(house.now + house.gateway.finalization_delay)
        assert await pushed(house) == []
        assert await in_the_books(house) == sum(amount for _, _, amount in house.charged()) == 2 * UNITS


class TestPullsThatFallBack:
    async def owed(self, house: House) -> Subscription:
        """A subscription whose renewal could not be pulled, and whose invoice was sent then."""
        active = await house.active(balance=UNITS)
        await house.renew(active)
        async with house.gateway.books.write() as conn:
            await sending.send(
                conn,
                house.gateway,
                scope=house.scope,
                invoice_id=(await house.invoice(active)).id,
                now=house.now,
                origin=house.origin,
            )
        return active

    async def test_C04_a_transfer_pays_a_failed_renewal_that_was_sent(self, house: House) -> None:
        active = await self.owed(house)
        assert (await house.subscription(active)).status is Status.PAST_DUE
        await push(house, await exact(house, active), sender=STRANGER)
        await house.pump()
        assert (await house.invoice(active)).status is InvoiceStatus.PAID
        assert (await house.subscription(active)).status is Status.ACTIVE
        assert len(house.charged()) == 1

    async def test_C04_a_sum_that_is_not_exactly_what_it_owes_is_told(self, house: House) -> None:
        active = await self.owed(house)
        await push(house, 9_000_000)
        assert [payment.reason.code for payment in await pushed(house)] == ["no_open_invoice"]
        assert (await house.invoice(active)).amount_paid == 0

    async def test_C04_a_transfer_beside_a_pull_under_way_is_told_and_pays_nothing(self, house: House) -> None:
        active = await self.owed(house)
        amount = await exact(house, active)
        house.chain.fund(factories.TOKEN, house.wallet(), UNITS, UNITS)
        async with house.gateway.books.write() as conn:
            await invoice_services.pay(
                conn,
                house.gateway,
                scope=house.scope,
                invoice_id=(await house.invoice(active)).id,
                now=house.now,
                origin=house.origin,
            )
        await house.collect()
        await push(house, amount, sender=STRANGER)
        assert [payment.reason.code for payment in await pushed(house)] == ["pull_in_flight"]
        await house.pump()
        assert (await house.invoice(active)).status is InvoiceStatus.PAID
        assert len(house.charged()) == 2
        assert await in_the_books(house) == 2 * UNITS + amount

    async def test_C04_a_pull_after_the_transfer_is_in_the_books_as_unexpected(self, house: House) -> None:
        active = await self.owed(house)
        amount = await exact(house, active)
        await push(house, amount, sender=STRANGER)
        mandate = await house.mandate(active)
        house.chain.fund(factories.TOKEN, house.wallet(), UNITS, UNITS)
        house.chain.execute(factories.PAYEE, contract.charge_data(ChargeItem(mandate.onchain_id, 2, UNITS)))
        await house.pump()
        assert (await settled(house))[0].reason.code == "unexpected_collection"
        assert await in_the_books(house) == 2 * UNITS + amount


class TestWhatTheMerchantSays:
    async def apply(self, house: House, payment: PushPayment, invoice: Invoice) -> PushPayment:
        async with house.gateway.books.write() as conn:
            return await applications.apply(
                conn,
                house.gateway,
                scope=house.scope,
                push_id=payment.id,
                invoice_id=invoice.id,
                origin=house.origin,
            )

    async def test_an_unmatched_payment_pays_the_invoice_that_the_merchant_names(self, house: House) -> None:
        subscription = await sent(house)
        await push(house, 12_000_000, sender=STRANGER)
        [payment] = await pushed(house)
        after = await self.apply(house, payment, await house.invoice(subscription))
        assert (after.status, after.applied, after.credited) == (PushStatus.APPLIED, 1000, 200)
        assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
        assert await balance_of(house) == -200
        assert await in_the_books(house) == house.balance(factories.PAYEE)
        with pytest.raises(IllegalTransition):
            await self.apply(house, payment, await house.invoice(subscription))

    async def test_it_pays_no_invoice_that_is_closed(self, house: House) -> None:
        subscription = await sent(house)
        await push(house, UNITS, sender=STRANGER)
        [payment] = await pushed(house)
        await void(house, await house.invoice(subscription))
        with pytest.raises(InvalidRequest, match="only an open one can be paid"):
            await self.apply(house, payment, await house.invoice(subscription))
        async with house.gateway.books.write() as conn:
            done = await applications.dismiss(
                conn, house.gateway, scope=house.scope, push_id=payment.id, origin=house.origin
            )
        assert done.status is PushStatus.DISMISSED

    async def test_an_invoice_of_which_a_part_is_paid_cannot_be_voided(self, house: House) -> None:
        subscription = await sent(house)
        await push(house, 4_000_000)
        with pytest.raises(InvalidRequest) as refused:
            await void(house, await house.invoice(subscription))
        assert refused.value.code == "invoice_partly_paid"


async def test_two_watchers_at_once_book_a_transfer_once(house: House) -> None:
    subscription = await sent(house)
    house.chain.transfer(factories.TOKEN, house.wallet(), factories.PAYEE, UNITS)
    for _ in range(3):
        house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    await asyncio.gather(
        *(push_services.watch(house.gateway, house.chain, now=house.now) for _ in range(4)), return_exceptions=True
    )
    await finalise(house)
    assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
    assert len(await pushed(house)) == 1
