"""Back from `unpaid`: which invoice brings a subscription back, and what a merchant may still change about drafts."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from chain import eip712
from gateway.db import invoices as rows
from gateway.db import mandates
from gateway.db.engine import Books
from gateway.domain import charge_intent as intent_domain
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.mandate import Mandate
from gateway.domain.subscription import Status, Subscription
from gateway.services import intents, invoices, pauses
from gateway.services.invoices import InvoiceChanges
from tests import factories
from tests.services.house import House
from tests.services.test_method_changes import change as change_method
from tests.services.test_method_changes import other_wallet

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
PRICE_UNITS = 10_000_000


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def unpaid(house: House) -> Subscription:
    """Its second period is owed, and all retries are used up."""
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.renew(active)
    for _ in range(3):
        await house.go_to(house.now + DAY)
    found = await house.subscription(active)
    assert found.status is Status.UNPAID
    return found


def top_up(house: House, periods: int = 5) -> None:
    house.chain.fund(factories.TOKEN, house.wallet(), periods * PRICE_UNITS, 100 * PRICE_UNITS)


async def history(house: House, of: Subscription) -> list[Invoice]:
    async with house.gateway.books.read() as conn:
        return await rows.of_subscription(conn, house.scope, of.id)


async def change(house: House, invoice_id: str, **fields: Any) -> Invoice:
    async with house.gateway.books.write() as conn:
        return await invoices.update(
            conn,
            house.gateway,
            scope=house.scope,
            invoice_id=invoice_id,
            changes=InvoiceChanges(given=frozenset(fields), **fields),
            now=house.now,
            origin=house.origin,
        )


async def pay(house: House, invoice_id: str, **options: Any) -> Invoice:
    async with house.gateway.books.write() as conn:
        return await invoices.pay(
            conn,
            house.gateway,
            scope=house.scope,
            invoice_id=invoice_id,
            now=house.now,
            origin=house.origin,
            **options,
        )


async def sign_intent(house: House, intent_id: str, mandate: Mandate) -> None:
    """The wallet signs what the intent asks for."""
    digest = eip712.mandate_digest(mandate.terms, mandate.chain_id, mandate.contract)
    async with house.gateway.books.write() as conn:
        await intents.confirm(
            conn,
            house.gateway,
            scope=house.scope,
            intent_id=intent_id,
            signature=house.wallets[mandate.terms.payer].sign_digest(digest),
            now=house.now,
            origin=house.origin,
        )


def by_period(found: list[Invoice]) -> Mapping[int, Invoice]:
    return {invoice.period_index: invoice for invoice in found}


async def test_ST_36_paying_the_newest_open_invoice_reactivates_although_a_draft_is_newer(house: House) -> None:
    subscription = await unpaid(house)
    await house.renew(subscription)
    found = by_period(await history(house, subscription))
    assert [found[n].status for n in (1, 2, 3)] == [InvoiceStatus.PAID, InvoiceStatus.OPEN, InvoiceStatus.DRAFT]
    top_up(house)
    await pay(house, found[2].id)
    await house.pump()
    assert (await house.subscription(subscription)).status is Status.ACTIVE


async def test_ST_36_an_older_invoice_than_the_newest_open_one_does_not_reactivate(house: House) -> None:
    subscription = await unpaid(house)
    await house.renew(subscription)
    found = by_period(await history(house, subscription))
    async with house.gateway.books.write() as conn:
        await invoices.finalize(
            conn, house.gateway, scope=house.scope, invoice_id=found[3].id, now=house.now, origin=house.origin
        )
    top_up(house)
    await pay(house, found[2].id)
    await house.pump()
    assert (await house.subscription(subscription)).status is Status.UNPAID
    await pay(house, found[3].id)
    await house.pump()
    assert (await house.subscription(subscription)).status is Status.ACTIVE


async def test_ST_36_drafts_whose_auto_advance_is_switched_on_are_finalised_and_paid(house: House) -> None:
    subscription = await unpaid(house)
    await house.renew(subscription)
    draft = by_period(await history(house, subscription))[3]
    top_up(house)
    changed = await change(house, draft.id, auto_advance=True)
    assert (changed.auto_advance, changed.finalizes_at) == (True, house.now + HOUR)
    await house.pump()
    assert by_period(await history(house, subscription))[3].status is InvoiceStatus.DRAFT
    await house.go_to(house.now + HOUR)
    assert by_period(await history(house, subscription))[3].status is InvoiceStatus.PAID
    assert (await house.subscription(subscription)).status is Status.ACTIVE
    assert "invoice.updated" in await house.event_types(draft.id)


async def test_ST_36_finalising_without_auto_advance_attempts_nothing(house: House) -> None:
    subscription = await unpaid(house)
    await house.renew(subscription)
    draft = by_period(await history(house, subscription))[3]
    top_up(house)
    async with house.gateway.books.write() as conn:
        await invoices.finalize(
            conn, house.gateway, scope=house.scope, invoice_id=draft.id, now=house.now, origin=house.origin
        )
    await house.pump()
    assert by_period(await history(house, subscription))[3].status is InvoiceStatus.OPEN
    await pay(house, draft.id)
    await house.pump()
    assert by_period(await history(house, subscription))[3].status is InvoiceStatus.PAID


async def test_a_past_due_renewal_is_good_again_although_the_next_draft_exists(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.go_to(active.period_end)
    await house.go_to(house.now + HOUR)
    owing = await house.subscription(active)
    assert owing.status is Status.PAST_DUE
    # The next period's draft comes before the retry; the retry pays what is open.
    await change(house, owing.latest_invoice_id or "", auto_advance=False)
    await house.go_to(owing.period_end)
    top_up(house)
    await pay(house, owing.latest_invoice_id or "")
    await house.pump()
    assert (await house.subscription(active)).status is Status.ACTIVE


async def test_switching_auto_advance_off_stops_a_draft_and_an_open_invoice(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.go_to(active.period_end)
    draft = await house.invoice(active)
    assert (await change(house, draft.id, auto_advance=False)).finalizes_at is None
    await house.go_to(house.now + 2 * HOUR)
    assert (await house.invoice(active)).status is InvoiceStatus.DRAFT
    await change(house, draft.id, auto_advance=True)
    await house.go_to(house.now + HOUR)
    failed = await house.intent(active)
    assert (failed.status, failed.next_attempt_at) == (intent_domain.Status.FAILED, house.now + DAY)
    await change(house, draft.id, auto_advance=False)
    await house.go_to(house.now + DAY)
    assert (await house.intent(active)).attempts == 1
    await change(house, draft.id, auto_advance=True)
    assert (await house.intent(active)).next_attempt_at == house.now + DAY


async def test_ST_36_an_invoice_finalised_without_auto_advance_waits_for_somebody_to_pay_it(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_end)
    draft = await house.invoice(active)
    await change(house, draft.id, auto_advance=False)
    async with house.gateway.books.write() as conn:
        await invoices.finalize(
            conn, house.gateway, scope=house.scope, invoice_id=draft.id, now=house.now, origin=house.origin
        )
    await house.pump()
    waiting = await house.intent(active)
    assert (waiting.reason.code, waiting.next_attempt_at, waiting.attempts) == ("awaiting_request", None, 0)
    await change(house, draft.id, auto_advance=True)
    await house.pump()
    assert (await house.invoice(active)).status is InvoiceStatus.PAID


async def test_a_draft_takes_a_description_and_metadata_and_an_open_invoice_only_metadata(house: House) -> None:
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.go_to(active.period_end)
    draft = await house.invoice(active)
    changed = await change(house, draft.id, description="March", metadata={"order": "7"})
    assert (changed.description, changed.metadata) == ("March", {"order": "7"})
    await house.go_to(house.now + HOUR)
    assert dict((await change(house, draft.id, metadata={"order": None, "desk": "4"})).metadata) == {"desk": "4"}
    with pytest.raises(InvalidRequest) as refused:
        await change(house, draft.id, description="April")
    assert (refused.value.code, refused.value.param) == ("invoice_not_editable", "description")
    assert (await house.invoice(active)).description == "March"


async def test_what_is_over_takes_no_auto_advance(house: House) -> None:
    active = await house.active()
    paid = await house.invoice(active)
    with pytest.raises(InvalidRequest) as refused:
        await change(house, paid.id, auto_advance=False)
    assert (refused.value.code, refused.value.param) == ("invoice_not_editable", "auto_advance")
    with pytest.raises(NotFound):
        await change(house, "in_nobody", auto_advance=False)


# --------------------------------------------------------------------------------------------------------- paused


async def paused_owing(house: House) -> Subscription:
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.renew(active)
    async with house.gateway.books.write() as conn:
        return await pauses.pause(
            conn, house.gateway, scope=house.scope, subscription_id=active.id, now=house.now, origin=house.origin
        )


async def test_C16_asking_for_a_payment_in_a_pause_is_refused_and_changes_nothing(house: House) -> None:
    paused = await paused_owing(house)
    before = await house.intent(paused)
    top_up(house)
    with pytest.raises(InvalidRequest) as refused:
        await pay(house, before.invoice_id)
    assert refused.value.code == "subscription_paused"
    with pytest.raises(InvalidRequest) as refused:
        async with house.gateway.books.write() as conn:
            await intents.confirm(
                conn, house.gateway, scope=house.scope, intent_id=before.id, now=house.now, origin=house.origin
            )
    assert refused.value.code == "subscription_paused"
    await house.pump()
    assert await house.intent(paused) == before


async def test_C16_a_draft_does_not_advance_in_a_pause(house: House) -> None:
    active = await house.active()
    await house.go_to(active.period_end)
    async with house.gateway.books.write() as conn:
        await pauses.pause(
            conn, house.gateway, scope=house.scope, subscription_id=active.id, now=house.now, origin=house.origin
        )
    draft = await house.invoice(active)
    with pytest.raises(InvalidRequest) as refused:
        await change(house, draft.id, auto_advance=True)
    assert (refused.value.code, refused.value.param) == ("subscription_paused", "auto_advance")


# ------------------------------------------------------------------------------------------------- another wallet


async def test_ST_15_another_wallet_is_asked_to_sign_for_this_one_payment(house: House) -> None:
    subscription = await unpaid(house)
    other = await other_wallet(house)
    invoice = await house.invoice(subscription)
    await pay(house, invoice.id, payment_method_id=other.id)
    asked = await house.intent(subscription)
    assert asked.status is intent_domain.Status.REQUIRES_ACTION
    assert (asked.payment_method_id, asked.reason.code) == (other.id, "mandate_unsigned")
    async with house.gateway.books.read() as conn:
        mandate = (await mandates.load(conn, [asked.mandate_id or ""]))[asked.mandate_id or ""]
    assert (mandate.terms.payer, mandate.terms.periods, mandate.terms.amount) == (other.owner, 1, PRICE_UNITS)
    assert "charge_intent.requires_action" in await house.event_types(asked.id)
    await sign_intent(house, asked.id, mandate)
    await house.pump()
    assert (await house.invoice(subscription)).status is InvoiceStatus.PAID
    after = await house.subscription(subscription)
    assert (after.status, after.payment_method_id) == (Status.ACTIVE, subscription.payment_method_id)
    assert house.balance(other.owner) == 1_000_000_000 - PRICE_UNITS


async def test_ST_15_a_wallet_that_signed_before_is_asked_nothing_again(house: House) -> None:
    subscription = await unpaid(house)
    other = await other_wallet(house)
    changed = await change_method(house, subscription, other.id)
    await house.sign_setup(changed)
    await house.pump()
    assert (await house.subscription(subscription)).status is Status.ACTIVE
    first = await house.subscription(subscription)
    top_up(house, 50)
    house.chain.fund(factories.TOKEN, other.owner, 0, 0)
    await house.renew(first)
    assert (await house.subscription(first)).status is Status.PAST_DUE
    await pay(house, (await house.invoice(first)).id, payment_method_id=factories.numbered("pm", 1))
    assert (await house.intent(first)).status is intent_domain.Status.FAILED
    await house.pump()
    assert (await house.invoice(first)).status is InvoiceStatus.PAID
    assert (await house.subscription(first)).payment_method_id == other.id


async def test_ST_15_naming_the_wallet_that_pays_already_is_paying(house: House) -> None:
    subscription = await unpaid(house)
    before = await house.intent(subscription)
    top_up(house)
    await pay(house, before.invoice_id, payment_method_id=before.payment_method_id)
    await house.pump()
    after = await house.intent(subscription)
    assert (after.status, after.mandate_id) == (intent_domain.Status.SUCCEEDED, before.mandate_id)


async def test_ST_15_a_strangers_wallet_is_refused(house: House) -> None:
    subscription = await unpaid(house)
    stranger = await other_wallet(house, 3, customer_id=None)
    with pytest.raises(InvalidRequest) as refused:
        await pay(house, subscription.latest_invoice_id or "", payment_method_id=stranger.id)
    assert (refused.value.code, refused.value.param) == ("payment_method_not_attached", "payment_method")
    with pytest.raises(NotFound) as missing:
        await pay(house, subscription.latest_invoice_id or "", payment_method_id="pm_nobody")
    assert missing.value.param == "payment_method"
