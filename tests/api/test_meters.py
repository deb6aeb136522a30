"""Meters and meter events over HTTP: made, counted once, summed up, refused (ST-74)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from tests import factories
from tests.api.desk import Desk
from tests.conformance.shop import Shop, listening
from tests.services.house import signer

ROOT = "/v1/billing/meters"
EVENTS = "/v1/billing/meter_events"
CALLS = {"display_name": "Calls", "event_name": "call", "default_aggregation": {"formula": "sum"}}
MISSING = "mtr_00000000000000000000000000"
DAY = timedelta(days=1)


def unix(at: datetime) -> int:
    return int(at.timestamp())


async def customer(desk: Desk, **fields: Any) -> str:
    return str((await desk.made("/v1/customers", {"email": "ada@example.com", **fields}))["id"])


def event(of: str, value: int | None = 5, **fields: Any) -> Any:
    payload = {"stripe_customer_id": of} | ({} if value is None else {"value": str(value)})
    return {"event_name": "call", "payload": payload, **fields}


async def total(desk: Desk, meter: str, of: str, start: datetime, end: datetime, *, more: str = "") -> list[int]:
    path = f"{ROOT}/{meter}/event_summaries?customer={of}&start_time={unix(start)}&end_time={unix(end)}{more}"
    answer = await desk.get(path)
    assert answer.status_code == 200, answer.text
    return [entry["aggregated_value"] for entry in answer.json()["data"]]


async def test_ST_74_a_meter_is_made_renamed_switched_off_and_on(small_desk: Desk) -> None:
    made = await small_desk.made(ROOT, CALLS)
    assert (made["object"], made["status"], made["default_aggregation"]) == (
        "billing.meter",
        "active",
        {"formula": "sum"},
    )
    assert made["customer_mapping"] == {"event_payload_key": "stripe_customer_id", "type": "by_id"}
    path = f"{ROOT}/{made['id']}"
    assert (await small_desk.made(path, {"display_name": "API calls"}))["display_name"] == "API calls"
    assert (await small_desk.made(f"{path}/deactivate"))["status"] == "inactive"
    of = await customer(small_desk)
    refused = (await small_desk.post(EVENTS, event(of))).json()["error"]
    assert (refused["code"], refused["param"]) == ("resource_missing", "event_name")
    assert [entry["id"] for entry in (await small_desk.get(f"{ROOT}?status=inactive")).json()["data"]] == [made["id"]]
    assert (await small_desk.made(f"{path}/reactivate"))["status_transitions"] == {"deactivated_at": None}
    assert (await small_desk.post(EVENTS, event(of))).status_code == 200
    types = [entry["type"] for entry in (await small_desk.get("/v1/events?limit=100")).json()["data"]]
    assert types == [
        "billing.meter.reactivated",
        "customer.created",
        "billing.meter.deactivated",
        "billing.meter.updated",
        "billing.meter.created",
    ]


@pytest.mark.parametrize(("formula", "expected"), [("sum", 17), ("count", 3), ("last", 5)])
async def test_ST_74_what_a_meter_makes_of_events(desk: Desk, formula: str, expected: int) -> None:
    meter = await desk.made(ROOT, CALLS | {"default_aggregation": {"formula": formula}})
    of, other = await customer(desk), await customer(desk)
    now = desk.house.now
    for days, value in ((3, 9), (1, 5), (2, 3), (9, 100)):
        assert (await desk.post(EVENTS, event(of, value, timestamp=unix(now - days * DAY)))).status_code == 200
    await desk.made(EVENTS, event(other, 1000, timestamp=unix(now - DAY)))
    assert await total(desk, meter["id"], of, now - 4 * DAY, now) == [expected]
    assert await total(desk, meter["id"], of, now + DAY, now + 2 * DAY) == [0]


async def test_ST_74_a_period_is_half_open_and_comes_in_steps(desk: Desk) -> None:
    meter = await desk.made(ROOT, CALLS)
    of = await customer(desk)
    start = datetime(2026, 1, 20, tzinfo=UTC)
    for at, value in ((start, 1), (start + DAY - timedelta(seconds=1), 2), (start + DAY, 4), (start + 2 * DAY, 8)):
        await desk.made(EVENTS, event(of, value, timestamp=unix(at)))
    assert await total(desk, meter["id"], of, start, start + 2 * DAY) == [7]
    assert await total(desk, meter["id"], of, start, start + 2 * DAY, more="&value_grouping_window=day") == [4, 3]


async def test_ST_74_telling_an_event_again_counts_it_once(desk: Desk) -> None:
    meter = await desk.made(ROOT, CALLS)
    of = await customer(desk)
    at = unix(desk.house.now - DAY)
    first = await desk.made(EVENTS, event(of, 5, identifier="call-7", timestamp=at))
    again = await desk.made(EVENTS, event(of, 5, identifier="call-7", timestamp=at))
    assert first == again
    for other in (event(of, 6, identifier="call-7"), event(of, 5, identifier="call-7", timestamp=at + 1)):
        refused = (await desk.post(EVENTS, other)).json()["error"]
        assert (refused["code"], refused["param"]) == ("meter_event_identifier_reused", "identifier")
    assert await total(desk, meter["id"], of, desk.house.now - 2 * DAY, desk.house.now) == [5]
    stranger = await desk.post(EVENTS, event(of, 5, identifier="call-7"), key=desk.other_key)
    assert stranger.json()["error"]["param"] == "event_name"


async def test_ST_74_an_event_lives_in_its_customers_time(small_desk: Desk) -> None:
    desk = small_desk
    await desk.made(ROOT, CALLS)
    far = desk.house.now + 400 * DAY
    clock = await desk.made("/v1/test_helpers/test_clocks", {"frozen_time": unix(far)})
    of = await customer(desk, test_clock=clock["id"])
    assert (await desk.made(EVENTS, event(of)))["timestamp"] == unix(far)
    late = (await desk.post(EVENTS, event(of, timestamp=unix(desk.house.now)))).json()["error"]
    assert (late["code"], late["param"]) == ("timestamp_too_far_in_past", "timestamp")


async def test_ST_74_what_is_only_counted_needs_no_value(small_desk: Desk) -> None:
    await small_desk.made(ROOT, CALLS | {"default_aggregation": {"formula": "count"}})
    of = await customer(small_desk)
    assert (await small_desk.made(EVENTS, event(of, None)))["payload"] == {"stripe_customer_id": of}


BAD_METERS = [
    ("no-name", CALLS | {"display_name": ""}, "parameter_invalid", "display_name"),
    ("no-event", {key: CALLS[key] for key in CALLS if key != "event_name"}, "parameter_missing", "event_name"),
    ("formula", CALLS | {"default_aggregation": {"formula": "max"}}, "parameter_invalid",
     "default_aggregation[formula]"),
    ("mapping", CALLS | {"customer_mapping": {"event_payload_key": "a", "type": "by_name"}}, "parameter_invalid",
     "customer_mapping[type]"),
    ("key", CALLS | {"value_settings": {"event_payload_key": "a b"}}, "parameter_invalid",
     "value_settings[event_payload_key]"),
    ("unknown", CALLS | {"event_time_window": "day"}, "parameter_unknown", "event_time_window"),
    ("taken", CALLS, "event_name_taken", "event_name"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "param"), [case[1:] for case in BAD_METERS], ids=[c[0] for c in BAD_METERS])
async def test_ST_74_a_bad_meter_changes_nothing(small_desk: Desk, body: Any, code: str, param: str) -> None:
    await small_desk.made(ROOT, CALLS)
    before = await small_desk.rows()
    answer = await small_desk.post(ROOT, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param), answer.text
    assert await small_desk.rows() == before


BAD_EVENTS: list[tuple[str, Any, str, str]] = [
    ("event-name", {"event_name": "nobody"}, "resource_missing", "event_name"),
    ("no-customer", {"payload": {"value": "1"}}, "parameter_missing", "payload[stripe_customer_id]"),
    ("nobody", {"payload": {"stripe_customer_id": "cus_x", "value": "1"}}, "resource_missing",
     "payload[stripe_customer_id]"),
    ("no-value", {"payload": {"stripe_customer_id": "$"}}, "parameter_missing", "payload[value]"),
    ("negative", {"payload": {"stripe_customer_id": "$", "value": "-1"}}, "meter_event_value_invalid",
     "payload[value]"),
    ("fraction", {"payload": {"stripe_customer_id": "$", "value": "1.5"}}, "meter_event_value_invalid",
     "payload[value]"),
    ("too-much", {"payload": {"stripe_customer_id": "$", "value": "1000000001"}}, "meter_event_value_invalid",
     "payload[value]"),
    ("other-key", {"payload": {"stripe_customer_id": "$", "value": "1", "city": "x"}}, "parameter_unknown",
     "payload[city]"),
    ("number", {"payload": {"stripe_customer_id": "$", "value": 1}}, "parameter_invalid", "payload[value]"),
    ("too-old", {"timestamp": -36}, "timestamp_too_far_in_past", "timestamp"),
    ("future", {"timestamp": 1}, "timestamp_in_future", "timestamp"),
    ("identifier", {"identifier": ""}, "parameter_invalid", "identifier"),
    ("unknown", {"value": 3}, "parameter_unknown", "value"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "param"), [case[1:] for case in BAD_EVENTS], ids=[c[0] for c in BAD_EVENTS])
async def test_ST_74_a_bad_event_changes_nothing(small_desk: Desk, change: Any, code: str, param: str) -> None:
    await small_desk.made(ROOT, CALLS)
    of = await customer(small_desk)
    before = await small_desk.rows()
    body = event(of) | change
    if change.get("timestamp") is not None:
        body["timestamp"] = unix(small_desk.house.now + change["timestamp"] * DAY)
    body["payload"] = {key: of if value == "$" else value for key, value in body["payload"].items()}
    answer = await small_desk.post(EVENTS, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param), answer.text
    assert await small_desk.rows() == before


async def test_ST_74_summaries_of_the_wrong_time_or_of_nobody_are_refused(small_desk: Desk) -> None:
    meter = await small_desk.made(ROOT, CALLS)
    of, now = await customer(small_desk), unix(small_desk.house.now)
    path = f"{ROOT}/{meter['id']}/event_summaries?customer={of}"
    for query, param in (
        (f"{path}&start_time={now}&end_time={now}", "end_time"),
        (f"{path}&start_time=0&end_time={now}&value_grouping_window=hour", "end_time"),
        (f"{path}&start_time=0", "end_time"),
        (f"{path}x&start_time=0&end_time={now}", "customer"),
    ):
        answer = await small_desk.get(query)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
    for path in (f"{ROOT}/{MISSING}", f"{ROOT}/{MISSING}/event_summaries?customer={of}&start_time=0&end_time=1"):
        assert (await small_desk.get(path)).status_code == 404
    for action in ("", "/deactivate", "/reactivate"):
        body = {"display_name": "x"} if not action else {}
        assert (await small_desk.post(f"{ROOT}/{MISSING}{action}", body)).status_code == 404
        stranger = await small_desk.post(f"{ROOT}/{meter['id']}{action}", body, key=small_desk.other_key)
        assert stranger.status_code == 404
    twice = await small_desk.post(f"{ROOT}/{meter['id']}/reactivate")
    assert twice.json()["error"]["code"] == "meter_unexpected_state"


async def test_ST_74_the_sdk_makes_meters_and_tells_of_usage(small_desk: Desk) -> None:
    of = await customer(small_desk)
    async with listening(small_desk) as url:
        shop = Shop(small_desk, url)
        meter = await shop.call(lambda c: c.billing.meters.create(CALLS))
        told = await shop.call(
            lambda c: c.billing.meter_events.create(
                {"event_name": "call", "payload": {"stripe_customer_id": of, "value": "25"}, "identifier": "a"}
            )
        )
        assert (told.object, told.payload["value"]) == ("billing.meter_event", "25")
        now = unix(small_desk.house.now)
        listed = await shop.call(
            lambda c: c.billing.meters.event_summaries.list(
                meter.id, {"customer": of, "start_time": now - 60, "end_time": now + 60}
            )
        )
        assert [entry.aggregated_value for entry in listed.data] == [25]
        off = await shop.call(lambda c: c.billing.meters.deactivate(meter.id))
        assert off.status == "inactive"
        with pytest.raises(stripe.InvalidRequestError):
            await shop.call(lambda c: c.billing.meters.deactivate(meter.id))


# -------------------------------------------------------------------------------------------------- metered prices

PRICE = {"currency": "usd", "unit_amount": 3, "product": factories.PRODUCT_ID}


async def priced(desk: Desk) -> tuple[Any, Any]:
    meter = await desk.made(ROOT, CALLS)
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter["id"]}
    return meter, await desk.made("/v1/prices", PRICE | {"recurring": recurring})


async def test_ST_74_a_metered_price_needs_a_cap_and_shows_it(small_desk: Desk) -> None:
    meter, price = await priced(small_desk)
    assert (price["recurring"]["usage_type"], price["recurring"]["meter"]) == ("metered", meter["id"])
    of, method = await small_desk.wallet(signer(7))
    body = {"customer": of["id"], "items": [{"price": price["id"]}], "default_payment_method": method["id"]}
    missing = (await small_desk.post("/v1/subscriptions", body)).json()["error"]
    assert (missing["code"], missing["param"]) == ("parameter_missing", "mandate_options[amount]")
    made = await small_desk.made("/v1/subscriptions", body | {"mandate_options": {"amount": 5000}})
    assert (made["mandate_options"], made["quantity"], made["items"]["data"][0]["quantity"]) == (
        {"amount": 5000},
        None,
        None,
    )
    setup = (await small_desk.get(f"/v1/setup_intents/{made['pending_setup_intent']}")).json()
    amount = setup["next_action"]["approve_allowance"]["eip712"]["message"]["amount"]
    assert (made["status"], int(amount)) == ("active", 50_000_000)
    await small_desk.made(EVENTS, event(of["id"], 70))
    preview = await small_desk.made("/v1/invoices/create_preview", {"subscription": made["id"]})
    assert (preview["total"], preview["lines"]["data"][0]["quantity"]) == (210, 70)


BAD_PRICES = [
    ("no-meter", {"usage_type": "metered"}, "parameter_missing", "recurring[meter]"),
    ("licensed-with-meter", {"meter": MISSING}, "parameter_conflict", "recurring[meter]"),
    ("unknown-meter", {"usage_type": "metered", "meter": MISSING}, "resource_missing", "recurring[meter]"),
    ("inactive-meter", {"usage_type": "metered", "meter": "$"}, "meter_inactive", "recurring[meter]"),
    ("usage-type", {"usage_type": "tiered"}, "parameter_invalid", "recurring[usage_type]"),
]


@pytest.mark.parametrize(("change", "code", "param"), [case[1:] for case in BAD_PRICES], ids=[c[0] for c in BAD_PRICES])
async def test_ST_74_a_bad_metered_price_changes_nothing(
    small_desk: Desk, change: dict[str, str], code: str, param: str
) -> None:
    meter = await small_desk.made(ROOT, CALLS)
    await small_desk.made(f"{ROOT}/{meter['id']}/deactivate")
    recurring = {"interval": "month"} | {key: meter["id"] if value == "$" else value for key, value in change.items()}
    before = await small_desk.rows()
    answer = await small_desk.post("/v1/prices", PRICE | {"recurring": recurring})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param), answer.text
    assert await small_desk.rows() == before


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"mandate_options": {"amount": 0}}, "invalid_amount", "mandate_options[amount]"),
        ({"mandate_options": {"amount": "x"}}, "parameter_invalid", "mandate_options[amount]"),
        ({"mandate_options": {"max": 1}}, "parameter_unknown", "mandate_options[max]"),
        ({"mandate_options": {}}, "parameter_missing", "mandate_options[amount]"),
    ],
    ids=["nothing", "no-number", "unknown", "empty"],
)
async def test_ST_74_a_bad_cap_changes_nothing(small_desk: Desk, change: Any, code: str, param: str) -> None:
    _, price = await priced(small_desk)
    of, method = await small_desk.wallet(signer(7))
    body = {"customer": of["id"], "items": [{"price": price["id"]}], "default_payment_method": method["id"]}
    before = await small_desk.rows()
    error = (await small_desk.post("/v1/subscriptions", body | change)).json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert await small_desk.rows() == before


async def test_ST_74_the_sdk_sells_usage(small_desk: Desk) -> None:
    meter, _ = await priced(small_desk)
    of, method = await small_desk.wallet(signer(7))
    async with listening(small_desk) as url:
        shop = Shop(small_desk, url)
        price = await shop.call(
            lambda c: c.prices.create(
                {
                    "currency": "usd",
                    "unit_amount": 5,
                    "product": factories.PRODUCT_ID,
                    "recurring": {"interval": "month", "usage_type": "metered", "meter": meter["id"]},
                }
            )
        )
        made = await shop.call(
            lambda c: c.subscriptions.create(
                {
                    "customer": of["id"],
                    "items": [{"price": price.id}],
                    "default_payment_method": method["id"],
                    "mandate_options": {"amount": 900},
                    "expand": ["pending_setup_intent", "latest_invoice"],
                }
            )
        )
    assert (made.pending_setup_intent.status, made.latest_invoice.status) == ("requires_action", "paid")
