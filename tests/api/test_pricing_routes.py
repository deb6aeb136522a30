"""Tax rates, coupons, promotion codes, invoice items and credit over HTTP (ST-04, ST-73, ST-75)."""

from typing import Any

import pytest

from tests import factories
from tests.api.desk import Desk
from tests.services.house import signer

WALLET = signer(7)
MISSING = "xx_00000000000000000000000000"
OFF = {"percent_off": 25, "duration": "forever"}
RATE = {"display_name": "VAT", "percentage": 19, "inclusive": False}


async def test_ST_04_a_rate_is_made_listed_and_switched_off(small_desk: Desk) -> None:
    made = await small_desk.form("/v1/tax_rates", "display_name=VAT&percentage=7.25&inclusive=false")
    rate = made.json()
    assert (rate["percentage"], rate["inclusive"], rate["object"]) == (7.25, False, "tax_rate")
    changed = await small_desk.made(f"/v1/tax_rates/{rate['id']}", {"active": False})
    assert changed["active"] is False
    listed = (await small_desk.get("/v1/tax_rates?active=false")).json()
    assert [entry["id"] for entry in listed["data"]] == [rate["id"]]
    answer = await small_desk.post(
        "/v1/subscriptions",
        {
            "customer": (await small_desk.made("/v1/customers", {"email": "ada@example.com"}))["id"],
            "items": [{"price": factories.PRICE_ID}],
            "payment_behavior": "default_incomplete",
            "default_tax_rates": [rate["id"]],
        },
    )
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("tax_rate_inactive", "default_tax_rates")


async def test_ST_73_a_promotion_code_reduces_a_subscription_and_shows_everywhere(small_desk: Desk) -> None:
    coupon = await small_desk.made("/v1/coupons", OFF | {"id": "SUMMER", "name": "Summer"})
    assert (coupon["id"], coupon["percent_off"], coupon["valid"]) == ("SUMMER", 25.0, True)
    code = await small_desk.made("/v1/promotion_codes", {"promotion": {"type": "coupon", "coupon": "SUMMER"}})
    rate = await small_desk.made("/v1/tax_rates", RATE)
    made = await small_desk.subscription(
        WALLET, discounts=[{"promotion_code": code["id"]}], default_tax_rates=[rate["id"]]
    )
    [discount] = made["discounts"]
    assert (discount["source"]["coupon"], discount["promotion_code"]) == ("SUMMER", code["id"])
    assert made["default_tax_rates"][0]["id"] == rate["id"]
    invoice = (await small_desk.get(f"/v1/invoices/{made['latest_invoice']}?expand[]=discounts.source.coupon")).json()
    assert invoice["discounts"][0]["source"]["coupon"]["times_redeemed"] == 1
    assert (invoice["subtotal"], invoice["total"], invoice["total_excluding_tax"]) == (1000, 893, 750)
    assert invoice["total_discount_amounts"] == [{"amount": 250, "discount": discount["id"]}]
    assert [(tax["amount"], tax["taxable_amount"]) for tax in invoice["total_taxes"]] == [(143, 750)]
    types = [event["type"] for event in (await small_desk.get("/v1/events?limit=100")).json()["data"]]
    assert {"coupon.created", "promotion_code.created", "tax_rate.created", "customer.discount.created"} <= {*types}


async def test_ST_73_a_deleted_coupon_is_gone_and_its_id_stays_taken(small_desk: Desk) -> None:
    await small_desk.made("/v1/coupons", OFF | {"id": "GONE"})
    assert (await small_desk.send("DELETE", "/v1/coupons/GONE")).json() == {
        "id": "GONE",
        "object": "coupon",
        "deleted": True,
    }
    assert (await small_desk.get("/v1/coupons/GONE")).status_code == 404
    assert (await small_desk.get("/v1/coupons")).json()["data"] == []
    again = await small_desk.post("/v1/coupons", OFF | {"id": "GONE"})
    assert again.json()["error"]["code"] == "resource_exists"


async def test_ST_73_merchants_may_choose_the_same_id_for_a_coupon(small_desk: Desk) -> None:
    await small_desk.made("/v1/coupons", OFF | {"id": "SAME"})
    other = await small_desk.post(
        "/v1/coupons", {"amount_off": 5, "currency": "usd", "id": "SAME"}, key=small_desk.other_key
    )
    assert other.status_code == 200
    assert (await small_desk.get("/v1/coupons/SAME")).json()["percent_off"] == 25.0


