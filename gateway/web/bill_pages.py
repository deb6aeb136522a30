"""The routes of an invoice's page: it is shown, and followed; what is done on it is in `bill_steps` (PM-01, ST-20).

The address is the key, as that of the document beside it: docs/decisions/invoice-links.md.
"""

import re
from typing import Any, Final

from litestar import Response, Router, get
from litestar.exceptions import HTTPException, NotFoundException
from litestar.response import Stream

from chain.errors import ChainError
from chain.primitives import Hash32
from gateway.domain.invoice import Status
from gateway.web import bill_screens, bill_steps, bills, rendering
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
    words_of,
)
from gateway.web.bill_parts import base_context
from gateway.web.bill_steps import asked_of, bill_of, found, may_look
from gateway.web.bills import Bill
from gateway.web.bodies import BODY_BYTES_MAX, STREAMS_MAX
from gateway.web.screens_after import progress_bar
from gateway.web.sessions import Pages
from gateway.web.streams import Look, Told, stream
from gateway.web.words import Words

ARRIVAL_TICKS: Final = 3
"""A page that waits for a transfer asks the chain at every third look."""

_HASH: Final = re.compile(r"0x[0-9a-f]{64}")


def router(pages: Pages) -> Router:
    """The routes of the pages of invoices."""
    return Router(
        path="/i/{invoice_id:str}/{access_token:str}",
        route_handlers=[
            _page(pages),
            *bill_steps.routes(pages),
            _transaction(pages),
            _allowance(pages),
            _events(pages),
        ],
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


def _page(pages: Pages) -> Any:
    @get("/", name="invoice_page")
    async def page(request: AnyRequest) -> Response[bytes]:
        """Show an invoice as it stands."""
        invoice, now = await found(pages, request)
        asked, bill = asked_of(request, now), await bill_of(pages, invoice, looks=may_look(pages))
        stage = bills.stage_of(bill, now)
        chain = None if bill.network is None else pages.api.chains.get(bill.network.chain_id)
        picked = request.query_params.get("with", "0")
        choice = int(picked) if picked.isascii() and picked.isdigit() and len(picked) <= 3 else 0  # noqa: PLR2004 - far more than tokens
        screen = await bill_screens.screen_of(chain, bill, asked, stage, choice)
        context = base_context(bill, asked) | {"title": screen.title, "stage": screen.template, **screen.context}
        return rendering.page("invoice.html", asked.words, context, script=screen.script, compress=compresses(request))

    return page


def _transaction(pages: Pages) -> Any:
    @get("/transaction/{chain_id:int}/{transaction:str}", name="invoice_transaction")
    async def transaction(request: AnyRequest) -> Response[bytes]:
        """What became of a transfer that the page's wallet sent."""
        await found(pages, request)
        return await _receipt(pages, request.path_params["chain_id"], request.path_params["transaction"])

    return transaction


def _allowance(pages: Pages) -> Any:
    @get("/allowance/{transaction:str}", name="invoice_allowance")
    async def allowance(request: AnyRequest) -> Response[bytes]:
        """What became of the transaction by which the wallet allows."""
        invoice, _ = await found(pages, request)
        bill = await bill_of(pages, invoice, looks=False)
        chain_id = 0 if bill.mandate is None else bill.mandate.chain_id
        return await _receipt(pages, chain_id, request.path_params["transaction"])

    return allowance


async def _receipt(pages: Pages, chain_id: int, transaction: str) -> Response[bytes]:
    hashed, chain = transaction.lower(), pages.api.chains.get(chain_id)
    if not _HASH.fullmatch(hashed):
        raise NoSuchPage
    try:
        [receipt] = [None] if chain is None else await chain.receipts([Hash32(hashed)])
    except ChainError:
        receipt = None
    mined = receipt is not None and receipt.succeeded
    return json_answer({"mined": mined, "reverted": receipt is not None and not mined})


def _events(pages: Pages) -> Any:
    @get("/events", name="invoice_events")
    async def events(request: AnyRequest) -> Response[bytes] | Stream:
        """Tell a page that waits what changes (server-sent events)."""
        await found(pages, request)
        if pages.streams >= STREAMS_MAX:
            return json_answer({}, 503)
        return Stream(stream(pages, _follow(pages, request, words_of(request))), media_type="text/event-stream")

    return events


def _follow(pages: Pages, request: AnyRequest, words: Words) -> Look:
    looks = 0
    arrived: Bill | None = None

    async def look() -> Told:
        nonlocal looks, arrived
        invoice, now = await found(pages, request)
        asks_chain = invoice.status is Status.OPEN and looks % ARRIVAL_TICKS == 0 and may_look(pages)
        bill = await bill_of(pages, invoice, looks=asks_chain)
        if asks_chain:
            arrived = bill if bill.arriving else None
        looks += 1
        shown = arrived if arrived is not None and invoice.status is Status.OPEN else bill
        stage = bills.stage_of(shown, now)
        i, of = progress_bar(shown, stage)
        return Told(stage, bill_screens.live_text(shown, stage, words), i, of)

    return look
