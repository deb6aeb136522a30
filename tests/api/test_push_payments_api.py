"""Sent invoices over HTTP: instructions, sending, what customers pushed, and one precise error for each bad input."""

from typing import Any

import pytest

from chain.checksum import checksum
from tests import factories as f
from tests.api.desk import Desk
from tests.conformance.shop import Shop, listening
from tests.services.pushing import STRANGER, push

SENT = {"collection_method": "send_invoice", "days_until_due": 14}


async def subscribed(desk: Desk, **body: Any) -> Any:
    """A sent subscription of a customer without any wallet, with its invoice."""
    customer = await desk.made("/v1/customers", {"email": "ada@example.com"})
    return await desk.made(
        "/v1/subscriptions",
        {
            "customer": customer["id"],
            "items": [{"price": f.PRICE_ID}],
            "expand": ["latest_invoice"],
            **(SENT | body),
        },
    )


async def test_PM_01_ST_76_a_sent_invoice_says_how_it_is_paid(desk: Desk) -> None:
    subscription = await subscribed(desk)
    invoice = subscription["latest_invoice"]
    assert (subscription["status"], subscription["days_until_due"]) == ("active", 14)
    assert (invoice["status"], invoice["collection_method"]) == ("open", "send_invoice")
    assert invoice["due_date"] == invoice["status_transitions"]["finalized_at"] + 14 * 86_400
    assert invoice["reminders"]["past_due"] == invoice["due_date"]
    instructions = invoice["payment_instructions"]
    assert instructions["recipient"] == checksum(f.PAYEE)
    [option] = instructions["options"]
    assert (option["token"], option["symbol"], option["has_reference"]) == (checksum(f.TOKEN), "USDC", True)
    assert 10_000_000 < int(option["amount"]) < 10_010_000
    assert option["amount_decimal"] == f"10.{option['amount'][2:]}".rstrip("0")
    assert option["uri"] == (
        f"ethereum:{checksum(f.TOKEN)}@{f.CHAIN_ID}/transfer?address={checksum(f.PAYEE)}&uint256={option['amount']}"
    )


async def test_PM_01_a_push_shows_on_invoice_intent_and_charge(small_desk: Desk) -> None:
    invoice = (await subscribed(small_desk))["latest_invoice"]
    amount = int(invoice["payment_instructions"]["options"][0]["amount"])
    await push(small_desk.house, amount, sender=STRANGER)
    paid = (await small_desk.get(f"/v1/invoices/{invoice['id']}?expand[]=charge&expand[]=payment_intent")).json()
    assert (paid["status"], paid["paid"], paid["payment_instructions"]) == ("paid", True, None)
    assert paid["payment_intent"]["status"] == "succeeded"
    charge = paid["charge"]
    assert (charge["paid"], charge["payment_method"]) == (True, None)
    details = charge["payment_method_details"]
    assert (details["type"], details["erc20_allowance"]) == ("erc20_transfer", None)
    assert details["erc20_transfer"]["payer"] == checksum(STRANGER)
    assert details["erc20_transfer"]["token_amount"] == str(amount)
    [payment] = (await small_desk.get("/v1/push_payments")).json()["data"]
    assert (payment["id"], payment["status"], payment["invoices"]) == (
        charge["push_payment"],
        "applied",
        [invoice["id"]],
    )
    refund = await small_desk.made("/v1/refunds", {"charge": charge["id"]})
    assert (refund["recipient"], refund["token_amount"]) == (checksum(STRANGER), str(amount))


async def test_an_unmatched_payment_is_listed_and_applied(small_desk: Desk) -> None:
    invoice = (await subscribed(small_desk))["latest_invoice"]
    await push(small_desk.house, 12_000_000, sender=STRANGER)
    [payment] = (await small_desk.get("/v1/push_payments?status=unmatched")).json()["data"]
    assert (payment["status_reason"]["code"], payment["amount"]) == ("unknown_payer", 1200)
    applied = await small_desk.made(f"/v1/push_payments/{payment['id']}/apply", {"invoice": invoice["id"]})
    assert (applied["status"], applied["amount_applied"], applied["amount_credited"]) == ("applied", 1000, 200)
    assert (await small_desk.get("/v1/push_payments?status=unmatched")).json()["data"] == []
    assert (await small_desk.get(f"/v1/push_payments?customer={invoice['customer']}")).json()["data"] == [applied]
    again = await small_desk.post(f"/v1/push_payments/{payment['id']}/apply", {"invoice": invoice["id"]})
    assert again.status_code == 400
    dismissed = await small_desk.post(f"/v1/push_payments/{payment['id']}/dismiss")
    assert dismissed.json()["error"]["code"] == "push_payment_unexpected_state"


async def test_another_merchants_payment_is_not_there(small_desk: Desk) -> None:
    await subscribed(small_desk)
    await push(small_desk.house, 12_000_000, sender=STRANGER)
    [payment] = (await small_desk.get("/v1/push_payments")).json()["data"]
    for method, path in (("GET", ""), ("POST", "/apply"), ("POST", "/dismiss")):
        body = {"json": {"invoice": "in_x"}} if path == "/apply" else {}
        answer = await small_desk.send(
            method, f"/v1/push_payments/{payment['id']}{path}", key=small_desk.other_key, **body
        )
        assert answer.status_code == 404
    assert (await small_desk.get("/v1/push_payments", key=small_desk.other_key)).json()["data"] == []


