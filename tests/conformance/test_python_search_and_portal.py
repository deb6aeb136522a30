"""The official `stripe` package, unmodified: searching in its language, and sending a customer to the portal."""

import pytest
import stripe

from tests.conformance.shop import Shop


async def test_the_sdk_searches_and_pages_through_what_it_finds(small_shop: Shop) -> None:
    for number in range(5):
        await small_shop.desk.made(
            "/v1/customers", {"email": f"ada{number}@example.com", "metadata": {"shelf": str(number % 2)}}
        )
    one = await small_shop.call(lambda c: c.customers.search({"query": "email:'ada3@example.com'"}))
    assert (one.object, [each.email for each in one.data]) == ("search_result", ["ada3@example.com"])
    even = await small_shop.call(
        lambda c: [
            each.email for each in c.customers.search({"query": "metadata['shelf']:'0'", "limit": 2}).auto_paging_iter()
        ]
    )
    assert sorted(even) == ["ada0@example.com", "ada2@example.com", "ada4@example.com"]
    both = await small_shop.call(
        lambda c: c.customers.search({"query": "email:'ada1@example.com' OR email:'ada2@example.com'"})
    )
    assert len(both.data) == 2
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await small_shop.call(lambda c: c.customers.search({"query": "email="}))
    assert (refused.value.http_status, refused.value.param) == (400, "query")


async def test_SX_19_the_sdk_sends_a_customer_to_the_portal(small_shop: Shop) -> None:
    customer = await small_shop.call(lambda c: c.customers.create({"email": "ada@example.com"}))
    session = await small_shop.call(
        lambda c: c.billing_portal.sessions.create(
            {"customer": customer.id, "return_url": "https://shop.example/account"}
        )
    )
    assert isinstance(session, stripe.billing_portal.Session)
    assert (session.customer, session.return_url) == (customer.id, "https://shop.example/account")
    assert session.url.startswith("http")
