"""`/v1/refunds` over HTTP: the prepared transfer, the lists, and one precise error for each bad input."""

from dataclasses import replace
from typing import Any

import pytest

from chain.checksum import checksum
from chain.erc20 import transfer_data
from gateway.domain.charge import Status
from tests import factories as f
from tests.api.desk import Desk
from tests.keeping import keep

PAID = f.charge(status=Status.SUCCEEDED)
FAILED = f.charge(id=f.numbered("ch", 2), status=Status.FAILED)


@pytest.fixture
async def paid(small_desk: Desk) -> Desk:
    """A desk whose merchant has collected one charge; another one failed."""
    async with small_desk.house.gateway.books.write() as conn:
        await keep(
            conn,
            f.customer(),
            f.payment_method(),
            f.mandate(),
            f.subscription(),
            f.invoice(),
            f.charge_intent(latest_charge_id=PAID.id),
            PAID,
            FAILED,
        )
    return small_desk


async def test_the_answer_holds_the_transfer_to_send(paid: Desk) -> None:
    refund = await paid.made(
        "/v1/refunds", {"charge": PAID.id, "amount": 400, "reason": "duplicate", "metadata": {"ticket": "7"}}
    )
    assert (refund["object"], refund["status"], refund["amount"]) == ("refund", "requires_action", 400)
    assert (refund["charge"], refund["payment_intent"], refund["reason"]) == (PAID.id, f.INTENT_ID, "duplicate")
    assert refund["next_action"]["send_transfer"] == {
        "chain_id": f.CHAIN_ID,
        "sender": checksum(f.PAYEE),
        "to": checksum(f.TOKEN),
        "data": "0x" + transfer_data(f.WALLET, 4_000_000).hex(),
        "value": "0x0",
        "token": checksum(f.TOKEN),
        "symbol": "USDC",
        "recipient": checksum(f.WALLET),
        "amount": "4000000",
    }


@pytest.mark.parametrize("name", ["charge_intent", "payment_intent"])
async def test_an_intent_names_its_charge(paid: Desk, name: str) -> None:
    refund = await paid.made("/v1/refunds", {name: f.INTENT_ID, "expand": ["charge"]})
    assert (refund["charge"]["id"], refund["amount"]) == (PAID.id, 1000)


async def test_it_is_listed_noted_and_canceled(paid: Desk) -> None:
    made = await paid.made("/v1/refunds", {"charge": PAID.id})
    noted = await paid.made(f"/v1/refunds/{made['id']}", {"metadata": {"a": "b"}})
    assert noted["metadata"] == {"a": "b"}
    for query in ("", f"?charge={PAID.id}", f"?charge_intent={f.INTENT_ID}", f"?payment_intent={f.INTENT_ID}"):
        assert [entry["id"] for entry in (await paid.get(f"/v1/refunds{query}")).json()["data"]] == [made["id"]]
    assert (await paid.get("/v1/refunds?charge=ch_x")).json()["data"] == []
    canceled = await paid.made(f"/v1/refunds/{made['id']}/cancel")
    assert (canceled["status"], canceled["next_action"]) == ("canceled", None)
    assert (await paid.get(f"/v1/refunds/{made['id']}")).json() == canceled


BAD = [
    ("nothing", {}, "parameter_conflict", "charge"),
    ("both", {"charge": PAID.id, "charge_intent": f.INTENT_ID}, "parameter_conflict", "charge"),
    ("two-names", {"payment_intent": f.INTENT_ID, "charge_intent": f.INTENT_ID},
     "parameter_conflict", "payment_intent"),
    ("no-such-charge", {"charge": "ch_x"}, "resource_missing", "charge"),
    ("no-such-intent", {"charge_intent": "ci_x"}, "resource_missing", "charge_intent"),
    ("zero", {"charge": PAID.id, "amount": 0}, "parameter_invalid", "amount"),
    ("negative", {"charge": PAID.id, "amount": -5}, "parameter_invalid", "amount"),
    ("fraction", {"charge": PAID.id, "amount": 1.5}, "parameter_invalid", "amount"),
    ("text", {"charge": PAID.id, "amount": "1"}, "parameter_invalid", "amount"),
    ("too-much", {"charge": PAID.id, "amount": 1001}, "amount_too_large", "amount"),
    ("far-too-much", {"charge": PAID.id, "amount": 10**30}, "parameter_invalid", "amount"),
    ("failed", {"charge": FAILED.id}, "charge_not_refundable", None),
    ("reason", {"charge": PAID.id, "reason": "boredom"}, "parameter_invalid", "reason"),
    ("metadata", {"charge": PAID.id, "metadata": {"a": "x" * 501}}, "invalid_metadata", "metadata[a]"),
    ("unknown", {"charge": PAID.id, "reverse_transfer": True}, "parameter_unknown", "reverse_transfer"),
    ("expand", {"charge": PAID.id, "expand": ["transfer_reversal"]}, "expand_unknown", "expand[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "param"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_a_bad_request_gets_one_precise_error_and_changes_nothing(
    paid: Desk, body: Any, code: str, param: str | None
) -> None:
    before = await paid.rows()
    answer = await paid.post("/v1/refunds", body)
    error = answer.json()["error"]
    assert answer.status_code == 400, answer.text
    assert (error["code"], error.get("param")) == (code, param)
    assert await paid.rows() == before


async def test_a_second_request_for_the_rest_finds_nothing_left(paid: Desk) -> None:
    await paid.made("/v1/refunds", {"charge": PAID.id})
    error = (await paid.post("/v1/refunds", {"charge": PAID.id})).json()["error"]
    assert error["code"] == "charge_already_refunded"


async def test_another_merchants_refund_is_not_there(paid: Desk) -> None:
    made = await paid.made("/v1/refunds", {"charge": PAID.id})
    for method, path in (("GET", ""), ("POST", ""), ("POST", "/cancel")):
        answer = await paid.send(method, f"/v1/refunds/{made['id']}{path}", key=paid.other_key)
        assert answer.status_code == 404
    foreign = await paid.post("/v1/refunds", {"charge": PAID.id}, key=paid.other_key)
    assert foreign.json()["error"]["code"] == "resource_missing"


async def test_a_canceled_refund_cannot_be_canceled_again(paid: Desk) -> None:
    made = await paid.made("/v1/refunds", {"charge": PAID.id})
    await paid.made(f"/v1/refunds/{made['id']}/cancel")
    answer = await paid.post(f"/v1/refunds/{made['id']}/cancel")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "refund_unexpected_state"


async def test_a_charge_says_how_much_of_it_went_back(paid: Desk) -> None:
    async with paid.house.gateway.books.write() as conn:
        await keep(conn, replace(PAID, id=f.numbered("ch", 3), mandate_period=2, amount_refunded=1000))
    whole = (await paid.get(f"/v1/charges/{f.numbered('ch', 3)}")).json()
    none = (await paid.get(f"/v1/charges/{PAID.id}")).json()
    assert (whole["refunded"], whole["amount_refunded"]) == (True, 1000)
    assert (none["refunded"], none["amount_refunded"]) == (False, 0)
