"""Searches with the official `stripe` package, unmodified: results, pages, totals, permissions and errors."""

import pytest
import stripe

from gateway.domain.api_key import KeyKind
from gateway.domain.permission import Level, Resource
from tests.conformance.shop import Shop


async def test_the_sdk_searches_and_pages_through_what_it_finds(small_shop: Shop) -> None:
    made = [
        await small_shop.call(lambda c, n=n: c.customers.create({"name": f"Ada {n}", "metadata": {"plan": "gold"}}))
        for n in range(5)
    ]
    params = {"query": 'name~"ada" AND metadata["plan"]:"gold"', "limit": 2}
    page = await small_shop.call(lambda c: c.customers.search({**params, "expand": ["total_count"]}))
    assert (page.object, page.has_more, page.total_count) == ("search_result", True, 5)
    every = await small_shop.call(lambda c: [one.id for one in c.customers.search(params).auto_paging_iter()])
    assert every == [one.id for one in reversed(made)]
    prices = await small_shop.call(lambda c: c.prices.search({"query": 'active:"true" AND currency:"usd"'}))
    assert [price.object for price in prices.data] == ["price"]
    for root in ("subscriptions", "invoices", "products", "charges", "payment_intents"):
        result = await small_shop.call(lambda c, root=root: getattr(c, root).search({"query": "created<1"}))
        assert (result.data, result.next_page) == ([], None)


async def test_a_query_that_cannot_be_read_and_a_missing_permission_are_errors_of_the_sdk(small_shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="at position 6") as refused:
        await small_shop.call(lambda c: c.customers.search({"query": "name:Ada"}))
    assert refused.value.param == "query"
    narrow = await small_shop.desk.minted(kind=KeyKind.RESTRICTED, permissions={Resource.PRICES: Level.READ})
    with pytest.raises(stripe.PermissionError, match="'customers:read' permission would allow"):
        await small_shop.call(lambda c: c.customers.search({"query": 'name:"Ada"'}), key=narrow)
