"""A payment that failed is mended on its invoice's page: each reason in words, with the step that helps (ST-22)."""

from datetime import timedelta
from typing import Any

import pytest

from chain.erc20 import approve_data, transfer_data
from chain.keccak import selector
from chain.local_node import LOCAL_CHAIN_ID
from chain.mandates import cancel_data
from chain.primitives import MandateId
from chain.words import address_word
from tests import factories
from tests.web.conftest import Person
from tests.web.shop import CONFIRMATIONS, UNIT

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

BLACKLIST = selector("blacklist(address)")


async def owed(person: Person, token: str = "USDC") -> Any:
    """The open invoice of a subscription that the person's wallet has signed for on the checkout page."""
    session = await person.signed(token)
    bought = (await person.shop.found(f"/v1/checkout/sessions/{session['id']}"))["subscription"]
    found = await person.shop.found(f"/v1/subscriptions/{bought}")
    return await person.shop.found(f"/v1/invoices/{found['latest_invoice']}")


async def is_paid(person: Person, invoice: Any) -> None:
    """The page says so, and so do the books: the invoice is paid, the subscription active."""
    await person.shop.work()
    await person.shop.work(blocks=CONFIRMATIONS)
    await person.sees("Paid")
    now = await person.shop.found(f"/v1/invoices/{invoice['id']}")
    bought = await person.shop.found(f"/v1/subscriptions/{now['subscription']}")
    assert (now["status"], bought["status"]) == ("paid", "active")


async def test_ST_22_FR_10_a_wallet_that_holds_too_little_is_filled_up(person: Person) -> None:
    shop = person.shop
    await person.fund(10)
    invoice = await owed(person)
    await shop.call(person.wallet.key, shop.stage.token, transfer_data(factories.PAYEE, 4 * UNIT))
    await shop.work()
    await person.visit(invoice["hosted_invoice_url"])
    await person.sees("The payment needs more USDC")
    await person.page.get_by_text("please add 4.00 USDC").wait_for()
    link = await person.page.locator(".leave a[href^=ethereum]").get_attribute("href")
    assert link is not None
    assert link.lower().endswith(f"address={person.wallet.address}&uint256={4 * UNIT}")
    await person.look("40-invoice-top-up")
    await person.page.get_by_role("button", name="I have added it").click()
    await person.is_told("holds too little")  # the chain was asked, and no attempt was made in vain
    assert (await shop.found(f"/v1/invoices/{invoice['id']}"))["attempt_count"] == 1
    await person.fund(4)
    await person.page.get_by_role("button", name="I have added it").click()
    await person.sees("The payment is on its way")
    await shop.work()
    await person.reads(f"of {CONFIRMATIONS} confirmations")
    await person.look("41-invoice-on-its-way")
    await is_paid(person, invoice)


async def test_ST_22_an_allowance_that_was_taken_back_is_given_again(person: Person) -> None:
    shop = person.shop
    await person.fund()
    invoice = await owed(person, "USDT")
    await shop.call(person.wallet.key, shop.plain_token, approve_data(shop.stage.contract, 0))
    await shop.work()
    await person.visit(invoice["hosted_invoice_url"])
    await person.sees("The allowance is missing")
    await person.look("42-invoice-allow-again")
    person.wallet.fail("eth_sendTransaction", 4001)
    await person.page.get_by_role("button", name="Allow again").click()
    await person.is_told("You declined in your wallet")
    await person.page.get_by_role("button", name="Allow again").click()
    await person.sees("The payment is on its way")
    await is_paid(person, invoice)


async def test_ST_22_ST_27_a_wallet_that_is_blocked_is_replaced_by_another_one(person: Person) -> None:
    shop = person.shop
    await person.fund()
    invoice = await owed(person, "USDT")
    await shop.call(person.wallet.key, shop.plain_token, BLACKLIST + address_word(person.wallet.address))
    await shop.work()
    await person.visit(invoice["hosted_invoice_url"])
    await person.sees("Please pay with another wallet")
    await person.look("43-invoice-refused")
    await person.page.get_by_role("button", name="Use another wallet").click()
    await person.sees("Connect your wallet")
    await person.connect("USDC")
    await person.page.get_by_role("button", name="Agree and use this wallet").click()
    await person.sees("Your wallet is being set up")
    await person.visit(invoice["hosted_invoice_url"])
    await person.sees("Your wallet is being set up")
    await person.look("44-invoice-setting-up")
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await is_paid(person, invoice)


async def signed_method(person: Person) -> Any:
    """A payment method of the person's wallet, of a customer of the shop."""
    customer = await person.shop.made("/v1/customers", {"email": "ada@example.com"})
    method = await person.shop.made(
        "/v1/payment_methods",
        {
            "type": "erc20_allowance",
            "erc20_allowance": {
                "chain_id": LOCAL_CHAIN_ID,
                "token": person.shop.stage.token,
                "owner": person.wallet.address,
            },
        },
    )
    await person.shop.made(f"/v1/payment_methods/{method['id']}/attach", {"customer": customer["id"]})
    return customer, method


