"""Invoices by hand over HTTP: changing drafts, paying with another wallet, refusals that the chain gives."""

from typing import Any

import pytest
import stripe

from chain.checksum import checksum
from gateway.domain.subscription import Status, Subscription
from tests.api.desk import Desk
from tests.conformance.shop import Shop, listening
from tests.services.test_reactivation import PRICE_UNITS, other_wallet, paused_owing, top_up, unpaid

MISSING = "in_00000000000000000000000000"


async def drafted(desk: Desk) -> tuple[Subscription, str]:
    """An unpaid subscription, and the id of the draft of its newest period."""
    subscription = await unpaid(desk.house)
    await desk.house.renew(subscription)
    return subscription, (await desk.house.subscription(subscription)).latest_invoice_id or ""


async def test_ST_36_the_way_back_from_unpaid_over_http(small_desk: Desk) -> None:
    desk = small_desk
    subscription, draft = await drafted(desk)
    top_up(desk.house)
    changed = await desk.form(f"/v1/invoices/{draft}", "auto_advance=true&description=March&metadata[order]=7")
    shown = changed.json()
    assert (shown["auto_advance"], shown["description"], shown["metadata"]) == (True, "March", {"order": "7"})
    assert shown["automatically_finalizes_at"] == int(desk.house.now.timestamp()) + 3600
    finalized = await desk.made(f"/v1/invoices/{draft}/finalize")
    assert (finalized["status"], finalized["next_payment_attempt"]) == ("open", int(desk.house.now.timestamp()))
    assert (await desk.made(f"/v1/invoices/{draft}/pay"))["status"] == "open"
    await desk.house.pump()
    assert (await desk.get(f"/v1/invoices/{draft}")).json()["paid"] is True
    assert (await desk.house.subscription(subscription)).status is Status.ACTIVE


async def test_ST_15_a_payment_that_the_wallet_cannot_make_is_declined_and_nothing_changes(small_desk: Desk) -> None:
    desk = small_desk
    subscription = await unpaid(desk.house)
    before, rows = await desk.house.intent(subscription), await desk.rows()
    answer = await desk.post(f"/v1/invoices/{before.invoice_id}/pay", headers={"Idempotency-Key": "one"})
    error = answer.json()["error"]
    assert answer.status_code == 402, answer.text
    assert (error["type"], error["code"], error["decline_code"]) == (
        "card_error",
        "charge_failed",
        "insufficient_balance",
    )
    assert (await desk.house.intent(subscription), await desk.rows()) == (before, rows)
    top_up(desk.house)
    desk.house.chain.mine(timestamp=desk.house.chain.head_timestamp + 1)
    again = await desk.post(f"/v1/invoices/{before.invoice_id}/pay", headers={"Idempotency-Key": "one"})
    assert again.status_code == 200, again.text
    await desk.house.pump()
    assert (await desk.house.subscription(subscription)).status is Status.ACTIVE


async def test_ST_15_another_wallet_pays_and_the_intent_asks_it_to_sign(small_desk: Desk) -> None:
    desk = small_desk
    subscription = await unpaid(desk.house)
    other = await other_wallet(desk.house)
    path = f"/v1/invoices/{subscription.latest_invoice_id}/pay"
    paid = await desk.made(path, {"payment_method": other.id})
    assert paid["default_payment_method"] == other.id
    intent = (await desk.get(f"/v1/charge_intents/{paid['charge_intent']}")).json()
    assert intent["status"] == "requires_action"
    message = intent["next_action"]["approve_allowance"]["eip712"]["message"]
    assert (message["payer"].lower(), int(message["amount"])) == (other.owner, PRICE_UNITS)
    assert checksum(other.owner) in (await desk.get(f"/v1/mandates/{intent['mandate']}")).text
    again = await desk.post(path, {"payment_method": other.id})
    assert again.json()["error"]["code"] == "mandate_unsigned"


BAD = [
    ("update-unknown", "", {"footer": "x"}, "parameter_unknown", "footer"),
    ("update-type", "", {"auto_advance": "perhaps"}, "parameter_invalid", "auto_advance"),
    ("update-description", "", {"description": "April"}, "invoice_not_editable", "description"),
    ("update-metadata", "", {"metadata": {"a": "x" * 501}}, "invalid_metadata", "metadata[a]"),
    ("pay-stranger", "/pay", {"payment_method": "pm_nobody"}, "resource_missing", "payment_method"),
    ("pay-unknown", "/pay", {"forgive": True}, "parameter_unknown", "forgive"),
    ("finalize-open", "/finalize", {}, "invoice_unexpected_state", None),
]


@pytest.mark.parametrize(("action", "body", "code", "param"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_bad_input_changes_nothing(
    small_desk: Desk, action: str, body: Any, code: str, param: str | None
) -> None:
    desk = small_desk
    active = await desk.house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await desk.house.renew(active)
    owed = await desk.house.invoice(active)
    before = await desk.rows()
    answer = await desk.post(f"/v1/invoices/{owed.id}{action}", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("param")) == (400, code, param), answer.text
    assert (await desk.rows(), await desk.house.invoice(active)) == (before, owed)
    missing = await desk.post(f"/v1/invoices/{MISSING}{action}", {})
    assert missing.status_code == 404
    stranger = await desk.post(f"/v1/invoices/{owed.id}{action}", {}, key=desk.other_key)
    assert stranger.status_code == 404


async def test_C16_paying_in_a_pause_says_so(small_desk: Desk) -> None:
    paused = await paused_owing(small_desk.house)
    before = await small_desk.rows()
    answer = await small_desk.post(f"/v1/invoices/{paused.latest_invoice_id}/pay")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "subscription_paused")
    assert await small_desk.rows() == before


async def test_ST_15_ST_36_the_sdk_updates_finalises_and_pays(small_desk: Desk) -> None:
    desk = small_desk
    subscription, draft = await drafted(desk)
    async with listening(desk) as url:
        shop = Shop(desk, url)
        changed = await shop.call(lambda c: c.invoices.update(draft, {"auto_advance": True, "description": "March"}))
        assert (changed.auto_advance, changed.status) == (True, "draft")
        await shop.call(lambda c: c.invoices.finalize_invoice(draft))
        with pytest.raises(stripe.CardError) as declined:
            await shop.call(lambda c: c.invoices.pay(draft))
        assert (declined.value.http_status, declined.value.json_body["error"]["decline_code"]) == (
            402,
            "insufficient_balance",
        )
        top_up(desk.house)
        desk.house.chain.mine(timestamp=desk.house.chain.head_timestamp + 1)
        await shop.call(lambda c: c.invoices.pay(draft))
    await desk.house.pump()
    assert (await desk.house.subscription(subscription)).status is Status.ACTIVE


async def test_SX_24_a_payment_method_shows_what_its_wallet_allows(small_desk: Desk) -> None:
    house = small_desk.house
    await house.active(balance=50 * PRICE_UNITS, allowance=4 * PRICE_UNITS)
    found = (await small_desk.get("/v1/payment_methods/pm_00000000000000000000000001")).json()["erc20_allowance"]
    assert (found["allowance"], found["balance"], found["renewals_left"]) == ("30000000", "490000000", 3)
    assert found["checked_at"] == int(house.now.timestamp())
