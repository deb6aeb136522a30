"""What goes wrong on the checkout page: each in words for a person, with a next step, and nothing charged (U3, U4)."""

import pytest

from chain.erc20 import approve_data, transfer_data
from chain.keccak import selector
from chain.words import address_word
from tests import factories
from tests.web.conftest import Person
from tests.web.shop import CONFIRMATIONS, UNIT

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

BLACKLIST = selector("blacklist(address)")

CONNECT_FAULTS = [
    ("eth_requestAccounts", 4001, "You declined in your wallet"),
    ("eth_requestAccounts", -32002, "already asking you something"),
    ("eth_requestAccounts", 4100, "Unlock it"),
    ("eth_chainId", 4900, "not connected to the network"),
    ("wallet_switchEthereumChain", 4001, "You declined in your wallet"),
    ("wallet_switchEthereumChain", 4902, "does not know Localnet"),
    ("wallet_switchEthereumChain", -32603, "is on another network"),
]
SIGN_FAULTS = [
    ("eth_signTypedData_v4", 4001, "You declined in your wallet. Nothing was charged"),
    ("eth_signTypedData_v4", -32002, "already asking you something"),
    ("eth_signTypedData_v4", -32601, "cannot sign this kind of agreement"),
    ("eth_signTypedData_v4", 4200, "cannot sign this kind of agreement"),
    ("eth_signTypedData_v4", 4901, "not connected to the network"),
    ("eth_signTypedData_v4", -32603, "Your wallet reported: told by the test"),
]
SEND_FAULTS = [
    ("eth_sendTransaction", 4001, "You declined in your wallet"),
    ("eth_sendTransaction", -32000, "may lack the network"),
]


async def test_no_wallet_in_the_browser(person: Person) -> None:
    session = await person.shop.session(customer_email="ada@example.com")
    await person.page.close()
    person.page = await person.opened(equipped=False)
    await person.page.goto(session["url"])
    await person.page.get_by_role("heading", name="No wallet found in this browser").wait_for()
    await person.look("04-no-wallet")


async def test_faults_of_the_wallet_while_it_is_connected(person: Person) -> None:
    session = await person.shop.session(customer_email="ada@example.com")
    await person.page.goto(session["url"])
    person.wallet.chain_id = 1
    for method, code, words in CONNECT_FAULTS:
        person.wallet.fail(method, code)
        await person.connect()
        await person.is_told(words)
    await person.look("04-connect-rejected")
    person.wallet.chain_id = 1
    await person.connect()
    await person.sees("Not enough USDC in this wallet")
    assert person.wallet.chain_id != 1


async def test_faults_of_the_wallet_while_it_signs_and_then_it_goes_on(person: Person) -> None:
    await person.fund()
    session = await person.at_consent()
    for method, code, words in SIGN_FAULTS:
        person.wallet.fail(method, code)
        await person.agree()
        await person.is_told(words)
    await person.look("05-sign-rejected")
    assert (await person.shop.found(f"/v1/checkout/sessions/{session['id']}"))["subscription"] is None
    await person.agree()
    await person.sees("Thank you")


async def test_the_account_changes_while_the_terms_are_shown(person: Person) -> None:
    await person.fund()
    await person.at_consent()
    person.wallet.fail("eth_signTypedData_v4", 4001)
    await person.agree()
    await person.is_told("You declined")
    await person.page.evaluate(f"duesEmit('accountsChanged', ['{factories.PAYEE}'])")
    await person.is_told("Your wallet now shows another account")
    await person.page.get_by_role("button", name="Use another wallet").click()
    await person.sees("Connect your wallet")


async def test_U6_by_approval_with_the_tab_closed_at_every_step(person: Person) -> None:
    shop = person.shop
    await person.fund()
    session = await shop.session()
    await person.page.goto(session["url"])
    await person.details()
    await person.sees("Connect your wallet")
    await person.reopen()
    await person.connect("USDT")
    await person.sees("What you agree to")
    await person.reopen()
    await person.page.get_by_text("Your wallet will ask you 2 times").wait_for()
    await person.look("06-consent-approve")
    for method, code, words in SEND_FAULTS:
        person.wallet.fail(method, code)
        await person.agree()
        await person.is_told(words)
    person.wallet.breaks = True
    await person.agree()
    await person.is_told("The network refused the allowance")
    person.wallet.breaks = False
    await shop.local.set_automine(enabled=False)
    await person.agree()
    await person.page.locator("#status", has_text="Waiting for Localnet to take it").wait_for()
    await person.look("07-approving")
    person.wallet.fail("eth_signTypedData_v4", 4001)
    await shop.local.set_automine(enabled=True)
    await shop.local.mine(1)
    await person.is_told("You declined")
    await person.reopen()
    await person.page.get_by_text("Your wallet will ask you once").wait_for()
    await person.look("08-consent-allowed")
    spent = bytes.fromhex(person.wallet.sent[-1]["data"][2:])
    assert spent == approve_data(shop.stage.contract, 12 * 10 * UNIT)  # bounded: X payments, never unlimited
    await person.agree()
    await person.sees("Thank you")
    assert (len(person.wallet.sent), person.wallet.asked["eth_sendTransaction"]) == (2, 4)
    await person.reopen()
    await person.sees("Thank you")
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")
    await person.reopen()
    await person.sees("You are subscribed")


