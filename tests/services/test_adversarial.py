"""Attempts to break the money path: payers, nodes, wallets and colleagues' processes that do not play by the rules."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from chain import mandates as contract
from chain.errors import RpcRejected
from chain.primitives import Address, ChargeItem, Hash32, LogFilter, RawLog, Receipt
from gateway.db import blocks, halts, subscriptions, test_clocks, webhooks
from gateway.db import invoices as invoice_rows
from gateway.db.engine import Books
from gateway.db.errors import ConstraintBroken
from gateway.domain import charge as charge_domain
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain import mandate as mandate_domain
from gateway.domain import setup_intent as setup_domain
from gateway.domain.beginning import Schedule
from gateway.domain.errors import InvalidRequest
from gateway.domain.subscription import Status, Subscription
from gateway.domain.transition import Moved
from gateway.services import billing, collection, indexing, invoices, registrations, settlement
from gateway.services import subscriptions as subscription_services
from gateway.services.settlement import RELEASED_WAIT
from tests import factories
from tests.services.house import House, signer

DAY = timedelta(days=1)
PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books)


async def cancel(house: House, subscription: Subscription) -> None:
    async with house.gateway.books.write() as conn:
        await subscription_services.cancel(
            conn, house.gateway, scope=house.scope, subscription_id=subscription.id, now=house.now, origin=house.origin
        )


async def to_finalization(house: House, subscription: Subscription) -> None:
    """Go to where the next period's invoice is open and its pull is due; nothing is collected yet."""
    await house.go_to((await house.subscription(subscription)).period_end)
    house.now += house.gateway.finalization_delay
    await house.bill()


class TestPayersWhoPayLess:
    async def test_a_payer_who_registers_with_a_first_amount_of_one_unit_has_not_paid(self, house: House) -> None:
        opened = await house.subscribe()
        mandate = await house.mandate(opened)
        house.chain.execute(mandate.terms.payer, contract.subscribe_data(mandate.terms, first_amount=1))
        await house.pump()
        assert [amount for _, _, amount in house.charged()] == [1]
        assert (await house.subscription(opened)).status is Status.INCOMPLETE
        assert (await house.invoice(opened)).status is invoice_domain.Status.OPEN
        intent = await house.intent(opened)
        assert (intent.status, intent.reason.code) == (intent_domain.Status.FAILED, "period_underpaid")
        assert (intent.reason.evidence["needed"], intent.reason.evidence["collected"]) == (str(PRICE_UNITS), "1")

    async def test_a_payee_who_collects_less_leaves_the_renewal_unpaid(self, house: House) -> None:
        active = await house.active()
        mandate = await house.mandate(active)
        await to_finalization(house, active)
        house.chain.execute(factories.PAYEE, contract.charge_data(ChargeItem(mandate.onchain_id, 2, PRICE_UNITS - 1)))
        await house.pump()
        assert (await house.subscription(active)).status is Status.PAST_DUE
        assert (await house.invoice(active)).status is invoice_domain.Status.OPEN
        assert (await house.intent(active)).reason.code == "period_underpaid"

    async def test_less_collected_while_our_own_pull_is_under_way_is_no_payment(self, house: House) -> None:
        active = await house.active()
        mandate = await house.mandate(active)
        await to_finalization(house, active)
        await house.collect()
        house.chain.execute(factories.PAYEE, contract.charge_data(ChargeItem(mandate.onchain_id, 2, 5)))
        await house.pump()
        assert (await house.invoice(active)).status is invoice_domain.Status.OPEN
        assert (await house.intent(active)).reason.code == "period_underpaid"
        assert (await house.charge(active)).status is charge_domain.Status.FAILED


