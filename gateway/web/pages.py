"""The routes of the checkout page: one address for a session, whatever its stage; steps are posts that lead back to it.

The server renders every stage, so that closing the page at any step and opening it again goes on where it was.
"""

import re
from datetime import datetime
from typing import Any, Final

from litestar import Response, Router, get, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.response import Stream

from chain.errors import ChainError
from chain.primitives import Hash32
from gateway.api.endpoint import Api
from gateway.api.fields import permit, signature
from gateway.api.forms import Tree, read_form
from gateway.db.errors import WriteConflict
from gateway.domain.checkout import CheckoutSession
from gateway.domain.errors import Conflict, DomainError
from gateway.services import checkout_payer, checkout_signing
from gateway.services.checkout_parts import PayersWallet
from gateway.services.recording import Origin
from gateway.web import bill_pages, portal_pages, pricing_pages, reference, rendering
from gateway.web.answers import (
    AnyRequest,
    NoSuchPage,
    NotFromHere,
    TooMany,
    broken,
    busy,
    compresses,
    json_answer,
    missing,
    refusal,
)
from gateway.web.bodies import BODY_BYTES_MAX, STREAMS_MAX, WRITE_TRIES_MAX, SentBody, SignBody, WalletBody, read_body
from gateway.web.screens import Asked
from gateway.web.sessions import Pages, asked_of
from gateway.web.streams import follow, stream
from gateway.web.words import Words
from gateway.wire.checkout import page_path

_HASH: Final = re.compile(r"0x[0-9a-f]{64}")


def _told(words: Words, error: DomainError, session: CheckoutSession) -> str:
    """An error of the rules in words for the payer."""
    labels = {asked.key: asked.label for asked in session.offer.custom_fields}
    key = f"error.{error.code}"
    return words(key, field=labels.get(error.param or "", "")) if words.has(key) else _other(words, error)


def _other(words: Words, error: DomainError) -> str:
    return words("error.other", message=error.message)


def handlers(api: Api) -> list[Router]:
    """The routes of the pages; a composition root mounts them beside the API."""
    pages = Pages(api)
    checkout = Router(
        path="/checkout/{id:str}/{token:str}",
        route_handlers=[_page(pages), _details(pages), *_steps(pages), _sent(pages), _allowance(pages), _events(pages)],
        exception_handlers={
            NoSuchPage: missing,
            NotFoundException: missing,
            NotFromHere: refusal,
            TooMany: busy,
            HTTPException: broken,
            Exception: broken,
        },
        request_max_body_size=BODY_BYTES_MAX,
    )
    return [
        checkout,
        bill_pages.router(pages),
        *portal_pages.handlers(api),
        *pricing_pages.routers(pages),
        Router(path="/assets", route_handlers=[_asset]),
        reference.router(),
    ]


def _page(pages: Pages) -> Any:
    @get("/", name="checkout_page")
    async def page(request: AnyRequest) -> Response[bytes]:
        """Show a session as it stands."""
        session, now = await pages.session(request.path_params["id"], request.path_params["token"])
        answer: Response[bytes] = await pages.render(request, session, asked_of(request, session, now))
        return answer

    return page


def _details(pages: Pages) -> Any:
    @post("/details", name="checkout_details", status_code=303)
    async def details(request: AnyRequest) -> Response[bytes]:
        """Take the payer's e-mail address and answers, from a plain form."""
        session, now, origin = await pages.changing(request)
        asked = asked_of(request, session, now)
        sent: Tree = read_form(await request.body())
        texts = {key: value for key, value in sent.items() if isinstance(value, str)}
        try:
            async with pages.api.gateway.books.write() as conn:
                await checkout_payer.describe(
                    conn,
                    pages.api.gateway,
                    session_id=session.id,
                    email=texts.get("email", "").strip() or session.email,
                    answers={key.removeprefix("f-"): text for key, text in texts.items() if key.startswith("f-")},
                    promotion_code=texts.get("code") or None,
                    now=now,
                    origin=origin,
                )
        except Conflict:
            pass  # it was signed, or ended, in another tab: the page says what became of it
        except DomainError as error:
            problem = Asked(
                words=asked.words,
                now=now,
                lang=asked.lang,
                problem=_told(asked.words, error, session),
                bad=error.param,
                sent=texts,
            )
            refused: Response[bytes] = await pages.render(request, session, problem, status=422)
            return refused
        return Response(b"", status_code=303, headers={"Location": page_path(session) + asked.query})

    return details


