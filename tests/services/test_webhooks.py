"""Delivery: claims, both signatures, retries, and endpoints that are slow or dead."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import standardwebhooks
import stripe

from gateway.db import events, webhooks
from gateway.db.engine import Books
from gateway.db.events import EventDraft, EventRecord
from gateway.domain import signatures
from gateway.domain import webhook as rules
from gateway.domain.events import EventProfile, EventType
from gateway.domain.webhook import Delivery, DeliveryStatus, EndpointStatus, WebhookEndpoint
from gateway.services import webhooks as service
from gateway.services.ports import HttpAnswer, HttpFailed, HttpFault
from gateway.services.webhooks import PER_ENDPOINT_BATCH, PER_ENDPOINT_MAX
from tests import factories
from tests.services.house import House

SECRET = signatures.new_secret(bytes(range(32)))
OLD_SECRET = signatures.new_secret(bytes(range(32, 64)))


@dataclass(frozen=True)
class Sent:
    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Receiver:
    """An `HttpPort` that notes what it is given and answers by URL: a status, a fault, or never."""

    answers: dict[str, int | HttpFault] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    hold: asyncio.Event | None = None

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        self.open[url] = self.open.get(url, 0) + 1
        self.most[url] = max(self.most.get(url, 0), self.open[url])
        try:
            await asyncio.sleep(0)
            if self.hold is not None and "slow" in url:
                await self.hold.wait()
            self.sent.append(Sent(url, body, headers))
        finally:
            self.open[url] -= 1
        answer = self.answers.get(url, 200)
        if isinstance(answer, HttpFault):
            raise HttpFailed(answer, "scripted", 5)
        return HttpAnswer(status=answer, body=b"words", latency_ms=7)

    def ids(self, url: str | None = None) -> list[str]:
        return [json.loads(sent.body)["id"] for sent in self.sent if url in (None, sent.url)]


@pytest.fixture
async def house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books)


@pytest.fixture
async def on_both(books: Books) -> House:
    """The test runs on SQLite and on PostgreSQL."""
    return await House.build(books)


@pytest.fixture
def http() -> Receiver:
    return Receiver()


def endpoint(number: int = 1, **changes: object) -> WebhookEndpoint:
    values: dict[str, object] = {
        "id": factories.numbered("we", number),
        "scope": factories.SCOPE,
        "created_at": factories.NOW,
        "url": f"https://shop{number}.example/hook",
        "enabled_events": ("*",),
        "secret": SECRET,
    }
    return WebhookEndpoint(**{**values, **changes})  # type: ignore[arg-type]


async def queue(
    house: House, endpoints: Sequence[WebhookEndpoint], count: int = 1, event_type: EventType = EventType.INVOICE_PAID
) -> list[EventRecord]:
    """`count` events, each on its way to all of `endpoints`."""
    drafts = [
        EventDraft(
            scope=factories.SCOPE,
            type=event_type,
            object_kind="invoice",
            object_id=factories.numbered("in", number),
            at=house.now,
            snapshot=json.dumps({"id": factories.numbered("in", number), "object": "invoice"}).encode(),
            previous=None,
            request_id=None,
        )
        for number in range(1, count + 1)
    ]
    async with house.gateway.books.write() as conn:
        for each in endpoints:
            await webhooks.add_endpoint(conn, each)
        records = await events.append(conn, drafts)
        await webhooks.add_deliveries(
            conn,
            [
                Delivery(
                    id=f"whd_{each.id}_{record.sequence}",
                    event_id=record.id,
                    endpoint_id=each.id,
                    created_at=house.now,
                    next_attempt_at=house.now,
                )
                for record in records
                for each in endpoints
            ],
        )
    return records


async def deliver(house: House, http: Receiver, limit: int = 100) -> int:
    return await service.deliver_due(house.gateway, http, now=house.now, limit=limit)


async def deliveries(house: House, of: WebhookEndpoint) -> list[Delivery]:
    async with house.gateway.books.read() as conn:
        return await webhooks.deliveries_of(conn, of.scope, endpoint_id=of.id, limit=1000)


async def stored(house: House, of: WebhookEndpoint) -> WebhookEndpoint:
    async with house.gateway.books.read() as conn:
        return (await webhooks.load(conn, [of.id]))[of.id]


async def test_FR_33_SX_05_both_official_libraries_accept_a_delivery(house: House, http: Receiver) -> None:
    [record] = await queue(house, [endpoint()])
    assert await deliver(house, http) == 1
    [sent] = http.sent
    event = stripe.Webhook.construct_event(sent.body, sent.headers["Stripe-Signature"], SECRET, tolerance=None)
    assert (event["id"], event["type"]) == (record.id, "invoice.paid")
    standard = standardwebhooks.Webhook(SECRET)
    assert sent.headers["webhook-signature"] == standard.sign(record.id, house.now, sent.body.decode())
    assert (sent.headers["webhook-id"], sent.headers["Content-Type"]) == (
        record.id,
        "application/json; charset=utf-8",
    )


async def test_while_rotating_the_old_secret_signs_too_and_then_no_more(house: House, http: Receiver) -> None:
    rotated = rules.rotate_secret(endpoint(secret=OLD_SECRET), SECRET, house.now)
    await queue(house, [rotated])
    await deliver(house, http)
    header = http.sent[0].headers["Stripe-Signature"]
    for secret in (SECRET, OLD_SECRET):
        stripe.Webhook.construct_event(http.sent[0].body, header, secret, tolerance=None)
    house.now += rules.ROTATION_OVERLAP
    await queue(house, [], 1)
    assert len(rotated.secrets(house.now)) == 1


async def test_a_success_is_written_down_and_not_repeated(on_both: House, http: Receiver) -> None:
    target = endpoint()
    await queue(on_both, [target])
    await deliver(on_both, http)
    assert await deliver(on_both, http) == 0
    [delivery] = await deliveries(on_both, target)
    assert (delivery.status, delivery.attempts, delivery.last_status_code) == (DeliveryStatus.DELIVERED, 1, 200)
    async with on_both.gateway.books.read() as conn:
        [attempt] = await webhooks.attempts_of(conn, [delivery.id])
    assert (attempt.status_code, attempt.latency_ms, attempt.answer, attempt.error) == (200, 7, b"words", None)


@pytest.mark.parametrize("answer", [301, 400, 404, 410, 429, 500, 503, HttpFault.TIMEOUT, HttpFault.ADDRESS_REFUSED])
async def test_anything_but_a_2xx_is_tried_again_later(house: House, http: Receiver, answer: int | HttpFault) -> None:
    target = endpoint()
    await queue(house, [target])
    http.answers[target.url] = answer
    await deliver(house, http)
    [delivery] = await deliveries(house, target)
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.PENDING, 1)
    assert delivery.next_attempt_at == house.now + rules.QUICK_RETRY_DELAY
    assert await deliver(house, http) == 0
    house.now += rules.QUICK_RETRY_DELAY
    http.answers.clear()
    assert await deliver(house, http) == 1
    assert (await deliveries(house, target))[0].status is DeliveryStatus.DELIVERED


async def test_an_event_is_never_lost_by_a_worker_that_dies_after_claiming(house: House, http: Receiver) -> None:
    target = endpoint()
    await queue(house, [target])
    async with house.gateway.books.write() as conn:
        await webhooks.claim_due(conn, now=house.now, limit=10, lease_until=house.now + service.LEASE)
    assert await deliver(house, http) == 0
    house.now += service.LEASE
    assert await deliver(house, http) == 1
    [delivery] = await deliveries(house, target)
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 1)


async def test_two_workers_never_send_the_same_delivery_at_once(on_both: House, http: Receiver) -> None:
    records = await queue(on_both, [endpoint()], 40)
    await asyncio.gather(*(deliver(on_both, http, 10) for _ in range(8)))
    assert sorted(http.ids()) == sorted(record.id for record in records)


async def test_events_of_an_endpoint_start_in_their_order_and_few_at_once(house: House, http: Receiver) -> None:
    target = endpoint()
    records = await queue(house, [target], 30)
    await deliver(house, http)
    assert http.ids() == [record.id for record in records]
    assert http.most[target.url] <= PER_ENDPOINT_MAX


async def test_a_slow_endpoint_delays_no_other(house: House, http: Receiver) -> None:
    slow, quick = endpoint(1, url="https://slow.example/"), endpoint(2)
    await queue(house, [slow, quick], 20)
    http.hold = asyncio.Event()
    task = asyncio.create_task(deliver(house, http))
    async with asyncio.timeout(5):
        while len(http.ids(quick.url)) < 20:  # noqa: ASYNC110  (the receiver has no event)
            await asyncio.sleep(0.001)
    assert http.ids(slow.url) == []
    http.hold.set()
    await task


async def test_a_silent_endpoint_is_asked_by_a_few_and_the_rest_of_its_queue_waits(
    on_both: House, http: Receiver
) -> None:
    dead = endpoint()
    await queue(on_both, [dead], 60)
    http.answers[dead.url] = HttpFault.TIMEOUT
    await deliver(on_both, http, 30)
    assert len(http.sent) <= PER_ENDPOINT_MAX
    assert await deliver(on_both, http, 30) == 0
    found = await deliveries(on_both, dead)
    assert {delivery.next_attempt_at for delivery in found} == {on_both.now + rules.QUICK_RETRY_DELAY}
    assert sum(delivery.attempts for delivery in found) == len(http.sent)


async def test_a_long_queue_goes_out_in_steps_that_end_within_the_lease(house: House, http: Receiver) -> None:
    records = await queue(house, [endpoint()], 90)
    await deliver(house, http)
    assert len(http.sent) == PER_ENDPOINT_BATCH
    while await deliver(house, http):
        pass
    assert http.ids() == [record.id for record in records]


async def test_a_disabled_endpoint_is_not_called_and_its_deliveries_end(house: House, http: Receiver) -> None:
    target = endpoint(status=EndpointStatus.DISABLED)
    await queue(house, [target])
    await deliver(house, http)
    [delivery] = await deliveries(house, target)
    assert (http.sent, delivery.status, delivery.attempts) == ([], DeliveryStatus.FAILED, 0)


async def test_an_endpoint_that_comes_back_gets_everything(house: House, http: Receiver) -> None:
    dead = endpoint()
    records = await queue(house, [dead], 60)
    http.answers[dead.url] = HttpFault.CONNECT
    for _ in range(10):
        await deliver(house, http)
        house.now += timedelta(minutes=10)
    http.answers.clear()
    http.sent.clear()
    for _ in range(20):
        await deliver(house, http)
        house.now += timedelta(minutes=10)
    assert sorted(http.ids()) == sorted(record.id for record in records)


async def test_C13_after_72_hours_it_is_given_up_and_the_endpoint_disabled(house: House, http: Receiver) -> None:
    target = endpoint()
    await queue(house, [target])
    http.answers[target.url] = 500
    for _ in range(100):
        [delivery] = await deliveries(house, target)
        if delivery.next_attempt_at is None:
            break
        house.now = delivery.next_attempt_at
        await deliver(house, http)
    assert delivery.status is DeliveryStatus.FAILED
    assert timedelta(hours=60) < house.now - factories.NOW <= rules.GIVE_UP_AFTER
    assert 1 + rules.QUICK_RETRIES < delivery.attempts < 30
    assert (await stored(house, target)).status is EndpointStatus.DISABLED


async def test_C06_an_endpoint_of_the_stripe_profile_hears_of_a_creation_under_its_name(
    house: House, http: Receiver
) -> None:
    await queue(house, [endpoint(profile=EventProfile.STRIPE)], event_type=EventType.SUBSCRIPTION_OPENED)
    await deliver(house, http)
    assert json.loads(http.sent[0].body)["type"] == "customer.subscription.created"


async def test_a_batch_costs_the_same_statements_for_one_event_as_for_many(house: House, http: Receiver) -> None:
    await queue(house, [endpoint(1)], 1)
    before = house.gateway.books.statements
    await deliver(house, http)
    for_one = house.gateway.books.statements - before
    await queue(house, [endpoint(2)], 30)
    before = house.gateway.books.statements
    await deliver(house, http)
    assert len(http.sent) == 31
    assert house.gateway.books.statements - before == for_one
