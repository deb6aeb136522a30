"""From the merchant's first request to an allowance of zero: every part of it as it is used outside."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import stripe
from playwright.async_api import Browser

from chain.deploy import Administrator, account_from_key
from chain.local_node import DEVELOPMENT_KEYS, LOCAL_CHAIN_ID
from chain.primitives import Address
from chain.signer import DevelopmentSigner
from gateway.services import webhooks
from tests import factories
from tests.services.test_webhooks import Receiver
from tests.web.conftest import Person
from tests.web.person import ContractWallet
from tests.web.shop import CONFIRMATIONS, UNIT, Shop
from tests.web.test_portal import allowance, by_wallet, opened

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

T = TypeVar("T")
HOOK = "https://shop.example/hook"


async def merchant(shop: Shop, use: Callable[[Any], T]) -> T:
    """What the merchant's server does, with the unmodified SDK."""
    client = stripe.StripeClient(shop.key, base_addresses={"api": shop.url}, max_network_retries=0)
    return await asyncio.to_thread(use, client.v1)


async def heard(shop: Shop, secret: str) -> list[Any]:
    """Events as the merchant's server gets them, verified with the SDK."""
    receiver = Receiver()
    while await webhooks.deliver_due(shop.gateway, receiver, now=shop.now()):
        pass
    return [
        stripe.Webhook.construct_event(sent.body, sent.headers["Stripe-Signature"], secret) for sent in receiver.sent
    ]


async def test_SX_19_from_the_sdk_s_first_request_to_an_allowance_of_zero(person: Person) -> None:
    shop = person.shop
    await person.fund()
    hook = await merchant(shop, lambda v1: v1.webhook_endpoints.create({"url": HOOK, "enabled_events": ["*"]}))
    session = await merchant(
        shop,
        lambda v1: v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": factories.PRICE_ID, "quantity": 1}],
                "success_url": f"{shop.url}/healthz?session_id={{CHECKOUT_SESSION_ID}}",
            }
        ),
    )
    await person.page.goto(session.url)
    await person.details(f"{person.wallet.address}@example.com")
    await person.connect()
    await person.agree()
    await person.sees("Thank you")
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")
    events = await heard(shop, hook.secret)
    [created] = [event for event in events if event.type == "customer.subscription.created"]
    bought = created.data.object
    assert bought.status == "active"
    assert [event.data.object.amount_paid for event in events if event.type == "invoice.paid"] == [1_000]
    assert await allowance(person) == 110 * UNIT
    door = await merchant(
        shop,
        lambda v1: v1.billing_portal.sessions.create(
            {"customer": bought.customer, "return_url": f"{shop.url}/healthz"}
        ),
    )
    await person.page.goto(door.url)
    await person.sees("Your subscriptions")
    await person.page.get_by_role("link", name="Back to where you came from").wait_for()
    await person.look("60-portal-by-merchant")
    await opened(person)
    await person.page.get_by_role("link", name="Cancel subscription").click()
    await person.page.get_by_label("Now.").check()
    await person.page.get_by_role("button", name="Cancel the subscription").click()
    await person.page.get_by_text("The subscription has ended.").wait_for()
    [deleted] = [e for e in await heard(shop, hook.secret) if e.type == "customer.subscription.deleted"]
    assert deleted.data.object.id == bought.id
    assert deleted.data.object.status == "canceled"
    await person.page.get_by_role("button", name="Revoke on the chain").click()
    await person.page.get_by_text("Done: the network has taken it.").wait_for()
    assert await allowance(person) == 0
    await shop.work(blocks=CONFIRMATIONS)
    revoked = [e for e in await heard(shop, hook.secret) if e.type == "mandate.updated"]
    assert [event.data.object.status for event in revoked] == ["revoked"]
    await person.page.goto(door.url)  # it was used
    await person.sees("This link is no longer good")
    await merchant(shop, lambda v1: v1.webhook_endpoints.delete(hook.id))
    assert [error for error in person.errors if "404" not in error] == []


async def contract_wallet(shop: Shop) -> ContractWallet:
    """A wallet that is a contract, with tokens, and an owner who can pay for gas."""
    key = secrets.token_bytes(32)
    owner = DevelopmentSigner(key).address

    def deploy() -> Address:
        administrator = Administrator(shop.node_url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=LOCAL_CHAIN_ID)
        try:
            return administrator.deploy("SmartWallet", owner)
        finally:
            administrator.close()

    contract = await asyncio.to_thread(deploy)
    await shop.fund(contract, 1_000 * UNIT)
    await shop.local.set_balance(owner, 10**18)
    return ContractWallet(shop, key, contract=contract)


async def test_S4_SX_20_a_contract_wallet_subscribes_signs_in_and_leaves(shop: Shop, browser: Browser) -> None:
    wallet = await contract_wallet(shop)
    context = await browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    person = Person(shop, context, None, wallet)  # type: ignore[arg-type]
    person.page = await person.opened(equipped=True)
    try:
        session = await shop.session(customer_email="safe@example.com")
        await person.page.goto(session["url"])
        await person.connect()
        await person.sees("What you agree to")
        await person.agree()  # a contract signs no permit: it allows by a transaction
        await person.sees("Thank you")
        await shop.work()
        await shop.work(blocks=CONFIRMATIONS)
        await person.sees("You are subscribed")
        await by_wallet(person)
        await person.page.get_by_text("Next payment on").wait_for()
        await opened(person)
        await person.page.get_by_role("button", name="Revoke on the chain").click()
        await person.page.get_by_text("Done: the network has taken it.").wait_for()
        await person.page.get_by_text("Your wallet has taken its permission back.").wait_for()
        await person.look("61-portal-revoked-while-running")
        assert await allowance(person) == 0
        assert person.errors == []
    finally:
        await context.close()
