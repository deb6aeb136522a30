"""Trials, setup intents, pauses, dates and settings over HTTP; and each wrong input with its one precise error."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chain import eip712
from gateway.db import mandates
from gateway.db.engine import Books
from gateway.domain.period import to_unix
from tests import factories
from tests.api.desk import Desk
from tests.factories import NOW
from tests.services.house import signer

WALLET = signer(0x77)
ITEMS = [{"price": factories.PRICE_ID}]
DAY = 86_400
SOON = to_unix(NOW) + 10 * DAY


@pytest.fixture
async def desk(books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(books) as opened:
        opened.house.wallets[WALLET.address] = WALLET
        opened.house.chain.fund(factories.TOKEN, WALLET.address, 1_000_000_000)
        opened.house.chain.mine()
        yield opened


@pytest.fixture
async def small_desk(sqlite_books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(sqlite_books) as opened:
        yield opened


async def _signature(desk: Desk, mandate_id: str) -> str:
    async with desk.house.gateway.books.read() as conn:
        mandate = (await mandates.load(conn, [mandate_id]))[mandate_id]
    return "0x" + WALLET.sign_digest(eip712.mandate_digest(mandate.terms, mandate.chain_id, mandate.contract)).hex()


async def test_ST_24_a_trial_is_set_up_over_http(desk: Desk) -> None:
    made = await desk.subscription(WALLET, trial_period_days=14, expand=["pending_setup_intent"])
    setup = made["pending_setup_intent"]
    assert (made["status"], made["trial_end"], made["latest_invoice"]) == ("trialing", to_unix(NOW) + 14 * DAY, None)
    assert (setup["object"], setup["status"]) == ("setup_intent", "requires_action")
    wanted = setup["next_action"]["approve_allowance"]
    assert wanted["eip712"]["message"]["start"] == made["trial_end"]
    confirmed = await desk.made(
        f"/v1/setup_intents/{setup['id']}/confirm", {"signature": await _signature(desk, wanted["mandate"])}
    )
    assert (confirmed["status"], confirmed["next_action"]) == ("processing", None)
    await desk.house.pump()
    after = (await desk.get(f"/v1/subscriptions/{made['id']}")).json()
    assert (after["status"], after["pending_setup_intent"]) == ("trialing", None)
    done = (await desk.get(f"/v1/setup_intents/{setup['id']}")).json()
    assert (done["status"], done["last_setup_error"]) == ("succeeded", None)
    listed = (await desk.get(f"/v1/setup_intents?subscription={made['id']}")).json()
    assert [entry["id"] for entry in listed["data"]] == [setup["id"]]


async def test_a_setup_intent_is_canceled_and_made_again(desk: Desk) -> None:
    made = await desk.subscription(WALLET, trial_end=SOON)
    first = made["pending_setup_intent"]
    assert (await desk.made(f"/v1/setup_intents/{first}/cancel"))["status"] == "canceled"
    second = await desk.made("/v1/setup_intents", {"subscription": made["id"], "metadata": {"a": "b"}})
    assert (second["status"], second["metadata"], second["next_action"]) == (
        "requires_payment_method",
        {"a": "b"},
        None,
    )
    asked = await desk.made(
        f"/v1/setup_intents/{second['id']}/confirm", {"payment_method": made["default_payment_method"]}
    )
    assert (asked["status"], asked["payment_method"]) == ("requires_action", made["default_payment_method"])


async def test_setup_intents_refuse_what_they_cannot_do_with_one_precise_error(small_desk: Desk) -> None:
    desk = small_desk
    made = await desk.subscription(WALLET, trial_period_days=14)
    path = f"/v1/setup_intents/{made['pending_setup_intent']}"
    cases: list[tuple[str, Any, int, str, str | None]] = [
        (f"{path}/confirm", {}, 400, "signature_missing", "signature"),
        (f"{path}/confirm", {"signature": "0x" + "11" * 65}, 400, "signature_invalid", "signature"),
        (f"{path}/confirm", {"signature": "0x1122"}, 400, "signature_malformed", "signature"),
        (f"{path}/confirm", {"payment_method": "pm_x"}, 400, "payment_method_unexpected", "payment_method"),
        (f"{path}/confirm", {"nonsense": 1}, 400, "parameter_unknown", "nonsense"),
        ("/v1/setup_intents", {"subscription": made["id"]}, 400, "setup_intent_open", "subscription"),
        ("/v1/setup_intents", {"subscription": "sub_x"}, 400, "resource_missing", "subscription"),
        ("/v1/setup_intents", {}, 400, "parameter_missing", "subscription"),
        ("/v1/setup_intents/seti_x/confirm", {}, 404, "resource_missing", None),
        ("/v1/setup_intents/seti_x/cancel", {}, 404, "resource_missing", None),
        (f"/v1/subscriptions/{made['id']}/resume", {}, 400, "subscription_not_paused", None),
        (f"/v1/subscriptions/{made['id']}/resume", {"billing_cycle_anchor": "never"}, 400, "parameter_invalid",
         "billing_cycle_anchor"),
        ("/v1/subscriptions/sub_x/pause", {}, 404, "resource_missing", None),
    ]  # fmt: skip
    before = await desk.rows()
    for url, body, status, code, param in cases:
        answer = await desk.post(url, body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code), (url, body, answer.text)
        assert param is None or error["param"] == param, (url, answer.text)
    foreign = await desk.get(path, key=desk.other_key)
    assert foreign.status_code == 404
    assert await desk.rows() == before


async def test_PM_18_C16_pause_and_resume_over_http(desk: Desk) -> None:
    made = await desk.subscription(WALLET)
    intent = (await desk.get(f"/v1/subscriptions/{made['id']}?expand[0]=mandate")).json()
    await desk.made(
        f"/v1/charge_intents/{made['latest_charge_intent']}/confirm",
        {"signature": await _signature(desk, intent["mandate"]["id"])},
    )
    await desk.house.pump()
    paused = await desk.made(f"/v1/subscriptions/{made['id']}/pause")
    assert (paused["status"], paused["paused_at"]) == ("paused", to_unix(desk.house.now))
    assert paused["status_reason"]["code"] == "paused_by_merchant"
    resumed = await desk.made(f"/v1/subscriptions/{made['id']}/resume", {"billing_cycle_anchor": "unchanged"})
    assert (resumed["status"], resumed["current_period_end"]) == ("active", made["current_period_end"])


async def test_FR_25_C11_a_canceled_subscription_is_frozen_and_says_why_it_ended(small_desk: Desk) -> None:
    made = await small_desk.subscription(WALLET, trial_period_days=3)
    details = {"reason": "customer", "comment": "moving", "feedback": "unused"}
    url = f"/v1/subscriptions/{made['id']}"
    ended = await small_desk.made(f"{url}/cancel", {"cancellation_details": details})
    assert (ended["status"], ended["cancellation_details"]) == ("canceled", details)
    before = await small_desk.rows()
    for path, body in ((url, {"metadata": {"a": "b"}}), (f"{url}/pause", {}), (f"{url}/resume", {}),
                       ("/v1/setup_intents", {"subscription": made["id"]})):  # fmt: skip
        answer = await small_desk.post(path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "subscription_canceled"), path
    assert await small_desk.rows() == before


CREATE_CASES = [
    ({"trial_period_days": 3, "trial_end": SOON}, "parameter_conflict", "trial_end"),
    ({"trial_period_days": 731}, "parameter_invalid", "trial_period_days"),
    ({"trial_period_days": "x"}, "parameter_invalid", "trial_period_days"),
    ({"trial_end": 1}, "parameter_invalid", "trial_end"),
    ({"trial_end": "later"}, "parameter_invalid", "trial_end"),
    ({"start_date": "31.01.2026"}, "parameter_invalid", "start_date"),
    ({"start_date": "2026-02-30"}, "parameter_invalid", "start_date"),
    ({"start_date": "1999-01-01"}, "parameter_invalid", "start_date"),
    ({"start_date": "2026-02-10", "trial_period_days": 3}, "parameter_conflict", "start_date"),
    ({"start_date": "2026-02-10", "billing_cycle_anchor": SOON}, "parameter_conflict", "billing_cycle_anchor"),
    ({"billing_cycle_anchor": 1}, "parameter_invalid", "billing_cycle_anchor"),
    ({"billing_cycle_anchor_config": {"hour": 24}}, "parameter_invalid", "billing_cycle_anchor_config[hour]"),
    ({"billing_cycle_anchor_config": {"week": 1}}, "parameter_unknown", "billing_cycle_anchor_config[week]"),
    ({"end_date": "2026-03-01", "cancel_at": SOON}, "parameter_conflict", "end_date"),
    ({"end_date": "2026-01-01"}, "invalid_cancel_at", "end_date"),
    ({"cancel_at": 1}, "invalid_cancel_at", "cancel_at"),
    ({"customer_data": {"email": "a@b.co"}}, "parameter_conflict", "customer_data"),
]


@pytest.mark.parametrize(("extra", "code", "param"), CREATE_CASES, ids=str)
async def test_dates_and_trials_that_cannot_be_get_one_precise_error(
    small_desk: Desk, extra: dict[str, Any], code: str, param: str
) -> None:
    customer, method = await small_desk.wallet(WALLET)
    before = await small_desk.rows()
    body = {"customer": customer["id"], "items": ITEMS, "default_payment_method": method["id"], **extra}
    answer = await small_desk.post("/v1/subscriptions", body)
    assert answer.status_code == 400, answer.text
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (code, param)
    assert await small_desk.rows() == before


async def test_PM_08_PM_10_a_start_day_and_hour_in_a_form(small_desk: Desk) -> None:
    customer, method = await small_desk.wallet(WALLET)
    answer = await small_desk.form(
        "/v1/subscriptions",
        f"customer={customer['id']}&items[0][price]={factories.PRICE_ID}&default_payment_method={method['id']}"
        "&start_date=2026-02-10&billing_cycle_anchor_config[hour]=10&end_date=2027-02-10",
    )
    made = answer.json()
    assert answer.status_code == 200, answer.text
    assert (made["status"], made["status_reason"]["code"]) == ("pending", "scheduled")
    assert made["billing_cycle_anchor"] == 1770717600
    assert made["cancel_at"] == 1802217600


async def test_PM_06_PM_07_an_inline_customer_is_looked_up_and_never_guessed(small_desk: Desk) -> None:
    desk = small_desk

    async def subscribed(**data: str) -> Any:
        body = {"customer_data": data, "items": ITEMS, "payment_behavior": "default_incomplete"}
        return await desk.post("/v1/subscriptions", body)

    first = (await subscribed(email="Ada@Example.com", phone="+971 (50) 123-4567", first_name="Ada")).json()
    assert (await subscribed(email="ada@example.COM")).json()["customer"] == first["customer"]
    assert (await subscribed(phone="00971501234567")).json()["customer"] == first["customer"]
    other = (await subscribed(email="bob@example.com")).json()
    assert other["customer"] != first["customer"]
    before = await desk.rows()
    for data, code, param in (
        ({"email": "bob@example.com", "phone": "+971501234567"}, "customer_ambiguous", "customer_data"),
        ({"phone": "050 123"}, "phone_invalid", "customer_data[phone]"),
        ({"name": "Ada"}, "parameter_missing", "customer_data[email]"),
    ):
        error = (await subscribed(**data)).json()["error"]
        assert (error["code"], error["param"]) == (code, param)
    missing = await desk.post("/v1/subscriptions", {"items": ITEMS})
    assert missing.json()["error"]["param"] == "customer"
    assert await desk.rows() == before


@pytest.mark.parametrize(
    ("word", "interval", "count"),
    [("DAY", "day", 1), ("WEEK", "week", 1), ("TWO_WEEKS", "week", 2), ("MONTH", "month", 1),
     ("TWO_MONTHS", "month", 2), ("THREE_MONTHS", "month", 3), ("SIX_MONTHS", "month", 6), ("YEAR", "year", 1)],
)  # fmt: skip
async def test_PM_11_C20_every_word_for_an_interval(small_desk: Desk, word: str, interval: str, count: int) -> None:
    price = {"currency": "usd", "unit_amount": 100, "product": factories.PRODUCT_ID, "recurring": {"send_every": word}}
    made = await small_desk.made("/v1/prices", price)
    assert (made["recurring"]["interval"], made["recurring"]["interval_count"]) == (interval, count)


async def test_PM_11_an_interval_is_said_once(small_desk: Desk) -> None:
    price = {"currency": "usd", "unit_amount": 100, "product": factories.PRODUCT_ID}
    both = await small_desk.post("/v1/prices", price | {"recurring": {"send_every": "DAY", "interval": "day"}})
    none = await small_desk.post("/v1/prices", price | {"recurring": {}})
    assert both.json()["error"]["param"] == "recurring[send_every]"
    assert none.json()["error"]["param"] == "recurring[interval]"


async def test_SX_08_a_product_carries_its_trial(small_desk: Desk) -> None:
    made = await small_desk.made("/v1/products", {"name": "Almanac", "trial_period_days": 7})
    assert made["trial_period_days"] == 7
    changed = await small_desk.form(f"/v1/products/{made['id']}", "trial_period_days=")
    assert changed.json()["trial_period_days"] is None
    refused = await small_desk.post("/v1/products", {"name": "x", "trial_period_days": 0})
    assert refused.json()["error"]["param"] == "trial_period_days"


async def test_ST_77_settings_are_kept_and_changed_one_by_one(desk: Desk) -> None:
    first = (await desk.get("/v1/account/settings")).json()
    assert (first["upcoming_days"], first["retries"], first["grace_period_days"]) == (3, None, None)
    await desk.made("/v1/account/settings", {"retries": {"mode": "smart", "window_days": 20}, "upcoming_days": 45})
    changed = await desk.made(
        "/v1/account/settings", {"grace_period_days": 9, "mails": {"receipt": False}, "branding": {"color": "#a1b2c3"}}
    )
    assert changed == (await desk.get("/v1/account/settings")).json()
    assert (changed["upcoming_days"], changed["grace_period_days"], changed["mails"]) == (45, 9, {"receipt": False})
    assert changed["retries"] == {
        "mode": "smart", "days": [1, 2, 3, 5, 7, 2], "window_days": 20, "on_exhausted": "unpaid",
        "restart": "new_payment_method",
    }  # fmt: skip
    assert changed["branding"]["color"] == "#a1b2c3"
    cleared = await desk.form("/v1/account/settings", "grace_period_days=&retries=")
    assert (cleared.json()["grace_period_days"], cleared.json()["retries"]) == (None, None)
    other = (await desk.get("/v1/account/settings", key=desk.other_key)).json()
    assert other["upcoming_days"] == 3


SETTINGS_CASES = [
    ({"upcoming_days": 0}, "upcoming_days"),
    ({"upcoming_days": 46}, "upcoming_days"),
    ({"finalization_delay_seconds": -1}, "finalization_delay_seconds"),
    ({"grace_period_days": 0}, "grace_period_days"),
    ({"allowance_notice_renewals": 13}, "allowance_notice_renewals"),
    ({"retries": {"restart": "never"}}, "retries[restart]"),
    ({"retries": {"days": [1, 1, 1, 1]}}, "retries[days]"),
    ({"retries": {"days": [0]}}, "retries[days]"),
    ({"retries": {"days": [30, 2]}}, "retries[days]"),
    ({"retries": {"mode": "smart", "window_days": 32}}, "retries[window_days]"),
    ({"retries": {"mode": "smart", "days": [1]}}, "retries[days]"),
    ({"retries": {"window_days": 3}}, "retries[window_days]"),
    ({"send_invoice": {"reminder_days": [-11]}}, "send_invoice[reminder_days][0]"),
    ({"send_invoice": {"reminder_days": [1, 2, 3, 4]}}, "send_invoice[reminder_days]"),
    ({"send_invoice": {"overdue_days": 31}}, "send_invoice[overdue_days]"),
    ({"approvals": {"reminder_days": [8]}}, "approvals[reminder_days][0]"),
    ({"approvals": {"reminder_days": [3, 1]}}, "approvals[reminder_days]"),
    ({"branding": {"color": "red"}}, "branding[color]"),
    ({"branding": {"logo_url": "http://x.co/l.png"}}, "branding[logo_url]"),
    ({"mails": {"spam": True}}, "mails[spam]"),
]


@pytest.mark.parametrize(("body", "param"), SETTINGS_CASES, ids=str)
async def test_ST_63_ST_69_ST_71_settings_out_of_range_get_one_precise_error(
    small_desk: Desk, body: Any, param: str
) -> None:
    answer = await small_desk.post("/v1/account/settings", body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    assert (await small_desk.get("/v1/account/settings")).json()["upcoming_days"] == 3
