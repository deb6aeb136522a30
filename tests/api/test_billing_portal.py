"""`/v1/billing_portal` as a merchant's server uses it (SX-19)."""

import re
from typing import Any

import pytest

from tests import factories
from tests.api.desk import Desk

SESSIONS = "/v1/billing_portal/sessions"
CONFIGURATIONS = "/v1/billing_portal/configurations"
CUSTOMER = "one that exists"
PLAN = {"enabled": True, "products": [{"product": factories.PRODUCT_ID, "prices": [factories.PRICE_ID]}]}


async def bought(desk: Desk) -> str:
    """Id of a customer."""
    made = await desk.made("/v1/customers", {"email": "ada@example.com"})
    return str(made["id"])


async def test_SX_19_a_session_is_a_url_that_nobody_can_guess(desk: Desk) -> None:
    body = {"customer": await bought(desk), "return_url": "https://shop.example/account", "locale": "de"}
    first, second = await desk.made(SESSIONS, body), await desk.made(SESSIONS, body)
    assert first["object"] == "billing_portal.session"
    assert first["id"].startswith("bps_")
    assert (first["customer"], first["return_url"], first["locale"]) == (*list(body.values())[:2], "de")
    assert first["livemode"] is False
    assert first["configuration"] is None
    assert re.fullmatch(r"http://localhost/customer/session/[A-Za-z0-9_-]{43}", first["url"])
    assert first["url"] != second["url"]


async def test_a_merchant_s_first_configuration_is_its_default_and_sessions_take_it(desk: Desk) -> None:
    first = await desk.made(
        CONFIGURATIONS, {"features": {}, "default_return_url": "https://shop.example/account", "metadata": {"a": "b"}}
    )
    second = await desk.made(CONFIGURATIONS, {"features": {"invoice_history": {"enabled": False}}, "name": "Second"})
    assert (first["is_default"], second["is_default"]) == (True, False)
    assert first["object"] == "billing_portal.configuration"
    assert first["features"]["subscription_cancel"]["enabled"] is True
    assert first["features"]["subscription_update"]["enabled"] is False
    assert first["metadata"] == {"a": "b"}
    assert first["login_page"] == {"enabled": True, "url": "http://localhost/customer/auth"}
    customer = await bought(desk)
    session = await desk.made(SESSIONS, {"customer": customer})
    assert session["configuration"] == first["id"]
    assert session["return_url"] == "https://shop.example/account"
    named = await desk.made(SESSIONS, {"customer": customer, "configuration": second["id"]})
    assert named["configuration"] == second["id"]
    listed = (await desk.get(CONFIGURATIONS)).json()
    assert [entry["id"] for entry in listed["data"]] == [second["id"], first["id"]]
    defaults = (await desk.get(CONFIGURATIONS, params={"is_default": "true"})).json()
    assert [entry["id"] for entry in defaults["data"]] == [first["id"]]


async def test_what_is_absent_from_an_update_stays(desk: Desk) -> None:
    made = await desk.made(
        CONFIGURATIONS,
        {
            "features": {
                "subscription_pause": {"enabled": True},
                "subscription_cancel": {
                    "enabled": True,
                    "mode": "at_period_end",
                    "cancellation_reason": {"enabled": True, "options": ["unused", "other"]},
                },
                "subscription_update": PLAN,
            },
            "business_profile": {"headline": "Ada's Almanac"},
        },
    )
    changed = await desk.made(
        f"{CONFIGURATIONS}/{made['id']}",
        {"features": {"subscription_cancel": {"enabled": False}}, "business_profile": {"headline": None}},
    )
    features = changed["features"]
    assert features["subscription_cancel"] == {
        "cancellation_reason": {"enabled": True, "feedback_options": None, "options": ["unused", "other"]},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    }
    assert features["subscription_pause"] == {"enabled": True}
    assert features["subscription_update"]["products"][0]["prices"] == [factories.PRICE_ID]
    assert changed["business_profile"]["headline"] is None
    assert (await desk.get(f"{CONFIGURATIONS}/{made['id']}")).json() == changed


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        (SESSIONS, {}, 400, "customer"),
        (SESSIONS, {"customer": "cus_0"}, 400, "customer"),
        (SESSIONS, {"customer": CUSTOMER, "configuration": "bpc_0"}, 400, "configuration"),
        (SESSIONS, {"customer": CUSTOMER, "return_url": "javascript:alert(1)"}, 400, "return_url"),
        (SESSIONS, {"customer": CUSTOMER, "locale": "xx"}, 400, "locale"),
        (SESSIONS, {"customer": CUSTOMER, "flow_data": {"type": "x"}}, 400, "flow_data"),
        (CONFIGURATIONS, {}, 400, "features"),
        (CONFIGURATIONS, {"features": {"nonsense": {}}}, 400, "features[nonsense]"),
        (
            CONFIGURATIONS,
            {"features": {"customer_update": {"enabled": True}}},
            400,
            "features[customer_update][enabled]",
        ),
        (
            CONFIGURATIONS,
            {"features": {"subscription_update": {"enabled": True}}},
            400,
            "features[subscription_update][products]",
        ),
        (
            CONFIGURATIONS,
            {"features": {"subscription_update": {**PLAN, "products": [{"product": "prod_0", "prices": ["price_0"]}]}}},
            400,
            "features[subscription_update][products][0][product]",
        ),
        (
            CONFIGURATIONS,
            {
                "features": {
                    "subscription_update": {
                        **PLAN,
                        "products": [{"product": factories.PRODUCT_ID, "prices": ["price_0"]}],
                    }
                }
            },
            400,
            "features[subscription_update][products][0][prices][0]",
        ),
        (CONFIGURATIONS, {"features": {}, "default_return_url": "shop"}, 400, "default_return_url"),
        (
            CONFIGURATIONS,
            {"features": {}, "business_profile": {"privacy_policy_url": "shop"}},
            400,
            "business_profile[privacy_policy_url]",
        ),
    ],
)
async def test_bad_input_is_one_error_with_its_param_and_changes_nothing(
    desk: Desk, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    if body.get("customer") == CUSTOMER:
        body = body | {"customer": await bought(desk)}
    before = await desk.rows()
    answer = await desk.post(path, body)
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param
    assert await desk.rows() == before


async def test_the_default_configuration_stays_active_and_others_may_be_put_away(desk: Desk) -> None:
    first = await desk.made(CONFIGURATIONS, {"features": {}})
    second = await desk.made(CONFIGURATIONS, {"features": {}})
    refused = await desk.post(f"{CONFIGURATIONS}/{first['id']}", {"active": False})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "active")
    assert (await desk.made(f"{CONFIGURATIONS}/{second['id']}", {"active": False}))["active"] is False
    named = await desk.post(SESSIONS, {"customer": await bought(desk), "configuration": second["id"]})
    assert (named.status_code, named.json()["error"]["param"]) == (400, "configuration")
