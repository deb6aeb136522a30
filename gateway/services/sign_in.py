"""Signing in to the portal: by wallet, by a link in a mail, by the URL of a merchant's session (SX-20).

Secrets leave once, to whom they belong; the books keep their hashes. What is signed in can be spent once: of any number
of replays none is accepted.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from chain import siwe
from chain.port import ChainPort
from chain.primitives import Address
from chain.siwe import Expected, SiweMalformed, SiweMessage, SiweRefused
from gateway.db import mails, payers, sign_in
from gateway.db.engine import Connection
from gateway.domain import portal
from gateway.domain.catalog import Customer
from gateway.domain.errors import InvalidRequest
from gateway.domain.ids import new_id
from gateway.domain.mail import Mail
from gateway.domain.portal import PayerScope, PortalSession, Ticket, TicketKind
from gateway.domain.settings import MailKind
from gateway.services.gateway import Gateway

AUTH_PATH: Final = "/customer/auth"
LINK_PATH: Final = f"{AUTH_PATH}/link/"
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session, and the secret that its browser keeps."""

    session: PortalSession
    secret: str


def hashed(secret: str) -> bytes:
    """What the books know a secret by. It has 256 random bits, so that no key has to be added."""
    return hashlib.sha256(secret.encode()).digest()


async def challenge(
    conn: Connection,
    gateway: Gateway,
    *,
    wallet: Address,
    chain_id: int,
    statement: str,
    language: str | None,
    now: datetime,
) -> SiweMessage:
    """Write the message that a wallet is asked to sign; its nonce is good once, and not for long.

    Raises:
        InvalidRequest: the chain is not one of ours.
    """
    if chain_id not in gateway.networks:
        raise InvalidRequest("This chain is not configured here.", code="unknown_chain", param="chain_id")
    now = now.replace(microsecond=0)
    nonce = secrets.token_hex(16)
    ticket = Ticket(
        id=new_id("ticket", now),
        kind=TicketKind.NONCE,
        digest=hashed(nonce),
        created_at=now,
        expires_at=now + portal.NONCE_LIFE,
        language=language,
    )
    await sign_in.add_ticket(conn, ticket)
    site = urlsplit(gateway.public_url)
    return SiweMessage(
        scheme=site.scheme,
        domain=site.netloc,
        account=wallet,
        statement=statement,
        uri=gateway.public_url + AUTH_PATH,
        chain_id=chain_id,
        nonce=nonce,
        issued_at=_written(now),
        expiration_time=_written(ticket.expires_at),
    )


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"This wallet could not be signed in: {why}.", code="sign_in_refused", param="signature")


async def by_wallet(
    gateway: Gateway, chains: Mapping[int, ChainPort], *, text: str, signature: bytes, now: datetime
) -> SignedIn:
    """Sign in with a signed message: what it says, who signed it, and that its nonce was never used, in this order.

    Raises:
        ChainError: a contract wallet could not be asked; the nonce is still good.
        InvalidRequest: `sign_in_refused`; the message says why.
    """
    try:
        message = siwe.parse(text)
        siwe.check(message, _expected(gateway, message), now)
    except SiweMalformed as error:
        raise _refused(str(error)) from None
    except SiweRefused as error:
        raise _refused(error.code) from None
    digest = hashed(message.nonce)
    async with gateway.books.read() as conn:
        if await sign_in.find_ticket(conn, TicketKind.NONCE, digest, now) is None:
            raise _refused("the message was used already, or its time is over")
    payer = PayerScope(wallet=message.account)
    if not siwe.is_signed_by_key(message, signature):
        # A contract's word counts on its own chain alone: on another one the address may be somebody else's.
        payer = PayerScope(wallet=message.account, chain_id=message.chain_id)
        chain = chains.get(message.chain_id)
        if chain is None or not await siwe.is_signed(chain, message, signature):
            raise _refused("the signature is not this wallet's")
    async with gateway.books.write() as conn:
        ticket = await sign_in.delete_ticket(conn, TicketKind.NONCE, digest, now)
        if ticket is None:
            raise _refused("the message was used already, or its time is over")
        return await _opened(conn, ticket, payer, now)


def _expected(gateway: Gateway, message: SiweMessage) -> Expected:
    site = urlsplit(gateway.public_url)
    return Expected(
        scheme=site.scheme,
        domain=site.netloc,
        uri=gateway.public_url + AUTH_PATH,
        chain_ids=set(gateway.networks),
        # Any nonce that we gave out: the books know it, and know it once.
        nonce=message.nonce,
    )


