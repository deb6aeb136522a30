"""`/v1/pricing_tables` as a merchant's server uses it."""

from typing import Any

import pytest

from tests import factories
from tests.api.desk import Desk


def body(**changes: Any) -> dict[str, Any]:
    return {"prices": [factories.PRICE_ID], "success_url": "https://shop.example/thanks", **changes}


async def test_MX_12_a_pricing_table_is_made_shown_changed_and_told(desk: Desk) -> None:
    made = await desk.made("/v1/pricing_tables", body(hidden_fields=["user"], metadata={"site": "main"}))
    assert (made["object"], made["active"], made["prices"]) == ("pricing_table", True, [factories.PRICE_ID])
    assert made["url"] == f"http://localhost/pricing/{made['id']}"
    assert (await desk.get(f"/v1/pricing_tables/{made['id']}")).json() == made
    changed = await desk.made(
        f"/v1/pricing_tables/{made['id']}", {"active": False, "hidden_fields": [], "trial_period_days": 7}
    )
    assert (changed["active"], changed["hidden_fields"], changed["trial_period_days"]) == (False, [], 7)
    assert changed["metadata"] == {"site": "main"}
    assert [one["id"] for one in (await desk.get("/v1/pricing_tables?active=false")).json()["data"]] == [made["id"]]
    told = [event["type"] for event in (await desk.get("/v1/events?limit=2")).json()["data"]]
    assert told == ["pricing_table.updated", "pricing_table.created"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"prices": []}, "prices"),
        ({"prices": [factories.PRICE_ID] * 2}, "prices"),
        ({"prices": [f"price_{n}" for n in range(11)]}, "prices"),
        ({"prices": ["price_unknown"]}, "prices[0]"),
        ({"success_url": "ftp://shop.example"}, "success_url"),
        ({"cancel_url": "no url"}, "cancel_url"),
        ({"hidden_fields": ["User"]}, "hidden_fields[0]"),
        ({"hidden_fields": ["a", "a"]}, "hidden_fields"),
        ({"locale": "klingon!"}, "locale"),
        ({"trial_period_days": 0}, "trial_period_days"),
        ({"quantity": 2}, "quantity"),
    ],
)
async def test_SX_22_what_cannot_be_a_pricing_table_is_refused_with_its_field(
    desk: Desk, changes: dict[str, Any], param: str
) -> None:
    before = await desk.rows()
    answer = await desk.post("/v1/pricing_tables", body(**changes))
    assert answer.status_code in {400, 404}
    assert answer.json()["error"]["param"] == param
    assert await desk.rows() == before


async def test_a_price_that_is_switched_off_or_charged_once_or_for_usage_is_not_taken(desk: Desk) -> None:
    once = await desk.made("/v1/prices", {"currency": "usd", "unit_amount": 500, "product": factories.PRODUCT_ID})
    answer = await desk.post("/v1/pricing_tables", body(prices=[once["id"]]))
    assert answer.json()["error"]["code"] == "price_not_recurring"
    meter = await desk.made(
        "/v1/billing/meters",
        {"display_name": "Calls", "event_name": "calls", "default_aggregation": {"formula": "sum"}},
    )
    used = await desk.made(
        "/v1/prices",
        {
            "currency": "usd",
            "unit_amount": 5,
            "product": factories.PRODUCT_ID,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter["id"]},
        },
    )
    answer = await desk.post("/v1/pricing_tables", body(prices=[used["id"]]))
    assert answer.json()["error"]["code"] == "price_metered"
    made = await desk.made("/v1/pricing_tables", body())
    await desk.made(f"/v1/prices/{factories.PRICE_ID}", {"active": False})
    refused = await desk.post(f"/v1/pricing_tables/{made['id']}", {"prices": [factories.PRICE_ID]})
    assert refused.json()["error"]["code"] == "price_inactive"
