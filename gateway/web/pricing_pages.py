"""A merchant's prices as a page, alone or inside one of the merchant's, and checkouts that begin there (SX-22, MX-12).

Starting one makes a fresh session and leads to it: there is nothing that another site could forge. Yet another site
needs a publishable key, so that the merchant can end what its own pages may do. Docs: docs/decisions/embeds.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from litestar import Response, Router, get, post
from litestar.exceptions import HTTPException, NotFoundException

from gateway import log
from gateway.api.auth import authenticate
from gateway.api.forms import read_form
from gateway.api.problems import AuthenticationFailed, PermissionDenied
from gateway.db import accounts, pricing_tables
from gateway.domain.catalog import Account, Price, Product
from gateway.domain.errors import DomainError, InvalidRequest, NotFound
from gateway.domain.permission import Level, Resource
from gateway.domain.pricing_table import PricingTable
from gateway.services import pricing_tables as services
from gateway.services.pricing_tables import Start
from gateway.services.recording import Origin
from gateway.web import rendering
from gateway.web.answers import (
    AnyRequest,
    NoSuchPage,
    NotFromHere,
    TooMany,
    broken,
    busy,
    compresses,
    missing,
    plain,
    refusal,
    words_of,
)
from gateway.web.security import Limiter, is_from_here
from gateway.web.sessions import Pages
from gateway.web.words import Words
from gateway.wire.checkout import page_path

STARTS_MAX: Final = 600
"""Checkouts that one table starts in a minute, in one process: a busy shop, and little enough for the database."""

BODY_BYTES_MAX: Final = 16 * 1024
VALUE_MAX: Final = 255
REFERENCE_MAX: Final = 200
_ID: Final = re.compile(r"prctbl_[a-z0-9]{1,40}")
_FIELD: Final = "custom-"
_EMBED_CACHE: Final = "public, max-age=300"
"""The script keeps its address; merchants' pages get a new one within minutes."""


class Unsellable(Exception):
    """A visitor chose something that cannot be sold; the page says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    table: PricingTable
    account: Account
    offers: list[tuple[Price, Product]] = field(default_factory=list)


def routers(pages: Pages) -> list[Any]:
    """The page of a pricing table, the start of checkouts, and the script for merchants' own pages."""
    table = Router(
        path="/pricing/{table_id:str}",
        route_handlers=[_page(pages), _start(pages, Limiter(requests_max=STARTS_MAX))],
        exception_handlers={
            NoSuchPage: missing,
            NotFoundException: missing,
            NotFound: missing,
            NotFromHere: refusal,
            Unsellable: _unsellable,
            TooMany: busy,
            HTTPException: broken,
            Exception: broken,
        },
        request_max_body_size=BODY_BYTES_MAX,
    )
    return [table, _script]


def _unsellable(request: AnyRequest, _error: Exception) -> Response[bytes]:
    return plain(request, "unsellable", 422)


async def _found(pages: Pages, request: AnyRequest, *, offers: bool) -> _Shelf:
    """The table that an address names.

    Raises:
        NoSuchPage: there is none, or it is switched off.
    """
    table_id = request.path_params["table_id"]
    if not _ID.fullmatch(table_id):
        raise NoSuchPage
    async with pages.api.gateway.books.read() as conn:
        table = (await pricing_tables.shelf.load(conn, [table_id])).get(table_id)
        account = None if table is None else await accounts.get(conn, table.scope.account_id)
        if table is None or account is None or not table.active:
            raise NoSuchPage
        return _Shelf(table=table, account=account, offers=await services.shown(conn, table) if offers else [])


