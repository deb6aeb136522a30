"""Bad input: one precise error each, and nothing changed."""

from typing import Any

import pytest

from chain.checksum import checksum
from gateway.db.engine import Books
from tests import factories
from tests.api.desk import Desk
from tests.services.house import signer

WALLET = signer(7)
OWNER = checksum(WALLET.address)
TOKEN = checksum(factories.TOKEN)
MISSING = "cus_00000000000000000000000000"
ITEMS = [{"price": factories.PRICE_ID}]


def allowance(**changes: Any) -> Any:
    return {
        "type": "erc20_allowance",
        "erc20_allowance": {"chain_id": factories.CHAIN_ID, "token": TOKEN, "owner": OWNER} | changes,
    }


JSON_CASES = [
    ("unknown-field", "/v1/customers", {"nickname": "Ada"}, "parameter_unknown", "nickname"),
    ("unknown-nested", "/v1/subscriptions", {"customer": "c", "items": [{"price": "p", "plan": "x"}]},
     "parameter_unknown", "items[0][plan]"),
    ("wrong-type", "/v1/customers", {"email": 3}, "parameter_invalid", "email"),
    ("number-as-text-in-json", "/v1/prices", {"currency": "usd", "unit_amount": "100", "product": "p"},
     "parameter_invalid", "unit_amount"),
    ("fraction", "/v1/prices", {"currency": "usd", "unit_amount": 9.99, "product": "p"},
     "parameter_invalid", "unit_amount"),
    ("missing", "/v1/products", {}, "parameter_missing", "name"),
    ("missing-nested", "/v1/subscriptions", {"customer": "c", "items": [{}]}, "parameter_missing", "items[0][price]"),
    ("metadata-not-text", "/v1/customers", {"metadata": {"a": {"b": "c"}}}, "parameter_invalid", "metadata[a]"),
    ("metadata-too-long", "/v1/customers", {"metadata": {"a": "x" * 501}}, "invalid_metadata", "metadata[a]"),
    ("email", "/v1/customers", {"email": "ada"}, "email_invalid", "email"),
    ("too-deep", "/v1/customers", {"metadata": {"a": {"a": {"a": {"a": {"a": {"a": "b"}}}}}}},
     "parameter_malformed", "metadata[a][a][a][a][a]"),
    ("nul", "/v1/customers", {"name": "a\0b"}, "parameter_malformed", "name"),
    ("blank-name", "/v1/products", {"name": " "}, "parameter_invalid_empty", "name"),
    ("currency", "/v1/prices", {"currency": "xyz", "unit_amount": 1, "product": factories.PRODUCT_ID},
     "invalid_currency", "currency"),
    ("negative", "/v1/prices", {"currency": "usd", "unit_amount": -1, "product": factories.PRODUCT_ID},
     "invalid_amount", "unit_amount"),
    ("far-too-much", "/v1/prices", {"currency": "usd", "unit_amount": 10**30, "product": factories.PRODUCT_ID},
     "invalid_amount", "unit_amount"),
    ("no-product", "/v1/prices", {"currency": "usd", "unit_amount": 1}, "parameter_conflict", "product"),
    ("foreign-product", "/v1/prices", {"currency": "usd", "unit_amount": 1, "product": "prod_x"},
     "resource_missing", "product"),
    ("SX-02-interval-count", "/v1/prices", {"currency": "usd", "unit_amount": 1, "product": factories.PRODUCT_ID,
     "recurring": {"interval": "month", "interval_count": 0}}, "parameter_invalid", "recurring[interval_count]"),
    ("interval-too-long", "/v1/prices", {"currency": "usd", "unit_amount": 1, "product": factories.PRODUCT_ID,
     "recurring": {"interval": "year", "interval_count": 4}}, "invalid_interval_count", "recurring[interval_count]"),
    ("interval", "/v1/prices", {"currency": "usd", "unit_amount": 1, "product": factories.PRODUCT_ID,
     "recurring": {"interval": "fortnight"}}, "parameter_invalid", "recurring[interval]"),
    ("unknown-chain", "/v1/payment_methods", allowance(chain_id=1), "unknown_chain", "erc20_allowance[chain_id]"),
    ("unknown-token", "/v1/payment_methods", allowance(token="0x" + "ab" * 20),
     "unsupported_token", "erc20_allowance[token]"),
    ("no-address", "/v1/payment_methods", allowance(owner="0x12"), "address_invalid", "erc20_allowance[owner]"),
    ("wrong-checksum", "/v1/payment_methods", allowance(owner="0x" + OWNER[2:].swapcase()),
     "address_invalid", "erc20_allowance[owner]"),
    ("zero-address", "/v1/payment_methods", allowance(owner="0x" + "0" * 40),
     "address_invalid", "erc20_allowance[owner]"),
    ("type-of-method", "/v1/payment_methods", allowance() | {"type": "card"}, "parameter_invalid", "type"),
    ("foreign-customer", "/v1/subscriptions", {"customer": MISSING, "items": ITEMS}, "resource_missing", "customer"),
    ("expand-unknown", "/v1/customers", {"expand": ["subscriptions.data"]}, "expand_unknown", "expand[0]"),
    ("webhook-private", "/v1/webhook_endpoints", {"url": "http://127.0.0.1/x", "enabled_events": ["*"]},
     None, "url"),
    ("webhook-event", "/v1/webhook_endpoints", {"url": "https://example.com/x", "enabled_events": ["nope"]},
     "unknown_event_type", "enabled_events[0]"),
    ("clock-time", "/v1/test_helpers/test_clocks", {"frozen_time": -1}, "parameter_invalid", "frozen_time"),
    ("test-clock-foreign", "/v1/customers", {"test_clock": "clock_x"}, "resource_missing", "test_clock"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "code", "param"), [case[1:] for case in JSON_CASES], ids=[case[0] for case in JSON_CASES]
)
async def test_a_bad_json_body_gets_one_precise_error_and_changes_nothing(
    small_desk: Desk, path: str, body: Any, code: str | None, param: str
) -> None:
    before = await small_desk.rows()
    answer = await small_desk.post(path, body)
    error = answer.json()["error"]
    assert answer.status_code == 400, answer.text
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert code is None or error["code"] == code
    assert error["message"]
    assert await small_desk.rows() == before


