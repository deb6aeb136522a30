"""The checkout page in a real browser, with a wallet that signs, against a real node."""

import pytest

from gateway.domain.mandate import OPEN_ENDED_PERIODS
from tests import factories
from tests.web.conftest import Person
from tests.web.shop import CONFIRMATIONS, UNIT

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


async def test_MX_11_MX_13_MX_16_MX_18_ST_06_by_permit_from_the_address_to_the_receipt_and_back(person: Person) -> None:
    shop = person.shop
    await person.fund()
    session = await shop.session()
    await person.page.goto(session["url"])
    await person.sees("Who is subscribing?")
    await person.look("01-details")
    await person.details()
    await person.sees("Connect your wallet")
    await person.page.get_by_role("button", name="Connect Test Wallet").wait_for()
    await person.look("03-wallet")
    await person.connect()
    await person.sees("What you agree to")
    terms = await person.page.locator("dl").inner_text()
    assert "Ada's Almanac may collect up to 10.00 USDC per month" in terms
    assert "10.00 USDC are taken now" in terms
    assert "120.00 USDC in total, which is 12 payments" in terms
    assert "Until you stop it" in terms
    await person.look("05-consent-permit")
    await person.agree()
    await person.sees("Thank you. Your payment is on its way")
    await person.look("10-submitted")
    await shop.work()
    await person.reads(f"1 of {CONFIRMATIONS} confirmations")
    await person.look("12-confirming")
    assert (await shop.found(f"/v1/checkout/sessions/{session['id']}"))["payment_status"] == "unpaid"
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")
    await person.page.get_by_role("button", name="Stay here").click()
    await person.look("15-done")
    receipt = await person.page.locator("dl.receipt").inner_text()
    assert "10.00 USDC" in receipt
    await person.page.get_by_role("link", name="Back to Ada's Almanac").click()
    await person.page.wait_for_url(f"**/healthz?session_id={session['id']}")
    done = await shop.found(f"/v1/checkout/sessions/{session['id']}")
    bought = await shop.found(f"/v1/subscriptions/{done['subscription']}")
    assert (done["status"], done["payment_status"], bought["status"]) == ("complete", "paid", "active")
    assert person.wallet.sent == []  # U2: signatures alone, and no fee
    assert person.wallet.prompts == 2
    assert person.errors == []
    permit = person.wallet.signed[0]["message"]
    assert int(permit["value"]) == OPEN_ENDED_PERIODS * 10 * UNIT
    assert bought["items"]["data"][0]["price"]["id"] == factories.PRICE_ID
