"""The page of an invoice: paid by a transfer, watched until it is final; everything else that it may say."""

import gzip

import pytest

from chain import erc20
from chain.primitives import Address
from tests import factories
from tests.web.conftest import Person
from tests.web.shop import CONFIRMATIONS
from tests.web.test_checkout_safe import REQUESTS_OF_A_PAGE_MAX, WEIGHT_MAX

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


async def test_PM_01_C04_an_invoice_is_paid_from_the_wallet_of_the_browser_and_seen_before_it_is_final(
    person: Person,
) -> None:
    shop = person.shop
    await person.fund()
    invoice = await shop.invoice()
    await person.page.goto(invoice["hosted_invoice_url"])
    await person.sees("Pay 10.00 USD")
    summary = await person.page.locator(".sum").inner_text()
    assert invoice["number"] in summary
    assert "Ada Lovelace" in summary
    await person.page.get_by_role("button", name="Pay with Test Wallet").wait_for()
    asked = {option["symbol"]: option for option in invoice["payment_instructions"]["options"]}
    assert await person.page.locator(".leave a[href^=ethereum]").get_attribute("href") in {
        option["uri"] for option in asked.values()
    }
    await person.look("30-invoice-transfer")
    await person.page.get_by_role("link", name="USDC on Localnet").click()
    await person.page.locator(f".leave a[href='{asked['USDC']['uri']}']").wait_for()
    await person.page.get_by_role("button", name="Pay with Test Wallet").click()
    await person.sees("Your payment has been seen")
    await person.reads(f"of {CONFIRMATIONS} confirmations")
    await person.look("31-invoice-arriving")
    assert (await shop.found(f"/v1/invoices/{invoice['id']}"))["status"] == "open"
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("Paid")
    await person.look("32-invoice-paid")
    receipt = await person.page.locator("dl.receipt").inner_text()
    assert asked["USDC"]["amount_decimal"] in receipt
    assert person.wallet.address in receipt.lower()
    link = await person.page.locator("dl.receipt a").get_attribute("href")
    assert link is not None
    assert link.startswith("https://explorer.example/tx/0x")
    assert person.wallet.prompts == 1
    assert person.errors == []
    paid = await shop.found(f"/v1/invoices/{invoice['id']}")
    assert (paid["status"], (await shop.found(f"/v1/subscriptions/{paid['subscription']}"))["status"]) == (
        "paid",
        "active",
    )


async def test_PM_01_a_transfer_from_anywhere_is_seen_by_a_page_that_waits(person: Person) -> None:
    shop = person.shop
    await person.fund()
    invoice = await shop.invoice()
    await person.page.close()
    person.page = await person.opened(equipped=False)
    await person.page.goto(invoice["hosted_invoice_url"])
    await person.page.get_by_text("Scan the code with a wallet app").wait_for()
    await person.look("33-invoice-no-wallet")
    usdc = next(one for one in invoice["payment_instructions"]["options"] if one["symbol"] == "USDC")
    payee = Address(invoice["payment_instructions"]["recipient"].lower())
    await shop.call(person.wallet.key, shop.stage.token, erc20.transfer_data(payee, int(usdc["amount"])))
    await person.sees("Your payment has been seen")
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("Paid")


async def test_what_may_go_wrong_while_a_transfer_is_sent(person: Person) -> None:
    shop = person.shop
    invoice = await shop.invoice()
    await person.page.goto(invoice["hosted_invoice_url"])
    pay = person.page.get_by_role("button", name="Pay with Test Wallet")
    await pay.click()
    await person.is_told("which is too little. Nothing was sent")
    await person.look("34-invoice-low")
    await person.fund()
    person.wallet.chain_id = 1
    for method, code, words in (
        ("eth_requestAccounts", 4001, "You declined in your wallet. Nothing was sent"),
        ("wallet_switchEthereumChain", 4902, "does not know Localnet"),
        ("wallet_switchEthereumChain", -32603, "is on another network"),
        ("eth_sendTransaction", 4001, "You declined in your wallet. Nothing was sent"),
        ("eth_sendTransaction", -32000, "may lack the network"),
    ):
        person.wallet.fail(method, code)
        await pay.click()
        await person.is_told(words)
    person.wallet.breaks = True
    await pay.click()
    await person.is_told("The network refused the transfer")
    assert (await shop.found(f"/v1/invoices/{invoice['id']}"))["amount_paid"] == 0


async def test_an_invoice_that_is_late_void_or_not_there(person: Person) -> None:
    shop = person.shop
    invoice = await shop.invoice(collection_method="send_invoice", days_until_due=0)
    await person.page.goto(invoice["hosted_invoice_url"] + "?lang=de")
    await person.sees("10,00 USD bezahlen")
    await person.page.get_by_text("Diese Rechnung war am").wait_for()
    await person.look("35-invoice-overdue-german")
    await shop.made(f"/v1/invoices/{invoice['id']}/void", {})
    await person.sees("Diese Rechnung ist storniert")  # by itself
    await person.look("36-invoice-void")
    url = invoice["hosted_invoice_url"]
    for wrong in (url[:-1] + ("x" if url[-1] != "x" else "y"), f"{shop.url}/i/in_1/x", f"{shop.url}/i/%00/x"):
        answer = await person.page.goto(wrong)
        assert answer is not None
        assert answer.status == 404
    assert (await person.page.goto(url + "?with=99")) is not None


async def test_U1_S8_the_page_is_light_and_nobody_else_acts_on_it(person: Person) -> None:
    shop = person.shop
    invoice = await shop.invoice()
    url = invoice["hosted_invoice_url"]
    answers = []
    person.page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it looks inside what it is given
    answer = await person.page.goto(url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "trusted-types 'none'" in policy
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers
    await person.page.get_by_role("button", name="Pay with Test Wallet").wait_for()
    weight = sum([len(gzip.compress(await one.body(), 9)) for one in answers if not one.url.endswith("/events")])
    print(f"invoice: {weight} bytes gzip in {len(answers)} requests")
    assert weight <= WEIGHT_MAX
    assert len(answers) <= REQUESTS_OF_A_PAGE_MAX
    for step in ("sign", "again", "forget", "payer"):
        refused = await shop.post(f"{url}/{step}", {}, Origin="https://evil.example")
        assert refused.status_code == 403
    before = await shop.found(f"/v1/invoices/{invoice['id']}")
    for step, body in (
        ("sign", {"signature": "0x12"}),
        ("sign", {"nonsense": 1}),
        ("payer", {"address": "0x12", "to": factories.TOKEN, "chain_id": 31337}),
        ("payer", {}),
        ("again", {}),
    ):
        refused = await shop.post(f"{url}/{step}", body)
        assert refused.status_code in {409, 422}, (step, refused.text)
        assert refused.json()["message"]
    assert await shop.found(f"/v1/invoices/{invoice['id']}") == before
