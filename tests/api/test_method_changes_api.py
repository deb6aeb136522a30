"""Naming another wallet for a subscription over HTTP."""

from typing import Any

import pytest

from tests.api.desk import Desk
from tests.services.house import signer

MISSING = "pm_00000000000000000000000000"


async def test_ST_15_naming_another_wallet_asks_it_for_a_mandate(small_desk: Desk) -> None:
    subscription = await small_desk.subscription(signer(7))
    method = await small_desk.made("/v1/payment_methods", small_desk.wallet_body(signer(8)))
    await small_desk.made(f"/v1/payment_methods/{method['id']}/attach", {"customer": subscription["customer"]})
    changed = await small_desk.made(f"/v1/subscriptions/{subscription['id']}", {"default_payment_method": method["id"]})
    assert changed["default_payment_method"] == subscription["default_payment_method"]
    assert changed["pending_setup_intent"] is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"default_payment_method": MISSING}, "resource_missing"),
        ({"default_payment_method": None}, "payment_method_missing"),
        ({"default_payment_method": 3}, "parameter_invalid"),
    ],
    ids=["unknown", "none", "number"],
)
async def test_a_wallet_that_cannot_pay_gets_one_precise_error(small_desk: Desk, body: Any, code: str) -> None:
    subscription = await small_desk.subscription(signer(7))
    before = await small_desk.rows()
    answer = await small_desk.post(f"/v1/subscriptions/{subscription['id']}", body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (code, "default_payment_method")
    assert await small_desk.rows() == before