async def ask_link(conn: Connection, gateway: Gateway, *, email: str, language: str | None, now: datetime) -> None:
    """Send a link to an address, if it is a customer's and was not sent too many lately; the caller learns nothing."""
    scope = PayerScope(email=email.strip().lower())
    unopened = await sign_in.count_links(conn, scope, now)
    found = [customer for customer in await payers.customers_of(conn, scope) if _is_written_to(gateway, customer)]
    ticket = Ticket(
        id=new_id("ticket", now),
        kind=TicketKind.LINK,
        digest=None,
        created_at=now,
        expires_at=now + portal.LINK_LIFE,
        payer=scope,
        language=language,
    )
    # A stranger's address gets a row as well: asking for it must not be quicker.
    await sign_in.add_ticket(conn, ticket)
    if not found or unopened >= portal.LINKS_MAX:
        return
    mail = Mail(
        id=new_id("mail", now),
        scope=found[0].scope,
        kind=MailKind.SIGN_IN,
        dedupe_key=f"{MailKind.SIGN_IN}:{ticket.id}",
        created_at=now,
        object_id=ticket.id,
        customer_id=found[0].id,
        next_attempt_at=now,
    )
    await mails.add(conn, [mail])


def _is_written_to(gateway: Gateway, customer: Customer) -> bool:
    return gateway.mail is not None and (customer.scope.livemode or gateway.mail.in_test_mode)


async def draw_links(conn: Connection, gateway: Gateway, mail_of: Mapping[str, str]) -> dict[str, tuple[str, Ticket]]:
    """Make the links of mails that are written now, by mail; `mail_of` names the ticket of each.

    The secret exists in the mail alone. Writing it again makes another one, and the one before is good no more.
    """
    if not mail_of:
        return {}
    tickets = await sign_in.load_tickets(conn, sorted(mail_of.values()))
    drawn = {mail_id: secrets.token_urlsafe(SECRET_BYTES) for mail_id, key in mail_of.items() if key in tickets}
    if drawn:
        await sign_in.append_digests(conn, {mail_of[mail_id]: hashed(secret) for mail_id, secret in drawn.items()})
    return {
        mail_id: (f"{gateway.public_url}{LINK_PATH}{secret}", tickets[mail_of[mail_id]])
        for mail_id, secret in drawn.items()
    }


async def by_ticket(conn: Connection, kind: TicketKind, secret: str, *, now: datetime) -> SignedIn | None:
    """Spend the ticket that a link or a URL stands for; None where it is not good (any more)."""
    ticket = await sign_in.delete_ticket(conn, kind, hashed(secret), now)
    if ticket is None or ticket.payer is None:
        return None
    return await _opened(conn, ticket, ticket.payer, now)


async def is_link_good(conn: Connection, secret: str, *, now: datetime) -> bool:
    """Whether a link may still be used; looking does not spend it, because mail programs look too."""
    return await sign_in.find_ticket(conn, TicketKind.LINK, hashed(secret), now) is not None


async def _opened(conn: Connection, ticket: Ticket, payer: PayerScope, now: datetime) -> SignedIn:
    secret = secrets.token_urlsafe(SECRET_BYTES)
    session = portal.begin(ticket, payer, hashed(secret), now)
    await sign_in.add_session(conn, session)
    return SignedIn(session, secret)


async def find(gateway: Gateway, secret: str, *, now: datetime) -> SignedIn | None:
    """The session of a browser; None where there is none, or it is over. Using it keeps it from becoming idle."""
    async with gateway.books.read() as conn:
        session = await sign_in.find_session(conn, hashed(secret))
    if session is None or session.is_over(now):
        return None
    seen = session.seen(now)
    if seen is not session:
        async with gateway.books.write() as conn:
            await sign_in.save_session(conn, seen)
    return SignedIn(seen, secret)


async def sign_out(conn: Connection, signed_in: SignedIn) -> None:
    """End a session for good."""
    await sign_in.delete_session(conn, signed_in.session.digest)


async def create_url(
    conn: Connection,
    gateway: Gateway,
    *,
    customer_id: str,
    return_url: str | None,
    configuration_id: str | None,
    language: str | None,
    now: datetime,
) -> tuple[Ticket, str]:
    """Make the URL by which a merchant sends a customer to the portal: good once, for a few minutes."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    ticket = Ticket(
        id=new_id("bps", now),
        kind=TicketKind.URL,
        digest=hashed(secret),
        created_at=now.replace(microsecond=0),
        expires_at=now + portal.SESSION_LINK_LIFE,
        payer=PayerScope(customer_id=customer_id),
        return_url=return_url,
        configuration_id=configuration_id,
        language=language,
    )
    await sign_in.add_ticket(conn, ticket)
    return ticket, f"{gateway.public_url}/customer/session/{secret}"
