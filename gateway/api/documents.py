"""`/i/{invoice}/{token}/pdf`: an invoice or receipt as a document, for whoever has its address; no key, no session."""

import asyncio
import re
from typing import Final

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.domain.invoice import Invoice
from gateway.letters.document import render
from gateway.services import documents
from gateway.services.gateway import Gateway

RENDERING_MAX: Final = 2
"""Documents at once: each takes a core for up to a second, and the API has other things to do."""

_PART: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Robots-Tag": "noindex, nofollow",
}


def handler(gateway: Gateway) -> HTTPRouteHandler:
    """Make the framework's handler."""
    turns = asyncio.Semaphore(RENDERING_MAX)

    @get("/i/{invoice_id:str}/{access_token:str}/pdf", media_type="application/pdf")
    async def document(invoice_id: FromPath[str], access_token: FromPath[str]) -> Response[bytes]:
        """Write the document anew; the same invoice gives the same bytes."""
        if not _PART.fullmatch(invoice_id) or not _PART.fullmatch(access_token):
            return _missing()
        async with gateway.books.read() as conn:
            sheet = await documents.sheet_of(conn, gateway, invoice_id, access_token)
        if sheet is None:
            return _missing()
        async with turns:
            written = await asyncio.to_thread(render, sheet)
        headers = {**_HEADERS, "Content-Disposition": f'inline; filename="{_file_name(sheet.invoice)}"'}
        return Response(written, media_type="application/pdf", headers=headers)

    return document


def _missing() -> Response[bytes]:
    """The same for a wrong token as for an invoice that never was."""
    return Response(b"There is no such document.\n", status_code=404, media_type=MediaType.TEXT, headers=_HEADERS)


def _file_name(invoice: Invoice) -> str:
    return f"{_UNFIT.sub('-', invoice.number or invoice.id)}.pdf"