def _page(pages: Pages) -> Any:
    @get("/", name="pricing_page")
    async def page(request: AnyRequest) -> Response[bytes]:
        """Show the prices. The page may stand in a frame of any site: it asks for nothing, and leads out of it."""
        shelf = await _found(pages, request, offers=True)
        table, account, words = shelf.table, shelf.account, words_of(request, shelf.table.locale)
        lang = request.query_params.get("lang")
        is_framed = "embed" in request.query_params
        merchant = account.settings.branding.name or account.name
        context = {
            "title": words("pricing.title"),
            "merchant": merchant,
            "brand": rendering.brand(account),
            "is_test": not table.scope.livemode,
            "languages": True,
            "framed": is_framed,
            "action": f"/pricing/{table.id}/start" + (f"?lang={lang}" if lang == words.language else ""),
            "offers": [_offer(price, product, table, words) for price, product in shelf.offers],
            "handed": _handed(table, request.query_params),
        }
        script = {"t": {}, "base": f"/pricing/{table.id}", "frame": True} if is_framed else None
        answer: Response[bytes] = rendering.page(
            "pricing.html", words, context, script=script, compress=compresses(request), framed=is_framed
        )
        return answer

    return page


def _offer(price: Price, product: Product, table: PricingTable, words: Words) -> dict[str, Any]:
    interval = price.interval
    every = "" if interval is None else words.every(interval.unit.value, interval.count)
    days = table.trial_period_days
    return {
        "id": price.id,
        "name": price.nickname or product.name,
        "about": product.description,
        "amount": words.money(price.unit_amount, price.currency),
        "every": every,
        "trial": words("pricing.trial", n=days) if days else None,
    }


def _handed(table: PricingTable, given: Mapping[str, str]) -> dict[str, str]:
    """What is handed through to the checkout, as the form names it."""
    wanted = {f"{_FIELD}{key}": VALUE_MAX for key in table.hidden_fields} | {"client_reference_id": REFERENCE_MAX}
    return {name: given[name][:most] for name, most in wanted.items() if given.get(name)}


def _start(pages: Pages, limiter: Limiter) -> Any:
    @post("/start", name="pricing_start", status_code=303)
    async def start(request: AnyRequest) -> Response[bytes]:
        """Open a checkout for one of the prices, and lead there."""
        shelf = await _found(pages, request, offers=False)
        sent = {key: value for key, value in read_form(await request.body()).items() if isinstance(value, str)}
        now = pages.api.clock()
        if not is_from_here(request.headers):
            await _check_key(pages, shelf.table, sent.get("key", ""), now)
        if not limiter.allows(shelf.table.id, now):
            raise TooMany
        handed = _handed(shelf.table, sent)
        wanted = Start(
            price_id=sent.get("price", ""),
            client_reference_id=handed.get("client_reference_id"),
            values={key.removeprefix(_FIELD): value for key, value in handed.items() if key.startswith(_FIELD)},
        )
        try:
            async with pages.api.gateway.books.write() as conn:
                session = await services.start(
                    conn,
                    pages.api.gateway,
                    table=shelf.table,
                    wanted=wanted,
                    now=now,
                    origin=Origin(now, log.request_id.get()),
                )
        except InvalidRequest as error:
            raise Unsellable from error
        lang = request.query_params.get("lang")
        query = f"?lang={lang}" if lang in {"en", "de"} else ""
        return Response(b"", status_code=303, headers={"Location": page_path(session) + query})

    return start


async def _check_key(pages: Pages, table: PricingTable, key: str, now: datetime) -> None:
    """Raise unless a page shows a publishable key of the merchant and mode.

    Raises:
        NotFromHere: it does not.
    """
    try:
        async with pages.api.gateway.books.read() as conn:
            caller = await authenticate(
                conn,
                f"Bearer {key}",
                resource=Resource.PRICING_TABLES,
                level=Level.READ,
                pepper=pages.api.pepper,
                now=now,
                public=True,
            )
    except (AuthenticationFailed, PermissionDenied, DomainError):
        raise NotFromHere from None
    if not caller.is_public or caller.scope != table.scope:
        raise NotFromHere


@cache
def _embed() -> bytes:
    return files("gateway.web").joinpath("assets", "embed.js").read_bytes()


@get("/embed.js", name="embed", sync_to_thread=False)
def _script() -> Response[bytes]:
    """Serve the script that merchants' pages load."""
    headers = {"Cache-Control": _EMBED_CACHE, "Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(_embed(), media_type="text/javascript; charset=utf-8", headers=headers)
