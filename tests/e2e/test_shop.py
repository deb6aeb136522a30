"""The sample merchant as a person meets it: from the landing page to the members' page, beside a sandbox of its own."""

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from tests.fixtures.chromium import launch_options
from tests.web.person import BrowserWallet, equip

pytestmark = pytest.mark.xdist_group("sandbox")

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 120


@pytest.fixture
def told(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What `make shop` prints, while everything is up."""
    command = [sys.executable, "-m", "gateway", "sandbox", "--data-dir", str(tmp_path / "d"), "--beside"]
    process = subprocess.Popen(  # noqa: S603 - our own words
        [*command, "examples/shop/shop.py"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines: dict[str, str] = {}
    deadline = time.monotonic() + SECONDS_MAX
    assert process.stdout is not None
    out = []
    for line in process.stdout:
        out.append(line)
        if found := re.fullmatch(r"  (\w+) +(\S.*)\n", line):
            lines[found[1]] = found[2]
        if "try" in lines or time.monotonic() > deadline:
            break
    assert "shop" in lines, "".join(out)
    yield lines
    process.terminate()
    process.communicate()


async def test_ST_06_MX_11_MX_12_MX_18_from_the_landing_page_to_what_was_paid_for(told: dict[str, str]) -> None:
    wallet: Any = BrowserWallet(None, bytes.fromhex(told["wallet"].removeprefix("key 0x")))  # type: ignore[arg-type]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        page = await browser.new_page(locale="en-GB")
        page.set_default_timeout(30_000)
        await equip(page, wallet)
        shut = await page.goto(f"{told['shop']}/members")
        assert shut is not None
        assert shut.status == 402
        await page.goto(told["shop"])
        await page.get_by_label("Your e-mail address").fill(f"ada-{secrets.token_hex(3)}@example.com")
        await page.get_by_role("button", name="Look at the prices").click()
        await page.locator("li", has_text="by the month: 9.00 USD").get_by_role("button").click()
        await page.get_by_role("heading", name="Connect your wallet").wait_for()
        await page.get_by_role("button", name="Connect Test Wallet").click()
        await page.get_by_text("may collect").wait_for()
        await page.get_by_role("button", name="Agree and subscribe").click()
        await page.get_by_role("heading", name="You are subscribed").wait_for()
        await page.get_by_role("link", name="Back to Lighthouse Press").click()
        await page.get_by_text("Your payment is paid.").wait_for()
        await page.get_by_role("link", name="To the issues").click()
        for _ in range(20):  # the webhook may come a moment later
            if await page.get_by_role("heading", name="Issue 1").count():
                break
            await page.wait_for_timeout(500)
            await page.reload()
        assert await page.get_by_text("Welcome. Here it begins.").count() == 1
        await browser.close()
    assert wallet.sent == []
