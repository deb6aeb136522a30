"""Pages both ways, filters, and expansions."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests import factories
from tests.api import estate, matrix
from tests.api.desk import Desk
from tests.services.house import signer


async def names(desk: Desk, query: str) -> list[str]:
    answer = await desk.get(f"/v1/products?{query}")
    assert answer.status_code == 200, answer.text
    return [entry["name"] for entry in answer.json()["data"]]


async def shelf(desk: Desk, count: int = 5) -> list[Any]:
    return [await desk.made("/v1/products", {"name": f"p{number}"}) for number in range(count)]


async def test_pages_go_newest_first_and_meet_without_gap_or_overlap(desk: Desk) -> None:
    await shelf(desk)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await desk.get(f"/v1/products?limit=2{cursor}")).json()
        seen.extend(entry["name"] for entry in page["data"])
        if not page["has_more"]:
            break
        cursor = f"&starting_after={page['data'][-1]['id']}"
    assert seen == ["p4", "p3", "p2", "p1", "p0", "Almanac"]
    assert (page["object"], page["url"]) == ("list", "/v1/products")


async def test_pages_go_back_by_ending_before(desk: Desk) -> None:
    made = await shelf(desk)
    page = (await desk.get(f"/v1/products?limit=2&ending_before={made[1]['id']}")).json()
    assert [entry["name"] for entry in page["data"]] == ["p3", "p2"]
    assert page["has_more"] is True
    first = (await desk.get(f"/v1/products?limit=2&ending_before={made[3]['id']}")).json()
    assert ([entry["name"] for entry in first["data"]], first["has_more"]) == (["p4"], False)


async def test_pages_may_be_counted_and_then_say_what_is_beside_them(desk: Desk) -> None:
    await shelf(desk)
    pages = [(await desk.get(f"/v1/products?page={number}&per_page=4")).json() for number in (1, 2, 3)]
    assert [[entry["name"] for entry in page["data"]] for page in pages] == [
        ["p4", "p3", "p2", "p1"],
        ["p0", "Almanac"],
        [],
    ]
    assert [page["meta"] for page in pages[:2]] == [
        {"url": "/v1/products", "page": 1, "per_page": 4, "has_more": True, "prev": None, "next": 2},
        {"url": "/v1/products", "page": 2, "per_page": 4, "has_more": False, "prev": 1, "next": None},
    ]
    first = (await desk.get("/v1/products?per_page=2")).json()
    assert (len(first["data"]), first["meta"]["page"]) == (2, 1)
    assert "meta" not in (await desk.get("/v1/products")).json()


async def test_every_list_can_be_counted(small_desk: Desk) -> None:
    """The second page of one entry is the second entry, whatever the list."""
    own = await estate.build(small_desk, factories.SCOPE, small_desk.key, 101)
    counted = [operation for operation in matrix.operations() if operation.is_read and operation.takes("per_page")]
    assert len(counted) > 20
    for operation in counted:
        ask = operation.request(own.ids)
        whole = (await ask.send(small_desk, own.key)).json()["data"]
        second = (await replace(ask, params={**ask.params, "page": 2, "per_page": 1}).send(small_desk, own.key)).json()
        assert [entry["id"] for entry in second["data"]] == [entry["id"] for entry in whole[1:2]], operation.name
        assert second["meta"]["page"] == 2, operation.name


@pytest.mark.parametrize(
    ("query", "param"),
    [("page=0", "page"), ("page=101", "page"), ("per_page=101", "per_page"), ("page=1&starting_after=x", "page")],
)
async def test_a_page_that_cannot_be_is_refused(small_desk: Desk, query: str, param: str) -> None:
    answer = await small_desk.get(f"/v1/products?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_an_error_says_its_code_and_message_at_the_top_too(small_desk: Desk) -> None:
    told = (await small_desk.get("/v1/products?page=0")).json()
    assert (told["code"], told["message"]) == (told["error"]["code"], told["error"]["message"])


async def test_created_bounds_a_list(small_desk: Desk) -> None:
    desk = small_desk
    await desk.made("/v1/products", {"name": "old"})
    desk.house.now += timedelta(days=1)
    await desk.made("/v1/products", {"name": "new"})
    moment = int(desk.house.now.timestamp())
    assert await names(desk, f"created[gte]={moment}") == ["new"]
    assert await names(desk, f"created[gt]={moment}") == []
    assert await names(desk, f"created[lt]={moment}") == ["old", "Almanac"]
    assert await names(desk, f"created={moment}") == ["new"]


async def test_filters_narrow_a_list(small_desk: Desk) -> None:
    desk = small_desk
    made = await shelf(desk, 2)
    await desk.made(f"/v1/products/{made[0]['id']}", {"active": False})
    assert await names(desk, "active=false") == ["p0"]
    assert await names(desk, f"ids[0]={made[1]['id']}") == ["p1"]
    await desk.made("/v1/customers", {"email": "ada@example.com"})
    await desk.made("/v1/customers", {"email": "eve@example.com"})
    found = (await desk.get("/v1/customers", params={"email": "eve@example.com"})).json()["data"]
    assert [entry["email"] for entry in found] == ["eve@example.com"]


async def test_events_are_listed_without_a_gap_and_by_type_and_object(desk: Desk) -> None:
    made = await desk.subscription(signer(1))
    events = (await desk.get("/v1/events?limit=100")).json()["data"]
    assert [event["sequence"] for event in events] == list(range(len(events), 0, -1))
    one = (await desk.get("/v1/events?type=invoice.finalized")).json()["data"]
    assert [event["type"] for event in one] == ["invoice.finalized"]
    some = (await desk.get("/v1/events?types[]=invoice.*&limit=100")).json()["data"]
    assert {event["type"].split(".")[0] for event in some} == {"invoice"}
    about = (await desk.get(f"/v1/events?object_id={made['id']}")).json()["data"]
    assert [event["object_sequence"] for event in about] == list(range(len(about), 0, -1))
    assert {event["data"]["object"]["id"] for event in about} == {made["id"]}
    same = (await desk.get(f"/v1/events/{about[0]['id']}")).json()
    assert same == about[0]


async def test_the_request_that_caused_an_event_is_named_in_it(small_desk: Desk) -> None:
    answer = await small_desk.post("/v1/customers")
    [event] = (await small_desk.get("/v1/events?type=customer.created")).json()["data"]
    assert event["request"]["id"] == answer.headers["Request-Id"]


async def test_subscriptions_are_listed_by_status(small_desk: Desk) -> None:
    desk = small_desk
    made = await desk.subscription(signer(1))
    ended = await desk.subscription(signer(2))
    await desk.send("DELETE", f"/v1/subscriptions/{ended['id']}")

    async def ids(query: str) -> list[str]:
        return [entry["id"] for entry in (await desk.get(f"/v1/subscriptions?{query}")).json()["data"]]

    assert await ids("") == [made["id"]]
    assert await ids("status=all") == [ended["id"], made["id"]]
    assert await ids("status=canceled") == await ids("status=ended") == [ended["id"]]
    assert await ids(f"status=incomplete&customer={made['customer']}") == [made["id"]]


async def test_ST_10_ids_are_expanded_at_any_depth_up_to_four(desk: Desk) -> None:
    made = await desk.subscription(
        signer(1),
        expand=[
            "customer",
            "latest_invoice.payments.data.payment.payment_intent",
            "latest_invoice.charge_intent.mandate.payment_method",
            "items.data.price.product",
            "pending_setup_intent",
        ],
    )
    invoice = made["latest_invoice"]
    [payment] = invoice["payments"]["data"]
    assert made["customer"]["object"] == "customer"
    assert payment["payment"]["payment_intent"]["object"] == "payment_intent"
    assert payment["payment"]["charge_intent"] == invoice["charge_intent"]["id"]
    assert invoice["charge_intent"]["mandate"]["payment_method"]["object"] == "payment_method"
    assert made["items"]["data"][0]["price"]["product"]["id"] == factories.PRODUCT_ID
    assert made["pending_setup_intent"] is None


async def test_lists_expand_below_data_with_few_statements(small_desk: Desk) -> None:
    desk = small_desk
    for number in range(1, 4):
        await desk.subscription(signer(number))
    books = desk.house.gateway.books
    url = "/v1/subscriptions?expand[]=data.latest_invoice.charge_intent&expand[]=data.customer&limit="
    counts = []
    for limit in (1, 3):
        before = books.statements
        page = (await desk.get(f"{url}{limit}")).json()
        counts.append(books.statements - before)
        assert {entry["latest_invoice"]["charge_intent"]["object"] for entry in page["data"]} == {"charge_intent"}
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "customer.nothing",
        "id",
        "",
        "customer.",
        "data.customer",
        "latest_invoice.subscription.latest_invoice.subscription.latest_invoice",
    ],
)
async def test_what_cannot_be_expanded_is_refused_before_anything_happens(small_desk: Desk, path: str) -> None:
    desk = small_desk
    customer, method = await desk.wallet(signer(1))
    before = await desk.rows()
    answer = await desk.post(
        "/v1/subscriptions",
        {
            "customer": customer["id"],
            "items": [{"price": factories.PRICE_ID}],
            "default_payment_method": method["id"],
            "expand": ["customer", path],
        },
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "expand[1]")
    assert await desk.rows() == before


async def test_a_list_is_expanded_below_data_only(small_desk: Desk) -> None:
    answer = await small_desk.get("/v1/subscriptions?expand[]=customer")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "expand_unknown")
