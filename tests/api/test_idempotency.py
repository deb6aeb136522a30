"""One effect for one key (TRUST R3)."""

import asyncio
from typing import Any

import pytest

from gateway.db.engine import Books
from gateway.services import catalog
from tests.api.desk import Desk

KEY = {"Idempotency-Key": "a key of the tests"}


async def customers(desk: Desk) -> int:
    return len((await desk.get("/v1/customers?limit=100")).json()["data"])


async def test_a_repeated_request_gets_the_stored_answer_byte_for_byte(desk: Desk) -> None:
    first = await desk.post("/v1/customers", {"name": "Ada"}, headers=KEY)
    again = await desk.post("/v1/customers", {"name": "Ada"}, headers=KEY)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.headers["Request-Id"] != again.headers["Request-Id"]
    assert await customers(desk) == 1


async def test_the_order_and_the_encoding_of_a_body_do_not_make_it_another_one(small_desk: Desk) -> None:
    first = await small_desk.post("/v1/customers", {"name": "Ada", "email": "a@b.co"}, headers=KEY)
    again = await small_desk.post("/v1/customers", {"email": "a@b.co", "name": "Ada"}, headers=KEY)
    form = await small_desk.form("/v1/customers", "email=a%40b.co&name=Ada", headers=KEY)
    assert first.content == again.content == form.content


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/customers", {"name": "Eve"}), ("/v1/products", {"name": "Ada"})],
    ids=["another-body", "another-path"],
)
async def test_a_key_cannot_be_used_for_another_request(desk: Desk, path: str, body: Any) -> None:
    await desk.post("/v1/customers", {"name": "Ada"}, headers=KEY)
    before = await desk.rows()
    answer = await desk.post(path, body, headers=KEY)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
    assert await desk.rows() == before


async def test_the_same_holds_where_the_outside_world_is_asked_first(small_desk: Desk) -> None:
    path, later = "/v1/test_helpers/test_clocks", 1_800_000_000
    first = await small_desk.post(path, {"frozen_time": later}, headers=KEY)
    again = await small_desk.post(path, {"frozen_time": later}, headers=KEY)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    other = await small_desk.post(path, {"frozen_time": later + 1}, headers=KEY)
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")


async def test_keys_of_different_merchants_and_modes_are_different_keys(small_desk: Desk) -> None:
    made = [
        (await small_desk.post("/v1/customers", {"name": "Ada"}, headers=KEY, key=key)).json()["id"]
        for key in (small_desk.key, small_desk.other_key, small_desk.live_key)
    ]
    assert len(set(made)) == 3


async def test_r3_fifty_at_once_have_one_effect(desk: Desk) -> None:
    async def post() -> Any:
        return await desk.post("/v1/customers", {"name": "Ada"}, headers=KEY)

    answers = await asyncio.gather(*(post() for _ in range(50)))
    done = [answer for answer in answers if answer.status_code == 200]
    busy = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(busy) == 50
    assert len({answer.content for answer in done}) == 1
    assert {answer.json()["error"]["code"] for answer in busy} <= {"idempotency_key_in_use"}
    assert await customers(desk) == 1


async def test_r3_two_processes_cannot_serve_one_key_at_once(desk: Desk, books_url: str) -> None:
    """Another application over the same database knows nothing of what this one is serving."""
    other_books = Books.open(books_url)
    try:
        async with Desk.beside(desk, other_books) as other:
            posts = [
                which.post("/v1/customers", {"name": "Ada"}, headers=KEY) for _ in range(10) for which in (desk, other)
            ]
            answers = await asyncio.gather(*posts)
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
        assert await customers(desk) == 1
    finally:
        await other_books.close()


async def test_a_refused_request_leaves_its_key_free(small_desk: Desk) -> None:
    refused = await small_desk.post("/v1/customers", {"email": "nobody"}, headers=KEY)
    assert refused.status_code == 400
    corrected = await small_desk.post("/v1/customers", {"email": "ada@example.com"}, headers=KEY)
    assert corrected.status_code == 200


async def test_an_effect_that_fails_half_way_leaves_neither_rows_nor_the_key(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await desk.rows()

    async def record_and_break(*_: Any, **__: Any) -> None:
        raise RuntimeError("the machine lost its power here")

    with monkeypatch.context() as patch:
        patch.setattr(catalog, "record", record_and_break)
        assert (await desk.post("/v1/customers", {"name": "Ada"}, headers=KEY)).status_code == 500
    assert await desk.rows() == before
    again = await desk.post("/v1/customers", {"name": "Ada"}, headers=KEY)
    assert (again.status_code, "Idempotent-Replayed" in again.headers) == (200, False)
    assert await customers(desk) == 1


async def test_a_delete_is_repeated_like_a_post(small_desk: Desk) -> None:
    made = await small_desk.made("/v1/customers")
    first = await small_desk.send("DELETE", f"/v1/customers/{made['id']}", headers=KEY)
    again = await small_desk.send("DELETE", f"/v1/customers/{made['id']}", headers=KEY)
    assert first.json() == {"id": made["id"], "object": "customer", "deleted": True}
    assert again.content == first.content
    without = await small_desk.send("DELETE", f"/v1/customers/{made['id']}")
    assert without.status_code == 404


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"], ids=["empty", "long", "control"])
async def test_a_key_that_is_none_is_refused(small_desk: Desk, key: str) -> None:
    answer = await small_desk.post("/v1/customers", headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_key_invalid")


async def test_a_secret_is_shown_again_to_who_repeats_the_request(small_desk: Desk) -> None:
    body = {"url": "https://example.com/hook", "enabled_events": ["*"]}
    first = await small_desk.post("/v1/webhook_endpoints", body, headers=KEY)
    again = await small_desk.post("/v1/webhook_endpoints", body, headers=KEY)
    assert first.json()["secret"].startswith("whsec_")
    assert again.content == first.content
    shown = await small_desk.get(f"/v1/webhook_endpoints/{first.json()['id']}")
    assert "secret" not in shown.json()
