"""Lists: newest first, each object once, whatever is added meanwhile; and only the caller's."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from gateway.db import catalog, charge_intents, charges, events, invoices, mandates, subscriptions
from gateway.db.engine import Books, Connection
from gateway.db.pages import Created, Page, PageRequest
from gateway.domain import invoice, subscription
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from tests import factories as f
from tests.db.parts import draft
from tests.keeping import keep, keep_merchant

HOUR = timedelta(hours=1)
NUMBERS = range(2, 12)

Read = Callable[[Connection, PageRequest], Awaitable[Page[Any]]]


def request(limit: int = 100, **changes: Any) -> PageRequest:
    return PageRequest(**({"scope": f.SCOPE, "limit": limit} | changes))


@pytest.fixture
async def shelf(books: Books) -> Books:
    """Customer 1, and ten more, made an hour apart."""
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, *(f.customer(id=f.numbered("cus", n), created_at=f.NOW + n * HOUR) for n in NUMBERS))
    return books


def customer_ids(*numbers: int) -> list[str]:
    return [f.numbered("cus", number) for number in numbers]


async def listed(books: Books, **changes: Any) -> tuple[list[str], bool]:
    async with books.read() as conn:
        page = await catalog.page_customers(conn, request(**changes))
    return [customer.id for customer in page.items], page.has_more


async def test_a_list_begins_with_the_newest_and_says_whether_there_is_more(shelf: Books) -> None:
    assert await listed(shelf, limit=3) == (customer_ids(11, 10, 9), True)
    assert await listed(shelf, limit=11) == (customer_ids(*range(11, 0, -1)), False)


async def test_pages_forward_and_backward_show_everything_once(shelf: Books) -> None:
    forward, cursor = [], None
    while True:
        page, has_more = await listed(shelf, limit=4, starting_after=cursor)
        forward += page
        cursor = page[-1]
        if not has_more:
            break
    assert forward == customer_ids(*range(11, 0, -1))
    assert await listed(shelf, limit=4, ending_before=f.numbered("cus", 1)) == (customer_ids(5, 4, 3, 2), True)
    assert await listed(shelf, limit=4, ending_before=f.numbered("cus", 8)) == (customer_ids(11, 10, 9), False)
    assert await listed(shelf, starting_after=f.numbered("cus", 1)) == ([], False)
    assert await listed(shelf, ending_before=f.numbered("cus", 11)) == ([], False)


async def test_a_page_is_not_moved_by_what_is_added_meanwhile(shelf: Books) -> None:
    first, _ = await listed(shelf, limit=2)
    async with shelf.write() as conn:
        await keep(conn, f.customer(id=f.numbered("cus", 99)))
    assert await listed(shelf, limit=2, starting_after=first[-1]) == (customer_ids(9, 8), True)


@pytest.mark.parametrize("param", ["starting_after", "ending_before"])
async def test_a_neighbour_that_the_caller_does_not_have_is_not_found(shelf: Books, param: str) -> None:
    async with shelf.write() as conn:
        await keep(conn, f.account(id="acct_2"), f.customer(id="cus_theirs", scope=Scope("acct_2", livemode=False)))
    for neighbour in ("cus_theirs", "cus_of_nobody"):
        with pytest.raises(NotFound) as missing:
            await listed(shelf, **{param: neighbour})
        assert (missing.value.param, missing.value.code) == (param, "resource_missing")


async def test_two_neighbours_at_once_are_refused(shelf: Books) -> None:
    with pytest.raises(InvalidRequest):
        await listed(shelf, starting_after=f.numbered("cus", 3), ending_before=f.numbered("cus", 5))


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (Created(gt=f.NOW + 9 * HOUR), (11, 10)),
        (Created(gte=f.NOW + 9 * HOUR), (11, 10, 9)),
        (Created(lt=f.NOW + 3 * HOUR), (2, 1)),
        (Created(lte=f.NOW + 3 * HOUR), (3, 2, 1)),
        (Created(gte=f.NOW + 3 * HOUR, lt=f.NOW + 5 * HOUR), (4, 3)),
        (Created(), tuple(range(11, 0, -1))),
    ],
)
async def test_lists_are_bounded_by_when_things_were_made(
    shelf: Books, created: Created, expected: tuple[int, ...]
) -> None:
    assert await listed(shelf, created=created) == (customer_ids(*expected), False)


async def found(books: Books, read: Read) -> list[str]:
    async with books.read() as conn:
        return [value.id for value in (await read(conn, request())).items]


async def test_objects_are_found_by_what_they_belong_to(books: Books) -> None:
    two = {"customer_id": f.numbered("cus", 2)}
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(
            conn,
            f.customer(id=two["customer_id"], email="grace@example.com"),
            f.customer(id=f.numbered("cus", 3), deleted=True),
            f.product(id=f.numbered("prod", 2), active=False),
            f.product(id=f.numbered("prod", 3), deleted=True),
            f.price(id=f.numbered("price", 2), product_id=f.numbered("prod", 2), currency="eur", lookup_key="k"),
            f.price(id=f.numbered("price", 3), active=False),
            f.payment_method(id=f.numbered("pm", 2), **two),
            f.mandate(),
            f.mandate(id=f.numbered("mandate", 2), onchain_id=f.some_mandate_id(2), **two),
            f.subscription(),
            f.active_subscription(
                id=f.numbered("sub", 2),
                items=(f.subscription_item(id=f.numbered("si", 2), price_id=f.numbered("price", 2)),),
                **two,
            ),
            f.invoice(),
            f.draft_invoice(id=f.numbered("in", 2), subscription_id=f.numbered("sub", 2), lines=(), **two),
            f.charge_intent(),
            f.charge_intent(id=f.numbered("ci", 2), invoice_id=f.numbered("in", 2), mandate_period=2, **two),
            f.charge(),
            f.charge(id=f.numbered("ch", 2), charge_intent_id=f.numbered("ci", 2), **two),
        )
    reads: list[tuple[Read, list[str]]] = [
        (catalog.page_customers, customer_ids(2, 1)),
        (lambda c, r: catalog.page_customers(c, r, email="grace@example.com"), customer_ids(2)),
        (catalog.page_products, [f.numbered("prod", 2), f.PRODUCT_ID]),
        (lambda c, r: catalog.page_products(c, r, active=True), [f.PRODUCT_ID]),
        (lambda c, r: catalog.page_products(c, r, active=False), [f.numbered("prod", 2)]),
        (lambda c, r: catalog.page_products(c, r, ids=[f.PRODUCT_ID, "prod_x"]), [f.PRODUCT_ID]),
        (lambda c, r: catalog.page_prices(c, r, product=f.PRODUCT_ID, active=True), [f.PRICE_ID]),
        (lambda c, r: catalog.page_prices(c, r, currency="eur"), [f.numbered("price", 2)]),
        (lambda c, r: catalog.page_prices(c, r, lookup_keys=["k", "x"]), [f.numbered("price", 2)]),
        (lambda c, r: catalog.page_payment_methods(c, r, customer=two["customer_id"]), [f.numbered("pm", 2)]),
        (lambda c, r: mandates.page(c, r, customer=f.CUSTOMER_ID), [f.MANDATE_ID]),
        (lambda c, r: subscriptions.page(c, r, customer=f.CUSTOMER_ID), [f.SUBSCRIPTION_ID]),
        (lambda c, r: subscriptions.page(c, r, status=subscription.Status.ACTIVE), [f.numbered("sub", 2)]),
        (lambda c, r: subscriptions.page(c, r, without=[subscription.Status.ACTIVE]), [f.SUBSCRIPTION_ID]),
        (lambda c, r: subscriptions.page(c, r, price=f.PRICE_ID), [f.SUBSCRIPTION_ID]),
        (lambda c, r: invoices.page(c, r, customer=two["customer_id"]), [f.numbered("in", 2)]),
        (lambda c, r: invoices.page(c, r, subscription=f.SUBSCRIPTION_ID), [f.INVOICE_ID]),
        (lambda c, r: invoices.page(c, r, status=invoice.Status.OPEN), [f.INVOICE_ID]),
        (lambda c, r: invoices.page(c, r, status=invoice.Status.DRAFT), [f.numbered("in", 2)]),
        (lambda c, r: charge_intents.page(c, r, customer=two["customer_id"]), [f.numbered("ci", 2)]),
        (lambda c, r: charges.page(c, r, customer=f.CUSTOMER_ID), [f.CHARGE_ID]),
        (lambda c, r: charges.page(c, r, charge_intent=f.numbered("ci", 2)), [f.numbered("ch", 2)]),
    ]
    for read, expected in reads:
        assert await found(books, read) == expected


async def test_a_listed_object_is_whole(books: Books) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, f.subscription(), f.invoice())
        assert (await subscriptions.page(conn, request())).items == [f.subscription()]
        assert (await invoices.page(conn, request())).items == [f.invoice()]


async def test_events_are_listed_by_number_whatever_the_clock_of_their_object_says(books: Books) -> None:
    drafts = [
        draft(at=f.NOW + HOUR * hours, type=kind)
        for hours, kind in (
            (5, EventType.INVOICE_PAID),
            (1, EventType.SUBSCRIPTION_UPDATED),
            (3, EventType.SUBSCRIPTION_RENEWED),
        )
    ]
    async with books.write() as conn:
        await keep_merchant(conn)
        records = await events.append(conn, [*drafts, draft(object_id="sub_2")])
        newest = list(reversed(records))
        assert (await events.page(conn, request())).items == newest
        assert (await events.page(conn, request(2, starting_after=newest[0].id))).items == newest[1:3]
        assert (await events.page(conn, request(), object_id="sub_2")).items == [records[3]]
        assert (await events.page(conn, request(), types=["invoice.paid"])).items == [records[0]]
        of_subscriptions = await events.page(conn, request(), types=["customer.subscription.*"])
        assert of_subscriptions.items == newest[:3]
        assert (await events.page(conn, request(), types=["invoice.nothing"])).items == []
        late = await events.page(conn, request(created=Created(gte=f.NOW + 3 * HOUR)))
        assert late.items == [records[2], records[0]]