BAD_CREATIONS = [
    ("days-without-sending", {"collection_method": "charge_automatically", "days_until_due": 3}, "days_until_due"),
    ("negative-days", {"days_until_due": -1}, "days_until_due"),
    ("too-many-days", {"days_until_due": 366}, "days_until_due"),
    ("days-as-words", {"days_until_due": "soon"}, "days_until_due"),
    ("no-such-method", {"collection_method": "by_pigeon"}, "collection_method"),
]


@pytest.mark.parametrize(("body", "param"), [case[1:] for case in BAD_CREATIONS], ids=[c[0] for c in BAD_CREATIONS])
async def test_a_bad_subscription_gets_one_precise_error_and_changes_nothing(
    small_desk: Desk, body: Any, param: str
) -> None:
    customer = await small_desk.made("/v1/customers", {"email": "ada@example.com"})
    before = await small_desk.rows()
    wanted = {"customer": customer["id"], "items": [{"price": f.PRICE_ID}], **(SENT | body)}
    answer = await small_desk.post("/v1/subscriptions", wanted)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert await small_desk.rows() == before


BAD_UPDATES = [
    ("pulls-without-a-wallet", {"collection_method": "charge_automatically"}, "default_payment_method"),
    ("days-of-a-pull", {"collection_method": "charge_automatically", "days_until_due": 3}, "days_until_due"),
    ("too-many-days", {"days_until_due": 1000}, "days_until_due"),
    ("cleared-days", {"days_until_due": None}, "days_until_due"),
]


@pytest.mark.parametrize(("body", "param"), [case[1:] for case in BAD_UPDATES], ids=[c[0] for c in BAD_UPDATES])
async def test_a_bad_change_gets_one_precise_error_and_changes_nothing(small_desk: Desk, body: Any, param: str) -> None:
    subscription = await subscribed(small_desk)
    before = await small_desk.rows()
    answer = await small_desk.post(f"/v1/subscriptions/{subscription['id']}", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert await small_desk.rows() == before
    now = (await small_desk.get(f"/v1/subscriptions/{subscription['id']}")).json()
    assert (now["collection_method"], now["days_until_due"]) == ("send_invoice", 14)


BAD_APPLICATIONS = [
    ("nothing", {}, "parameter_missing", "invoice"),
    ("no-such-invoice", {"invoice": "in_x"}, "resource_missing", "invoice"),
    ("unknown", {"invoice": "in_x", "amount": 3}, "parameter_unknown", "amount"),
]


@pytest.mark.parametrize(
    ("body", "code", "param"), [case[1:] for case in BAD_APPLICATIONS], ids=[c[0] for c in BAD_APPLICATIONS]
)
async def test_a_bad_application_gets_one_precise_error_and_changes_nothing(
    small_desk: Desk, body: Any, code: str, param: str
) -> None:
    await subscribed(small_desk)
    await push(small_desk.house, 12_000_000, sender=STRANGER)
    [payment] = (await small_desk.get("/v1/push_payments")).json()["data"]
    before = await small_desk.rows()
    error = (await small_desk.post(f"/v1/push_payments/{payment['id']}/apply", body)).json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert await small_desk.rows() == before


async def test_a_sent_invoice_is_not_pulled_by_asking(small_desk: Desk) -> None:
    invoice = (await subscribed(small_desk))["latest_invoice"]
    answer = await small_desk.post(f"/v1/invoices/{invoice['id']}/pay")
    assert answer.json()["error"]["code"] == "invoice_sent"


async def test_C04_ST_76_the_main_flow_of_sent_invoices_with_the_sdk(small_desk: Desk) -> None:
    async with listening(small_desk) as url:
        shop = Shop(small_desk, url)
        customer = await shop.call(lambda c: c.customers.create({"email": "ada@example.com"}))
        subscription = await shop.call(
            lambda c: c.subscriptions.create(
                {
                    "customer": customer.id,
                    "items": [{"price": f.PRICE_ID}],
                    "collection_method": "send_invoice",
                    "days_until_due": 7,
                    "expand": ["latest_invoice"],
                }
            )
        )
        invoice = subscription.latest_invoice
        assert (subscription.status, invoice.status, invoice.collection_method) == ("active", "open", "send_invoice")
        again = await shop.call(lambda c: c.invoices.send_invoice(invoice.id))
        assert again.payment_instructions == invoice.payment_instructions
        await push(small_desk.house, int(invoice.payment_instructions.options[0].amount), sender=STRANGER)
        assert (await shop.call(lambda c: c.invoices.retrieve(invoice.id))).status == "paid"
        other = await shop.call(lambda c: c.subscriptions.update(subscription.id, {"days_until_due": 3}))
        assert (other.days_until_due, other.collection_method) == (3, "send_invoice")
        voided = await shop.call(lambda c: c.subscriptions.cancel(subscription.id))
        assert voided.status == "canceled"
