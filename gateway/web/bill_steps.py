"""What is done on the page of an invoice: sign, try again, name another wallet, ask before sending (ST-20, ST-22)."""

import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, post

from chain import erc20
from chain.errors import CallReverted, ChainError
from chain.primitives import ZERO_ADDRESS, Address
from gateway import log
from gateway.api.fields import permit, signature
from gateway.db import invoices
from gateway.db.errors import WriteConflict
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.errors import Conflict, DomainError, InvalidRequest
from gateway.domain.failure import FailureCode
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Status as MandateStatus
from gateway.services import another_wallet, intents, payers, times
from gateway.services import mandates as mandate_services
from gateway.services.recording import Origin
from gateway.web import bills, wallet_requests
from gateway.web.answers import AnyRequest, NoSuchPage, NotFromHere, TooMany, json_answer, words_of
from gateway.web.bill_parts import path_of, reason_words
from gateway.web.bills import Bill, Option
from gateway.web.bodies import WRITE_TRIES_MAX, SignBody, read_body
from gateway.web.screens import Asked
from gateway.web.security import is_from_here
from gateway.web.sessions import Pages
from gateway.web.words import Words
from gateway.wire.checkout import page_path

_PART: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}")

Work = Callable[[Bill, datetime, Origin], Awaitable[dict[str, Any] | None]]


class PayerBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The wallet that is about to send."""

    address: Annotated[str, msgspec.Meta(max_length=100)]
    to: Annotated[str, msgspec.Meta(max_length=100)]
    chain_id: int


async def found(pages: Pages, request: AnyRequest) -> tuple[Invoice, datetime]:
    """The invoice that an address names, and its time.

    Raises:
        NoSuchPage: there is none, or the token is another one: the answer is the same.
    """
    invoice_id, token = request.path_params["invoice_id"], request.path_params["access_token"]
    if not _PART.fullmatch(invoice_id) or not _PART.fullmatch(token):
        raise NoSuchPage
    async with pages.api.gateway.books.read() as conn:
        invoice = (await invoices.load(conn, [invoice_id])).get(invoice_id)
        if invoice is None or invoice.access_token is None:
            raise NoSuchPage
        if not secrets.compare_digest(invoice.access_token.encode(), token.encode()):
            raise NoSuchPage
        return invoice, await times.of_clock(conn, invoice.test_clock_id, pages.api.clock())


async def bill_of(pages: Pages, invoice: Invoice, *, looks: bool = True) -> Bill:
    """What there is to show; `looks`: the chains are asked for a transfer that is on its way."""
    async with pages.api.gateway.books.read() as conn:
        bill = await bills.load(conn, pages.api.gateway, invoice)
    return await bills.with_arrival(pages.api.chains, bill) if looks and bill.options else bill


def may_look(pages: Pages) -> bool:
    """Whether the chains may be asked again for transfers that are on their way."""
    return pages.looks.allows("arrivals", pages.api.clock())


def asked_of(request: AnyRequest, now: datetime) -> Asked:
    """How a page is asked for."""
    words = words_of(request)
    lang = request.query_params.get("lang")
    return Asked(words=words, now=now, lang=lang if lang == words.language else None)


def routes(pages: Pages) -> list[Any]:
    """The steps; all are posts of the page's own script."""
    return [_sign(pages), _again(pages), _elsewhere(pages), _payer(pages)]


def _sign(pages: Pages) -> Any:
    @post("/sign", name="invoice_sign", status_code=200)
    async def sign(request: AnyRequest) -> Response[bytes]:
        """Take the wallet's signature; the payment is made at once."""

        async def take(bill: Bill, now: datetime, origin: Origin) -> None:
            body: SignBody = read_body(await request.body(), SignBody)
            signed, allowed = signature(body.signature), permit(body.permit)
            intent, mandate = bill.intent, bill.mandate
            chain = None if mandate is None else pages.api.chains.get(mandate.chain_id)
            if intent is None or mandate is None or chain is None or mandate.status is not MandateStatus.PENDING:
                raise Conflict("There is nothing to sign any more.", code="mandate_unexpected_state")
            await mandate_services.verify(chain, mandate, signed)
            async with pages.api.gateway.books.write() as conn:
                confirmed = await intents.confirm(
                    conn,
                    pages.api.gateway,
                    scope=bill.invoice.scope,
                    intent_id=intent.id,
                    signature=signed,
                    permit=allowed,
                    now=now,
                    origin=origin,
                )
                if confirmed.mandate_id != mandate.id:
                    raise Conflict("Another wallet pays by now.", code="mandate_unexpected_state")

        return await _step(pages, request, take)

    return sign


def _again(pages: Pages) -> Any:
    @post("/again", name="invoice_again", status_code=200)
    async def again(request: AnyRequest) -> Response[bytes]:
        """Collect now, what was missing is there. The chain is asked first, so that no attempt is made in vain."""

        async def retry(bill: Bill, now: datetime, origin: Origin) -> None:
            code = await _still_missing(pages, bill, now)
            if code is not None:
                raise InvalidRequest(code, code=f"still_{code}")
            if bill.intent is None or bill.intent.status is IntentStatus.PROCESSING:
                return
            async with pages.api.gateway.books.write() as conn:
                await intents.confirm(
                    conn,
                    pages.api.gateway,
                    scope=bill.invoice.scope,
                    intent_id=bill.intent.id,
                    now=now,
                    origin=origin,
                )

        return await _step(pages, request, retry)

    return again


