"""One browser, one node and one shop for all tests of the pages; a new person, with a new wallet, for each."""

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, TimeoutError, async_playwright  # noqa: A004

from chain.local_node import LOCAL_CHAIN_ID, LocalNode
from tests.fixtures.chromium import launch_options
from tests.web.person import BrowserWallet, equip, inspect
from tests.web.shop import UNIT, Shop


@pytest.fixture(scope="session")
def local_node() -> Iterator[LocalNode]:
    with LocalNode.start() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(local_node: LocalNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with Shop.opened(Path(tmp_path_factory.mktemp("shop")), local_node) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    options = launch_options()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(**options)  # type: ignore[arg-type]
        yield launched
        await launched.close()


@dataclass
class Person:
    """Somebody at the page: browser window, wallet, and what was seen of each state."""

    shop: Shop
    context: BrowserContext
    page: Page
    wallet: BrowserWallet
    seen: dict[str, list[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    async def fund(self, units: int = 1_000) -> None:
        await self.shop.fund(self.wallet.address, units * UNIT)
        await self.shop.fund(self.wallet.address, units * UNIT, self.shop.plain_token)

    async def look(self, state: str) -> None:
        """Check a state on all displays."""
        await inspect(self.page, state, self.seen)

    async def title(self) -> str:
        return await self.page.locator("h1").inner_text()

    async def sees(self, title: str) -> None:
        await self._finds("h1", title)

    async def reads(self, line: str) -> None:
        """A line of the progress appears."""
        await self._finds("#text", line)

    async def _finds(self, selector: str, title: str) -> None:
        try:
            await self.page.locator(selector, has_text=title).wait_for()
        except TimeoutError as error:
            shown = await self.page.locator("body").inner_text()
            raise AssertionError(f"no {title!r}, but: {shown}\n{self.errors}") from error

    async def is_told(self, words: str) -> None:
        await self._finds("#alert", words)

    async def details(self, email: str = "ada@example.com") -> None:
        await self.page.get_by_label("E-mail address").fill(email)
        await self.page.get_by_role("button", name="Continue").click()

    async def connect(self, token: str = "USDC") -> None:
        await self.page.get_by_label(f"{token} on Localnet").check()
        await self.page.get_by_role("button", name="Connect Test Wallet").click()

    async def agree(self) -> None:
        await self.page.get_by_role("button", name="Agree and").click()

    async def at_consent(self, token: str = "USDC", **wanted: Any) -> Any:
        """A session whose wallet is connected already; the page shows what it agrees to."""
        session = await self.shop.session(customer_email="ada@example.com", **wanted)
        address = self.shop.plain_token if token == "USDT" else self.shop.stage.token
        body = {"address": self.wallet.address, "chain_id": LOCAL_CHAIN_ID, "token": address}
        assert (await self.shop.post(f"{session['url']}/wallet", body)).status_code == 200
        self.wallet.is_connected = True
        await self.page.goto(session["url"])
        return session

    async def signed(self, token: str = "USDC", **wanted: Any) -> Any:
        """A session whose wallet has signed; nothing was collected yet."""
        session = await self.at_consent(token, **wanted)
        await self.agree()
        await self.sees("Thank you")
        return session

    async def reopen(self) -> None:
        """Close the tab, and open its address in a new one."""
        url = self.page.url
        await self.page.close()
        self.page = await self.opened(equipped=True)
        await self.page.goto(url)

    async def visit(self, url: str) -> None:
        """Open an address in a tab of its own: the one before may be about to show itself anew, and stays open."""
        self.page = await self.opened(equipped=True)
        await self.page.goto(url)

    async def opened(self, *, equipped: bool) -> Page:
        page = await self.context.new_page()
        page.set_default_timeout(8_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        if equipped:
            await equip(page, self.wallet)
        return page


@pytest_asyncio.fixture(loop_scope="session")
async def person(shop: Shop, browser: Browser) -> AsyncIterator[Person]:
    # Each person comes from an address of their own, as a proxy on this machine tells it: tries are counted by it.
    where = {"X-Forwarded-For": f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"}
    size = {"width": 390, "height": 844}
    context = await browser.new_context(viewport=size, locale="en-GB", extra_http_headers=where)  # type: ignore[arg-type]
    someone = Person(shop, context, None, BrowserWallet(shop, secrets.token_bytes(32)))  # type: ignore[arg-type]
    someone.page = await someone.opened(equipped=True)
    yield someone
    await context.close()
    shop.chain.is_cut = False
    shop.ahead *= 0
