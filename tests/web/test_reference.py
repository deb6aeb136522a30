"""U10: the API's description in a real Chromium whose network is cut: everything comes from this server."""

import os
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Request, Route

from gateway.api import openapi
from tests.web.shop import Shop

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


async def test_U10_the_description_works_with_the_network_cut(shop: Shop, browser: Browser) -> None:
    asked: list[str] = []
    faults: list[str] = []
    context = await browser.new_context(viewport={"width": 1280, "height": 900})

    async def only_here(route: Route, request: Request) -> None:
        asked.append(request.url)
        if urlsplit(request.url).netloc == urlsplit(shop.url).netloc or request.url.startswith("data:"):
            await route.continue_()
        else:
            await route.abort()

    try:
        await context.route("**/*", only_here)
        page = await context.new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(f"{shop.url}/docs")
        await page.locator(".opblock-tag-section").first.wait_for()
        tags = {endpoint.path.removeprefix("/v1/").partition("/")[0] for endpoint in openapi.ENDPOINTS}
        assert await page.locator(".opblock-tag-section").count() == len(tags)
        await page.locator("#operations-tag-subscriptions").click()
        await page.locator("#operations-subscriptions-get_subscriptions .opblock-summary-control").click()
        await page.get_by_role("button", name="Try it out").click()
        await page.locator("#operations-subscriptions-get_subscriptions .execute").click()
        answer = page.locator("#operations-subscriptions-get_subscriptions .live-responses-table .response-col_status")
        await answer.last.wait_for()
        assert "401" in await answer.last.inner_text(), "it talks to this server, without a key"
        if folder := os.environ.get("DUES_SCREENSHOTS"):
            await page.screenshot(path=f"{folder}/reference.png")
    finally:
        await context.close()
    assert faults == [fault for fault in faults if "401" in fault]
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(shop.url).netloc}