async def _still_missing(pages: Pages, bill: Bill, now: datetime) -> str | None:
    """Why a payment that is asked for now would fail, as far as the chain tells; None where nothing is against it."""
    wish, mandate, intent = bill.wish, bill.mandate, bill.intent
    chain = None if wish is None else pages.api.chains.get(wish.chain_id)
    if wish is None or mandate is None or intent is None or chain is None:
        return None
    due = intent.token_amount or 0
    found = await wallet_requests.facts(chain, wish)
    if found is None:
        return None
    if found.balance < due:
        return FailureCode.INSUFFICIENT_BALANCE
    # A permit that was signed allows on the way.
    if found.allowance < due and mandate.permit is None:
        return FailureCode.INSUFFICIENT_ALLOWANCE
    async with pages.api.gateway.books.read() as conn:
        scope, invoice_id = bill.invoice.scope, bill.invoice.id
        refused = await payers.refusal(
            conn, pages.api.gateway, pages.api.chains, scope=scope, invoice_id=invoice_id, now=now
        )
    return None if refused is None else refused.code


def _elsewhere(pages: Pages) -> Any:
    @post("/forget", name="invoice_wallet", status_code=200)
    async def elsewhere(request: AnyRequest) -> Response[bytes]:
        """Let another wallet pay from now on: that has a page of its own, which leads back here."""

        async def lead(bill: Bill, now: datetime, origin: Origin) -> dict[str, Any]:
            gateway = pages.api.gateway
            back_to = gateway.public_url + path_of(bill.invoice)
            async with gateway.books.write() as conn:
                session = await another_wallet.page_for(
                    conn, gateway, bill.subscription, back_to=back_to, now=now, origin=origin
                )
            return {"url": gateway.public_url + page_path(session) + asked_of(request, now).query}

        return await _step(pages, request, lead)

    return elsewhere


def _payer(pages: Pages) -> Any:
    @post("/payer", name="invoice_payer", status_code=200)
    async def payer(request: AnyRequest) -> Response[bytes]:
        """Say whether a wallet can send what is asked, before it is asked."""

        async def check(bill: Bill, now: datetime, _origin: Origin) -> None:
            body: PayerBody = read_body(await request.body(), PayerBody)
            await _can_send(pages, bill, body, asked_of(request, now).words)

        return await _step(pages, request, check)

    return payer


async def _can_send(pages: Pages, bill: Bill, body: PayerBody, words: Words) -> None:
    """Raise unless a wallet holds what it is about to send, and its token lets it.

    Raises:
        Conflict: the invoice is not to be paid like this any more.
        InvalidRequest: the wallet cannot send.
    """
    option = next((one for one in bill.options if _is_meant(one, body)), None)
    if option is None or bill.arriving or bill.invoice.payee is None:
        raise Conflict("This invoice is not paid like this any more.", code="invoice_not_open")
    chain, sender = pages.api.chains.get(body.chain_id), body.address.lower()
    if chain is None or not _ADDRESS.fullmatch(sender):
        raise InvalidRequest("This is no wallet.", code="wallet_invalid")
    wallet, token = Address(sender), option.token
    held, sent = await chain.calls(
        [
            (ZERO_ADDRESS, token.address, erc20.balance_of_data(wallet)),
            (wallet, token.address, erc20.transfer_data(bill.invoice.payee, option.amount)),
        ]
    )
    balance = erc20.decode_uint(held) if isinstance(held, bytes) else 0
    if balance < option.amount:
        text = words("bill.low", symbol=token.symbol, held=words.tokens(balance, token), chain=option.network.name)
        raise InvalidRequest(text, code="told")
    if isinstance(sent, CallReverted):
        raise InvalidRequest(words("bill.blocked", symbol=token.symbol), code="told")


def _is_meant(option: Option, body: PayerBody) -> bool:
    return (option.network.chain_id, option.token.address) == (body.chain_id, body.to.lower())


async def _step(pages: Pages, request: AnyRequest, work: Work) -> Response[bytes]:
    """One step of the script: its answer, or an error in words. 409 lets the page show itself anew.

    Raises:
        NoSuchPage, NotFromHere, TooMany: as their names say.
    """
    if not is_from_here(request.headers):
        raise NotFromHere
    invoice, now = await found(pages, request)
    if not pages.limiter.allows(invoice.id, pages.api.clock()):
        raise TooMany
    words, origin = words_of(request), Origin(pages.api.clock(), log.request_id.get())
    told: dict[str, Any] | None = None
    for rest in reversed(range(WRITE_TRIES_MAX)):
        try:
            told = await work(await bill_of(pages, invoice), now, origin)
        except Conflict as error:
            return json_answer({"message": words("error.other", message=error.message)}, 409)
        except DomainError as error:
            return json_answer({"message": _told(words, error)}, 422)
        except ChainError:
            return json_answer({"message": words("unreachable.title")}, 503)
        except WriteConflict:
            if not rest:
                raise
        else:
            break
    await pages.ring("collection", "webhooks")
    return json_answer(told or {})


def _told(words: Words, error: DomainError) -> str:
    if error.code == "told":
        return error.message
    if error.code.startswith("still_"):
        return reason_words(error.code.removeprefix("still_"), words)
    return words("error.other", message=error.message)
