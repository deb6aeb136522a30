"""The customer portal in a real browser: in by wallet or mail, see, cancel, revoke on the chain (SX-19, SX-20)."""

import re
import secrets
from typing import Any

import pytest
from playwright.async_api import Browser

from chain import erc20
from chain.primitives import ZERO_ADDRESS
from gateway.services import mails
from tests import factories
from tests.services.test_mails import Post
from tests.web.conftest import Person
from tests.web.person import BrowserWallet
from tests.web.shop import CONFIRMATIONS, UNIT, Shop

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


async def subscribed(person: Person, **wanted: Any) -> str:
    """Subscribe by checkout; the first payment is final. Returns the subscription's id."""
    await person.fund()
    session = await person.signed(**wanted)
    await person.shop.work()
    await person.shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")
    done = await person.shop.found(f"/v1/checkout/sessions/{session['id']}")
    return str(done["subscription"])


async def by_wallet(person: Person) -> None:
    await person.page.goto(f"{person.shop.url}/customer/auth")
    await person.page.get_by_role("button", name="Sign in with Test Wallet").click()
    await person.sees("Your subscriptions")


async def allowance(person: Person) -> int:
    stage = person.shop.stage
    data = erc20.allowance_data(person.wallet.address, stage.contract)
    [answer] = await person.shop.chain.calls([(ZERO_ADDRESS, stage.token, data)])
    assert isinstance(answer, bytes)
    return erc20.decode_uint(answer)


async def opened(person: Person, name: str = "Manage") -> None:
    await person.page.get_by_role("link", name=name).first.click()


async def link_in(shop: Shop, address: str) -> str:
    """The link of the newest mail to an address."""
    post = Post()
    while await mails.deliver_due(shop.gateway, post, now=shop.now()):
        pass
    texts = [letter.message.replace(b"=\r\n", b"") for letter in post.letters if letter.recipient == address]
    return re.findall(rb"http://[^ \r\n]+/customer/auth/link/[A-Za-z0-9_-]+", texts[-1])[0].decode()


async def test_SX_19_SX_20_in_by_wallet_cancel_and_revoke_on_chain_in_two_clicks(person: Person) -> None:
    subscription = await subscribed(person)
    prompts = person.wallet.prompts
    await person.page.goto(f"{person.shop.url}/customer")
    await person.sees("Sign in")
    await person.page.get_by_role("button", name="Sign in with Test Wallet").wait_for()
    await person.look("30-portal-sign-in")
    await by_wallet(person)
    assert person.wallet.prompts == prompts  # a message was signed, and nothing that moves money
    assert "/customer/auth" in person.wallet.messages[0]
    await person.page.get_by_text("Next payment on").wait_for()
    await person.look("31-portal-overview")
    await opened(person)
    await person.sees("Almanac")
    rows = await person.page.locator("dl").inner_text()
    assert "10.00 USD per month" in rows
    assert "110.00 USDC at most" in rows
    assert "990.00 USDC" in rows
    assert "The next 11 payments are covered." in rows  # as agreed: 12 payments, and then the wallet is asked anew
    await person.page.get_by_role("link", name="PDF").wait_for()
    await person.look("32-portal-subscription")
    await person.page.get_by_role("link", name="Cancel subscription").click()
    await person.sees("Cancel")
    await person.look("33-portal-cancel")
    await person.page.get_by_label("Now.").check()
    await person.page.get_by_label("Why do you leave?").select_option("too_expensive")
    await person.page.get_by_label("Anything that").fill("Too much for an almanac.")
    await person.page.get_by_role("button", name="Cancel the subscription").click()
    await person.page.get_by_text("The subscription has ended. Nothing more will be charged.").wait_for()
    await person.look("34-portal-canceled")
    told = await person.shop.found(f"/v1/subscriptions/{subscription}")
    assert told["status"] == "canceled"
    assert told["cancellation_details"] == {
        "comment": "Too much for an almanac.",
        "feedback": "too_expensive",
        "reason": "cancellation_requested",
    } | {"reason": told["cancellation_details"]["reason"]}
    assert await allowance(person) == 110 * UNIT
    await person.page.goto(f"{person.shop.url}/customer")
    await person.page.get_by_text("Left over in your wallets").wait_for()
    await person.look("35-portal-left-over")
    await person.page.get_by_role("button", name="Revoke on the chain").click()
    await person.page.get_by_text("Done: the network has taken it.").wait_for()
    await person.look("36-portal-revoked")
    assert await allowance(person) == 0
    assert await person.page.get_by_role("button", name="Revoke on the chain").count() == 0
    assert [transaction["to"] for transaction in person.wallet.sent] == [
        person.shop.stage.contract,
        person.shop.stage.token,
    ]
    await person.page.get_by_role("button", name="Sign out").click()
    await person.sees("Sign in")
    await person.page.goto(f"{person.shop.url}/customer")
    await person.sees("Sign in")
    assert person.errors == []


