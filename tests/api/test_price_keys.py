"""A lookup key names one price."""

from tests import factories
from tests.api.desk import Desk

PRICE = {"currency": "usd", "unit_amount": 1, "product": factories.PRODUCT_ID, "lookup_key": "basic"}


async def test_a_lookup_key_that_is_taken_is_refused_at_creation_and_at_change(desk: Desk) -> None:
    await desk.made("/v1/prices", PRICE)
    before = await desk.rows()
    again = await desk.post("/v1/prices", PRICE)
    changed = await desk.post(f"/v1/prices/{factories.PRICE_ID}", {"lookup_key": "basic"})
    for answer in (again, changed):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "lookup_key_taken", "lookup_key")
    assert await desk.rows() == before
