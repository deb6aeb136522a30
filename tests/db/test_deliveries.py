"""Webhook endpoints and deliveries: a claim is a lease, a dead endpoint waits, a deleted one is told nothing."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from gateway.db import events, webhooks
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.db.webhooks import DeliveryAttempt
from gateway.domain import webhook
from gateway.domain.catalog import Scope
from gateway.domain.webhook import Delivery, DeliveryStatus, EndpointStatus
from tests import factories as f
from tests.db.parts import draft
from tests.keeping import keep, keep_merchant

LEASE = timedelta(seconds=60)
LIVE = Scope(f.ACCOUNT_ID, livemode=True)


async def queue(books: Books, count: int, *, endpoint: str = f.ENDPOINT_ID) -> list[Delivery]:
    """So many events, each on its way to one endpoint since NOW."""
    async with books.write() as conn:
        if await webhooks.get_endpoint(conn, f.SCOPE, endpoint) is None:
            await keep(conn, f.webhook_endpoint(id=endpoint))
        records = await events.append(conn, [draft()] * count)
        made = [
            f.delivery(id=f"{endpoint}_dlv_{record.sequence:05d}", event_id=record.id, endpoint_id=endpoint)
            for record in records
        ]
        await webhooks.add_deliveries(conn, made)
        return made


async def claim(books: Books, *, limit: int = 100, late: timedelta = timedelta()) -> list[Delivery]:
    now = f.NOW + late
    async with books.write() as conn:
        return await webhooks.claim_due(conn, now=now, limit=limit, lease_until=now + LEASE)


async def test_a_claim_is_a_lease(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
    made = await queue(books, 3)
    leased = [replace(delivery, next_attempt_at=f.NOW + LEASE) for delivery in made]
    assert await claim(books, late=-timedelta(microseconds=1)) == []
    assert await claim(books, limit=2) == leased[:2]
    assert await claim(books) == leased[2:]
    assert await claim(books) == []
    assert len(await claim(books, late=LEASE)) == 3


async def test_two_workers_never_claim_the_same_delivery(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
    made = await queue(books, 40)
    claims = await asyncio.gather(*(claim(books, limit=15) for _ in range(4)))
    ids = [delivery.id for claimed in claims for delivery in claimed]
    assert len(ids) == len(set(ids))
    ids += [delivery.id for delivery in await claim(books)]
    assert sorted(ids) == [delivery.id for delivery in made]


async def test_what_came_of_a_delivery_is_kept_with_every_try(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
    first, second = await queue(books, 2)
    done = webhook.delivered(first, 204, f.NOW)
    failed = webhook.failed(second, 500, "HTTP 500", f.NOW)
    tries = [
        DeliveryAttempt(delivery_id=first.id, at=f.NOW, latency_ms=12, status_code=204),
        DeliveryAttempt(delivery_id=second.id, at=f.NOW, latency_ms=9, error="refused", answer=b"x" * 5000),
    ]
    async with books.write() as conn:
        await webhooks.save_deliveries(conn, [done, failed])
        await webhooks.add_attempts(conn, tries)
        assert await webhooks.deliveries_of(conn, f.SCOPE, endpoint_id=f.ENDPOINT_ID, limit=9) == [failed, done]
        assert await webhooks.deliveries_of(conn, f.SCOPE, event_id=first.event_id, limit=9) == [done]
        assert await webhooks.deliveries_of(conn, LIVE, event_id=first.event_id, limit=9) == []
        kept = await webhooks.attempts_of(conn, [first.id, second.id])
        assert kept == [tries[0], replace(tries[1], answer=b"x" * webhooks.ANSWER_BYTES_MAX)]
        pending = await webhooks.pending_of_events(conn, [first.event_id, second.event_id])
        assert pending == {second.event_id: 1}


async def test_an_event_is_queued_once_for_each_endpoint(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
    [made] = await queue(books, 1)
    done = webhook.delivered(made, 200, f.NOW)
    async with books.write() as conn:
        await webhooks.save_deliveries(conn, [done])
        await webhooks.add_deliveries(conn, [replace(made, id="again")])
        assert await webhooks.deliveries_of(conn, f.SCOPE, event_id=made.event_id, limit=9) == [done]


async def test_a_held_endpoint_is_not_tried_and_others_are(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
    held = await queue(books, 2)
    free = await queue(books, 2, endpoint=f.numbered("we", 2))
    later = replace(held[1], next_attempt_at=f.NOW + 3 * LEASE, attempts=2)
    async with books.write() as conn:
        await webhooks.save_deliveries(conn, [later])
        await webhooks.hold_endpoint(conn, f.ENDPOINT_ID, until=f.NOW + 2 * LEASE)
    assert [delivery.id for delivery in await claim(books)] == [delivery.id for delivery in free]
    async with books.read() as conn:
        kept = await webhooks.deliveries_of(conn, f.SCOPE, endpoint_id=f.ENDPOINT_ID, limit=9)
    assert kept == [later, replace(held[0], next_attempt_at=f.NOW + 2 * LEASE)]


async def test_a_deleted_endpoint_is_gone_with_what_was_on_its_way_and_its_past_stays(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
    done, waiting = await queue(books, 2)
    delivered = webhook.delivered(done, 200, f.NOW)
    async with books.write() as conn:
        await webhooks.save_deliveries(conn, [delivered])
        await webhooks.delete_endpoint(conn, f.ENDPOINT_ID)
        assert await webhooks.get_endpoint(conn, f.SCOPE, f.ENDPOINT_ID) is None
        assert await webhooks.count_endpoints(conn, f.SCOPE) == 0
        assert (await webhooks.page_endpoints(conn, PageRequest(scope=f.SCOPE, limit=9))).items == []
        assert await webhooks.enabled_of(conn, [f.SCOPE]) == {}
        assert (await webhooks.load(conn, [f.ENDPOINT_ID]))[f.ENDPOINT_ID].status is EndpointStatus.DISABLED
        kept = await webhooks.deliveries_of(conn, f.SCOPE, endpoint_id=f.ENDPOINT_ID, limit=9)
    assert kept == [
        replace(waiting, status=DeliveryStatus.FAILED, next_attempt_at=None, last_error="the endpoint was deleted"),
        delivered,
    ]
    assert await claim(books, late=10 * LEASE) == []


async def test_endpoints_that_hear_of_events_are_given_by_tenant(books: Books) -> None:
    other = f.account(id=f.numbered("acct", 9))
    theirs = Scope(other.id, livemode=False)
    mine = f.webhook_endpoint()
    live = f.webhook_endpoint(id=f.numbered("we", 2), scope=LIVE)
    foreign = f.webhook_endpoint(id=f.numbered("we", 3), scope=theirs)
    off = f.webhook_endpoint(id=f.numbered("we", 4), status=EndpointStatus.DISABLED)
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, other, mine, live, foreign, off)
        assert await webhooks.enabled_of(conn, [f.SCOPE, theirs]) == {f.SCOPE: [mine], theirs: [foreign]}
        assert await webhooks.enabled_of(conn, [LIVE]) == {LIVE: [live]}
        assert await webhooks.count_endpoints(conn, f.SCOPE) == 2
        changed = replace(mine, url="https://example.org", enabled_events=("invoice.paid",))
        await webhooks.save_endpoint(conn, changed)
        assert await webhooks.get_endpoint(conn, f.SCOPE, mine.id, lock=True) == changed
