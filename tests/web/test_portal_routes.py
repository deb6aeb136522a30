"""The portal's routes without a browser: who may do what, how often, and what leaves (S1, S8)."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from chain.primitives import address
from gateway.api.app import create_app
from gateway.db import accounts, portal_configurations, subscriptions
from gateway.db import sign_in as sign_in_rows
from gateway.db.engine import Books
from gateway.domain import portal
from gateway.domain.catalog import Scope
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.portal_configuration import CancelFeature, CancelMode, Features, PlanFeature, PortalConfiguration
from gateway.domain.subscription import Status
from gateway.log import Redactor
from gateway.services import sign_in
from gateway.services.gateway import Network
from gateway.web import pages
from gateway.web.portal_session import TRIES_MAX
from tests import factories as f
from tests.keeping import keep
from tests.services.house import House
from tests.services.test_mails import POLICY

KEY = b"\x07" * 32
WALLET = address(Account.from_key(KEY).address)
PEPPER = b"a pepper of the tests, 32 bytes.."
HERE = {"Sec-Fetch-Site": "same-origin"}
SUBSCRIPTION = "/customer/subscriptions/sub_1"


@dataclass
class Window:
    """Browsers at the portal of a house; each has its own cookies and address."""

    house: House
    open: Callable[[str], httpx.AsyncClient]
    networks: dict[int, Network]

    async def signed_in(self, key: bytes = KEY, host: str = "10.0.0.1") -> httpx.AsyncClient:
        client = self.open(host)
        body = {"address": Account.from_key(key).address, "chain_id": f.CHAIN_ID}
        asked = (await client.post("/customer/auth/challenge", json=body)).json()["message"]
        signature = "0x" + bytes(Account.sign_message(encode_defunct(text=asked), key).signature).hex()
        answer = await client.post("/customer/auth/wallet", json={"message": asked, "signature": signature})
        assert answer.status_code == 200, answer.text
        return client

    def explore(self, network: Network) -> None:
        """The operator names an explorer."""
        self.networks[network.chain_id] = network

    async def status(self) -> Status:
        async with self.house.gateway.books.read() as conn:
            return (await subscriptions.load(conn, ["sub_1"]))["sub_1"].status

    async def allow(self, features: Features) -> None:
        """What the merchant lets its customers do."""
        configuration = PortalConfiguration(
            id="bpc_1", scope=f.SCOPE, created_at=f.NOW, updated_at=f.NOW, is_default=True, features=features
        )
        async with self.house.gateway.books.write() as conn:
            await portal_configurations.add(conn, [configuration])


def token(page: httpx.Response) -> str:
    return page.text.partition('name="csrf" value="')[2].partition('"')[0]


async def act(client: httpx.AsyncClient, step: str, fields: Mapping[str, str] | None = None) -> httpx.Response:
    csrf = token(await client.get("/customer"))
    return await client.post(f"{SUBSCRIPTION}/{step}", data={"csrf": csrf, **(fields or {})})


@pytest.fixture
async def window(sqlite_books: Books) -> AsyncIterator[Window]:
    house = await House.build(sqlite_books, mail=POLICY)
    networks = dict(house.gateway.networks)
    house.gateway = replace(house.gateway, public_url="https://pay.example", networks=networks)
    async with house.gateway.books.write() as conn:
        await keep(
            conn,
            f.customer(id="cus_1", email="ada@example.com"),
            f.payment_method(id="pm_1", owner=WALLET, customer_id="cus_1"),
            f.active_mandate(
                id="mandate_1",
                payment_method_id="pm_1",
                customer_id="cus_1",
                subscription_id="sub_1",
                terms=f.mandate_terms(payer=WALLET),
            ),
            f.active_subscription(
                id="sub_1",
                customer_id="cus_1",
                payment_method_id="pm_1",
                mandate_id="mandate_1",
                items=(f.subscription_item(id="si_1"),),
            ),
        )
    app = create_app(
        house.gateway,
        chains={f.CHAIN_ID: house.chain},
        clock=lambda: house.now,
        pepper=PEPPER,
        pages=pages.handlers,
    )
    opened: list[httpx.AsyncClient] = []

    def open_one(host: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app, client=(host, 1))
        opened.append(httpx.AsyncClient(transport=transport, base_url="https://pay.example", headers=HERE))
        return opened[-1]

    yield Window(house, open_one, networks)
    for client in opened:
        await client.aclose()


async def test_S8_the_cookie_is_kept_for_this_host_alone_and_its_secret_is_in_no_page_and_no_row(
    window: Window,
) -> None:
    client = await window.signed_in()
    [kept] = [c for c in client.cookies.jar if c.name == "__Host-dues"]
    assert (kept.secure, kept.path, kept.domain_specified) == (True, "/", False)
    assert kept.value is not None
    page = await client.get("/customer")
    assert kept.value not in page.text
    assert page.headers["cache-control"] == "no-store"
    policy = page.headers["content-security-policy"]
    for rule in ("default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "'nonce-"):
        assert rule in policy
    assert page.headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert page.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("url", "name", "secure"),
    [
        ("https://pay.example", "__Host-dues", True),
        ("http://localhost:8321", "__Host-dues", True),
        ("http://127.0.0.1:8321", "__Host-dues", True),
        ("http://pay.example", "dues", False),
    ],
)
async def test_S8_the_cookie_has_the_prefix_wherever_browsers_keep_it(
    sqlite_books: Books, url: str, name: str, *, secure: bool
) -> None:
    house = await House.build(sqlite_books)
    gateway = replace(house.gateway, public_url=url)
    async with gateway.books.write() as conn:
        _, link = await sign_in.create_url(
            conn, gateway, customer_id="cus_1", return_url=None, configuration_id=None, language=None, now=house.now
        )
    app = create_app(gateway, chains={}, clock=lambda: house.now, pepper=PEPPER, pages=pages.handlers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=url) as client:
        answer = await client.get(link.removeprefix(url))
    assert (answer.status_code, answer.headers["location"]) == (303, "/customer")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{name}=")
    assert ("Secure" in cookie) == secure
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


async def test_who_is_not_signed_in_is_led_to_where_that_is_done(window: Window) -> None:
    stranger = window.open("10.0.0.9")
    for path in ("/customer", SUBSCRIPTION, f"{SUBSCRIPTION}/cancel", f"{SUBSCRIPTION}/plan"):
        answer = await stranger.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/customer/auth")
    for step in ("cancel", "keep", "pause", "resume", "plan", "wallet"):
        answer = await stranger.post(f"{SUBSCRIPTION}/{step}", data={"csrf": "x"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/customer/auth")
    assert await window.status() is Status.ACTIVE


async def test_S8_nothing_changes_without_the_token_of_the_page_and_a_page_of_ours(window: Window) -> None:
    client = await window.signed_in()
    other = await window.signed_in(b"\x08" * 32, "10.0.0.2")
    good, foreign = token(await client.get("/customer")), token(await other.get("/customer"))
    assert good
    assert good != foreign
    for csrf in ("", "x", foreign):
        answer = await client.post(f"{SUBSCRIPTION}/cancel", data={"csrf": csrf, "when": "now"})
        assert answer.status_code == 403
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        answer = await client.post(f"{SUBSCRIPTION}/cancel", data={"csrf": good, "when": "now"}, headers=headers)
        assert answer.status_code == 403
    assert await window.status() is Status.ACTIVE
    answer = await client.post(f"{SUBSCRIPTION}/cancel", data={"csrf": good, "when": "now"})
    assert answer.status_code == 303
    assert await window.status() is Status.CANCELED


async def test_S1_the_portal_of_another_wallet_sees_and_changes_nothing(window: Window) -> None:
    other = await window.signed_in(b"\x08" * 32)
    assert "sub_1" not in (await other.get("/customer")).text
    missing = await other.get("/customer/subscriptions/sub_0")
    for path in (SUBSCRIPTION, f"{SUBSCRIPTION}/cancel", f"{SUBSCRIPTION}/plan"):
        answer = await other.get(path)
        assert (answer.status_code, _bare(answer)) == (404, _bare(missing))
    for step in ("cancel", "keep", "pause", "resume", "plan", "wallet"):
        assert (await act(other, step)).status_code == 404
    assert await window.status() is Status.ACTIVE


def _bare(answer: httpx.Response) -> str:
    """A page without what differs each time."""
    nonce = answer.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    return answer.text.replace(nonce, "")


@pytest.mark.parametrize(
    ("step", "fields"),
    [("cancel", {"when": "now"}), ("cancel", {}), ("pause", {}), ("plan", {"price": f.PRICE_ID}), ("wallet", {})],
)
async def test_what_the_merchant_does_not_offer_is_refused_in_words(
    window: Window, step: str, fields: dict[str, str]
) -> None:
    await window.allow(Features(cancel=CancelFeature(enabled=False), payment_method_update=False))
    client = await window.signed_in()
    page = await client.get(SUBSCRIPTION)
    assert f'action="{SUBSCRIPTION}/{step}' not in page.text
    answer = await act(client, step, fields)
    assert answer.status_code == 422
    assert "does not offer this here" in answer.text
    assert await window.status() is Status.ACTIVE


async def test_where_it_ends_with_the_period_only_it_cannot_end_at_once(window: Window) -> None:
    await window.allow(Features(cancel=CancelFeature(mode=CancelMode.AT_PERIOD_END)))
    client = await window.signed_in()
    assert 'value="now"' not in (await client.get(f"{SUBSCRIPTION}/cancel")).text
    assert (await act(client, "cancel", {"when": "now"})).status_code == 422
    assert (await act(client, "cancel", {"when": "period_end"})).status_code == 303


async def test_PM_18_it_is_paused_and_goes_on_where_the_merchant_lets_it(window: Window) -> None:
    await window.allow(Features(pause=True))
    client = await window.signed_in()
    assert (await act(client, "pause")).headers["location"] == f"{SUBSCRIPTION}?done=paused"
    assert await window.status() is Status.PAUSED
    assert (await act(client, "resume")).headers["location"] == f"{SUBSCRIPTION}?done=resumed"
    assert await window.status() is Status.ACTIVE


async def test_a_cheaper_plan_holds_at_once_and_a_dearer_one_waits_for_the_wallet(window: Window) -> None:
    async with window.house.gateway.books.write() as conn:
        await keep(conn, f.price(id="price_less", unit_amount=500), f.price(id="price_more", unit_amount=90_000))
    offered = ((f.PRODUCT_ID, (f.PRICE_ID, "price_less", "price_more")),)
    await window.allow(Features(plan=PlanFeature(enabled=True, products=offered)))
    client = await window.signed_in()
    page = await client.get(f"{SUBSCRIPTION}/plan")
    assert 'value="price_less"' in page.text
    assert f'value="{f.PRICE_ID}"' not in page.text  # it is the one that holds now
    assert (await act(client, "plan", {"price": "price_0"})).status_code == 422
    assert (await act(client, "plan", {"price": "price_less"})).headers["location"] == f"{SUBSCRIPTION}?done=changed"
    assert (await act(client, "plan", {"price": "price_more"})).headers["location"] == SUBSCRIPTION
    page = await client.get(SUBSCRIPTION)
    assert "A change waits for your wallet" in page.text
    assert "Sign the new terms" in page.text
    answer = await act(client, "wallet")
    assert answer.headers["location"].startswith("/checkout/cs_")


async def test_sign_ins_are_tried_so_often_from_one_address_and_no_more(window: Window) -> None:
    client = window.open("10.0.0.1")
    answers = [await client.post("/customer/auth/email", data={"email": "a@example.com"}) for _ in range(TRIES_MAX + 1)]
    assert [answer.status_code for answer in answers] == [303] * TRIES_MAX + [429]
    assert (await window.open("10.0.0.2").post("/customer/auth/email", data={"email": "x"})).status_code == 303
    window.house.now += timedelta(minutes=1)
    assert (await client.get("/customer/auth/link/x")).status_code == 404


async def test_a_session_that_was_idle_is_over_and_signing_out_ends_it_at_once(window: Window) -> None:
    client = await window.signed_in()
    window.house.now += portal.IDLE
    assert (await client.get("/customer")).status_code == 303
    client = await window.signed_in()
    secret = client.cookies["__Host-dues"]
    csrf = token(await client.get("/customer"))
    answer = await client.post("/customer/sign-out", data={"csrf": csrf})
    assert "Max-Age=0" in answer.headers["set-cookie"]
    again = window.open("10.0.0.3")
    again.cookies.set("__Host-dues", secret, domain="pay.example")
    assert (await again.get("/customer")).status_code == 303


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("challenge", {"address": "0x12", "chain_id": f.CHAIN_ID}),
        ("challenge", {"address": WALLET, "chain_id": 424242}),
        ("challenge", {}),
        ("wallet", {"message": "Sign in", "signature": "0x" + "11" * 65}),
        ("wallet", {"message": "Sign in", "signature": "no hex"}),
        ("wallet", {"nonsense": 1}),
    ],
)
async def test_what_no_page_sends_is_told_and_signs_nobody_in(window: Window, path: str, body: dict[str, Any]) -> None:
    answer = await window.open("10.0.0.1").post(f"/customer/auth/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["message"]
    assert "set-cookie" not in answer.headers


async def test_where_no_mail_is_sent_the_page_says_so(sqlite_books: Books) -> None:
    house = await House.build(sqlite_books)
    app = create_app(house.gateway, chains={}, clock=lambda: house.now, pepper=PEPPER, pages=pages.handlers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        page = await client.get("/customer/auth")
    assert "This site sends no mail" in page.text
    assert 'name="email"' not in page.text


async def test_SX_19_a_link_shows_what_was_bought_of_every_merchant(window: Window) -> None:
    elsewhere = Scope("acct_2", livemode=False)
    async with window.house.gateway.books.write() as conn:
        await accounts.add(conn, f.account(id="acct_2", name="Bob's Bulletin"))
        await keep(
            conn,
            f.product(id="prod_2", scope=elsewhere, name="Bulletin"),
            f.price(id="price_2", product_id="prod_2", scope=elsewhere),
            f.customer(id="cus_2", scope=elsewhere, email="ada@example.com"),
            f.active_subscription(
                id="sub_2",
                scope=elsewhere,
                customer_id="cus_2",
                payment_method_id=None,
                mandate_id=None,
                items=(f.subscription_item(id="si_2", price_id="price_2"),),
            ),
        )
        ticket = portal.Ticket(
            id="ticket_1",
            kind=portal.TicketKind.LINK,
            digest=sign_in.hashed("s" * 43),
            created_at=f.NOW,
            expires_at=window.house.now + portal.LINK_LIFE,
            payer=portal.PayerScope(email="ada@example.com"),
        )
        await sign_in_rows.add_ticket(conn, ticket)
    client = window.open("10.0.0.1")
    await client.post("/customer/auth/link/" + "s" * 43)
    page = (await client.get("/customer")).text
    assert "Almanac" in page
    assert "Bob&#39;s Bulletin" in page


async def test_a_payment_leads_to_where_its_transaction_can_be_looked_up(window: Window) -> None:
    house = window.house
    mined = f.some_hash("mined")
    person = {"customer_id": "cus_1", "subscription_id": "sub_1"}
    async with house.gateway.books.write() as conn:
        await keep(
            conn,
            f.invoice(id="in_1", charge_intent_id="ci_1", access_token="t" * 20, **person),
            f.charge_intent(
                id="ci_1",
                invoice_id="in_1",
                mandate_id="mandate_1",
                payment_method_id="pm_1",
                latest_charge_id="ch_1",
                **person,
            ),
            f.charge(
                id="ch_1",
                status=ChargeStatus.SUCCEEDED,
                charge_intent_id="ci_1",
                invoice_id="in_1",
                payment_method_id="pm_1",
                transaction_hash=mined,
                **person,
            ),
        )
    client = await window.signed_in()
    page = (await client.get(SUBSCRIPTION)).text
    assert f"{mined}</a>" not in page
    assert mined in page
    assert f'href="/i/in_1/{"t" * 20}/pdf"' in page
    network = house.gateway.networks[f.CHAIN_ID]
    window.explore(replace(network, explorer_url="https://scan.example/"))
    assert f'<a href="https://scan.example/tx/{mined}">{mined}</a>' in (await client.get(SUBSCRIPTION)).text


def test_logs_do_not_keep_the_secrets_of_links() -> None:
    redactor = Redactor()
    for path in ("/customer/auth/link/", "/customer/session/"):
        assert redactor.text(path + "s" * 43) == path + "…"
