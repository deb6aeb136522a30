"""`/timeline` and `/forecast` of a subscription over HTTP: what happened, what will, and one error for bad input."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.subscription import Status, Subscription
from gateway.services import subscriptions as subscription_services
from gateway.services.items import NewItem
from tests import factories as f
from tests.api.desk import Desk
from tests.keeping import keep
from tests.services.house import House

PRICE_UNITS = 10_000_000
DAY = timedelta(days=1)


async def forecast(desk: Desk, subscription: Subscription, **query: Any) -> dict[str, Any]:
    answer = await desk.get(f"/v1/subscriptions/{subscription.id}/forecast", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def also_subscribe(house: House, first: Subscription) -> Subscription:
    """The same customer and wallet take a second subscription."""
    async with house.gateway.books.write() as conn:
        return await subscription_services.create(
            conn,
            house.gateway,
            scope=house.scope,
            customer_id=first.customer_id,
            items=[NewItem(price_id=f.PRICE_ID)],
            default_payment_method_id=first.payment_method_id,
            now=house.now,
            origin=house.origin,
        )


async def test_ST_51_the_third_renewal_fails_and_says_when_why_and_by_how_much(small_desk: Desk) -> None:
    house = small_desk.house
    active = await house.active(balance=3 * PRICE_UNITS + 6_800_000, allowance=100 * PRICE_UNITS)
    found = await forecast(small_desk, active, limit=3)
    assert (found["object"], found["balance"], found["collectable"]) == ("forecast", "26800000", False)
    assert [entry["collectable"] for entry in found["data"]] == [True, True, False]
    third = found["data"][2]
    assert (third["renewal"], third["code"], third["missing_balance"]) == (3, "insufficient_balance", "3200000")
    assert third["message"].startswith("Renewal 3 on ")
    assert "fails by 3.200000 USDC: the wallet will have 6.800000 USDC, and 10.000000 USDC are due." in third["message"]


async def test_SX_24_the_allowance_of_two_more_payments_ends_with_the_third(small_desk: Desk) -> None:
    active = await small_desk.house.active(allowance=3 * PRICE_UNITS)
    found = await forecast(small_desk, active, limit=4)
    assert [entry["code"] for entry in found["data"]] == [None, None, "allowance_revoked", "allowance_revoked"]


async def test_what_was_foreseen_comes_true(small_desk: Desk) -> None:
    house = small_desk.house
    active = await house.active(balance=3 * PRICE_UNITS + 1, allowance=100 * PRICE_UNITS)
    foreseen = [entry["collectable"] for entry in (await forecast(small_desk, active, limit=3))["data"]]
    came = []
    for _ in foreseen:
        await house.renew(active)
        came.append((await house.subscription(active)).status is Status.ACTIVE)
    assert came == foreseen == [True, True, False]


async def test_subscriptions_that_share_a_wallet_are_foreseen_together(small_desk: Desk) -> None:
    house = small_desk.house
    first = await house.active(balance=3 * PRICE_UNITS, allowance=100 * PRICE_UNITS)
    second = await also_subscribe(house, first)
    await house.sign(second)
    await house.pump()
    found = await forecast(small_desk, first, limit=2)
    assert [(entry["subscription"], entry["collectable"]) for entry in found["data"]] == [
        (first.id, True), (second.id, False),
    ]  # fmt: skip


async def test_what_is_owed_and_tried_again_is_foreseen_too(small_desk: Desk) -> None:
    house = small_desk.house
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.renew(active)
    assert (await house.subscription(active)).status is Status.PAST_DUE
    first = (await forecast(small_desk, active))["data"][0]
    assert (first["retry"], first["collectable"], first["missing_balance"]) == (True, False, str(PRICE_UNITS))
    assert first["message"].startswith("The retry on ")


async def test_a_subscription_that_ends_has_no_further_draws(small_desk: Desk) -> None:
    active = await small_desk.house.active()
    answer = await small_desk.post(f"/v1/subscriptions/{active.id}", {"cancel_at_period_end": True})
    assert answer.status_code == 200
    assert (await forecast(small_desk, active))["data"] == []


async def test_the_timeline_tells_each_status_with_its_reason_newest_first(small_desk: Desk) -> None:
    house = small_desk.house
    active = await house.active(balance=PRICE_UNITS, allowance=100 * PRICE_UNITS)
    await house.renew(active)
    listed = (await small_desk.get(f"/v1/subscriptions/{active.id}/timeline")).json()
    assert (listed["object"], listed["has_more"]) == ("list", False)
    told = [(entry["subject_type"], entry["from"], entry["to"]) for entry in reversed(listed["data"])]
    assert next(entry for entry in told if entry[0] == "subscription") == ("subscription", None, "pending")
    assert ("charge", "pending", "succeeded") in told
    assert told.index(("subscription", "incomplete", "active")) < told.index(("subscription", "active", "past_due"))
    failed = next(entry for entry in listed["data"] if entry["subject_type"] == "charge")
    assert (failed["reason"]["code"], failed["reason"]["action"]) == ("insufficient_balance", "customer_action")
    assert failed["reason"]["evidence"]["balance"] == "0"


async def test_the_timeline_goes_on_where_the_page_before_ended(small_desk: Desk) -> None:
    active = await small_desk.house.active()
    path = f"/v1/subscriptions/{active.id}/timeline"
    whole = (await small_desk.get(path)).json()["data"]
    seen: list[dict[str, Any]] = []
    while True:
        query = {"limit": 2} | ({"starting_after": seen[-1]["id"]} if seen else {})
        page = (await small_desk.get(path, params=query)).json()
        seen += page["data"]
        if not page["has_more"]:
            break
    assert seen == whole


@pytest.mark.parametrize("what", ["timeline", "forecast"])
async def test_a_strangers_subscription_is_one_that_does_not_exist(small_desk: Desk, what: str) -> None:
    active = await small_desk.house.active()
    path = f"/v1/subscriptions/{active.id}/{what}"
    missing = await small_desk.get(f"/v1/subscriptions/sub_none/{what}")
    foreign = await small_desk.get(path, key=small_desk.other_key)
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert foreign.text.replace(active.id, "sub_none") == missing.text


@pytest.mark.parametrize(
    ("what", "query", "param"),
    [
        ("timeline", {"limit": 0}, "limit"),
        ("timeline", {"limit": 101}, "limit"),
        ("timeline", {"starting_after": "evt_1"}, "starting_after"),
        ("timeline", {"starting_after": "tl_x"}, "starting_after"),
        ("forecast", {"limit": 0}, "limit"),
        ("forecast", {"limit": 61}, "limit"),
        ("forecast", {"months": 3}, "months"),
    ],
)
async def test_bad_input_is_one_precise_error(small_desk: Desk, what: str, query: dict[str, Any], param: str) -> None:
    active = await small_desk.house.active()
    answer = await small_desk.get(f"/v1/subscriptions/{active.id}/{what}", params=query)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_subscription_without_a_wallet_has_nothing_to_foresee(small_desk: Desk) -> None:
    house = small_desk.house
    async with house.gateway.books.write() as conn:
        await keep(conn, f.customer(), f.subscription(mandate_id=None, payment_method_id=None, latest_invoice_id=None))
    answer = await small_desk.get(f"/v1/subscriptions/{f.SUBSCRIPTION_ID}/forecast")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "payment_method_missing")