async def test_too_little_in_the_wallet_before_and_after_a_top_up(person: Person) -> None:
    await person.fund(3)
    await person.at_consent()
    await person.sees("Not enough USDC in this wallet")
    await person.page.get_by_text("this wallet holds 3.00 USDC. Add 7.00 USDC on Localnet").wait_for()
    await person.look("09-low-balance")
    await person.fund(7)
    await person.page.get_by_role("link", name="Check again").click()
    await person.sees("What you agree to")


async def test_the_node_does_not_answer_and_then_it_does(person: Person) -> None:
    await person.fund()
    person.shop.chain.is_cut = True
    await person.at_consent()
    await person.sees("The network does not answer")
    await person.look("09-unreachable")
    person.shop.chain.is_cut = False
    await person.page.get_by_role("link", name="Try again").click()
    await person.sees("What you agree to")


async def test_a_wallet_that_the_issuer_blocks(person: Person) -> None:
    await person.fund()
    await person.shop.call(person.wallet.key, person.shop.stage.token, BLACKLIST + address_word(person.wallet.address))
    await person.at_consent()
    await person.sees("This wallet cannot pay with USDC")
    await person.look("09-blocked")
    await person.page.get_by_role("button", name="Use another wallet").click()
    await person.sees("Connect your wallet")


async def test_terms_that_were_shown_too_long_ago(person: Person) -> None:
    await person.fund()
    session = await person.at_consent()
    person.shop.ahead += factories.checkout_session().expires_at - factories.NOW
    await person.page.goto(session["url"])
    await person.sees("This page is no longer valid")
    await person.look("20-expired")
    person.shop.ahead /= 24
    await person.page.goto(session["url"])
    await person.sees("These terms were shown a while ago")
    await person.look("09-stale")
    await person.page.get_by_role("button", name="Show the terms again").click()
    await person.sees("Connect your wallet")


async def test_what_the_payer_writes_is_checked_and_kept(person: Person) -> None:
    asked = [
        {"key": "nick", "type": "text", "label": {"custom": "Nickname"}},
        {"key": "size", "type": "dropdown", "label": {"custom": "Size"}, "optional": True,
         "dropdown": {"options": [{"label": "Small", "value": "s"}]}},
        {"key": "ref", "type": "hidden", "hidden": {"value": "campaign-7"}},
    ]  # fmt: skip
    session = await person.shop.session(custom_fields=asked, allow_promotion_codes=True)
    await person.page.goto(session["url"])
    assert "campaign-7" not in await person.page.content()
    await person.details("nobody")
    await person.page.get_by_text("does not look like an e-mail address").wait_for()
    await person.look("02-details-error")
    await person.details("ada@example.com")
    await person.page.get_by_text("“Nickname” is needed").wait_for()
    await person.page.get_by_label("Nickname").fill("Ada")
    await person.page.get_by_label("Promotion code").fill("NOTHING")
    await person.details("ada@example.com")
    await person.page.get_by_text("There is no such promotion code").wait_for()
    assert await person.page.get_by_label("Nickname").input_value() == "Ada"
    await person.page.get_by_label("Promotion code").fill("")
    await person.details("ada@example.com")
    await person.sees("Connect your wallet")


async def test_a_page_that_does_not_exist_and_one_that_is_used(person: Person) -> None:
    session = await person.shop.session()
    await person.page.goto(session["url"][:-1] + ("x" if session["url"][-1] != "x" else "y"))
    await person.sees("There is no such page")
    await person.look("21-missing")
    for path in ("nothing", f"{session['id']}/../x", "cs_1/%00"):
        answer = await person.page.goto(f"{person.shop.url}/checkout/{path}")
        assert answer is not None
        assert answer.status == 404


async def test_FR_10_money_that_left_the_wallet_after_the_signature(person: Person) -> None:
    shop = person.shop
    await person.fund(10)
    await person.signed()
    await shop.call(person.wallet.key, shop.stage.token, transfer_data(factories.PAYEE, UNIT))
    await shop.work()
    await person.sees("The payment needs more USDC")
    await person.look("16-top-up")
    await person.fund(1)
    await person.page.get_by_role("button", name="I have added it").click()
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")


async def test_an_allowance_that_was_taken_back_after_the_signature(person: Person) -> None:
    shop = person.shop
    await person.fund()
    await person.signed("USDT")
    await shop.call(person.wallet.key, shop.plain_token, approve_data(shop.stage.contract, 0))
    await shop.work()
    await person.sees("The allowance is missing")
    await person.look("17-allow-again")
    await person.page.get_by_role("button", name="Allow again").click()
    await person.sees("Thank you")
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")


async def test_ST_27_a_wallet_that_is_blocked_after_the_signature(person: Person) -> None:
    shop = person.shop
    await person.fund()
    await person.signed("USDT")
    await shop.call(person.wallet.key, shop.plain_token, BLACKLIST + address_word(person.wallet.address))
    await shop.work()
    await person.sees("This wallet cannot be used")
    await person.look("18-refused")


async def test_trouble_of_ours_is_not_told_and_costs_nothing(person: Person) -> None:
    shop = person.shop
    await person.fund()
    await person.signed()
    await shop.local.set_balance(shop.operator.address, 0)
    await shop.work()
    await person.sees("It takes a little longer")
    await person.look("14-waiting")
    await shop.local.set_balance(shop.operator.address, 10**20)
    shop.ahead += factories.checkout_session().expires_at - factories.NOW
    shop.ahead /= 24
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")
