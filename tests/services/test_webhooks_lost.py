"""Events nobody can lose: a receiver that is away for days, given up, enabled again, brought up to date (R4, R5)."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.db import events, webhooks
from gateway.db.engine import Books
from gateway.db.events import EventRecord
from gateway.domain import webhook as rules
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.transition import Event, Moved
from gateway.domain.webhook import Delivery, DeliveryStatus, EndpointStatus, WebhookEndpoint
from gateway.services import replays
from gateway.services import webhook_endpoints as endpoints
from gateway.services import webhooks as service
from gateway.services.ports import HttpFault
from gateway.services.recording import record
from gateway.services.webhook_endpoints import EndpointFields
from gateway.services.webhooks import Stragglers
from tests import factories
from tests.services.house import House
from tests.services.test_webhooks import Receiver, deliver, deliveries, endpoint, stored

ROUNDS_AWAY = 40
LONGEST = 300


@pytest.fixture
async def house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books)


@pytest.fixture
async def on_both(books: Books) -> House:
    return await House.build(books)


@pytest.fixture
def http() -> Receiver:
    return Receiver()


async def listen(house: House, *targets: WebhookEndpoint) -> None:
    async with house.gateway.books.write() as conn:
        for target in targets:
            await webhooks.add_endpoint(conn, target)


async def happen(house: House, count: int = 1) -> list[EventRecord]:
    """Changes of customers, announced as every change is."""
    customers = [factories.customer(id=factories.numbered("cus", n)) for n in range(1, count + 1)]
    moved = [
        Moved(value=each, events=(Event(type=EventType.CUSTOMER_UPDATED, object_id=each.id, at=house.now),))
        for each in customers
    ]
    async with house.gateway.books.write() as conn:
        return await record(conn, house.gateway, moved, origin=house.origin)


async def log(house: House) -> list[EventRecord]:
    async with house.gateway.books.read() as conn:
        return await events.after_sequence(conn, factories.SCOPE, 0, limit=10_000)


async def deliver_all(house: House, http: Receiver) -> None:
    while await deliver(house, http):
        pass


async def enable(house: House, target: WebhookEndpoint) -> None:
    async with house.gateway.books.write() as conn:
        fields = EndpointFields(given=frozenset({"disabled"}), disabled=False)
        await endpoints.update(conn, scope=factories.SCOPE, endpoint_id=target.id, fields=fields, allow_private=False)


async def replay(house: House, target: WebhookEndpoint, after_sequence: int = 0, **how: bool) -> replays.Replayed:
    async with house.gateway.books.write() as conn:
        return await replays.of_range(
            conn,
            scope=factories.SCOPE,
            endpoint_id=target.id,
            after_sequence=after_sequence,
            up_to_sequence=None,
            delivered=how.get("delivered", False),
            now=house.now,
        )


async def resend(house: House, target: WebhookEndpoint, ids: Sequence[str]) -> replays.Replayed:
    async with house.gateway.books.write() as conn:
        return await replays.of_events(conn, scope=factories.SCOPE, endpoint_id=target.id, event_ids=ids, now=house.now)


async def test_C13_R4_a_receiver_that_is_away_for_days_misses_nothing(house: House, http: Receiver) -> None:
    away, other = endpoint(1), endpoint(2)
    await listen(house, away, other)
    http.answers[away.url] = HttpFault.CONNECT
    for turn in range(ROUNDS_AWAY):
        await happen(house, 2)
        for _ in range(8 if turn == 0 else 1):
            await deliver_all(house, http)
            house.now += timedelta(seconds=5)
        house.now += timedelta(hours=2)
    assert (await stored(house, away)).status is EndpointStatus.DISABLED
    told = [each for each in await log(house) if each.type is EventType.WEBHOOK_ENDPOINT_DISABLED]
    assert [each.object_id for each in told] == [away.id]
    assert json.loads(told[0].snapshot)["status"] == "disabled"

    http.answers.clear()
    await enable(house, away)
    done = await replay(house, away)
    assert done.has_more is False
    while await deliver(house, http, 200):
        pass
    written = await log(house)
    assert [each.sequence for each in written] == list(range(1, len(written) + 1))
    for target in (away, other):
        assert set(http.ids(target.url)) == {each.id for each in written}, target.url
    assert all(each.status is DeliveryStatus.DELIVERED for each in await deliveries(house, away))


async def test_C13_the_tries_are_one_five_quick_ones_and_a_tail_that_doubles(house: House, http: Receiver) -> None:
    target = endpoint()
    await listen(house, target)
    await happen(house)
    http.answers[target.url] = 500
    waits = []
    for _ in range(LONGEST):
        await deliver(house, http)
        [delivery] = await deliveries(house, target)
        if delivery.next_attempt_at is None:
            break
        waits.append((delivery.next_attempt_at - house.now).total_seconds())
        house.now = delivery.next_attempt_at
    assert waits[:5] == [1, 1, 1, 1, 1]
    assert waits[5:9] == [30, 60, 120, 240]
    assert waits[5:] == sorted(waits[5:])
    assert max(waits) == rules.TAIL_DELAY_MAX.total_seconds()
    assert timedelta(hours=60) < house.now - factories.NOW <= rules.GIVE_UP_AFTER


async def test_a_replay_sends_what_was_missed_and_on_request_everything(on_both: House, http: Receiver) -> None:
    target = endpoint()
    await happen(on_both, 2)  # before there was an endpoint
    await listen(on_both, target)
    await happen(on_both, 2)
    await deliver_all(on_both, http)
    written = [each.id for each in await log(on_both)]
    assert http.ids() == written[2:]
    assert (await replay(on_both, target)).queued == 2
    assert (await replay(on_both, target)).queued == 0, "what waits for its turn is not queued twice"
    await deliver_all(on_both, http)
    assert http.ids() == [*written[2:], *written[:2]]
    assert (await replay(on_both, target)).queued == 0
    assert (await replay(on_both, target, 3, delivered=True)).queued == 1
    assert (await resend(on_both, target, written[1:3])).queued == 2
    http.sent.clear()
    await deliver_all(on_both, http)
    assert http.ids() == written[1:]


async def test_a_replay_leaves_alone_what_a_worker_is_sending_at_this_moment(on_both: House) -> None:
    target = endpoint()
    await listen(on_both, target)
    [told] = await happen(on_both)
    lease = on_both.now + service.LEASE
    async with on_both.gateway.books.write() as conn:
        [claimed] = await webhooks.claim_due(conn, now=on_both.now, limit=9, lease_until=lease)
    on_both.now += timedelta(seconds=1)
    assert (await replay(on_both, target)).queued == 0
    assert (await resend(on_both, target, [told.id])).queued == 0
    assert await deliveries(on_both, target) == [claimed]


async def test_a_replay_gives_a_failed_delivery_all_its_tries_again(house: House, http: Receiver) -> None:
    target = endpoint()
    await listen(house, target)
    await happen(house)
    http.answers[target.url] = 500
    for _ in range(LONGEST):
        await deliver(house, http)
        [delivery] = await deliveries(house, target)
        if delivery.next_attempt_at is None:
            break
        house.now = delivery.next_attempt_at
    assert delivery.status is DeliveryStatus.FAILED
    with pytest.raises(InvalidRequest, match="disabled"):
        await replay(house, target)
    await enable(house, target)
    assert (await replay(house, target)).queued == 2, "the event, and that of the endpoint's own end"
    again = next(each for each in await deliveries(house, target) if each.id == delivery.id)
    assert again == Delivery(
        id=delivery.id,
        event_id=delivery.event_id,
        endpoint_id=target.id,
        created_at=house.now,
        next_attempt_at=house.now,
        last_status_code=500,
        last_error="HTTP 500",
    )


async def test_a_replay_is_bounded_and_says_where_it_goes_on(
    house: House, http: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "REPLAY_MAX", 3)
    target = endpoint()
    await happen(house, 8)
    await listen(house, target)
    position, queued, calls = 0, 0, 0
    while True:
        done = await replay(house, target, position)
        queued, calls = queued + done.queued, calls + 1
        if not done.has_more:
            break
        assert done.last_sequence is not None
        position = done.last_sequence
    assert (queued, calls) == (8, 3)
    await deliver_all(house, http)
    assert http.ids() == [each.id for each in await log(house)]


async def test_a_replay_costs_the_same_statements_for_one_event_as_for_many(house: House) -> None:
    counts = []
    for number, count in ((1, 1), (2, 40)):
        target = endpoint(number)
        await happen(house, count)
        await listen(house, target)
        before = house.gateway.books.statements
        await replay(house, target, 0 if number == 1 else 1)
        counts.append(house.gateway.books.statements - before)
    assert counts[0] == counts[1]


async def test_a_replay_sees_nothing_of_somebody_elses(house: House) -> None:
    target = endpoint()
    [made] = await happen(house)
    await listen(house, target)
    stranger = Scope("acct_2", livemode=False)
    async with house.gateway.books.write() as conn:
        with pytest.raises(NotFound):
            await replays.of_events(conn, scope=stranger, endpoint_id=target.id, event_ids=[made.id], now=house.now)
        with pytest.raises(NotFound):
            await replays.retry(conn, scope=stranger, event_id=made.id, endpoint_id=None, now=house.now)


async def test_R4_slow_endpoints_do_not_hold_up_the_steps_of_a_process(house: House, http: Receiver) -> None:
    slow = [endpoint(n, url=f"https://slow.example/{n}") for n in range(1, 9)]
    quick = endpoint(9)
    await listen(house, *slow, quick)
    http.hold = asyncio.Event()
    stragglers = Stragglers()

    async def step() -> int:
        return await service.deliver_due(house.gateway, http, now=house.now, stragglers=stragglers)

    await happen(house, 3)
    async with asyncio.timeout(10):
        while await step():
            pass
        assert stragglers.endpoint_ids == {each.id for each in slow}
        assert len(http.ids(quick.url)) == 3
        await happen(house, 3)
        while await step():
            pass
    assert len(http.ids(quick.url)) == 6, "nobody waits for the slow ones"
    assert all(http.open[each.url] == 3 for each in slow), "nothing more is claimed for them meanwhile"
    assert not any(http.ids(each.url) for each in slow)
    http.hold.set()
    await stragglers.all_done()
    while await step():
        await stragglers.all_done()
    written = {each.id for each in await log(house)}
    assert all(set(http.ids(each.url)) == written for each in slow)
    assert all(http.ids(each.url).count(one) == 1 for each in slow for one in written)


async def test_an_endpoint_gets_events_of_the_version_that_it_asked_for(house: House, http: Receiver) -> None:
    await listen(house, endpoint(1, api_version="2020-08-27"), endpoint(2))
    await happen(house)
    await deliver_all(house, http)
    versions = {sent.url: json.loads(sent.body)["api_version"] for sent in http.sent}
    assert list(versions.values()) == ["2020-08-27", "2026-10-28.endive"]