def _steps(pages: Pages) -> list[Any]:
    @post("/wallet", name="checkout_wallet", status_code=200)
    async def wallet(request: AnyRequest) -> Response[bytes]:
        """Take the connected wallet, and fix what it will be asked."""

        async def connect(session: CheckoutSession, now: datetime, origin: Origin) -> None:
            body: WalletBody = read_body(await request.body(), WalletBody)
            async with pages.api.gateway.books.write() as conn:
                await checkout_payer.connect(
                    conn,
                    pages.api.gateway,
                    session_id=session.id,
                    wallet=PayersWallet(body.address, body.chain_id, body.token),
                    now=now,
                    origin=origin,
                )

        return await _step(pages, request, connect)

    @post("/forget", name="checkout_forget", status_code=200)
    async def forget(request: AnyRequest) -> Response[bytes]:
        """Forget the wallet, to choose another one."""

        async def disconnect(session: CheckoutSession, _now: datetime, origin: Origin) -> None:
            async with pages.api.gateway.books.write() as conn:
                await checkout_payer.disconnect(conn, pages.api.gateway, session_id=session.id, origin=origin)

        return await _step(pages, request, disconnect)

    @post("/sign", name="checkout_sign", status_code=200)
    async def sign(request: AnyRequest) -> Response[bytes]:
        """Take the wallet's signature: from here on it goes on by itself."""

        async def take(session: CheckoutSession, now: datetime, origin: Origin) -> None:
            body: SignBody = read_body(await request.body(), SignBody)
            signed, allowed = signature(body.signature), permit(body.permit)
            draft, chain = session.draft, pages.chain_of(session)
            if draft is None or chain is None:
                raise Conflict("Connect the wallet again.", code="checkout_draft_stale")
            await checkout_signing.verify(chain, draft, signed)
            async with pages.api.gateway.books.write() as conn:
                await checkout_signing.sign(
                    conn,
                    pages.api.gateway,
                    session_id=session.id,
                    signature=signed,
                    permit=allowed,
                    signed=draft,
                    now=now,
                    origin=origin,
                )
            await pages.ring("collection", "webhooks")

        return await _step(pages, request, take)

    @post("/again", name="checkout_again", status_code=200)
    async def again(request: AnyRequest) -> Response[bytes]:
        """Try the charge again, now that what was missing is there."""

        async def retry(session: CheckoutSession, now: datetime, origin: Origin) -> None:
            async with pages.api.gateway.books.write() as conn:
                await checkout_signing.try_again(conn, pages.api.gateway, session=session, now=now, origin=origin)
            await pages.ring("collection", "webhooks")

        return await _step(pages, request, retry)

    return [wallet, forget, sign, again]


def _sent(pages: Pages) -> Any:
    @post("/sent", name="checkout_sent", status_code=200)
    async def sent(request: AnyRequest) -> Response[bytes]:
        """The wallet has sent everything itself: from here on the chain tells how it goes."""

        async def take(session: CheckoutSession, now: datetime, origin: Origin) -> None:
            body: SentBody = read_body(await request.body(), SentBody)
            async with pages.api.gateway.books.write() as conn:
                await checkout_signing.sent(
                    conn,
                    pages.api.gateway,
                    session_id=session.id,
                    mandate_id=body.mandate,
                    now=now,
                    origin=origin,
                )
            await pages.ring("webhooks")

        return await _step(pages, request, take)

    return sent


async def _step(pages: Pages, request: AnyRequest, work: Any) -> Response[bytes]:
    """One step of the script: its answer is empty, or an error in words. 409 lets the page show itself anew."""
    session, now, origin = await pages.changing(request)
    words = asked_of(request, session, now).words
    for rest in reversed(range(WRITE_TRIES_MAX)):
        try:
            await work(session, now, origin)
        except Conflict as error:
            return json_answer({"message": _other(words, error)}, 409)
        except DomainError as error:
            return json_answer({"message": _told(words, error, session)}, 422)
        except ChainError:
            return json_answer({"message": words("unreachable.title")}, 503)
        except WriteConflict:
            if not rest:
                raise
        else:
            break
    return json_answer({})


def _allowance(pages: Pages) -> Any:
    @get("/allowance/{transaction:str}", name="checkout_allowance")
    async def allowance(request: AnyRequest) -> Response[bytes]:
        """What became of the transaction by which the wallet allows."""
        session, _ = await pages.session(request.path_params["id"], request.path_params["token"])
        transaction = request.path_params["transaction"].lower()
        if not _HASH.fullmatch(transaction):
            raise NoSuchPage
        chain = pages.chain_of(session)
        try:
            [receipt] = [None] if chain is None else await chain.receipts([Hash32(transaction)])
        except ChainError:
            receipt = None
        mined = receipt is not None and receipt.succeeded
        return json_answer({"mined": mined, "reverted": receipt is not None and not mined})

    return allowance


def _events(pages: Pages) -> Any:
    @get("/events", name="checkout_events")
    async def events(request: AnyRequest) -> Response[bytes] | Stream:
        """Tell a page that waits what changes (server-sent events)."""
        session, now = await pages.session(request.path_params["id"], request.path_params["token"])
        if pages.streams >= STREAMS_MAX:
            return json_answer({}, 503)
        words = asked_of(request, session, now).words
        return Stream(stream(pages, follow(pages, session, words)), media_type="text/event-stream")

    return events


@get("/{name:str}", name="asset", sync_to_thread=False)
def _asset(request: AnyRequest) -> Response[bytes]:
    """Serve a static file."""
    found = next((asset for asset in rendering.assets().values() if asset.path == request.url.path), None)
    if found is None:
        raise NotFoundException
    headers = {"Cache-Control": rendering.FOR_EVER, "Vary": "Accept-Encoding"}
    if compresses(request):
        return Response(found.compressed, media_type=found.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.raw, media_type=found.media_type, headers=headers)
