"""Who may ask: bearer or Basic, well-formed, known, valid, secret, and of the right mode."""

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.resources import ENDPOINTS
from gateway.db import accounts
from gateway.domain.api_key import KeyKind, form_key
from tests import factories
from tests.api.desk import Desk
from tests.services.house import signer


async def test_a_key_opens_its_account_as_bearer_and_as_basic_user(small_desk: Desk) -> None:
    basic = base64.b64encode(f"{small_desk.key}:".encode()).decode()
    for header in (f"Bearer {small_desk.key}", f"bearer {small_desk.key}", f"Basic {basic}"):
        answer = await small_desk.http.get("/v1/account", headers={"Authorization": header})
        assert (answer.status_code, answer.json()["id"]) == (200, factories.ACCOUNT_ID)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "api_key_missing"),
        ("", "api_key_missing"),
        ("Bearer", "api_key_invalid"),
        ("Bearer nonsense", "api_key_invalid"),
        ("Digest x", "api_key_missing"),
        ("Basic !!!", "api_key_missing"),
        ("Basic " + base64.b64encode(b"\xff").decode(), "api_key_missing"),
        ("Bearer " + "x" * 5_000, "api_key_missing"),
        ("Bearer " + form_key(KeyKind.SECRET, livemode=False, entropy=b"\x05" * 32), "api_key_invalid"),
    ],
    ids=["none", "empty", "no-key", "nonsense", "digest", "not-base64", "not-ascii", "huge", "unknown"],
)
async def test_without_a_good_key_nothing_opens(small_desk: Desk, header: str | None, code: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await small_desk.http.post("/v1/customers", headers=headers, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_error_never_repeats_the_key(small_desk: Desk) -> None:
    unknown = form_key(KeyKind.SECRET, livemode=False, entropy=b"\x05" * 32)
    answer = await small_desk.get("/v1/customers", key=unknown)
    assert unknown not in answer.text
    assert f"sk_test_****{unknown[-4:]}" in answer.text


async def test_a_publishable_key_may_not_do_this(small_desk: Desk) -> None:
    answer = await small_desk.get("/v1/customers", key=await small_desk.minted(kind=KeyKind.PUBLISHABLE))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "secret_key_required")


@pytest.mark.parametrize(("field", "code"), [("revoked_at", "api_key_invalid"), ("expires_at", "api_key_expired")])
async def test_a_key_closes_at_its_moment(small_desk: Desk, field: str, code: str) -> None:
    books = small_desk.house.gateway.books
    async with books.write() as conn:
        [stored] = [key for key in await accounts.keys_of(conn, "acct_2") if not key.livemode]
        ends = small_desk.house.now + timedelta(seconds=1)
        await accounts.save_key(conn, replace(stored, **{field: ends}))
    assert (await small_desk.get("/v1/customers", key=small_desk.other_key)).status_code == 200
    small_desk.house.now = ends
    answer = await small_desk.get("/v1/customers", key=small_desk.other_key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


async def test_PM_14_a_live_key_cannot_touch_a_test_chain(small_desk: Desk) -> None:
    answer = await small_desk.post("/v1/payment_methods", small_desk.wallet_body(signer(1)), key=small_desk.live_key)
    assert answer.json()["error"]["code"] == "unknown_chain"


async def test_every_route_of_v1_asks_for_a_key(small_desk: Desk) -> None:
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace("{id:str}", "x").replace("{payment_method:str}", "y")
        for method in endpoint.methods:
            answer = await small_desk.http.request(method, path)
            assert answer.status_code == 401, (method, path)


async def test_keys_are_stored_as_digests_only(small_desk: Desk, sqlite_url: str) -> None:
    await small_desk.made("/v1/customers")
    path = sqlite_url.removeprefix("sqlite:///")
    stored = b""
    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:  # noqa: ASYNC230, PTH123 - a few hundred kilobytes, once
            stored += file.read()
    assert small_desk.key.encode() not in stored
    assert small_desk.key[8:30].encode() not in stored
