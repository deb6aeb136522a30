"""A key makes so many requests a second; a refusal leaves nothing behind. And what browsers may call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import httpx
import pytest

from gateway import redis_limits
from gateway.api.app import create_app
from gateway.api.rate_limits import BUCKETS_MAX, InProcess, Limiter
from gateway.domain.api_key import KeyKind
from gateway.domain.rate_limit import Kind, Limits
from tests import factories
from tests.api.desk import PEPPER, Desk
from tests.services.house import signer

LIMITS = Limits(reads_per_second=3, writes_per_second=2)


@asynccontextmanager
async def limited(desk: Desk, limiter: Limiter | None = None) -> AsyncIterator[Desk]:
    house = desk.house
    app = create_app(
        house.gateway,
        chains={factories.CHAIN_ID: house.chain},
        clock=lambda: house.now,
        pepper=PEPPER,
        limiter=limiter or InProcess(LIMITS, lambda: house.now),
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://dues.test") as http:
        yield replace(desk, app=app, http=http)


async def test_a_key_that_asks_too_often_is_told_when_to_come_back(small_desk: Desk) -> None:
    async with limited(small_desk) as desk:
        answers = [await desk.get("/v1/account") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 6 + [429]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["5", "4", "3", "2", "1", "0", "0"]
        refused = answers[-1]
        assert (refused.json()["error"]["type"], refused.json()["error"]["code"]) == (
            "invalid_request_error",
            "rate_limit",
        )
        told = {name: refused.headers[name] for name in ("RateLimit-Limit", "RateLimit-Reset", "Retry-After")}
        assert told == {"RateLimit-Limit": "6", "RateLimit-Reset": "2", "Retry-After": "1"}
        assert refused.headers["Stripe-Should-Retry"] == "true"
        desk.house.now += timedelta(seconds=1)
        again = [(await desk.get("/v1/account")).status_code for _ in range(4)]
        assert again == [200, 200, 200, 429]


async def test_reads_writes_and_keys_are_counted_apart(small_desk: Desk) -> None:
    async with limited(small_desk) as desk:
        writes = [(await desk.post("/v1/customers")).status_code for _ in range(5)]
        assert writes == [200] * 4 + [429]
        assert (await desk.get("/v1/account")).status_code == 200
        assert (await desk.post("/v1/customers", key=desk.other_key)).status_code == 200
        assert (await desk.http.get("/healthz")).status_code == 200


async def test_a_refused_request_leaves_its_idempotency_key_free_and_a_replay_its_answer(desk: Desk) -> None:
    """Fifty at once under one key: one effect, one answer, and whoever was refused gets that answer later."""
    headers = {"Idempotency-Key": "a customer, once"}
    async with limited(desk) as narrow:
        burst = [narrow.post("/v1/customers", {"name": "Ada"}, headers=headers) for _ in range(50)]
        answers = await asyncio.gather(*burst)
        assert {answer.status_code for answer in answers} <= {200, 409, 429}
        assert sum(answer.status_code == 429 for answer in answers) == 46
        said = {answer.content for answer in answers if answer.status_code == 200}
        narrow.house.now += timedelta(seconds=5)
        replay = await narrow.post("/v1/customers", {"name": "Ada"}, headers=headers)
        assert (replay.status_code, {replay.content}) == (200, said)
        assert replay.headers["Idempotent-Replayed"] == "true"
    found = (await desk.get("/v1/customers")).json()["data"]
    assert [customer["name"] for customer in found] == ["Ada"]


async def test_without_a_limiter_there_is_no_limit_and_nothing_is_said_of_one(small_desk: Desk) -> None:
    answers = [await small_desk.get("/v1/account") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any(name.startswith("ratelimit") for name in answers[-1].headers)


async def test_processes_count_together_in_redis(redis_url: str) -> None:
    limits = Limits(reads_per_second=1, writes_per_second=0)
    patient = partial(redis_limits.opened, redis_url, limits, timeout_seconds=10)
    async with patient() as one, patient() as other:
        found = [await limiter.take("key_1", Kind.READ) for limiter in (one, other, one)]
        assert [(said.allowed, said.remaining) for said in found if said] == [(True, 1), (True, 0), (False, 0)]
        assert await one.take("key_1", Kind.WRITE) is None
        second = await other.take("key_2", Kind.READ)
        assert second is not None
        assert second.allowed


async def test_while_redis_is_away_each_process_counts_its_own() -> None:
    async with redis_limits.opened("redis://127.0.0.1:1/0", Limits(reads_per_second=1)) as limiter:
        found = [await limiter.take("key_1", Kind.READ) for _ in range(3)]
    assert [said.allowed for said in found if said] == [True, True, False]


async def test_buckets_are_bounded() -> None:
    limiter = InProcess(Limits(reads_per_second=1), lambda: factories.NOW)
    for number in range(BUCKETS_MAX + 5):
        await limiter.take(f"key_{number}", Kind.READ)
    assert len(limiter.buckets) == BUCKETS_MAX
    assert ("key_0", Kind.READ) not in limiter.buckets


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/payment_intents/pi_1"), ("POST", "/v1/charge_intents/ci_1/confirm"), ("GET", "/v1/setup_intents/s")],
)
async def test_a_page_of_another_origin_may_call_what_a_publishable_key_opens(
    small_desk: Desk, method: str, path: str
) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = await small_desk.http.options(path, headers=origin | {"Access-Control-Request-Method": method})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    answer = await small_desk.http.request(method, path, headers=origin)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, "*")
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/customers"), ("POST", "/v1/payment_intents/pi_1/cancel"), ("GET", "/v1/payment_intents")],
)
async def test_a_page_of_another_origin_may_call_nothing_else(small_desk: Desk, method: str, path: str) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = await small_desk.http.options(path, headers=origin | {"Access-Control-Request-Method": method})
    answer = await small_desk.send(method, path, headers=origin)
    for said in (asked, answer):
        assert not [name for name in said.headers if name.startswith("access-control")]


async def test_a_browser_reads_the_intent_it_has_the_secret_of(small_desk: Desk) -> None:
    made = await small_desk.subscription(signer(1))
    intent = (await small_desk.get(f"/v1/payment_intents/{made['latest_charge_intent']}")).json()
    key = await small_desk.minted(kind=KeyKind.PUBLISHABLE)
    url = f"/v1/payment_intents/{intent['id']}?client_secret={intent['client_secret']}"
    seen = await small_desk.get(url, key=key, headers={"Origin": "https://shop.example"})
    assert (seen.status_code, seen.headers["Access-Control-Allow-Origin"]) == (200, "*")