class TestPayersWhoRegisterThemselves:
    async def test_a_mandate_registered_by_its_payer_is_collected_without_a_signature(self, house: House) -> None:
        opened = await house.subscribe()
        mandate = await house.mandate(opened)
        house.chain.execute(mandate.terms.payer, contract.subscribe_data(mandate.terms))
        await house.pump()
        assert (await house.mandate(opened)).status is mandate_domain.Status.ACTIVE
        assert (await house.subscription(opened)).status is Status.ACTIVE
        assert [amount for _, _, amount in house.charged()] == [PRICE_UNITS]

    async def test_a_payer_who_registers_and_pays_at_once_is_active(self, house: House) -> None:
        opened = await house.subscribe()
        mandate = await house.mandate(opened)
        house.chain.execute(mandate.terms.payer, contract.subscribe_data(mandate.terms, first_amount=PRICE_UNITS))
        await house.pump()
        assert (await house.subscription(opened)).status is Status.ACTIVE
        assert len(house.charged()) == 1


class TestNodesThatLie:
    async def test_a_chain_that_is_halted_charges_nobody(self, house: House) -> None:
        active = await house.active()
        await to_finalization(house, active)
        async with house.gateway.books.write() as conn:
            await blocks.halt(conn, house.chain.chain_id, "block 7 was final with another hash")
        assert await house.collect() == 0
        assert (await house.intent(active)).status is intent_domain.Status.REQUIRES_PAYMENT_METHOD
        async with house.gateway.books.write() as conn:
            await halts.resume_chain(conn, house.chain.chain_id)
        await house.pump()
        assert (await house.invoice(active)).status is invoice_domain.Status.PAID

    async def test_a_chain_that_is_halted_registers_nobody(self, house: House) -> None:
        trial = await house.subscribe(schedule=Schedule(trial_days=14))
        await house.sign_setup(trial)
        async with house.gateway.books.write() as conn:
            await blocks.halt(conn, house.chain.chain_id, "block 7 was final with another hash")
        assert await registrations.register_due(house.gateway, house.chain, house.operator, now=house.now) == 0
        async with house.gateway.books.write() as conn:
            await halts.resume_chain(conn, house.chain.chain_id)
        await house.pump()
        assert (await house.setup(trial)).status is setup_domain.Status.SUCCEEDED

    async def test_a_chain_that_is_halted_settles_nothing(self, house: House) -> None:
        opened = await house.subscribe()
        await house.sign(opened)
        await house.collect()
        await house.send()
        house.chain.mine(3)
        await indexing.converge(house.gateway, house.chain, now=house.now)
        async with house.gateway.books.write() as conn:
            await blocks.halt(conn, house.chain.chain_id, "block 7 was final with another hash")
        assert await settlement.settle(house.gateway, chain_id=house.chain.chain_id, now=house.now) == 0
        assert (await house.subscription(opened)).status is Status.INCOMPLETE

    async def test_a_node_that_hides_the_log_of_our_own_pull_does_not_make_it_unpaid(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        active = await house.active()
        await to_finalization(house, active)
        honest = house.chain.logs_of_blocks

        async def silent(hashes: Sequence[Hash32], query: LogFilter) -> list[list[RawLog]]:
            await honest(hashes, query)
            return [[] for _ in hashes]

        monkeypatch.setattr(house.chain, "logs_of_blocks", silent)
        await house.pump()
        assert len(house.charged()) == 2
        assert (await house.intent(active)).status is intent_domain.Status.PROCESSING
        assert (await house.charge(active)).status is charge_domain.Status.PENDING
        monkeypatch.setattr(house.chain, "logs_of_blocks", honest)
        await house.watch()
        assert (await house.invoice(active)).status is invoice_domain.Status.PAID
        assert (await house.charge(active)).status is charge_domain.Status.SUCCEEDED
        assert len(house.charged()) == 2

    async def test_a_node_that_hides_the_log_of_our_own_registration_does_not_make_it_undone(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trial = await house.subscribe(schedule=Schedule(trial_days=14))
        await house.sign_setup(trial)
        honest = house.chain.logs_of_blocks

        async def silent(hashes: Sequence[Hash32], query: LogFilter) -> list[list[RawLog]]:
            await honest(hashes, query)
            return [[] for _ in hashes]

        monkeypatch.setattr(house.chain, "logs_of_blocks", silent)
        await house.pump()
        assert (await house.setup(trial)).status is setup_domain.Status.PROCESSING
        monkeypatch.setattr(house.chain, "logs_of_blocks", honest)
        await house.watch()
        assert (await house.setup(trial)).status is setup_domain.Status.SUCCEEDED

    async def test_a_false_receipt_of_a_failure_does_not_charge_twice(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        active = await house.active()
        await to_finalization(house, active)
        honest = house.chain.receipts

        async def lying(hashes: Sequence[Hash32]) -> list[Receipt | None]:
            return [None if found is None else replace(found, succeeded=False) for found in await honest(hashes)]

        monkeypatch.setattr(house.chain, "receipts", lying)
        await house.pump()
        assert [period for _, period, _ in house.charged()] == [1, 2]
        assert (await house.invoice(active)).status is invoice_domain.Status.PAID


class TestOneWhoSpoilsItForAll:
    async def test_a_wallet_whose_simulation_the_node_refuses_holds_up_nobody_else(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hostile, honest = await house.subscribe(1), await house.subscribe(2)
        await house.sign(hostile)
        await house.sign(honest)
        poison = (await house.mandate(hostile)).terms.payer[2:]
        answer = house.chain._call

        def refusing(sender: Address, to: Address, data: bytes) -> bytes | Exception:
            if data[:4] == contract.SUBSCRIBE and bytes.fromhex(poison) in data:
                return RpcRejected(-32_000, "execution aborted (timeout = 5s)")
            return answer(sender, to, data)

        monkeypatch.setattr(house.chain, "_call", refusing)
        await house.pump()
        assert (await house.subscription(honest)).status is Status.ACTIVE
        waiting = await house.intent(hostile)
        assert (waiting.attempts, waiting.reason.code) == (0, "rpc_unavailable")

    async def test_what_cannot_be_attempted_on_a_test_clock_does_not_hide_what_comes_after_it(
        self, house: House
    ) -> None:
        clock = factories.clock()
        async with house.gateway.books.write() as conn:
            await test_clocks.add_many(conn, [Moved(value=clock)])
        stuck, other = await house.subscribe(1, test_clock_id=clock.id), await house.subscribe(2)
        await house.sign(stuck)
        await house.sign(other)
        terms = (await house.mandate(stuck)).terms
        house.chain.execute(terms.payer, contract.subscribe_data(terms))
        for _ in range(3):
            await collection.collect_due(house.gateway, house.chain, house.operator, now=house.now, limit=1)
        assert (await house.intent(other)).status is intent_domain.Status.PROCESSING

    async def test_an_invoice_that_no_configured_token_settles_does_not_hold_up_the_others(self, house: House) -> None:
        orphan = await house.active(1)
        other = Address("0x" + "5e" * 20)
        house.chain.deploy_token(other)
        euro = replace(factories.USDC, address=other)
        house.gateway = replace(house.gateway, tokens={**house.gateway.tokens, (factories.CHAIN_ID, other): euro})
        kept = await house.active(2, token=other)
        house.gateway = replace(house.gateway, tokens={(factories.CHAIN_ID, other): euro})
        await house.renew(kept)
        assert (await house.invoice(kept)).status is invoice_domain.Status.PAID
        assert (await house.intent(orphan)).reason.code == "unsupported_token"


class TestForeignFailures:
    async def test_a_failure_of_another_transaction_is_not_that_of_our_pull(self, house: House) -> None:
        active = await house.active(balance=2 * PRICE_UNITS, allowance=10 * PRICE_UNITS)
        mandate = await house.mandate(active)
        await to_finalization(house, active)
        await house.collect()
        stranger = signer(0xBB).address
        house.chain.world.operators.add(stranger)
        wallet = house.wallet()
        house.chain.world.balances[factories.TOKEN, wallet] = 0
        house.chain.execute(stranger, contract.charge_batch_data([(mandate.onchain_id, 2)]))
        house.chain.world.balances[factories.TOKEN, wallet] = PRICE_UNITS
        house.chain.mine(3)
        await house.watch()
        assert (await house.charge(active)).status is charge_domain.Status.PENDING
        await house.pump()
        assert (await house.charge(active)).status is charge_domain.Status.SUCCEEDED
        assert "charge_intent.payment_failed" not in await house.event_types((await house.intent(active)).id)


class TestAfterTheEnd:
    async def test_a_draft_of_a_canceled_subscription_is_never_finalised(self, house: House) -> None:
        active = await house.active()
        await house.go_to(active.period_end)
        draft = await house.invoice(active)
        assert draft.status is invoice_domain.Status.DRAFT
        await cancel(house, active)
        await house.go_to(house.now + 2 * DAY)
        assert (await house.invoice(active)).status is invoice_domain.Status.DRAFT
        assert len(house.charged()) == 1

    async def test_a_pull_that_fails_after_the_cancel_is_not_tried_again(self, house: House) -> None:
        active = await house.active(balance=2 * PRICE_UNITS, allowance=10 * PRICE_UNITS)
        await to_finalization(house, active)
        await house.collect()
        house.chain.world.balances[factories.TOKEN, house.wallet()] = 0
        await cancel(house, active)
        await house.pump()
        house.chain.mint(factories.TOKEN, house.wallet(), 10 * PRICE_UNITS)
        await house.go_to(house.now + 5 * DAY)
        assert (await house.subscription(active)).status is Status.CANCELED
        assert len(house.charged()) == 1

    async def test_a_pull_that_was_dropped_after_the_cancel_is_not_made_anew(self, house: House) -> None:
        active = await house.active()
        await to_finalization(house, active)
        await house.collect()
        await cancel(house, active)
        house.chain.world.nonces[house.operator.address] += 1
        for _ in range(20):
            house.chain.mine()
            await house.send()
            await house.watch()
        assert (await house.charge(active)).status is charge_domain.Status.RELEASED
        async with house.gateway.books.write() as conn:
            await halts.resume_lane(conn, house.chain.chain_id, house.operator.address)
        house.now += RELEASED_WAIT
        await house.collect()
        assert (await house.intent(active)).next_attempt_at is None
        assert len(house.charged()) == 1

    async def test_a_pull_under_way_at_the_cancel_still_pays_and_does_not_revive(self, house: House) -> None:
        active = await house.active()
        await to_finalization(house, active)
        await house.collect()
        await cancel(house, active)
        await house.pump()
        assert (await house.invoice(active)).status is invoice_domain.Status.PAID
        assert (await house.subscription(active)).status is Status.CANCELED

    async def test_paying_the_invoice_of_a_canceled_subscription_is_refused_and_not_ignored(self, house: House) -> None:
        active = await house.active()
        await to_finalization(house, active)
        await cancel(house, active)
        owed = await house.invoice(active)
        with pytest.raises(InvalidRequest) as refused:
            async with house.gateway.books.write() as conn:
                await invoices.pay(
                    conn, house.gateway, scope=house.scope, invoice_id=owed.id, now=house.now, origin=house.origin
                )
        assert refused.value.code == "subscription_canceled"
        await house.pump()
        assert len(house.charged()) == 1


class TestLockOrder:
    async def test_finalising_and_a_merchant_at_the_same_invoice_never_wait_for_each_other(
        self, postgres_books: Books
    ) -> None:
        house = await House.build(postgres_books)
        active = await house.active()
        await house.go_to(active.period_end)
        draft = await house.invoice(active)
        house.now += house.gateway.finalization_delay
        async with house.gateway.books.write() as conn:
            await subscriptions.load(conn, [active.id], lock=True)
            finalising = asyncio.create_task(billing.finalize_due(house.gateway, now=house.now))
            await asyncio.sleep(0.3)
            await invoice_rows.load(conn, [draft.id], lock=True)
        assert await finalising == 1
        assert (await house.invoice(active)).status is invoice_domain.Status.OPEN


class TestSecrets:
    async def test_an_error_of_the_database_does_not_repeat_what_was_to_be_written(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        endpoint = replace(factories.webhook_endpoint(), secret="whsec_c2VjcmV0", metadata={"note": "client-secret-1"})
        try:
            async with house.gateway.books.write() as conn:
                await webhooks.add_endpoint(conn, endpoint)
                await webhooks.add_endpoint(conn, endpoint)
        except ConstraintBroken:
            logging.getLogger("gateway.test").exception("failed")
        assert "failed" in caplog.text
        assert "client-secret-1" not in caplog.text