async def test_SX_20_in_by_a_link_in_a_mail_once_and_the_answer_tells_nobody_who_is_known(person: Person) -> None:
    address = f"{person.wallet.address[2:10]}@example.com"
    await person.fund()
    session = await person.shop.session(customer_email=address)
    await person.page.goto(session["url"])
    await person.connect()
    await person.agree()
    await person.sees("Thank you")
    await person.shop.work()
    await person.shop.work(blocks=CONFIRMATIONS)
    pages = []
    for asked in ("nobody@example.com", address.upper()):
        await person.page.goto(f"{person.shop.url}/customer/auth")
        await person.page.get_by_label("The e-mail address you subscribed with").fill(asked)
        await person.page.get_by_role("button", name="Send me a link").click()
        await person.sees("Look into your mailbox")
        pages.append((person.page.url, await person.page.locator("main").inner_text()))
    assert pages[0] == pages[1]
    await person.look("37-portal-sent")
    link = await link_in(person.shop, address)
    await person.page.goto(link)
    await person.sees("One more click")
    await person.look("38-portal-link")
    await person.page.reload()  # looking does not use it up
    await person.page.get_by_role("button", name="Sign in").click()
    await person.sees("Your subscriptions")
    await person.page.get_by_text(f"Signed in as {address}").wait_for()
    cookies = await person.context.cookies()
    [kept] = [cookie for cookie in cookies if cookie["name"] == "__Host-dues"]
    assert (kept["httpOnly"], kept["secure"], kept["sameSite"], kept["path"]) == (True, True, "Lax", "/")
    await person.page.goto(link)
    await person.sees("This link is no longer good")
    await person.look("39-portal-link-over")


async def test_empty_in_both_ways_and_somebody_else_s_page_is_no_page(person: Person, browser: Browser) -> None:
    subscription = await subscribed(person)
    await by_wallet(person)
    address = f"{person.shop.url}/customer/subscriptions/{subscription}"
    await person.page.goto(address)
    await person.sees("Almanac")
    context = await browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    other = Person(person.shop, context, None, BrowserWallet(person.shop, secrets.token_bytes(32)))  # type: ignore[arg-type]
    other.page = await other.opened(equipped=True)
    await by_wallet(other)
    await other.page.get_by_text("This wallet has signed no subscription").wait_for()
    await other.look("40-portal-empty")
    foreign = await other.page.goto(address)
    missing = await other.page.goto(f"{person.shop.url}/customer/subscriptions/sub_0")
    assert foreign is not None
    assert missing is not None
    assert (foreign.status, missing.status) == (404, 404)
    for step in ("cancel", "keep", "pause", "resume", "plan", "wallet"):
        await other.page.goto(f"{person.shop.url}/customer")
        token = await other.page.locator("[name=csrf]").first.input_value()
        told = await other.page.evaluate(
            """async ([url, csrf]) => (await fetch(url, {method: "POST", body: new URLSearchParams({csrf})})).status""",
            [f"{address}/{step}", token],
        )
        assert told == 404, step
    assert (await person.shop.found(f"/v1/subscriptions/{subscription}"))["status"] == "active"
    await context.close()


async def test_at_the_period_s_end_and_back_and_without_a_chain(person: Person) -> None:
    subscription = await subscribed(person)
    await by_wallet(person)
    await opened(person)
    await person.page.get_by_role("link", name="Cancel subscription").click()
    await person.page.get_by_role("button", name="Cancel the subscription").click()
    await person.page.get_by_text("The subscription will end with its period.").wait_for()
    await person.look("41-portal-ending")
    assert (await person.shop.found(f"/v1/subscriptions/{subscription}"))["cancel_at_period_end"] is True
    await person.page.get_by_role("button", name="Do not end it").click()
    await person.page.get_by_text("The subscription goes on.").wait_for()
    assert (await person.shop.found(f"/v1/subscriptions/{subscription}"))["cancel_at_period_end"] is False
    person.shop.chain.is_cut = True
    await person.page.goto(f"{person.shop.url}/customer?lang=de")
    await person.page.get_by_text("Localnet antwortet gerade nicht.").wait_for()
    await person.look("42-portal-silent-german")
    await opened(person, "Almanac verwalten")
    await person.look("43-portal-silent-subscription-german")


async def test_what_the_wallet_will_lack_is_said_before_it_fails(person: Person) -> None:
    await subscribed(person)
    left = 1_000 * UNIT - 10 * UNIT
    await person.shop.call(
        person.wallet.key, person.shop.stage.token, erc20.transfer_data(factories.PAYEE, left - 4 * UNIT)
    )
    await by_wallet(person)
    await person.page.get_by_text("will fail: 6.00 USDC are missing in the wallet.").wait_for()
    await person.look("44-portal-trouble")


async def test_SX_11_another_wallet_is_set_up_from_the_portal(person: Person) -> None:
    subscription = await subscribed(person)
    await by_wallet(person)
    await opened(person)
    await person.page.get_by_role("button", name="Use another wallet").click()
    await person.sees("Connect your wallet")
    await person.connect("USDT")
    await person.page.get_by_role("button", name="Agree and use this wallet").click()
    await person.sees("Your wallet is being set up")
    await person.shop.work()
    await person.shop.work(blocks=CONFIRMATIONS)
    await person.sees("Your wallet is set up")
    await person.page.wait_for_url(f"**/customer/subscriptions/{subscription}")
    await person.page.get_by_text("with USDT on Localnet").wait_for()
    await person.page.goto(f"{person.shop.url}/customer")
    await person.page.get_by_text("Left over in your wallets").wait_for()  # what the old token still allows
    await person.look("45-portal-old-wallet-left")
