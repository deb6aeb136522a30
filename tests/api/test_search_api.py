"""`/v1/…/search`: pages, totals, expansions, one precise error each."""

from typing import Any

import pytest

from gateway.api.resources import ENDPOINTS
from gateway.db import searching
from tests import factories
from tests.api.desk import Desk
from tests.services.house import signer

ROOTS = ["customers", "subscriptions", "invoices", "prices", "products", "charges", "payment_intents", "charge_intents"]


async def found(desk: Desk, root: str, query: str, **params: Any) -> Any:
    answer = await desk.get(f"/v1/{root}/search", params={"query": query, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_search_goes_on_from_page_to_page_without_gap_or_overlap(desk: Desk) -> None:
    made = [
        (await desk.made("/v1/customers", {"name": f"Ada {number}", "metadata": {"plan": "Gold"}}))["id"]
        for number in range(5)
    ]
    await desk.made("/v1/customers", {"name": "Eve", "metadata": {"plan": "silver"}})
    query, seen, page = 'name~"ADA" AND metadata["plan"]:"gold"', [], {}
    while True:
        part = await found(desk, "customers", query, limit=2, **page)
        seen += [entry["id"] for entry in part["data"]]
        if not part["has_more"]:
            break
        page = {"page": part["next_page"]}
    assert seen == made[::-1]
    assert (part["object"], part["url"], part["next_page"]) == ("search_result", "/v1/customers/search", None)
    assert "total_count" not in part
    counted = await found(desk, "customers", query, limit=1, **{"expand[]": "total_count"})
    assert (counted["total_count"], len(counted["data"])) == (5, 1)


async def test_what_is_found_is_what_is_retrieved_with_the_same_expansions(small_desk: Desk) -> None:
    desk = small_desk
    made = await desk.subscription(signer(1))
    [hit] = (await found(desk, "subscriptions", 'status:"incomplete"'))["data"]
    assert hit == (await desk.get(f"/v1/subscriptions/{made['id']}")).json()
    [intent] = (
        await found(desk, "payment_intents", f'customer:"{made["customer"]}"', **{"expand[]": "data.customer"})
    )["data"]
    assert (intent["object"], intent["customer"]["object"]) == ("payment_intent", "customer")


async def test_deleted_objects_and_those_of_others_are_not_found(small_desk: Desk) -> None:
    desk = small_desk
    gone = await desk.made("/v1/customers", {"name": "Ada"})
    await desk.send("DELETE", f"/v1/customers/{gone['id']}")
    await desk.post("/v1/customers", {"name": "Ada"}, key=desk.other_key)
    await desk.post("/v1/customers", {"name": "Ada"}, key=desk.live_key)
    assert (await found(desk, "customers", 'name:"ada" OR -name:"ada"'))["data"] == []


@pytest.mark.parametrize("root", ROOTS)
async def test_every_search_answers_and_says_what_it_cannot_read(small_desk: Desk, root: str) -> None:
    assert (await found(small_desk, root, "created<0"))["data"] == []
    refused = await small_desk.get(f"/v1/{root}/search", params={"query": "created>0 AND shoe_size:44"})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, "search_query_invalid", "query")
    assert "at position 15: 'shoe_size' is no field" in error["message"]


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({}, "parameter_missing", "query"),
        ({"query": "created>0", "page": "!"}, "search_page_invalid", "page"),
        ({"query": "created>0", "page": "w7Y"}, "search_page_invalid", "page"),
        ({"query": "created>0", "limit": "101"}, "parameter_invalid", "limit"),
        ({"query": "created>0", "expand[]": "customer"}, "expand_unknown", "expand[0]"),
        ({"query": "created>0", "starting_after": factories.CUSTOMER_ID}, "parameter_unknown", "starting_after"),
        ({"query": "created>0;drop table customers"}, "search_query_invalid", "query"),
    ],
)
async def test_a_bad_search_gets_one_precise_error(
    small_desk: Desk, params: dict[str, str], code: str, param: str
) -> None:
    refused = await small_desk.get("/v1/customers/search", params=params)
    assert (refused.status_code, refused.json()["error"]["code"], refused.json()["error"]["param"]) == (
        400,
        code,
        param,
    )


async def test_a_list_has_no_total(small_desk: Desk) -> None:
    assert (await small_desk.get("/v1/customers?expand[]=total_count")).status_code == 400


def test_every_kind_that_can_be_searched_has_its_route() -> None:
    assert {endpoint.kind for endpoint in ENDPOINTS if endpoint.is_search} == set(searching.SHELVES)
