"""Signing in to the portal: once for each nonce, link and URL, and nothing beyond what was proved (S4, SX-20)."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from chain import eip712, siwe
from chain.errors import RpcUnavailable
from chain.primitives import Address, address
from chain.testing import FakeChain
from gateway.db import mails, payers
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain import portal
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.portal import PayerScope, TicketKind
from gateway.services import housekeeping, sign_in
from gateway.services import mails as mail_service
from gateway.services.sign_in import SignedIn
from tests import factories as f
from tests.effort import EFFORT
from tests.keeping import keep
from tests.services.house import House
from tests.services.test_mails import POLICY, Post

KEY = b"\x07" * 32
WALLET = address(Account.from_key(KEY).address)
OTHER = f.some_address(77)
EMAIL = "ada@example.com"


@pytest.fixture
async def house(books: Books) -> House:
    """The test runs on SQLite and on PostgreSQL."""
    return await House.build(books, mail=POLICY)


@pytest.fixture
async def small_house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books, mail=POLICY)


def signed(text: str, key: bytes = KEY) -> bytes:
    return bytes(Account.sign_message(encode_defunct(text=text), key).signature)


async def asked(house: House, wallet: Address = WALLET) -> str:
    async with house.gateway.books.write() as conn:
        message = await sign_in.challenge(
            conn,
            house.gateway,
            wallet=wallet,
            chain_id=house.chain.chain_id,
            statement="Sign in to see your subscriptions.",
            language="en",
            now=house.now,
        )
    return message.text


async def entered(house: House, text: str, signature: bytes, chain: FakeChain | None = None) -> SignedIn:
    chains = {house.chain.chain_id: chain or house.chain}
    return await sign_in.by_wallet(house.gateway, chains, text=text, signature=signature, now=house.now)


async def holds(house: House, signed_in: SignedIn, *, later: timedelta = timedelta(0)) -> bool:
    return await sign_in.find(house.gateway, signed_in.secret, now=house.now + later) is not None


async def test_S4_SX_20_a_wallet_signs_in_once_and_of_all_replays_none_is_accepted(small_house: House) -> None:
    text = await asked(small_house)
    signature = signed(text)
    answers = await asyncio.gather(*(entered(small_house, text, signature) for _ in range(50)), return_exceptions=True)
    entries = [answer for answer in answers if isinstance(answer, SignedIn)]
    assert len(entries) == 1
    assert entries[0].session.payer == PayerScope(wallet=WALLET)
    accepted, replays = 0, 500 * EFFORT  # with DUES_EFFORT=20 the 10,000 of S4
    for _ in range(replays):
        try:
            await entered(small_house, text, signature)
            accepted += 1
        except InvalidRequest:
            continue
    print(f"replays of a signed message: {accepted} of {replays} accepted")
    assert accepted == 0


async def test_S4_who_all_try_one_message_at_once_get_one_session(house: House) -> None:
    text = await asked(house)
    tries = [entered(house, text, signed(text)) for _ in range(8)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, SignedIn) for answer in answers) == 1


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("http://localhost", "https://localhost"),
        ("localhost:", "evil.example:"),
        ("Chain ID: ", "Chain ID: 9"),
        ("Version: 1", "Version: 2"),
        ("/customer/auth", "/"),
    ],
)
async def test_S4_a_message_for_another_place_is_refused_although_it_is_signed(
    small_house: House, was: str, becomes: str
) -> None:
    small_house.gateway = replace(small_house.gateway, public_url="http://localhost:8321")
    text = await asked(small_house)
    other = text.replace(was, becomes)
    assert other != text
    with pytest.raises(InvalidRequest) as refused:
        await entered(small_house, other, signed(other))
    assert refused.value.code == "sign_in_refused"
    assert await entered(small_house, text, signed(text))  # and its nonce is still good


async def test_S4_a_nonce_that_we_never_gave_is_refused(small_house: House) -> None:
    text = await asked(small_house)
    other = siwe.parse(text)
    forged = replace(other, nonce="0" * 32).text
    with pytest.raises(InvalidRequest):
        await entered(small_house, forged, signed(forged))


async def test_S4_a_message_holds_for_ten_minutes(small_house: House) -> None:
    text = await asked(small_house)
    small_house.now += portal.NONCE_LIFE
    with pytest.raises(InvalidRequest, match="expired"):
        await entered(small_house, text, signed(text))


async def test_another_key_s_signature_is_none(small_house: House) -> None:
    text = await asked(small_house)
    with pytest.raises(InvalidRequest, match="not this wallet's"):
        await entered(small_house, text, signed(text, b"\x08" * 32))


class Contract(FakeChain):
    """A contract wallet gives its word for whatever the key has signed."""

    async def calls(self, requests: Any) -> list[bytes | Exception]:
        [(_, to, data)] = requests
        digest, signature = data[4:36], data[100:165]
        is_owner = eip712.recover(digest, signature) == WALLET
        assert to == OTHER
        return [(bytes.fromhex("1626ba7e") if is_owner else b"").ljust(32, b"\0")]


async def test_S4_a_contract_wallet_signs_in_on_its_own_chain_alone(small_house: House) -> None:
    text = await asked(small_house, OTHER)
    entry = await entered(small_house, text, signed(text), Contract())
    assert entry.session.payer == PayerScope(wallet=OTHER, chain_id=small_house.chain.chain_id)
    text = await asked(small_house, OTHER)
    with pytest.raises(InvalidRequest):
        await entered(small_house, text, signed(text, b"\x08" * 32), Contract())


async def test_while_the_chain_is_silent_nothing_is_decided_and_the_nonce_stays_good(small_house: House) -> None:
    text = await asked(small_house, OTHER)
    small_house.chain.fail_next("calls")
    with pytest.raises(RpcUnavailable):
        await entered(small_house, text, signed(text))
    assert await entered(small_house, text, signed(text), Contract())


async def test_a_session_ends_when_idle_when_old_and_at_once_when_signed_out(small_house: House) -> None:
    text = await asked(small_house)
    entry = await entered(small_house, text, signed(text))
    assert await holds(small_house, entry)
    assert not await holds(small_house, entry, later=portal.IDLE)
    step = portal.IDLE - timedelta(minutes=5)
    used = timedelta(0)
    while used + step < portal.LIFE:
        used += step
        assert await holds(small_house, entry, later=used)
    assert not await holds(small_house, entry, later=portal.LIFE)
    text = await asked(small_house)
    entry = await entered(small_house, text, signed(text))
    async with small_house.gateway.books.write() as conn:
        await sign_in.sign_out(conn, entry)
    assert not await holds(small_house, entry)


async def ask(house: House, email: str) -> None:
    async with house.gateway.books.write() as conn:
        await sign_in.ask_link(conn, house.gateway, email=email, language="de", now=house.now)


async def links(house: House, post: Post) -> list[str]:
    """The secrets of the links that are in the mails."""
    await mail_service.deliver_due(house.gateway, post, now=house.now)
    found = [
        re.search(rb"customer/auth/link/([A-Za-z0-9_=\r\n-]+?)\r?\n\r?\n", letter.message) for letter in post.letters
    ]
    return [match[1].replace(b"=\r\n", b"").decode() for match in found if match is not None]


async def spend(house: House, secret: str) -> SignedIn | None:
    async with house.gateway.books.write() as conn:
        return await sign_in.by_ticket(conn, TicketKind.LINK, secret, now=house.now)


async def keep_ada(house: House) -> None:
    async with house.gateway.books.write() as conn:
        await keep(conn, f.customer(id="cus_ada", email="Ada@Example.com"))


async def test_SX_20_a_link_goes_by_mail_works_once_and_its_secret_is_nowhere_else(house: House) -> None:
    await keep_ada(house)
    await ask(house, f" {EMAIL} ")
    post = Post()
    [secret] = await links(house, post)
    assert post.said(b"Anmelden")
    async with house.gateway.books.read() as conn:
        assert await sign_in.is_link_good(conn, secret, now=house.now)
        kept = [repr(mail) for mail in (await mails.page(conn, PageRequest(scope=f.SCOPE, limit=9))).items]
    assert all(secret not in row for row in kept)
    entry = await spend(house, secret)
    assert entry is not None
    assert entry.session.payer == PayerScope(email=EMAIL)
    assert await holds(house, entry)
    assert await spend(house, secret) is None


async def test_a_link_holds_for_fifteen_minutes(small_house: House) -> None:
    await keep_ada(small_house)
    await ask(small_house, EMAIL)
    [secret] = await links(small_house, Post())
    small_house.now += portal.LINK_LIFE
    assert await spend(small_house, secret) is None


async def test_a_mail_that_comes_too_late_is_not_sent(small_house: House) -> None:
    await keep_ada(small_house)
    await ask(small_house, EMAIL)
    small_house.now += portal.LINK_LIFE
    await housekeeping.forget_sign_ins(small_house.gateway, now=small_house.now)
    post = Post()
    assert await links(small_house, post) == []
    assert post.letters == []


async def test_nobody_s_mailbox_is_filled_and_strangers_get_nothing(small_house: House) -> None:
    await keep_ada(small_house)
    for _ in range(portal.LINKS_MAX + 3):
        await ask(small_house, EMAIL)
    await ask(small_house, "nobody@example.com")
    post = Post()
    assert len(await links(small_house, post)) == portal.LINKS_MAX
    assert {letter.recipient for letter in post.letters} == {"Ada@Example.com"}


async def test_a_url_of_a_merchant_is_opened_once(small_house: House) -> None:
    async with small_house.gateway.books.write() as conn:
        _, url = await sign_in.create_url(
            conn,
            small_house.gateway,
            customer_id=f.CUSTOMER_ID,
            return_url="https://shop.example/account",
            configuration_id=None,
            language=None,
            now=small_house.now,
        )
        secret = url.rpartition("/")[2]
        assert await sign_in.by_ticket(conn, TicketKind.LINK, secret, now=small_house.now) is None
        entry = await sign_in.by_ticket(conn, TicketKind.URL, secret, now=small_house.now)
        assert entry is not None
        assert entry.session.payer == PayerScope(customer_id=f.CUSTOMER_ID)
        assert entry.session.return_url == "https://shop.example/account"
        assert await sign_in.by_ticket(conn, TicketKind.URL, secret, now=small_house.now) is None


async def test_what_is_over_is_forgotten(house: House) -> None:
    text = await asked(house)
    entry = await entered(house, text, signed(text))
    await asked(house)
    assert await housekeeping.forget_sign_ins(house.gateway, now=house.now + portal.LIFE) == 2
    assert not await holds(house, entry)


async def test_SX_19_a_payer_sees_its_own_of_every_merchant_and_nothing_else(house: House) -> None:
    foreign = Scope("acct_2", livemode=True)
    async with house.gateway.books.write() as conn:
        await keep(
            conn,
            f.account(id="acct_2"),
            f.customer(id="cus_ada", email=EMAIL),
            f.customer(id="cus_there", email="ADA@example.com", scope=foreign),
            f.customer(id="cus_gone", email=EMAIL, deleted=True),
            f.customer(id="cus_eve", email="eve@example.com"),
        )
        for n, (customer_id, wallet, status) in enumerate(
            [
                ("cus_ada", WALLET, MandateStatus.ACTIVE),
                ("cus_there", WALLET, MandateStatus.SIGNED),
                ("cus_gone", OTHER, MandateStatus.ACTIVE),
                ("cus_eve", WALLET, MandateStatus.PENDING),
                ("cus_eve", OTHER, MandateStatus.REVOKED),
            ],
            start=1,
        ):
            scope = foreign if customer_id == "cus_there" else f.SCOPE
            ids = {"customer_id": customer_id, "scope": scope}
            await keep(
                conn,
                f.payment_method(id=f"pm_{n}", owner=wallet, **ids),
                f.mandate(
                    id=f"mandate_{n}",
                    onchain_id=f.some_mandate_id(n),
                    payment_method_id=f"pm_{n}",
                    terms=f.mandate_terms(payer=wallet),
                    subscription_id=f"sub_{n}",
                    status=status,
                    **ids,
                ),
                f.subscription(
                    id=f"sub_{n}", mandate_id=f"mandate_{n}", items=(f.subscription_item(id=f"si_{n}"),), **ids
                ),
            )
    expected = {
        PayerScope(wallet=WALLET): ({"sub_1", "sub_2"}, {"mandate_1", "mandate_2"}),
        PayerScope(wallet=WALLET, chain_id=house.chain.chain_id): ({"sub_1", "sub_2"}, {"mandate_1", "mandate_2"}),
        PayerScope(wallet=WALLET, chain_id=1): (set(), set()),
        PayerScope(wallet=OTHER): ({"sub_3", "sub_5"}, {"mandate_3", "mandate_5"}),
        PayerScope(wallet=f.some_address(99)): (set(), set()),
        PayerScope(email=EMAIL): ({"sub_1", "sub_2"}, {"mandate_1", "mandate_2"}),
        PayerScope(email="nobody@example.com"): (set(), set()),
        PayerScope(customer_id="cus_eve"): ({"sub_4", "sub_5"}, {"mandate_5"}),
        PayerScope(customer_id="cus_gone"): (set(), set()),
    }
    async with house.gateway.books.read() as conn:
        for payer, (subscriptions, mandates) in expected.items():
            found = await payers.subscriptions_of(conn, payer)
            assert {value.id for value in found} == subscriptions, payer
            assert {value.id for value in await payers.mandates_of(conn, payer)} == mandates, payer
            for n in range(1, 6):
                alone = await payers.subscription_of(conn, payer, f"sub_{n}")
                assert (alone is not None) == (f"sub_{n}" in subscriptions), payer


def test_a_payer_has_proved_exactly_one_thing() -> None:
    for proved in ({}, {"wallet": WALLET, "email": EMAIL}, {"email": EMAIL, "customer_id": "cus_1"}, {"chain_id": 1}):
        with pytest.raises(ValueError, match=r"a payer|only a wallet"):
            PayerScope(**proved)  # type: ignore[arg-type]
