"""`invoices.create_preview`: the next invoice as it would be (ST-51), and nothing written."""

from tests.api.desk import Desk
from tests.services.house import signer

WALLET = signer(7)


async def test_ST_51_a_preview_shows_waiting_items_credit_and_discounts_and_writes_nothing(small_desk: Desk) -> None:
    await small_desk.made("/v1/coupons", {"id": "C", "percent_off": 10, "duration": "forever"})
    made = await small_desk.subscription(WALLET, discounts=[{"coupon": "C"}])
    customer = made["customer"]
    await small_desk.made("/v1/invoiceitems", {"customer": customer, "amount": 500, "currency": "usd"})
    await small_desk.made(f"/v1/customers/{customer}/balance_transactions", {"amount": -350, "currency": "usd"})
    before = await small_desk.rows()
    shown = await small_desk.made("/v1/invoices/create_preview", {"subscription": made["id"]})
    assert [line["amount"] for line in shown["lines"]["data"]] == [1000, 500]
    assert (shown["subtotal"], shown["total"], shown["amount_due"], shown["status"]) == (1500, 1350, 1000, "draft")
    assert shown["period_start"] == made["items"]["data"][0]["current_period_end"]
    assert await small_desk.rows() | {"idempotency_keys": 0} == before | {"idempotency_keys": 0}


async def test_ST_51_a_preview_without_a_next_invoice_says_so(small_desk: Desk) -> None:
    made = await small_desk.subscription(WALLET)
    for body, code, param in (
        ({}, "parameter_missing", "subscription"),
        ({"subscription": "sub_x"}, "resource_missing", "subscription"),
        ({"subscription": made["id"], "customer": "cus_x"}, "resource_missing", "subscription"),
    ):
        error = (await small_desk.post("/v1/invoices/create_preview", body)).json()["error"]
        assert (error["code"], error["param"]) == (code, param)
    await small_desk.send("DELETE", f"/v1/subscriptions/{made['id']}")
    error = (await small_desk.post("/v1/invoices/create_preview", {"subscription": made["id"]})).json()["error"]
    assert (error["code"], error["param"]) == ("invoice_upcoming_none", "subscription")
