"""What was stored is what is read, on both databases."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chain.primitives import address
from gateway.db import (
    accounts,
    catalog,
    charge_intents,
    charges,
    invoices,
    mandates,
    refunds,
    setup_intents,
    subscriptions,
    test_clocks,
    webhooks,
)
from gateway.db.engine import Books, Connection
from gateway.domain import (
    charge,
    charge_intent,
    discount,
    invoice,
    mandate,
    refund,
    setup_intent,
    subscription,
    terms,
    test_clock,
)
from gateway.domain.cancellation import CancellationFeedback
from gateway.domain.catalog import Scope
from gateway.domain.dunning import OnRetriesExhausted, RetryPolicy
from gateway.domain.events import EventProfile
from gateway.domain.period import Interval, IntervalUnit
from gateway.domain.permission import Level, Resource
from gateway.domain.proration import ProrationBehavior
from gateway.domain.settings import AccountSettings, MailKind, SendInvoiceSettings
from gateway.domain.transition import Action, StatusReason
from gateway.domain.webhook import EndpointStatus
from tests import factories as f
from tests.keeping import keep, keep_merchant

LATER = datetime(2031, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
BIGGEST = 2**256 - 1
METADATA = {"order": "6735", "naïve": "ключ 🔑", "": "empty key", "quote": 'a"b\\c'}
REASON = StatusReason(
    "insufficient_balance", Action.CUSTOMER_ACTION, {"balance": str(BIGGEST), "nested": [1, {"a": None}]}
)

Read = Callable[[Connection, Scope, str], Awaitable[Any]]

FULL_CLOCK = f.clock(
    name="a year", status=test_clock.Status.ADVANCING, target_at=LATER, reason=REASON, deleted=True, frozen_at=LATER
)

VALUES: list[tuple[Any, Read]] = [
    (f.customer(id=f.numbered("cus", 2), email=None), catalog.get_customer),
    (
        f.customer(
            id=f.numbered("cus", 3),
            name="Ada",
            phone="+44",
            description="d",
            metadata=METADATA,
            default_payment_method_id="pm_x",
            test_clock_id=f.CLOCK_ID,
            deleted=True,
        ),
        catalog.get_customer,
    ),
    (
        f.product(
            id=f.numbered("prod", 2),
            active=False,
            description="d",
            metadata=METADATA,
            default_price_id="p",
            deleted=True,
            trial_period_days=7,
        ),
        catalog.get_product,
    ),
    (f.price(id=f.numbered("price", 2), interval=None), catalog.get_price),
    (
        f.price(
            id=f.numbered("price", 3),
            interval=Interval(IntervalUnit.WEEK, 2),
            unit_amount=2**62,
            nickname="n",
            lookup_key="k",
            active=False,
            metadata=METADATA,
        ),
        catalog.get_price,
    ),
    (f.payment_method(id=f.numbered("pm", 2), customer_id=None, metadata=METADATA), catalog.get_payment_method),
    (FULL_CLOCK, test_clocks.get),
    (f.mandate(subscription_id=None), mandates.get),
    (
        f.active_mandate(
            id=f.numbered("mandate", 2),
            onchain_id=f.some_mandate_id(2),
            status=mandate.Status.REVOKED,
            terms=f.mandate_terms(amount=2**96 - 1, deadline=2**64 - 1, salt=BIGGEST, every=2**32 - 1, start=2**40 - 1),
            revoked_at=LATER,
            reason=REASON,
        ),
        mandates.get,
    ),
    (f.subscription(), subscriptions.get),
    (
        f.subscription(
            id=f.numbered("sub", 2),
            status=subscription.Status.CANCELED,
            reason=REASON,
            items=tuple(
                f.subscription_item(id=f.numbered("si", n), quantity=2**40, metadata=METADATA) for n in (9, 7, 8)
            ),
            interval=Interval(IntervalUnit.DAY, 3),
            description="d",
            metadata=METADATA,
            activated_at=LATER,
            ends_at=LATER,
            cancel_at_period_end=True,
            canceled_at=LATER,
            ended_at=LATER,
            cancellation_reason=subscription.CancellationReason.PAYMENT_FAILED,
            cancellation_comment="c",
            cancellation_feedback=CancellationFeedback.UNUSED,
            test_clock_id=f.CLOCK_ID,
            start_at=LATER,
            periods_before=-7,
            trial_start=LATER,
            trial_end=LATER,
            trial_notice_at=LATER,
            upcoming_at=LATER,
            pending_setup_intent_id="seti_x",
            paused_at=LATER,
            grace_ends_at=LATER,
            collection_method=subscription.CollectionMethod.SEND_INVOICE,
            days_until_due=30,
            missing_payment_method=terms.MissingPaymentMethod.PAUSE,
            pending_update=terms.PendingUpdate(
                terms=terms.Terms(
                    items=(f.subscription_item(metadata=METADATA, tax_rate_ids=("txr_1",)),),
                    interval=Interval(IntervalUnit.WEEK, 2),
                    discounts=(discount.Discount(id="di_1", coupon_id="C", start=f.NOW, end=LATER),),
                    tax_rate_ids=("txr_2",),
                ),
                expires_at=LATER,
                setup_intent_id=f.SETUP_ID,
                proration=ProrationBehavior.ALWAYS_INVOICE,
                proration_at=f.NOW,
                trial_end=LATER,
            ),
        ),
        subscriptions.get,
    ),
    (f.setup_intent(payment_method_id=None, mandate_id=None, chain_id=None), setup_intents.get),
    (
        f.setup_intent(
            id=f.numbered("seti", 2),
            status=setup_intent.Status.PROCESSING,
            reason=REASON,
            next_attempt_at=LATER,
            transaction_id="tx_x",
            description="d",
            metadata=METADATA,
            succeeded_at=LATER,
            canceled_at=LATER,
            test_clock_id=f.CLOCK_ID,
        ),
        setup_intents.get,
    ),
    (f.draft_invoice(), invoices.get),
    (
        f.invoice(
            id=f.numbered("in", 2),
            status=invoice.Status.PAID,
            reason=REASON,
            period_index=2,
            lines=tuple(f.invoice_line(id=f.numbered("il", n), amount=-n) for n in (9, 7, 8)),
            total=2**62,
            amount_paid=2**62,
            description="d",
            metadata=METADATA,
            auto_advance=False,
            paid_at=LATER,
            voided_at=LATER,
            test_clock_id=f.CLOCK_ID,
        ),
        invoices.get,
    ),
    (f.charge_intent(payment_method_id=None, mandate_id=None, mandate_period=None, chain_id=None, token=None,
                     token_amount=None, next_attempt_at=None), charge_intents.get),
    (
        f.charge_intent(
            id=f.numbered("ci", 2),
            invoice_id=f.numbered("in", 2),
            status=charge_intent.Status.REVERSED,
            reason=REASON,
            token_amount=BIGGEST,
            attempts=3,
            policy=RetryPolicy.smart(20, OnRetriesExhausted.CANCELED),
            requested=True,
            latest_charge_id="ch_x",
            succeeded_at=LATER,
            canceled_at=LATER,
            metadata=METADATA,
            test_clock_id=f.CLOCK_ID,
        ),
        charge_intents.get,
    ),
    (f.charge(), charges.get),
    (
        f.charge(
            id=f.numbered("ch", 2),
            status=charge.Status.SUCCEEDED,
            reason=REASON,
            token_amount=BIGGEST,
            transaction_hash=f.some_hash(1),
            block_number=2**40,
            block_hash=f.some_hash(2),
            log_index=7,
            settled_at=LATER,
            amount_refunded=400,
        ),
        charges.get,
    ),
    (f.refund(), refunds.get),
    (
        f.refund(
            id=f.numbered("re", 2),
            status=refund.Status.SUCCEEDED,
            reason=REASON,
            amount=600,
            token_amount=BIGGEST,
            motive=refund.Motive.DUPLICATE,
            metadata=METADATA,
            transaction_hash=f.some_hash(1),
            block_number=2**40,
            block_hash=f.some_hash(2),
            log_index=7,
            succeeded_at=LATER,
            canceled_at=LATER,
            test_clock_id=f.CLOCK_ID,
        ),
        refunds.get,
    ),
    (f.webhook_endpoint(), webhooks.get_endpoint),
    (
        f.webhook_endpoint(
            id=f.numbered("we", 2),
            enabled_events=("invoice.paid", "customer.created"),
            status=EndpointStatus.DISABLED,
            profile=EventProfile.STRIPE,
            description="d",
            metadata=METADATA,
            previous_secret="whsec_b2xk",
            previous_secret_expires_at=LATER,
        ),
        webhooks.get_endpoint,
    ),
]  # fmt: skip


async def test_every_object_is_read_as_it_was_stored(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, *(value for value, _ in VALUES))
    async with books.read() as conn:
        for value, read in VALUES:
            assert await read(conn, f.SCOPE, value.id) == value


async def test_a_merchant_and_its_key_are_found_by_the_digest_of_the_key(books: Books) -> None:
    allowed = {Resource.INVOICES: Level.READ, Resource.CUSTOMERS: Level.WRITE}
    key = f.api_key(expires_at=LATER, revoked_at=LATER, name="books", permissions=allowed, replaced_by="key_2")
    async with books.write() as conn:
        await accounts.add(conn, f.account())
        await accounts.add_key(conn, key)
        assert await accounts.key_by_digest(conn, key.digest) == (f.account(), key)
        await accounts.touch_keys(conn, [key.id], now=f.NOW, unless_since=f.NOW)
        await accounts.touch_keys(conn, [key.id], now=LATER, unless_since=f.NOW - timedelta(seconds=1))
        key = replace(key, used_at=f.NOW)
        assert await accounts.get_key(conn, key.id) == key
        assert await accounts.key_by_digest(conn, b"x" * 32) is None
        assert await accounts.keys_of(conn, f.ACCOUNT_ID) == [key]
        decided = AccountSettings(
            upcoming_days=9,
            retries=RetryPolicy((2, 3), OnRetriesExhausted.PAST_DUE),
            send_invoice=SendInvoiceSettings(reminder_days=(-3, 10), overdue_days=60),
            mails={MailKind.RECEIPT: False},
        )
        renamed = f.account(name="Ada & Co", payout_address=address("0x" + "11" * 20), settings=decided)
        await accounts.save(conn, renamed)
        assert await accounts.get(conn, f.ACCOUNT_ID) == renamed


async def test_saving_writes_every_field_that_may_change(books: Books) -> None:
    after = f.customer(
        email=None, name="n", phone="p", description="d", metadata=METADATA, default_payment_method_id="x", deleted=True
    )
    method = f.payment_method(customer_id=None, metadata=METADATA)
    async with books.write() as conn:
        await keep_merchant(conn)
        await catalog.save_customers(conn, [after])
        await catalog.save_payment_methods(conn, [method])
        await catalog.save_products(conn, [f.product(name="Other", updated_at=LATER)])
        await catalog.save_prices(conn, [f.price(active=False, lookup_key="k")])
        assert await catalog.get_customer(conn, f.SCOPE, f.CUSTOMER_ID) == after
        assert await catalog.load_payment_methods(conn, [method.id]) == {method.id: method}
        assert (await catalog.load_products(conn, [f.PRODUCT_ID]))[f.PRODUCT_ID].name == "Other"
        assert (await catalog.load_prices(conn, [f.PRICE_ID]))[f.PRICE_ID].lookup_key == "k"


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), LATER, LATER + timedelta(microseconds=1)])
async def test_an_instant_keeps_its_microseconds(books: Books, moment: datetime) -> None:
    async with books.write() as conn:
        await keep(conn, replace(f.account(), created_at=moment))
        stored = await accounts.get(conn, f.ACCOUNT_ID)
    assert stored is not None
    assert stored.created_at == moment
    assert stored.created_at.utcoffset() == timedelta(0)
