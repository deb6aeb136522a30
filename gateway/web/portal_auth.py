"""The routes by which somebody signs in to the portal, and out of it (SX-20)."""

import re
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post

from chain.checksum import parse_address
from chain.errors import ChainError
from gateway.api.fields import signature as signature_of
from gateway.api.forms import read_form
from gateway.domain.errors import DomainError, InvalidRequest
from gateway.domain.portal import TicketKind
from gateway.services import sign_in
from gateway.services.sign_in import AUTH_PATH
from gateway.web import portal_screens, rendering
from gateway.web.answers import AnyRequest, compresses, json_answer, words_of
from gateway.web.exit_page import exit_url
from gateway.web.portal_session import CSRF_FIELD, Portal, to
from gateway.web.words import Words

EMAIL_MAX: Final = 254
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{40,50}")


class ChallengeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants to sign in."""

    address: Annotated[str, msgspec.Meta(max_length=100)]
    chain_id: int


class SignedBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the wallet signed."""

    message: Annotated[str, msgspec.Meta(max_length=4_096)]
    signature: Annotated[str, msgspec.Meta(max_length=16_386)]


def handlers(portal: Portal) -> list[Any]:
    """The routes."""
    return [_page(portal), _mail(portal), _sent, *_wallet(portal), *_link(portal), _out(portal)]


def _query(request: AnyRequest, words: Words) -> str:
    return f"?lang={words.language}" if request.query_params.get("lang") == words.language else ""


def _screen(request: AnyRequest, template: str, title: str, *, status: int = 200, **context: Any) -> Response[bytes]:
    words = words_of(request)
    script = context.pop("script", None)
    shown = {
        "title": words(title),
        "merchant": words("portal.name"),
        "languages": True,
        "query": _query(request, words),
        "script_name": "portal.js",
        **context,
    }
    return rendering.page(template, words, shown, script=script, status=status, compress=compresses(request))


def _page(portal: Portal) -> Any:
    @get("/auth", name="portal_sign_in")
    async def page(request: AnyRequest) -> Response[bytes]:
        """Ask who somebody is: by wallet, or by a link to an e-mail address."""
        words = words_of(request)
        gateway = portal.api.gateway
        chains = {hex(network.chain_id): network.name for network in gateway.networks.values()}
        texts = portal_screens.script_texts(words) | {
            "connect": words("portal.sign_in.connect", name="{name}"),
            "signing": words("portal.sign_in.signing"),
            "chain": words("portal.sign_in.chain", chains=", ".join(chains.values())),
        }
        script = {"base": AUTH_PATH, "query": _query(request, words), "t": texts, "chains": list(chains)}
        return _screen(
            request,
            "portal_sign_in.html",
            "portal.sign_in",
            script=script,
            mails=gateway.mail is not None,
            exit_url=exit_url(gateway),
        )

    return page


def _mail(portal: Portal) -> Any:
    @post("/auth/email", name="portal_ask_link", status_code=303)
    async def mail(request: AnyRequest) -> Response[bytes]:
        """Send a link, if there is anybody to send it to; the answer is the same."""
        now = portal.trying(request)
        sent = read_form(await request.body())
        email = sent.get("email")
        words = words_of(request)
        if isinstance(email, str) and 0 < len(email) <= EMAIL_MAX and "@" in email:
            async with portal.api.gateway.books.write() as conn:
                await sign_in.ask_link(conn, portal.api.gateway, email=email, language=words.language, now=now)
            if portal.api.wake is not None:
                await portal.api.wake("mail")
        return to(f"{AUTH_PATH}/sent{_query(request, words)}")

    return mail


@get("/auth/sent", name="portal_link_sent", sync_to_thread=False)
def _sent(request: AnyRequest) -> Response[bytes]:
    """Say where to look, whoever asked."""
    return _screen(request, "portal_sent.html", "portal.sent.title", auth=AUTH_PATH)