FORM_CASES = [
    ("bad-escape", "email=%zz", "parameter_malformed", None),
    ("not-utf8", "email=%ff", "parameter_malformed", None),
    ("no-equals-sign", "email", "parameter_malformed", None),
    ("open-bracket", "metadata[a=1", "parameter_malformed", "metadata[a"),
    ("twice", "email=a%40b.co&email=b%40b.co", "parameter_malformed", "email"),
    ("both-text-and-map", "metadata=x&metadata[a]=b", "parameter_malformed", "metadata[a]"),
    ("null-text", "email=null", "parameter_invalid_null", "email"),
    ("too-deep", "metadata[a][b][c][d][e][f]=1", "parameter_malformed", "metadata[a][b][c][d][e][f]"),
    ("gap-in-list", "expand[1]=test_clock", "parameter_malformed", "expand"),
    ("too-many-keys", "&".join(f"metadata[k{n}]=1" for n in range(1001)), "parameter_malformed", None),
    ("long-key", "metadata[" + "k" * 300 + "]=1", "parameter_malformed", None),
    ("nul", "name=a%00b", "parameter_malformed", "name"),
    ("unknown", "nickname=Ada", "parameter_unknown", "nickname"),
]


@pytest.mark.parametrize(
    ("body", "code", "param"), [case[1:] for case in FORM_CASES], ids=[case[0] for case in FORM_CASES]
)
async def test_a_bad_form_gets_one_precise_error_and_changes_nothing(
    small_desk: Desk, body: str, code: str, param: str | None
) -> None:
    before = await small_desk.rows()
    answer = await small_desk.form("/v1/customers", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param), answer.text
    assert await small_desk.rows() == before