async def test_ST_14_ST_20_ST_22_an_approval_that_is_missing_is_given_on_the_invoice_s_page(person: Person) -> None:
    shop = person.shop
    customer, method = await signed_method(person)
    bought = await shop.made(
        "/v1/subscriptions",
        {
            "customer": customer["id"],
            "items": [{"price": factories.PRICE_ID}],
            "default_payment_method": method["id"],
            "payment_behavior": "default_incomplete",
        },
    )
    invoice = await shop.found(f"/v1/invoices/{bought['latest_invoice']}")
    await person.visit(invoice["hosted_invoice_url"])
    await person.sees("Not enough USDC in this wallet")
    await person.look("45-invoice-sign-low")
    await person.fund()
    person.wallet.is_connected = True
    await person.page.get_by_role("link", name="Check again").click()
    await person.sees("What you agree to")
    assert "up to 10.00 USDC per month" in await person.page.locator("main").inner_text()
    await person.look("46-invoice-sign")
    person.wallet.fail("eth_signTypedData_v4", 4001)
    await person.page.get_by_role("button", name="Agree and pay").click()
    await person.is_told("You declined in your wallet")
    await person.page.get_by_role("button", name="Agree and pay").click()
    await person.sees("The payment is on its way")
    await is_paid(person, invoice)
    assert person.wallet.sent == []


async def subscribed(person: Person) -> str:
    """A subscription whose first payment is final."""
    await person.fund()
    invoice = await owed(person)
    await person.shop.work()
    await person.shop.work(blocks=CONFIRMATIONS)
    return str(invoice["subscription"])


async def renewed(person: Person, bought: str) -> Any:
    """The invoice of the next period, a month later."""
    await person.shop.travel(timedelta(days=32))
    await person.shop.work()
    await person.shop.travel(timedelta(hours=2))
    await person.shop.work()
    found = await person.shop.found(f"/v1/subscriptions/{bought}")
    return await person.shop.found(f"/v1/invoices/{found['latest_invoice']}")


async def test_an_invoice_above_the_cap_asks_the_wallet_once_more_while_nothing_rests(person: Person) -> None:
    shop = person.shop
    bought = await subscribed(person)
    customer = (await shop.found(f"/v1/subscriptions/{bought}"))["customer"]
    item = {"customer": customer, "subscription": bought, "amount": 1_000, "currency": "usd", "description": "Binding"}
    await shop.made("/v1/invoiceitems", item)
    invoice = await renewed(person, bought)
    await person.visit(invoice["hosted_invoice_url"])
    await person.sees("What you agree to")
    assert "20.00 USDC, once" in await person.page.locator("main").inner_text()
    await person.look("47-invoice-above-cap")
    await shop.made(f"/v1/subscriptions/{bought}/pause", {})
    await person.page.reload()
    await person.sees("The subscription is paused")
    await person.look("48-invoice-held")
    await shop.made(f"/v1/subscriptions/{bought}/resume", {"billing_cycle_anchor": "unchanged"})
    await person.page.reload()
    await person.page.get_by_role("button", name="Agree and pay").click()
    await person.sees("The payment is on its way")
    await is_paid(person, invoice)


async def test_ST_22_an_agreement_that_was_ended_is_signed_anew_by_the_same_wallet(person: Person) -> None:
    shop = person.shop
    bought = await subscribed(person)
    customer = (await shop.found(f"/v1/subscriptions/{bought}"))["customer"]
    [mandate] = (await shop.found(f"/v1/mandates?customer={customer}&limit=1"))["data"]
    await shop.call(person.wallet.key, shop.stage.contract, cancel_data(MandateId(mandate["onchain_id"])))
    await shop.work(blocks=CONFIRMATIONS)
    invoice = await renewed(person, bought)
    await person.visit(invoice["hosted_invoice_url"])
    await person.sees("Please agree again")
    assert "ended in your wallet" in await person.page.locator(".note").inner_text()
    await person.look("50-invoice-sign-again")
    await person.page.get_by_role("button", name="Look at the agreement").click()
    await person.sees("Connect your wallet")
    await person.connect()
    await person.page.get_by_role("button", name="Agree and use this wallet").click()
    await person.sees("Your wallet is being set up")
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.visit(invoice["hosted_invoice_url"])
    await is_paid(person, invoice)
    now = await shop.found(f"/v1/subscriptions/{bought}")
    assert now["default_payment_method"] is not None


async def test_an_invoice_that_nobody_waits_for_says_so(person: Person) -> None:
    shop = person.shop
    await person.fund(10)
    invoice = await owed(person)
    await shop.call(person.wallet.key, shop.stage.token, transfer_data(factories.PAYEE, 4 * UNIT))
    await shop.work()
    await person.visit(invoice["hosted_invoice_url"])
    await person.sees("The payment needs more USDC")
    await shop.made(f"/v1/invoices/{invoice['id']}/mark_uncollectible", {})
    await person.page.reload()
    await person.sees("This invoice was written off")
    await person.look("49-invoice-written-off")