def _wallet(portal: Portal) -> list[Any]:
    @post("/auth/challenge", name="portal_challenge", status_code=200)
    async def challenge(request: AnyRequest) -> Response[bytes]:
        """Write the message that a wallet signs."""
        now = portal.trying(request)
        words = words_of(request)
        try:
            body = msgspec.json.decode(await request.body(), type=ChallengeBody)
            wallet = parse_address(body.address)
            async with portal.api.gateway.books.write() as conn:
                message = await sign_in.challenge(
                    conn,
                    portal.api.gateway,
                    wallet=wallet,
                    chain_id=body.chain_id,
                    statement=words("portal.sign_in.statement"),
                    language=words.language,
                    now=now,
                )
        except (InvalidRequest, ValueError):
            names = ", ".join(network.name for network in portal.api.gateway.networks.values())
            return json_answer({"message": words("portal.sign_in.chain", chains=names)}, 422)
        return json_answer({"message": message.text})

    @post("/auth/wallet", name="portal_enter_by_wallet", status_code=200)
    async def enter(request: AnyRequest) -> Response[bytes]:
        """Take the signed message."""
        now = portal.trying(request)
        words = words_of(request)
        try:
            body = msgspec.json.decode(await request.body(), type=SignedBody)
            entry = await sign_in.by_wallet(
                portal.api.gateway,
                portal.api.chains,
                text=body.message,
                signature=signature_of(body.signature),
                now=now,
            )
        except (DomainError, msgspec.MsgspecError):
            return json_answer({"message": words("portal.sign_in.refused")}, 422)
        except ChainError:
            return json_answer({"message": words("unreachable.title")}, 503)
        answer = json_answer({"url": f"/customer{_query(request, words)}"})
        answer.set_cookie(portal.cookie(entry.secret))
        return answer

    return [challenge, enter]


def _link(portal: Portal) -> list[Any]:
    def over(request: AnyRequest, text: str) -> Response[bytes]:
        return _screen(
            request, "portal_over.html", "portal.link.over", status=404, text=words_of(request)(text), auth=AUTH_PATH
        )

    @get("/auth/link/{secret:str}", name="portal_link")
    async def link(request: AnyRequest) -> Response[bytes]:
        """Ask for one more click: mail programs open links by themselves, and must not use them up."""
        now = portal.trying(request)
        secret = request.path_params["secret"]
        async with portal.api.gateway.books.read() as conn:
            is_good = bool(_SECRET.fullmatch(secret)) and await sign_in.is_link_good(conn, secret, now=now)
        if not is_good:
            return over(request, "portal.link.over_text")
        return _screen(request, "portal_link.html", "portal.link.title")

    @post("/auth/link/{secret:str}", name="portal_enter_by_link", status_code=303)
    async def enter(request: AnyRequest) -> Response[bytes]:
        """Use the link."""
        now = portal.trying(request)
        async with portal.api.gateway.books.write() as conn:
            entry = await sign_in.by_ticket(conn, TicketKind.LINK, request.path_params["secret"], now=now)
        if entry is None:
            return over(request, "portal.link.over_text")
        return to(f"/customer{_query(request, words_of(request))}", cookie=portal.cookie(entry.secret))

    @get("/session/{secret:str}", name="portal_enter_by_url")
    async def session(request: AnyRequest) -> Response[bytes]:
        """Use the URL that a merchant has made and sends its customer to."""
        now = portal.trying(request)
        async with portal.api.gateway.books.write() as conn:
            entry = await sign_in.by_ticket(conn, TicketKind.URL, request.path_params["secret"], now=now)
        if entry is None:
            return over(request, "portal.url.over_text")
        language = entry.session.language
        return to("/customer" + (f"?lang={language}" if language else ""), cookie=portal.cookie(entry.secret))

    return [link, enter, session]


def _out(portal: Portal) -> Any:
    @post("/sign-out", name="portal_sign_out", status_code=303)
    async def out(request: AnyRequest) -> Response[bytes]:
        """End the session for good."""
        sent = read_form(await request.body())
        visit, _ = await portal.changing(request, str(sent.get(CSRF_FIELD, "")))
        async with portal.api.gateway.books.write() as conn:
            await sign_in.sign_out(conn, visit.signed_in)
        return to(AUTH_PATH + visit.query, cookie=portal.forgotten())

    return out