async def test_ST_73_credit_shows_on_the_customer(small_desk: Desk) -> None:
    customer = await small_desk.made("/v1/customers", {"email": "ada@example.com"})
    path = f"/v1/customers/{customer['id']}/balance_transactions"
    entry = await small_desk.made(path, {"amount": -500, "currency": "usd", "description": "Welcome"})
    assert (entry["ending_balance"], entry["type"]) == (-500, "adjustment")
    assert (await small_desk.get(f"{path}/{entry['id']}")).json() == entry
    assert [one["id"] for one in (await small_desk.get(path)).json()["data"]] == [entry["id"]]
    shown = (await small_desk.get(f"/v1/customers/{customer['id']}")).json()
    assert (shown["balance"], shown["currency"]) == (-500, "usd")
    other = await small_desk.post(path, {"amount": -1, "currency": "eur"})
    assert other.json()["error"]["code"] == "balance_currency_mismatch"


async def test_ST_75_an_item_waits_and_can_be_taken_back(small_desk: Desk) -> None:
    customer = await small_desk.made("/v1/customers", {"email": "ada@example.com"})
    body = {"customer": customer["id"], "amount": 700, "currency": "usd", "description": "Setup"}
    item = await small_desk.made("/v1/invoiceitems", body)
    assert (item["invoice"], item["amount"], item["proration"]) == (None, 700, False)
    pending = (await small_desk.get("/v1/invoiceitems?pending=true")).json()["data"]
    assert [one["id"] for one in pending] == [item["id"]]
    assert (await small_desk.send("DELETE", f"/v1/invoiceitems/{item['id']}")).json()["deleted"] is True
    assert (await small_desk.get(f"/v1/invoiceitems/{item['id']}")).status_code == 404


CASES = [
    ("rate-digits", "/v1/tax_rates", RATE | {"percentage": 1.00001}, "parameter_invalid", "percentage"),
    ("rate-negative", "/v1/tax_rates", RATE | {"percentage": -1}, "invalid_percentage", "percentage"),
    ("rate-over", "/v1/tax_rates", RATE | {"percentage": 101}, "invalid_percentage", "percentage"),
    ("rate-no-name", "/v1/tax_rates", {"percentage": 1, "inclusive": True}, "parameter_missing", "display_name"),
    ("coupon-nothing", "/v1/coupons", {"duration": "once"}, "parameter_conflict", "percent_off"),
    ("coupon-both", "/v1/coupons", OFF | {"amount_off": 1, "currency": "usd"}, "parameter_conflict", "percent_off"),
    ("coupon-zero", "/v1/coupons", OFF | {"percent_off": 0}, "invalid_percentage", "percent_off"),
    ("coupon-over", "/v1/coupons", OFF | {"percent_off": 100.01}, "invalid_percentage", "percent_off"),
    ("coupon-digits", "/v1/coupons", OFF | {"percent_off": 1.001}, "parameter_invalid", "percent_off"),
    ("coupon-amount", "/v1/coupons", {"amount_off": 0, "currency": "usd"}, "invalid_amount", "amount_off"),
    ("coupon-currency", "/v1/coupons", {"amount_off": 5}, "parameter_missing", "currency"),
    ("coupon-unknown-currency", "/v1/coupons", {"amount_off": 5, "currency": "xyz"}, "invalid_currency", "currency"),
    ("coupon-months", "/v1/coupons", OFF | {"duration": "repeating"}, "parameter_conflict", "duration_in_months"),
    ("coupon-past", "/v1/coupons", OFF | {"redeem_by": 1}, "invalid_redeem_by", "redeem_by"),
    ("coupon-id", "/v1/coupons", OFF | {"id": "a b"}, "parameter_invalid", "id"),
    ("coupon-limit", "/v1/coupons", OFF | {"max_redemptions": 0}, "parameter_invalid", "max_redemptions"),
    ("code-coupon", "/v1/promotion_codes", {"promotion": {"coupon": MISSING}}, "resource_missing",
     "promotion[coupon]"),
    ("code-text", "/v1/promotion_codes", {"promotion": {"coupon": "C"}, "code": "ä"}, "parameter_invalid", "code"),
    ("code-customer", "/v1/promotion_codes", {"promotion": {"coupon": "C"}, "customer": MISSING},
     "resource_missing", "customer"),
    ("code-past", "/v1/promotion_codes", {"promotion": {"coupon": "C"}, "expires_at": 1}, "invalid_expires_at",
     "expires_at"),
    ("code-taken", "/v1/promotion_codes", {"promotion": {"coupon": "C"}, "code": "taken"}, "promotion_code_taken",
     "code"),
    ("item-customer", "/v1/invoiceitems", {"customer": MISSING, "amount": 1, "currency": "usd"}, "resource_missing",
     "customer"),
    ("item-nothing", "/v1/invoiceitems", {"customer": "CUS"}, "parameter_conflict", "amount"),
    ("item-currency", "/v1/invoiceitems", {"customer": "CUS", "amount": 1}, "parameter_missing", "currency"),
    ("item-far-too-much", "/v1/invoiceitems", {"customer": "CUS", "amount": 10**12, "currency": "usd"},
     "invalid_amount", "amount"),
    ("item-quantity", "/v1/invoiceitems", {"customer": "CUS", "amount": 1, "currency": "usd", "quantity": 2},
     "parameter_conflict", "quantity"),
    ("item-recurring", "/v1/invoiceitems", {"customer": "CUS", "pricing": {"price": factories.PRICE_ID}},
     "price_not_one_time", "pricing[price]"),
    ("item-subscription", "/v1/invoiceitems",
     {"customer": "CUS", "amount": 1, "currency": "usd", "subscription": MISSING}, "resource_missing", "subscription"),
    ("item-invoice", "/v1/invoiceitems", {"customer": "CUS", "amount": 1, "currency": "usd", "invoice": MISSING},
     "resource_missing", "invoice"),
    ("item-period", "/v1/invoiceitems",
     {"customer": "CUS", "amount": 1, "currency": "usd", "period": {"start": 2, "end": 1}}, "invalid_period",
     "period[end]"),
    ("item-rate", "/v1/invoiceitems", {"customer": "CUS", "amount": 1, "currency": "usd", "tax_rates": [MISSING]},
     "resource_missing", "tax_rates"),
    ("item-rates-twice", "/v1/invoiceitems",
     {"customer": "CUS", "amount": 1, "currency": "usd", "tax_rates": [MISSING, MISSING]}, "invalid_tax_rates",
     "tax_rates"),
    ("balance-zero", "/v1/customers/CUS/balance_transactions", {"amount": 0, "currency": "usd"}, "invalid_amount",
     "amount"),
    ("balance-too-much", "/v1/customers/CUS/balance_transactions", {"amount": 10**12, "currency": "usd"},
     "invalid_amount", "amount"),
    ("balance-currency", "/v1/customers/CUS/balance_transactions", {"amount": 1, "currency": "xyz"},
     "invalid_currency", "currency"),
    ("discount-empty", "/v1/subscriptions", {"customer": "CUS", "items": [{"price": factories.PRICE_ID}],
     "payment_behavior": "default_incomplete", "discounts": [{}]}, "parameter_conflict", "discounts[0]"),
    ("discount-unknown", "/v1/subscriptions", {"customer": "CUS", "items": [{"price": factories.PRICE_ID}],
     "payment_behavior": "default_incomplete", "discounts": [{"coupon": "NONE"}]}, "resource_missing",
     "discounts[0][coupon]"),
    ("discount-twice", "/v1/subscriptions", {"customer": "CUS", "items": [{"price": factories.PRICE_ID}],
     "payment_behavior": "default_incomplete", "discounts": [{"coupon": "C"}, {"coupon": "C"}]}, "duplicate_coupon",
     "discounts"),
]  # fmt: skip


