"""`/v1/checkout/sessions` as a merchant's server uses it."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.period import to_unix
from tests import factories
from tests.api.desk import OTHER, Desk
from tests.services.house import signer

SUCCESS = "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}"


def body(**changes: Any) -> dict[str, Any]:
    return {
        "mode": "subscription",
        "success_url": SUCCESS,
        "line_items": [{"price": factories.PRICE_ID, "quantity": 2}],
        **changes,
    }


async def test_PM_15_PM_16_C18_a_session_has_an_id_and_a_page_that_nobody_can_guess(desk: Desk) -> None:
    session = await desk.made("/v1/checkout/sessions", body())
    other = await desk.made("/v1/checkout/sessions", body())
    prefix = f"http://localhost/checkout/{session['id']}/"
    assert session["url"].startswith(prefix)
    assert len(session["url"].removeprefix(prefix)) >= 32
    assert session["url"].rpartition("/")[2] != other["url"].rpartition("/")[2]


async def test_PM_17_a_session_begins_open_and_unpaid_and_lives_for_a_day(desk: Desk) -> None:
    session = await desk.made("/v1/checkout/sessions", body())
    assert (session["object"], session["status"], session["payment_status"]) == ("checkout.session", "open", "unpaid")
    assert session["expires_at"] - session["created"] == 24 * 3600
    assert session["status_reason"]["action"] == "customer_action"


async def test_MX_13_nothing_but_the_session_is_made_and_its_amounts_are_known(desk: Desk) -> None:
    before = await desk.rows()
    session = await desk.made("/v1/checkout/sessions", body())
    after = await desk.rows()
    grown = {name for name in after if after[name] != before[name]}
    assert grown == {"checkout_sessions", "state_changes"}
    assert (session["amount_subtotal"], session["amount_total"], session["currency"]) == (2000, 2000, "usd")
    assert (session["customer"], session["subscription"], session["invoice"]) == (None, None, None)


async def test_MX_13_coupons_and_trials_count_in_the_amounts(desk: Desk) -> None:
    coupon = await desk.made("/v1/coupons", {"percent_off": 25, "duration": "once"})
    reduced = await desk.made("/v1/checkout/sessions", body(discounts=[{"coupon": coupon["id"]}]))
    assert (reduced["amount_subtotal"], reduced["amount_total"]) == (2000, 1500)
    assert reduced["total_details"]["amount_discount"] == 500
    assert (await desk.get(f"/v1/coupons/{coupon['id']}")).json()["times_redeemed"] == 0
    trial = await desk.made("/v1/checkout/sessions", body(subscription_data={"trial_period_days": 14}))
    assert trial["amount_total"] == 0


async def test_SX_22_custom_fields_come_back_hidden_ones_too(desk: Desk) -> None:
    session = await desk.made(
        "/v1/checkout/sessions",
        body(
            custom_fields=[
                {"key": "nick", "type": "text", "label": {"type": "custom", "custom": "Nickname"}},
                {"key": "ref", "type": "hidden", "hidden": {"value": "campaign-7"}},
            ]
        ),
    )
    nick, ref = session["custom_fields"]
    assert (nick["type"], nick["label"]["custom"], nick["text"]["value"]) == ("text", "Nickname", None)
    assert (ref["type"], ref["hidden"]["value"]) == ("hidden", "campaign-7")


async def test_a_session_is_found_by_its_merchant_alone(desk: Desk) -> None:
    session = await desk.made("/v1/checkout/sessions", body(client_reference_id="order-1"))
    path = f"/v1/checkout/sessions/{session['id']}"
    assert (await desk.get(path)).json() == session
    assert (await desk.get("/v1/checkout/sessions", params={"status": "open"})).json()["data"] == [session]
    assert (await desk.get("/v1/checkout/sessions", params={"status": "complete"})).json()["data"] == []
    for key in (desk.other_key, desk.live_key):
        foreign = await desk.get(path, key=key)
        missing = await desk.get("/v1/checkout/sessions/cs_none", key=key)
        assert foreign.status_code == missing.status_code == 404
        assert (await desk.get("/v1/checkout/sessions", key=key)).json()["data"] == []
        assert (await desk.post(f"{path}/expire", key=key)).status_code == 404
    assert OTHER


async def test_an_expired_session_has_no_page_and_tells_so_once(desk: Desk) -> None:
    session = await desk.made("/v1/checkout/sessions", body())
    path = f"/v1/checkout/sessions/{session['id']}/expire"
    expired = await desk.made(path)
    assert (expired["status"], expired["url"]) == ("expired", None)
    again = await desk.post(path)
    assert (again.status_code, again.json()["error"]["code"]) == (400, "checkout_session_unexpected_state")
    told = await desk.house.event_types(session["id"])
    assert told == ["checkout.session.expired"]


async def test_a_session_expires_by_itself_after_its_day(desk: Desk) -> None:
    session = await desk.made("/v1/checkout/sessions", body())
    desk.house.now += timedelta(hours=24) - timedelta(seconds=1)
    await desk.house.bill()
    path = f"/v1/checkout/sessions/{session['id']}"
    assert (await desk.get(path)).json()["status"] == "open"
    desk.house.now += timedelta(seconds=1)
    await desk.house.bill()
    ended = (await desk.get(path)).json()
    assert (ended["status"], ended["status_reason"]["code"]) == ("expired", "time_over")
    assert await desk.house.event_types(session["id"]) == ["checkout.session.expired"]


async def test_a_setup_session_shows_the_terms_of_its_subscription(desk: Desk) -> None:
    opened = await desk.subscription(signer(0x77))
    session = await desk.made(
        "/v1/checkout/sessions", {"mode": "setup", "success_url": SUCCESS, "subscription": opened["id"]}
    )
    assert (session["mode"], session["subscription"], session["customer"]) == (
        "setup",
        opened["id"],
        opened["customer"],
    )
    assert (session["amount_total"], session["currency"]) == (None, "usd")


DAY = 86_400
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no mode": ({"mode": None}, "mode"),
    "mode payment": ({"mode": "payment"}, "mode"),
    "no success_url": ({"success_url": None}, "success_url"),
    "a path": ({"success_url": "/thanks"}, "success_url"),
    "javascript": ({"success_url": "javascript:alert(1)"}, "success_url"),
    "data": ({"cancel_url": "data:text/html,x"}, "cancel_url"),
    "a space": ({"cancel_url": "https://shop.example/a b"}, "cancel_url"),
    "no lines": ({"line_items": []}, "line_items"),
    "no such price": ({"line_items": [{"price": "price_none"}]}, "line_items[0][price]"),
    "a price twice": ({"line_items": [{"price": factories.PRICE_ID}] * 2}, "line_items[1][price]"),
    "no quantity": ({"line_items": [{"price": factories.PRICE_ID, "quantity": 0}]}, "line_items[0][quantity]"),
    "unknown tax rate": (
        {"line_items": [{"price": factories.PRICE_ID, "tax_rates": ["txr_none"]}]},
        "line_items",
    ),
    "unknown default tax rate": (
        {"subscription_data": {"default_tax_rates": ["txr_none"]}},
        "subscription_data[default_tax_rates]",
    ),
    "subscription in mode subscription": ({"subscription": "sub_1"}, "subscription"),
    "both customers": ({"customer": "cus_1", "customer_email": "a@b.example"}, "customer_email"),
    "no such customer": ({"customer": "cus_none"}, "customer"),
    "no address": ({"customer_email": "nobody"}, "customer_email"),
    "locale": ({"locale": "Klingon!"}, "locale"),
    "too short": ({"expires_at": to_unix(factories.NOW) + 60}, "expires_at"),
    "too long": ({"expires_at": to_unix(factories.NOW) + DAY + 1}, "expires_at"),
    "both discounts": ({"discounts": [{"coupon": "a", "promotion_code": "b"}]}, "discounts[0]"),
    "no such coupon": ({"discounts": [{"coupon": "none"}]}, "discounts[0][coupon]"),
    "codes and discounts": ({"discounts": [{"coupon": "a"}], "allow_promotion_codes": True}, "allow_promotion_codes"),
    "two trials": (
        {"subscription_data": {"trial_period_days": 3, "trial_end": 1}},
        "subscription_data[trial_period_days]",
    ),
    "a trial that is over": ({"subscription_data": {"trial_end": 1}}, "subscription_data[trial_end]"),
    "field key": (
        {"custom_fields": [{"key": "a b", "type": "hidden", "hidden": {"value": "x"}}]},
        "custom_fields[0][key]",
    ),
    "field twice": (
        {"custom_fields": [{"key": "a", "type": "hidden", "hidden": {"value": "x"}}] * 2},
        "custom_fields[1][key]",
    ),
    "no label": ({"custom_fields": [{"key": "a", "type": "text"}]}, "custom_fields[0][label][custom]"),
    "no options": (
        {"custom_fields": [{"key": "a", "type": "dropdown", "label": {"custom": "A"}}]},
        "custom_fields[0][dropdown][options]",
    ),
    "hidden nothing": ({"custom_fields": [{"key": "a", "type": "hidden"}]}, "custom_fields[0][hidden][value]"),
    "other kind": (
        {"custom_fields": [{"key": "a", "type": "text", "label": {"custom": "A"}, "numeric": {}}]},
        "custom_fields[0][numeric]",
    ),
    "unknown": ({"nonsense": 1}, "nonsense"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_request_is_told_what_is_wrong_and_changes_nothing(small_desk: Desk, case: str) -> None:
    desk = small_desk
    changes, param = BAD[case]
    before = await desk.rows()
    sent = {name: value for name, value in body(**changes).items() if value is not None}
    answer = await desk.post("/v1/checkout/sessions", sent)
    assert answer.status_code == 400, answer.text
    # A tax rate is named by the list it stands in, as subscriptions name it.
    assert answer.json()["error"]["param"].startswith(param)
    assert await desk.rows() == before


async def test_there_must_be_something_to_collect(desk: Desk) -> None:
    gift = await desk.made("/v1/coupons", {"percent_off": 100, "duration": "forever"})
    once = await desk.made("/v1/coupons", {"percent_off": 100, "duration": "once"})
    for coupon in (gift, once):
        answer = await desk.post("/v1/checkout/sessions", body(discounts=[{"coupon": coupon["id"]}]))
        assert answer.json()["error"]["code"] == "nothing_to_collect"


async def test_a_setup_session_needs_a_subscription_that_lives(desk: Desk) -> None:
    opened = await desk.subscription(signer(0x77))
    wanted = {"mode": "setup", "success_url": SUCCESS}
    missing = await desk.post("/v1/checkout/sessions", wanted)
    assert missing.json()["error"]["param"] == "subscription"
    unknown = await desk.post("/v1/checkout/sessions", wanted | {"subscription": "sub_none"})
    assert unknown.json()["error"]["param"] == "subscription"
    await desk.made(f"/v1/subscriptions/{opened['id']}/cancel")
    ended = await desk.post("/v1/checkout/sessions", wanted | {"subscription": opened["id"]})
    assert ended.status_code == 400


async def test_a_live_session_sends_nobody_to_an_insecure_page(desk: Desk) -> None:
    answer = await desk.post("/v1/checkout/sessions", body(success_url="http://shop.example/"), key=desk.live_key)
    assert answer.json()["error"]["param"] == "success_url"