@pytest.mark.parametrize(
    ("content", "content_type", "code"),
    [
        (b'{"email": ', "application/json", "parameter_malformed"),
        (b"[]", "application/json", "parameter_malformed"),
        (b'{"email": "a@b.co", "email": "c@d.co"}', "application/json", "parameter_malformed"),
        (b'{"email": NaN}', "application/json", "parameter_malformed"),
        (b"[" * 1_000_000, "application/json", "parameter_malformed"),
        (b'{"name": ' * 100_000, "application/json", "parameter_malformed"),
        (b'{"name": "' + b'\\"' * 500_000, "application/json", "parameter_malformed"),
        (b'{"name": [' + b"[]," * 300_000 + b"[]]}", "application/json", "parameter_malformed"),
        (b'{"name": "\\ud800"}', "application/json", "parameter_malformed"),
        (b'{"name": 1e400, "x": ' + b"9" * 5_000 + b"}", "application/json", "parameter_malformed"),
        (b"\xff\xfe", "application/json", "parameter_malformed"),
        (b"email=a", "text/plain", "content_type_unsupported"),
        (b"--x", "multipart/form-data; boundary=x", "content_type_unsupported"),
        (b"{}", "application/json; charset=utf-16", "parameter_malformed"),
    ],
    ids=[
        "cut",
        "array",
        "twice",
        "nan",
        "deep",
        "deep-objects",
        "escapes",
        "many-arrays",
        "surrogate",
        "huge-number",
        "not-utf8",
        "text",
        "multipart",
        "utf16",
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    small_desk: Desk, content: bytes, content_type: str, code: str
) -> None:
    answer = await small_desk.send("POST", "/v1/customers", content=content, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text


async def test_a_body_of_more_than_a_megabyte_is_refused(small_desk: Desk) -> None:
    before = await small_desk.rows()
    answer = await small_desk.post("/v1/customers", {"description": "x" * (1 << 20)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert await small_desk.rows() == before


async def test_an_empty_body_is_an_empty_request(small_desk: Desk) -> None:
    for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        answer = await small_desk.send("POST", "/v1/customers", content=b"", headers=headers)
        assert answer.status_code == 200, answer.text


async def test_forms_coerce_and_clear_where_json_is_strict(small_desk: Desk) -> None:
    made = await small_desk.form(
        "/v1/prices",
        "currency=usd&unit_amount=500&product_data[name]=Tea&recurring[interval]=week&recurring[interval_count]=2"
        "&active=true&metadata[0]=zero&nickname=T",
    )
    assert made.status_code == 200, made.text
    price = made.json()
    assert (price["unit_amount"], price["recurring"]["interval_count"], price["metadata"]) == (500, 2, {"0": "zero"})
    cleared = await small_desk.form(f"/v1/prices/{price['id']}", "nickname=&metadata[0]=&metadata[b]=c&active=false")
    assert (cleared.json()["nickname"], cleared.json()["metadata"], cleared.json()["active"]) == (
        None,
        {"b": "c"},
        False,
    )


async def test_patch_is_accepted_as_post(small_desk: Desk) -> None:
    made = await small_desk.made("/v1/products", {"name": "Tea"})
    answer = await small_desk.send("PATCH", f"/v1/products/{made['id']}", json={"name": "Coffee"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Coffee")


@pytest.mark.parametrize(
    "path",
    [
        "customers", "products", "prices", "payment_methods", "subscriptions", "invoices", "charge_intents",
        "payment_intents", "charges", "mandates", "events", "webhook_endpoints", "test_helpers/test_clocks",
    ],
)  # fmt: skip
async def test_s1_a_foreign_object_answers_as_a_missing_one(small_desk: Desk, path: str) -> None:
    desk = small_desk
    await desk.subscription(WALLET)
    await desk.made("/v1/webhook_endpoints", {"url": "https://example.com/x", "enabled_events": ["*"]})
    await desk.made("/v1/test_helpers/test_clocks", {"frozen_time": 1_800_000_000})
    listed = (await desk.get(f"/v1/{path}")).json()["data"]
    known = listed[0]["id"] if listed else "ch_00000000000000000000000001"
    for key in (desk.other_key, desk.live_key):
        foreign = await desk.get(f"/v1/{path}/{known}", key=key)
        missing = await desk.get(f"/v1/{path}/{known[:-1]}z", key=key)
        assert foreign.status_code == missing.status_code == 404
        assert foreign.json()["error"]["code"] == "resource_missing"
        assert foreign.text.replace(known, "ID") == missing.text.replace(f"{known[:-1]}z", "ID")
        assert (await desk.get(f"/v1/{path}", key=key)).json()["data"] == []


async def test_s1_a_foreign_id_as_a_parameter_answers_as_a_missing_one(desk: Desk) -> None:
    theirs = await desk.made("/v1/customers")
    answers = [
        await desk.post("/v1/subscriptions", {"customer": customer, "items": ITEMS}, key=desk.other_key)
        for customer in (theirs["id"], MISSING)
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    first, second = (answer.text.replace(theirs["id"], "ID").replace(MISSING, "ID") for answer in answers)
    assert first == second
    assert "No such customer: 'ID'" in first


@pytest.mark.parametrize("name", ["%00", "a b", "x" * 300, "..", "a%2Fb", "%F0%9F%92%A9"])
async def test_what_cannot_be_an_id_is_not_found(small_desk: Desk, name: str) -> None:
    answer = await small_desk.get(f"/v1/customers/{name}")
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_unknown_urls_and_methods_answer_in_the_same_shape(small_desk: Desk) -> None:
    unknown = await small_desk.get("/v1/nothing")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "url_unknown")
    wrong = await small_desk.send("PUT", "/v1/customers")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    for answer in (unknown, wrong):
        assert answer.headers["Request-Id"].startswith("req_")
        assert answer.headers["Server-Timing"].startswith("app;dur=")
        assert answer.headers["Stripe-Version"] == "2026-10-28.endive"


async def test_a_fault_of_ours_says_nothing_but_that(
    small_desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Books) -> Any:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(Books, "read", broken)
    answer = await small_desk.get("/v1/customers")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "api_error"
    assert "hunter2" not in answer.text
    assert "RuntimeError" in caplog.text


async def test_parameters_of_a_post_belong_into_the_body(small_desk: Desk) -> None:
    answer = await small_desk.send("POST", "/v1/customers?email=a%40b.co", json={})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "email")


async def test_a_query_is_decoded_by_the_same_rules(small_desk: Desk) -> None:
    for query, param in (("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("nope=1", "nope"),
                         ("created[since]=1", "created[since]"), ("starting_after=cus_x", "starting_after"),
                         ("starting_after=a&ending_before=b", "ending_before")):  # fmt: skip
        answer = await small_desk.get(f"/v1/customers?{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