def _named(body: Any, customer_id: str) -> Any:
    return {name: customer_id if value == "CUS" else value for name, value in body.items()}


async def test_bad_input_gets_one_precise_error_and_changes_nothing(small_desk: Desk) -> None:
    customer = await small_desk.made("/v1/customers", {"email": "ada@example.com"})
    await small_desk.made("/v1/coupons", OFF | {"id": "C"})
    await small_desk.made("/v1/promotion_codes", {"promotion": {"coupon": "C"}, "code": "TAKEN"})
    before = await small_desk.rows()
    wrong = {}
    for name, path, body, code, param in CASES:
        answer = await small_desk.post(path.replace("CUS", customer["id"]), _named(body, customer["id"]))
        error = answer.json().get("error", {})
        if (answer.status_code // 100, error.get("code"), error.get("param")) != (4, code, param):
            wrong[name] = (answer.status_code, error)
    assert wrong == {}
    assert await small_desk.rows() | {"idempotency_keys": 0} == before | {"idempotency_keys": 0}


@pytest.mark.parametrize("path", ["tax_rates", "coupons", "promotion_codes", "invoiceitems"])
async def test_another_merchant_sees_none_of_them(small_desk: Desk, path: str) -> None:
    customer = await small_desk.made("/v1/customers", {"email": "ada@example.com"})
    coupon = await small_desk.made("/v1/coupons", OFF)
    bodies: dict[str, Any] = {
        "tax_rates": RATE,
        "coupons": OFF,
        "promotion_codes": {"promotion": {"coupon": coupon["id"]}},
        "invoiceitems": {"customer": customer["id"], "amount": 1, "currency": "usd"},
    }
    made = await small_desk.made(f"/v1/{path}", bodies[path])
    assert (await small_desk.get(f"/v1/{path}/{made['id']}", key=small_desk.other_key)).status_code == 404
    assert (await small_desk.get(f"/v1/{path}", key=small_desk.other_key)).json()["data"] == []
