"""A merchant's prices as a page, in a frame of the merchant's page, and as buttons there (SX-22, MX-12)."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from litestar import Litestar, MediaType, Response, get

from gateway.domain.api_key import KeyKind
from gateway.services import api_keys
from tests import factories
from tests.web.conftest import Person
from tests.web.shop import CONFIRMATIONS, PEPPER, Shop
from tests.web.test_checkout_safe import REQUESTS_OF_A_PAGE_MAX, WEIGHT_MAX

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

PAGE = """<!doctype html><html lang="en"><title>Ada's Almanac</title>
<script src="{gateway}/embed.js"></script>
<h1>Ada's Almanac</h1>
<button id="buy" data-dues-table="{table}" data-dues-key="{key}" data-dues-price="{price}"
 data-custom-user="42" data-custom-other="x" data-reference="cart-7">Buy</button>
<dues-pricing-table table="{table}" data-custom-user="43"></dues-pricing-table></html>"""


async def publishable(shop: Shop) -> str:
    """A publishable key of the shop."""
    async with shop.gateway.books.write() as conn:
        _, key = await api_keys.mint(
            conn,
            account_id=factories.ACCOUNT_ID,
            livemode=False,
            kind=KeyKind.PUBLISHABLE,
            pepper=PEPPER,
            now=shop.now(),
        )
    return key


async def tabled(shop: Shop, **changes: Any) -> Any:
    """A pricing table with the monthly price."""
    body = {"prices": [factories.PRICE_ID], "success_url": f"{shop.url}/healthz", "hidden_fields": ["user"], **changes}
    return await shop.made("/v1/pricing_tables", body)


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(shop: Shop) -> AsyncIterator[tuple[str, Any]]:
    """A page of the merchant's, at an address of its own, with what it embeds."""
    table = await tabled(shop)
    words = {"gateway": shop.url, "table": table["id"], "key": await publishable(shop), "price": factories.PRICE_ID}

    @get("/", sync_to_thread=False)
    def page() -> Response[str]:
        policy = f"default-src 'none'; script-src {shop.url}; frame-src {shop.url}; style-src 'unsafe-inline'"
        headers = {"Content-Security-Policy": policy + "; require-trusted-types-for 'script'"}
        return Response(PAGE.format(**words), media_type=MediaType.HTML, headers=headers)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = Litestar([page], openapi_config=None)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}/", table
    server.should_exit = True
    await serving


async def started(shop: Shop) -> Any:
    """The newest session of the shop."""
    return (await shop.found("/v1/checkout/sessions?limit=1"))["data"][0]


async def test_MX_12_the_pricing_table_s_page_leads_to_a_checkout(person: Person) -> None:
    shop = person.shop
    yearly = await shop.made(
        "/v1/prices",
        {
            "currency": "usd",
            "unit_amount": 10_000,
            "product": factories.PRODUCT_ID,
            "recurring": {"interval": "year"},
            "nickname": "Almanac for a year",
        },
    )
    table = await tabled(shop, prices=[factories.PRICE_ID, yearly["id"]], trial_period_days=14)
    answers = []
    person.page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it looks inside what it is given
    await person.page.goto(table["url"])
    await person.sees("Choose a plan")
    weight = sum([len(gzip.compress(await one.body(), 9)) for one in answers])
    print(f"pricing: {weight} bytes gzip in {len(answers)} requests")
    assert weight <= WEIGHT_MAX
    assert len(answers) <= REQUESTS_OF_A_PAGE_MAX
    await person.look("60-pricing")
    await person.page.get_by_role("button", name="Subscribe: Almanac for a year").click()
    await person.sees("Who is subscribing?")
    await person.page.get_by_text("Free for 14 days, then 100.00 USD per year").wait_for()
    assert person.errors == []


async def test_SX_22_a_button_of_the_merchant_s_page_opens_a_checkout_with_hidden_fields(
    person: Person, merchant: tuple[str, Any]
) -> None:
    shop = person.shop
    await person.fund()
    address, _ = merchant
    await person.page.goto(address)
    await person.page.locator("#buy").click()
    await person.sees("Who is subscribing?")
    session = await started(shop)
    assert session["client_reference_id"] == "cart-7"
    assert [(field["key"], field["type"]) for field in session["custom_fields"]] == [("user", "hidden")]
    await person.details()
    await person.connect()
    await person.agree()
    await person.sees("Thank you")
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")
    bought = await shop.found(f"/v1/subscriptions/{(await started(shop))['subscription']}")
    assert (bought["status"], bought["metadata"]) == ("active", {"user": "42"})
    assert person.errors == []


async def test_SX_22_MX_12_the_pricing_table_stands_in_the_merchant_s_page_and_leads_out_of_it(
    person: Person, merchant: tuple[str, Any]
) -> None:
    address, table = merchant
    await person.page.goto(address)
    frame = person.page.frame_locator("iframe")
    button = frame.get_by_role("button", name="Subscribe: Almanac")
    await button.wait_for()
    await person.page.wait_for_function("document.querySelector('iframe').style.height !== ''")
    await button.click()
    await person.sees("Who is subscribing?")
    session = await started(person.shop)
    assert session["custom_fields"][0]["hidden"]["value"] == "43"
    framed = await person.page.goto(f"{table['url']}?embed=1")
    assert framed is not None
    assert "frame-ancestors *" in framed.headers["content-security-policy"]
    await person.look("61-pricing-framed")
    whole = await person.page.goto(table["url"])
    assert whole is not None
    assert "frame-ancestors 'none'" in whole.headers["content-security-policy"]
    assert person.errors == []


async def test_SX_22_a_page_can_start_nothing_that_the_merchant_did_not_put_on_the_table(shop: Shop) -> None:
    table, key = await tabled(shop), await publishable(shop)
    other = await shop.made(
        "/v1/prices",
        {"currency": "usd", "unit_amount": 1, "product": factories.PRODUCT_ID, "recurring": {"interval": "month"}},
    )
    url = f"{shop.url}/pricing/{table['id']}/start"
    before = await started(shop)

    async def start(site: str = "cross-site", to: str = url, **sent: str) -> int:
        async with httpx.AsyncClient(headers={"Sec-Fetch-Site": site}) as client:
            return (await client.post(to, data=sent)).status_code

    assert await start(key=key, price=other["id"]) == 422
    assert await start(key=key) == 422
    assert await start(price=factories.PRICE_ID) == 403
    assert await start(key="pk_test_nonsense", price=factories.PRICE_ID) == 403
    assert await start(key=shop.key, price=factories.PRICE_ID) == 403  # a secret key has no place in a page
    assert await start(to=url.replace(table["id"], "prctbl_none"), key=key, price=factories.PRICE_ID) == 404
    assert await started(shop) == before
    assert await start(key=key, price=factories.PRICE_ID) == 303
    assert await start("same-origin", price=factories.PRICE_ID) == 303
    await shop.made(f"/v1/pricing_tables/{table['id']}", {"active": False})
    assert await start(key=key, price=factories.PRICE_ID) == 404
