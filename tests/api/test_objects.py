"""The objects that the seeds name, and what creating a subscription needs: seen as a merchant's server sees them."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests import factories
from tests.api.desk import Desk
from tests.services.house import signer

WALLET = signer(0x51)
PAPERS = Path(__file__).resolve().parents[2] / "docs"


async def _price(desk: Desk, **changes: Any) -> Any:
    body: dict[str, Any] = {
        "currency": "usd",
        "unit_amount": 700,
        "product_data": {"name": "Tea"},
        "recurring": {"interval": "month"},
    }
    body.update(changes)
    return await desk.made("/v1/prices", {name: value for name, value in body.items() if value is not None})


async def test_MX_01_MX_02_ST_01_FR_01_FR_03_a_customer_has_names_wallets_and_subscriptions(desk: Desk) -> None:
    made = await desk.subscription(WALLET)
    fields = {"name": "Ada", "email": "ada@example.com", "phone": "+4412345678", "metadata": {"seat": "3"}}
    customer = await desk.made(f"/v1/customers/{made['customer']}", fields)
    assert {name: customer[name] for name in fields} == fields
    [method] = (await desk.get(f"/v1/customers/{made['customer']}/payment_methods")).json()["data"]
    wallet = method["erc20_allowance"]
    assert (wallet["chain_id"], wallet["token"].lower()) == (factories.CHAIN_ID, factories.TOKEN)
    assert (wallet["owner"].lower(), wallet["spender"].lower()) == (WALLET.address, factories.CONTRACT)
    page = (await desk.get(f"/v1/customers/{made['customer']}/subscriptions")).json()
    assert ([entry["id"] for entry in page["data"]], page["has_more"]) == ([made["id"]], False)
    await desk.made(f"/v1/subscriptions/{made['id']}/cancel")
    assert (await desk.get(f"/v1/customers/{made['customer']}/subscriptions")).json()["data"] == []
    missing = await desk.get(f"/v1/customers/{made['customer']}/subscriptions", key=desk.other_key)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "resource_missing")


async def test_MX_03_MX_04_MX_05_MX_12_ST_02_FR_04_a_product_has_prices_by_currency_and_interval(desk: Desk) -> None:
    product = await desk.made("/v1/products", {"name": "Tea"})
    assert (product["name"], product["active"]) == ("Tea", True)
    wanted = [("usd", "month"), ("usd", "year"), ("eur", "month")]
    made = [
        await _price(desk, product=product["id"], product_data=None, currency=code, recurring={"interval": unit})
        for code, unit in wanted
    ]
    away = await desk.made(f"/v1/prices/{made[1]['id']}", {"active": False})
    assert away["active"] is False
    offered = (await desk.get(f"/v1/prices?product={product['id']}&active=true")).json()["data"]
    found = [(price["currency"], price["recurring"]["interval"], price["unit_amount"]) for price in offered]
    assert sorted(found) == [("eur", "month", 700), ("usd", "month", 700)]


@pytest.mark.parametrize(
    ("unit", "count"),
    [("day", 1), ("week", 2), ("month", 1), ("month", 3), ("month", 7), ("year", 1), ("day", 1095)],
)
async def test_MX_06_SX_02_C20_an_interval_is_a_unit_and_a_count(small_desk: Desk, unit: str, count: int) -> None:
    made = await _price(small_desk, recurring={"interval": unit, "interval_count": count})
    assert (made["recurring"]["interval"], made["recurring"]["interval_count"]) == (unit, count)


@pytest.mark.parametrize(("unit", "count"), [("month", 0), ("month", -1), ("decade", 1), ("day", 1096)])
async def test_SX_02_an_interval_counts_at_least_one(small_desk: Desk, unit: str, count: int) -> None:
    body = {"currency": "usd", "unit_amount": 1, "product_data": {"name": "T"}}
    answer = await small_desk.post("/v1/prices", body | {"recurring": {"interval": unit, "interval_count": count}})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("recurring[interval")


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("usd", "100.00", 10_000), ("USD", "0.5", 50), ("jpy", "500", 500), ("kwd", "1.234", 1_234), ("usd", "7", 700)],
)
async def test_PM_05_an_amount_may_be_a_decimal_of_its_currency(
    small_desk: Desk, currency: str, amount: str, minor: int
) -> None:
    made = await _price(small_desk, unit_amount=None, currency=currency, amount=amount)
    assert made["unit_amount"] == minor


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": "0"}, "invalid_amount", "amount"),
        ({"amount": "0.00"}, "invalid_amount", "amount"),
        ({"amount": "-1"}, "invalid_amount", "amount"),
        ({"amount": "1.005"}, "invalid_amount", "amount"),
        ({"amount": "1,50"}, "invalid_amount", "amount"),
        ({"amount": "1e3"}, "invalid_amount", "amount"),
        ({"amount": "100000000.00"}, "invalid_amount", "amount"),
        ({"amount": "5.5", "currency": "jpy"}, "invalid_amount", "amount"),
        ({"amount": "5", "unit_amount": 500}, "parameter_conflict", "amount"),
        ({"amount": "5", "currency": "usx"}, "invalid_currency", "currency"),
        ({}, "parameter_missing", "unit_amount"),
    ],
    ids=str,
)
async def test_PM_05_other_amounts_get_one_precise_error_and_change_nothing(
    small_desk: Desk, changes: dict[str, Any], code: str, param: str
) -> None:
    body = {"currency": "usd", "product_data": {"name": "T"}, "recurring": {"interval": "month"}} | changes
    before = await small_desk.rows()
    answer = await small_desk.post("/v1/prices", body)
    assert answer.status_code == 400, answer.text
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (code, param)
    assert await small_desk.rows() == before


async def test_PM_02_a_subscription_is_made_by_json_and_by_form(desk: Desk) -> None:
    customer, method = await desk.wallet(WALLET)
    form = f"customer={customer['id']}&items[0][price]={factories.PRICE_ID}&default_payment_method={method['id']}"
    made = await desk.form("/v1/subscriptions", form)
    assert made.status_code == 200, made.text
    again = await desk.made(
        "/v1/subscriptions",
        {
            "customer": customer["id"],
            "items": [{"price": factories.PRICE_ID}],
            "default_payment_method": method["id"],
        },
    )
    assert made.json()["items"]["data"][0]["price"] == again["items"]["data"][0]["price"]


async def test_PM_03_MX_09_the_invoice_bills_its_items_and_says_what_they_are_for(desk: Desk) -> None:
    other = await _price(desk)
    made = await desk.subscription(
        WALLET,
        description="Tea, each month",
        items=[{"price": factories.PRICE_ID, "quantity": 2}, {"price": other["id"]}],
        expand=["latest_invoice"],
    )
    invoice = made["latest_invoice"]
    assert (made["description"], invoice["description"]) == ("Tea, each month", "Tea, each month")
    assert sorted(line["amount"] for line in invoice["lines"]["data"]) == [700, 2000]
    assert (invoice["total"], invoice["amount_due"], invoice["currency"]) == (2700, 2700, "usd")


async def test_MX_17_ST_07_C02_a_wallet_that_is_given_is_the_default_of_what_follows(desk: Desk) -> None:
    made = await desk.subscription(WALLET, expand=["latest_invoice"])
    assert made["default_payment_method"].startswith("pm_")
    assert made["latest_invoice"]["status"] == "open"
    intent = (await desk.get(f"/v1/charge_intents/{made['latest_charge_intent']}")).json()
    assert intent["payment_method"] == made["default_payment_method"]


async def test_MX_07_ST_03_FR_16_C03_a_subscription_needs_a_customer_and_a_wallet(desk: Desk) -> None:
    items = [{"price": factories.PRICE_ID}]
    bare = await desk.made("/v1/customers", {"email": "bob@example.com"})
    gone = await desk.made("/v1/customers", {"email": "eve@example.com"})
    assert (await desk.send("DELETE", f"/v1/customers/{gone['id']}")).status_code == 200
    old = await _price(desk)
    await desk.made(f"/v1/prices/{old['id']}", {"active": False})
    hidden = await _price(desk)
    await desk.made(f"/v1/products/{hidden['product']}", {"active": False})
    once = await _price(desk, recurring=None)
    later = {"customer": bare["id"], "payment_behavior": "default_incomplete"}
    before = await desk.rows()
    for body, status, code, param in (
        ({"items": items}, 400, "parameter_missing", "customer"),
        ({"customer": bare["id"], "items": items}, 400, "payment_method_missing", "default_payment_method"),
        ({"customer": gone["id"], "items": items}, 400, "resource_missing", "customer"),
        ({"customer": bare["id"], "items": [{"price": old["id"]}]}, 400, "price_inactive", "items[0][price]"),
        ({"customer": bare["id"], "items": [{"price": hidden["id"]}]}, 400, "price_inactive", "items[0][price]"),
        (later | {"items": [{"price": once["id"]}]}, 400, "mixed_intervals", "items"),
    ):
        answer = await desk.post("/v1/subscriptions", body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert await desk.rows() == before
    waiting = await desk.made("/v1/subscriptions", later | {"items": items})
    assert (waiting["status"], waiting["default_payment_method"]) == ("incomplete", None)


async def test_PM_19_a_merchant_finds_things_by_its_own_references(desk: Desk) -> None:
    headers = {"Idempotency-Key": "order-7"}
    body = {"email": "ada@example.com", "metadata": {"order_id": "7", "request_id": "x-1"}}
    first = await desk.post("/v1/customers", body, headers=headers)
    again = await desk.post("/v1/customers", body, headers=headers)
    assert first.json() == again.json()
    assert first.json()["metadata"] == {"order_id": "7", "request_id": "x-1"}


async def test_C18_an_answer_is_the_object_itself_and_its_headers_carry_the_rest(desk: Desk) -> None:
    answer = await desk.post("/v1/customers", {"email": "ada@example.com"})
    assert answer.json()["object"] == "customer"
    assert not {"success", "elapsed", "result"} & answer.json().keys()
    assert answer.headers["Request-Id"].startswith("req_")
    assert re.fullmatch(r"app;dur=\d+(\.\d+)?", answer.headers["Server-Timing"])


def test_C15_canceled_is_spelled_with_one_l_on_the_wire() -> None:
    assert "cancelled" not in (PAPERS / "openapi.json").read_text(encoding="utf-8")


async def test_FR_26_ST_39_C12_who_comes_back_gives_consent_anew(desk: Desk) -> None:
    house = desk.house
    house.wallets[WALLET.address] = WALLET
    house.chain.fund(factories.TOKEN, WALLET.address, 10**9, 10**9)
    house.chain.mine()
    first = await desk.subscription(WALLET)
    await _confirm(desk, first)
    await house.pump()
    await desk.made(f"/v1/subscriptions/{first['id']}/cancel")
    again = await desk.made(
        "/v1/subscriptions",
        {
            "customer": first["customer"],
            "items": [{"price": factories.PRICE_ID}],
            "default_payment_method": first["default_payment_method"],
        },
    )
    await house.pump()
    waiting = (await desk.get(f"/v1/subscriptions/{again['id']}")).json()
    assert (waiting["status"], waiting["status_reason"]["code"]) == ("incomplete", "mandate_unsigned")
    assert again["mandate"] != first["mandate"]
    assert len(house.charged()) == 1
    await _confirm(desk, again)
    await house.pump()
    assert (await desk.get(f"/v1/subscriptions/{again['id']}")).json()["status"] == "active"


async def _confirm(desk: Desk, subscription: Any) -> None:
    intent = (await desk.get(f"/v1/charge_intents/{subscription['latest_charge_intent']}")).json()
    document = intent["next_action"]["approve_allowance"]["eip712"]
    signature = "0x" + WALLET.sign_typed_data(document).hex()
    await desk.made(f"/v1/charge_intents/{intent['id']}/confirm", {"signature": signature})


async def test_MX_10_FR_07_an_intent_keeps_the_state_of_every_attempt(desk: Desk) -> None:
    house = desk.house
    house.chain.fund(factories.TOKEN, WALLET.address, 0, 10**9)
    house.chain.mine()
    made = await desk.subscription(WALLET)
    await _confirm(desk, made)
    await house.pump()
    intent = (await desk.get(f"/v1/charge_intents/{made['latest_charge_intent']}")).json()
    assert (intent["status"], intent["last_payment_error"]["decline_code"]) == ("failed", "insufficient_balance")
    house.chain.mint(factories.TOKEN, WALLET.address, 10**9)
    await house.pump()
    attempts = (await desk.get(f"/v1/charges?charge_intent={intent['id']}")).json()["data"]
    assert [attempt["status"] for attempt in attempts] == ["succeeded", "failed"]
    assert attempts[0]["transaction_hash"].startswith("0x")
    after = (await desk.get(f"/v1/charge_intents/{intent['id']}")).json()
    assert (after["status"], after["latest_charge"]) == ("succeeded", attempts[0]["id"])
