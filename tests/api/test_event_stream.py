"""`GET /v1/events/stream` on a listening server: nothing lost or repeated over a restart, nothing of others."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from gateway.api import event_stream
from gateway.db import accounts
from gateway.domain.api_key import digest
from tests.api.desk import PEPPER, Desk
from tests.conformance.shop import listening

SECONDS_MAX = 10.0


@dataclass
class Told:
    """One message of a stream."""

    id: int
    type: str | None
    event: Any


class Reader:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.comments = 0

    async def next(self) -> Told:
        """The next message that carries an event."""
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                told = await self._message()
                if told.event is not None:
                    return told

    async def start(self) -> int:
        """Where the stream begins."""
        async with asyncio.timeout(SECONDS_MAX):
            return (await self._message()).id

    async def _message(self) -> Told:
        fields: dict[str, str] = {}
        while True:
            line = (await self.answer.content.readline()).decode()
            assert line, "the stream ended"
            if line == "\n":
                if "id" in fields:
                    data = fields.get("data")
                    return Told(int(fields["id"]), fields.get("event"), None if data is None else json.loads(data))
                fields = {}
                continue
            name, _, value = line.rstrip("\n").partition(":")
            self.comments += name == ""
            fields[name] = value.removeprefix(" ")


@asynccontextmanager
async def following(url: str, key: str, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/v1/events/stream{query}", headers={"Authorization": f"Bearer {key}", **headers}) as answer,
    ):
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield Reader(answer)


async def happen(desk: Desk, count: int = 1) -> None:
    for number in range(count):
        await desk.made("/v1/customers", {"name": f"n{number}"})


async def test_R5_a_reader_that_comes_back_goes_on_where_it_was(desk: Desk) -> None:
    await happen(desk, 2)
    async with listening(desk) as url:
        async with following(url, desk.key) as reader:
            assert await reader.start() == 2, "without a number it begins now"
            await happen(desk, 2)
            first = [await reader.next(), await reader.next()]
        await happen(desk, 2)
    async with listening(desk) as url:  # another process behind the same address
        async with following(url, desk.key, **{"Last-Event-ID": str(first[-1].id)}) as reader:
            second = [await reader.next(), await reader.next()]
        async with following(url, desk.key, "?after_sequence=0") as reader:
            whole = [await reader.next() for _ in range(6)]
    assert [each.id for each in first + second] == [3, 4, 5, 6]
    assert [each.event["sequence"] for each in whole] == list(range(1, 7))
    assert whole[0].type == whole[0].event["type"] == "customer.created"
    assert whole[2:4] == first


async def test_it_tells_only_what_was_asked_for_and_under_the_profiles_names(small_desk: Desk) -> None:
    async with listening(small_desk) as url:
        async with following(url, small_desk.key, "?types[]=product.*") as reader:
            await reader.start()
            await happen(small_desk)
            await small_desk.made("/v1/products", {"name": "Tea"})
            assert (await reader.next()).type == "product.created"
        await small_desk.house.subscribe(1)
        names = {}
        for profile in ("default", "stripe"):
            async with following(url, small_desk.key, f"?after_sequence=0&event_profile={profile}") as reader:
                names[profile] = []
                while "invoice.finalized" not in names[profile]:
                    names[profile].append((await reader.next()).type)
    assert "customer.subscription.created" in names["stripe"]
    assert "customer.subscription.created" not in names["default"]
    assert "customer.subscription.opened" not in {*names["default"], *names["stripe"]}


async def test_a_stranger_hears_nothing(small_desk: Desk) -> None:
    async with listening(small_desk) as url:
        for key in (small_desk.other_key, small_desk.live_key):
            async with following(url, key, "?after_sequence=0") as reader:
                await happen(small_desk)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(3 * event_stream.POLL_SECONDS):
                        await reader.next()


async def test_it_shows_that_it_lives_and_ends_with_its_key(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(event_stream, "CHECK_KEY_SECONDS", 0.1)
    async with listening(small_desk) as url, following(url, small_desk.key) as reader:
        await reader.start()
        await asyncio.sleep(1)
        await happen(small_desk)
        await reader.next()
        assert reader.comments >= 2
        async with small_desk.house.gateway.books.write() as conn:
            found = await accounts.key_by_digest(conn, digest(small_desk.key, PEPPER))
            assert found is not None
            await accounts.save_key(conn, replace(found[1], revoked_at=small_desk.house.now))
        async with asyncio.timeout(SECONDS_MAX):
            while await reader.answer.content.readline():
                pass


async def test_what_is_not_allowed_is_refused(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await small_desk.get("/v1/events/stream", key="sk_test_" + "x" * 36)).status_code == 401
    for query, headers, param in (
        ("?after_sequence=x", {}, "after_sequence"),
        ("?event_profile=other", {}, "event_profile"),
        ("?since=1", {}, "since"),
        ("", {"Last-Event-ID": "evt_1"}, "Last-Event-ID"),
        ("", {"Last-Event-ID": "9" * 17}, "Last-Event-ID"),
    ):
        answer = await small_desk.get(f"/v1/events/stream{query}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    monkeypatch.setattr(event_stream, "STREAMS_MAX", 0)
    full = await small_desk.get("/v1/events/stream")
    assert (full.status_code, full.json()["error"]["code"]) == (503, "too_many_streams")


async def test_a_slow_reader_is_not_read_ahead_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "BATCH", 1)
    read: list[int] = []

    class Endless:
        async def next(self, position: int) -> list[Any]:
            read.append(position)
            return [SimpleNamespace(sequence=position + 1)]

        def told(self, record: Any) -> bytes:
            return b"%d" % record.sequence

    stream = event_stream._follow(Endless(), 0, event_stream._Open())  # type: ignore[arg-type]
    taken = [await anext(stream) for _ in range(4)]
    assert (taken[1:], read) == ([b"1", b"2", b"3"], [0, 1, 2])
    await stream.aclose()  # type: ignore[attr-defined]
