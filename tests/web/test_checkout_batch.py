"""Wallets that send calls together (EIP-5792): one prompt for allowance, agreement and first payment (U2)."""

import pytest

from gateway.domain.mandate import OPEN_ENDED_PERIODS
from tests.web.conftest import Person
from tests.web.shop import CONFIRMATIONS, UNIT

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("token", ["USDC", "USDT"])
async def test_U2_one_prompt_where_the_wallet_sends_calls_together(person: Person, token: str) -> None:
    shop = person.shop
    await person.fund()
    person.wallet.batches = True
    session = await person.at_consent(token)
    await person.page.get_by_text("Your wallet will ask you once, for everything").wait_for()
    if token == "USDC":
        await person.look("05-consent-batch")
    await shop.local.set_automine(enabled=False)
    try:
        await person.agree()
        await person.reads("Sent by your wallet")
        await person.look("11-sent")
    finally:
        await shop.local.set_automine(enabled=True)
    assert (await shop.found(f"/v1/checkout/sessions/{session['id']}"))["payment_status"] == "unpaid"
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")
    done = await shop.found(f"/v1/checkout/sessions/{session['id']}")
    bought = await shop.found(f"/v1/subscriptions/{done['subscription']}")
    assert (done["payment_status"], bought["status"]) == ("paid", "active")
    assert person.wallet.prompts == 1
    [asked] = person.wallet.batched
    assert asked["atomicRequired"] is True
    assert int(asked["calls"][0]["data"][-64:], 16) == OPEN_ENDED_PERIODS * 10 * UNIT  # never unlimited
    assert person.wallet.signed == []
    assert person.errors == []


async def test_U4_a_batch_that_is_declined_can_be_tried_again_and_one_that_fails_goes_on_one_by_one(
    person: Person,
) -> None:
    await person.fund()
    person.wallet.batches = True
    session = await person.at_consent()
    person.wallet.fail("wallet_sendCalls", 4001)
    await person.agree()
    await person.is_told("You declined in your wallet")
    assert (await person.shop.found(f"/v1/checkout/sessions/{session['id']}"))["subscription"] is None
    person.wallet.fail("wallet_sendCalls", -32603)
    await person.agree()
    await person.sees("Thank you")
    assert len(person.wallet.signed) == 2
    assert person.wallet.batched == []


async def test_U6_a_batch_that_never_came_is_mended_by_a_signature_on_the_invoice_s_page(person: Person) -> None:
    shop = person.shop
    await person.fund()
    session = await person.at_consent()
    batch = await person.page.evaluate("JSON.parse(document.getElementById('d').textContent).batch")
    stale = await shop.post(f"{session['url']}/sent", {"mandate": "0x" + "00" * 12})
    assert stale.status_code == 409
    assert (await shop.post(f"{session['url']}/sent", {"mandate": batch["mandate"]})).status_code == 200
    await person.page.reload()
    await person.reads("Sent by your wallet")
    await person.page.get_by_role("link", name="Agree by a signature instead").click()
    await person.page.get_by_role("button", name="Agree and pay").click()
    await person.sees("The payment is on its way")
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("Paid")
    assert (await shop.found(f"/v1/checkout/sessions/{session['id']}"))["status"] == "complete"
