"""What the payer does on the page of a checkout session, against a chain in memory: who is made, charged, told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chain import eip712
from chain.signer import DevelopmentSigner
from gateway.db import catalog, checkout_sessions, subscriptions
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain.checkout import (
    CheckoutSession,
    CustomField,
    FieldKind,
    LineItem,
    Mode,
    Offer,
    PaymentStatus,
    Status,
)
from gateway.domain.discount import Coupon, Duration, PromotionCode
from gateway.domain.errors import Conflict, InvalidRequest
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.subscription import Subscription
from gateway.services import checkout, checkout_payer, checkout_signing, coupons
from gateway.services import subscriptions as subscription_services
from gateway.services.checkout import NewSession
from gateway.services.checkout_parts import PayersWallet
from tests import factories
from tests.services.house import House, signer

PRICE_UNITS = 10_000_000
WALLET = signer(0x51)
OFFER = Offer(lines=(LineItem(price_id=factories.PRICE_ID, quantity=1, description="", amount=0),))


@pytest.fixture
async def house(books: Books) -> House:
    return await House.build(books)


async def opened(house: House, offer: Offer = OFFER, **wanted: Any) -> CheckoutSession:
    async with house.gateway.books.write() as conn:
        return await checkout.create(
            conn,
            house.gateway,
            scope=house.scope,
            wanted=NewSession(
                **{"mode": Mode.SUBSCRIPTION, "success_url": "https://shop.example/", "offer": offer, **wanted}
            ),
            now=house.now,
            origin=house.origin,
        )


async def described(house: House, session: CheckoutSession, **told: Any) -> CheckoutSession:
    said = {"email": "ada@example.com", "answers": {}, "promotion_code": None, **told}
    async with house.gateway.books.write() as conn:
        return await checkout_payer.describe(
            conn, house.gateway, session_id=session.id, now=house.now, origin=house.origin, **said
        )


async def connected(house: House, session: CheckoutSession, wallet: DevelopmentSigner = WALLET) -> CheckoutSession:
    house.wallets[wallet.address] = wallet
    async with house.gateway.books.write() as conn:
        return await checkout_payer.connect(
            conn,
            house.gateway,
            session_id=session.id,
            wallet=PayersWallet(wallet.address, factories.CHAIN_ID, factories.TOKEN),
            now=house.now,
            origin=house.origin,
        )


async def signed(house: House, session: CheckoutSession) -> CheckoutSession:
    draft = session.draft
    assert draft is not None
    digest = eip712.mandate_digest(draft.terms, draft.chain_id, draft.contract)
    signature = house.wallets[draft.payer].sign_digest(digest)
    await checkout_signing.verify(house.chain, draft, signature)
    async with house.gateway.books.write() as conn:
        return await checkout_signing.sign(
            conn,
            house.gateway,
            session_id=session.id,
            signature=signature,
            permit=None,
            signed=draft,
            now=house.now,
            origin=house.origin,
        )


async def current(house: House, session: CheckoutSession) -> CheckoutSession:
    async with house.gateway.books.read() as conn:
        return (await checkout_sessions.load(conn, [session.id]))[session.id]


async def subscription_of(house: House, session: CheckoutSession) -> Subscription:
    async with house.gateway.books.read() as conn:
        return (await subscriptions.load(conn, [session.subscription_id or ""]))[session.subscription_id or ""]


async def customers(house: House) -> list[Any]:
    async with house.gateway.books.read() as conn:
        return (await catalog.page_customers(conn, PageRequest(scope=house.scope, limit=10))).items


async def ready(house: House, offer: Offer = OFFER, **wanted: Any) -> CheckoutSession:
    """A session whose wallet is funded, connected and shown the terms."""
    house.chain.fund(factories.TOKEN, WALLET.address, 100 * PRICE_UNITS, 12 * PRICE_UNITS)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    return await connected(house, await described(house, await opened(house, offer, **wanted)))


async def test_MX_14_to_MX_18_from_the_signature_to_the_paid_period(house: House) -> None:
    session = await signed(house, await ready(house))
    assert (session.status, session.payment_status) == (Status.OPEN, PaymentStatus.UNPAID)
    await house.pump()
    done = await current(house, session)
    bought = await subscription_of(house, done)
    assert (done.status, done.payment_status) == (Status.COMPLETE, PaymentStatus.PAID)
    assert bought.status is SubscriptionStatus.ACTIVE
    assert house.charged() == [((await house.mandate(bought)).onchain_id, 1, PRICE_UNITS)]
    assert bought.payment_method_id is not None  # MX-17
    told = await house.event_types()
    assert told.count("checkout.session.completed") == 1
    assert told.index("customer.subscription.activated") < told.index("checkout.session.completed")


async def test_nothing_exists_before_the_wallet_signs(house: House) -> None:
    session = await ready(house)
    assert session.draft is not None
    assert await customers(house) == []
    assert await house.event_types() == []
    assert session.draft.terms.amount == PRICE_UNITS
    assert (session.draft.total, session.draft.recurring) == (1000, 1000)


async def test_what_is_signed_is_what_was_shown(house: House) -> None:
    session = await ready(house)
    done = await signed(house, session)
    assert session.draft is not None
    assert (await house.mandate(await subscription_of(house, done))).terms == session.draft.terms


async def test_C03_a_session_is_used_once_however_often_it_is_signed(house: House) -> None:
    session = await ready(house)
    await signed(house, session)
    with pytest.raises(Conflict):
        await signed(house, session)
    with pytest.raises(Conflict):
        await connected(house, session)
    assert len(await customers(house)) == 1


async def test_terms_that_were_shown_too_long_ago_are_shown_again(house: House) -> None:
    session = await ready(house)
    house.now += timedelta(minutes=31)
    with pytest.raises(Conflict) as refused:
        await signed(house, session)
    assert refused.value.code == "checkout_draft_stale"
    again = await connected(house, session)
    assert again.draft != session.draft
    assert (await signed(house, again)).confirmed_at == house.now


async def test_another_wallet_replaces_the_first_before_it_signs(house: House) -> None:
    session = await ready(house)
    other = await connected(house, session, signer(0x52))
    assert other.draft is not None
    assert other.draft.payer == signer(0x52).address
    with pytest.raises(Conflict):
        await signed(house, session)


async def test_a_signature_of_another_wallet_is_refused(house: House) -> None:
    draft = (await ready(house)).draft
    assert draft is not None
    digest = eip712.mandate_digest(draft.terms, draft.chain_id, draft.contract)
    with pytest.raises(InvalidRequest) as refused:
        await checkout_signing.verify(house.chain, draft, signer(0x99).sign_digest(digest))
    assert refused.value.code == "signature_invalid"


async def test_SX_16_answers_and_hidden_fields_become_the_subscription_s_metadata(house: House) -> None:
    asked = (
        CustomField(key="nick", kind=FieldKind.TEXT, label="Nickname"),
        CustomField(key="ref", kind=FieldKind.HIDDEN, label="ref", value="campaign-7"),
    )
    house.chain.fund(factories.TOKEN, WALLET.address, PRICE_UNITS, PRICE_UNITS)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    session = await opened(house, replace(OFFER, custom_fields=asked, metadata={"plan": "almanac"}))
    with pytest.raises(InvalidRequest):
        await described(house, session)
    session = await described(house, session, answers={"nick": "Ada", "ref": "forged"})
    done = await signed(house, await connected(house, session))
    assert (await subscription_of(house, done)).metadata == {"plan": "almanac", "nick": "Ada", "ref": "campaign-7"}


async def test_SX_06_a_trial_is_complete_when_the_mandate_is_registered_and_nothing_is_charged(house: House) -> None:
    session = await signed(house, await ready(house, replace(OFFER, trial_days=14)))
    assert (await subscription_of(house, session)).status is SubscriptionStatus.TRIALING
    assert (await current(house, session)).status is Status.OPEN
    await house.pump()
    done = await current(house, session)
    assert (done.status, done.payment_status) == (Status.COMPLETE, PaymentStatus.NO_PAYMENT_REQUIRED)
    assert house.charged() == []


async def test_a_first_payment_that_never_comes_expires_session_and_subscription_together(house: House) -> None:
    session = await described(house, await opened(house))
    house.chain.fund(factories.TOKEN, WALLET.address, 0, 12 * PRICE_UNITS)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    session = await signed(house, await connected(house, session))
    await house.pump()
    assert (await current(house, session)).status is Status.OPEN
    await house.go_to(house.now + timedelta(hours=23))
    assert (await subscription_of(house, session)).status is SubscriptionStatus.INCOMPLETE_EXPIRED
    ended = await current(house, session)
    assert (ended.status, ended.reason.code) == (Status.EXPIRED, "subscription_ended")


async def test_a_top_up_completes_a_session_that_waits_for_money(house: House) -> None:
    session = await described(house, await opened(house))
    house.chain.fund(factories.TOKEN, WALLET.address, 0, 12 * PRICE_UNITS)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    session = await signed(house, await connected(house, session))
    await house.pump()
    house.chain.fund(factories.TOKEN, WALLET.address, PRICE_UNITS, 12 * PRICE_UNITS)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    async with house.gateway.books.write() as conn:
        waiting = (await checkout_sessions.load(conn, [session.id]))[session.id]
        await checkout_signing.try_again(conn, house.gateway, session=waiting, now=house.now, origin=house.origin)
    await house.pump()
    assert (await current(house, session)).status is Status.COMPLETE


async def test_the_customer_with_the_address_is_found_in_any_case(house: House) -> None:
    async with house.gateway.books.write() as conn:
        await catalog.add_customers(conn, [factories.customer(email="Ada@Example.com")])
    done = await signed(house, await ready(house))
    assert done.customer_id == factories.CUSTOMER_ID


async def test_an_address_alone_spends_nobody_s_credit(house: House) -> None:
    async with house.gateway.books.write() as conn:
        rich = factories.customer(balance=-500, balance_currency="usd")
        await catalog.add_customers(conn, [rich])
        await catalog.save_customers(conn, [rich])
    session = await ready(house)
    assert session.draft is not None
    assert session.draft.total == 1000
    assert (await signed(house, session)).customer_id != factories.CUSTOMER_ID


async def test_ST_73_a_promotion_code_reduces_the_first_charge_and_is_counted_when_it_is_signed(house: House) -> None:
    async with house.gateway.books.write() as conn:
        coupon = Coupon(id="half", scope=house.scope, created_at=house.now, duration=Duration.ONCE, percent_off=5_000)
        await coupons.create(conn, house.gateway, coupon, origin=house.origin)
        code = PromotionCode(
            id="promo_1", scope=house.scope, created_at=house.now, code="HALF", coupon_id="half", max_redemptions=1
        )
        await coupons.create_code(conn, house.gateway, code, origin=house.origin)
    house.chain.fund(factories.TOKEN, WALLET.address, 100 * PRICE_UNITS, 12 * PRICE_UNITS)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    offer = replace(OFFER, allow_promotion_codes=True)
    for wrong in ("NONE", "half price"):
        with pytest.raises(InvalidRequest) as refused:
            await described(house, await opened(house, offer), promotion_code=wrong)
        assert refused.value.param == "code"
    first = await connected(house, await described(house, await opened(house, offer), promotion_code=" half "))
    second = await connected(
        house, await described(house, await opened(house, offer), promotion_code="HALF"), signer(0x52)
    )
    assert first.draft is not None
    assert (first.draft.total, first.draft.recurring, first.draft.discount) == (500, 1000, 500)
    await signed(house, first)
    with pytest.raises(InvalidRequest):
        await signed(house, second)


async def test_a_code_is_refused_where_the_merchant_takes_none(house: House) -> None:
    with pytest.raises(InvalidRequest):
        await described(house, await opened(house), promotion_code="HALF")


async def test_SX_11_a_setup_session_lets_another_wallet_take_over(house: House) -> None:
    paid = await house.active()
    house.chain.fund(factories.TOKEN, WALLET.address, 100 * PRICE_UNITS, 12 * PRICE_UNITS)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    session = await opened(house, Offer(), mode=Mode.SETUP, subscription_id=paid.id)
    session = await signed(house, await connected(house, session))
    await house.pump()
    done = await current(house, session)
    assert (done.status, done.payment_status) == (Status.COMPLETE, PaymentStatus.NO_PAYMENT_REQUIRED)
    assert (await house.mandate(await subscription_of(house, done))).terms.payer == WALLET.address


async def test_canceling_the_subscription_ends_a_session_that_still_waits(house: House) -> None:
    session = await described(house, await opened(house))
    session = await signed(house, await connected(house, session))
    async with house.gateway.books.write() as conn:
        await subscription_services.cancel(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=session.subscription_id or "",
            now=house.now,
            origin=house.origin,
        )
    assert (await current(house, session)).status is Status.EXPIRED
