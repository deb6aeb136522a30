"""`/v1/…/search`: objects by Stripe's query language (`gateway.domain.search`), newest first, cut by opaque cursors."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.api.endpoint import Call, Endpoint, Shape
from gateway.api.forms import Params
from gateway.api.pagination import LIMIT_DEFAULT, LIMIT_MAX, TOTAL_COUNT, Found
from gateway.db import catalog, charge_intents, charges, invoices, searching, subscriptions
from gateway.db.engine import Connection
from gateway.domain import search
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.wire import payments, render
from gateway.wire.catalog import CustomerObject, PriceObject, ProductObject
from gateway.wire.invoice import InvoiceObject
from gateway.wire.payments import ChargeIntentObject, ChargeObject
from gateway.wire.subscription import SubscriptionObject

_CURSOR_LENGTH_MAX: Final = 400
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")

_Load = Callable[[Connection, Scope, Iterable[str]], Awaitable[Mapping[str, Any]]]


class Search(Params, frozen=True, kw_only=True):
    """What to look for, as in `email~"@example.com" AND metadata["plan"]:"gold"`, and which page of it."""

    query: Annotated[str, Meta(min_length=1, max_length=search.QUERY_LENGTH_MAX)]
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    page: Annotated[str, Meta(min_length=1, max_length=_CURSOR_LENGTH_MAX)] | None = None


def _cursor(object_id: str) -> str:
    return base64.urlsafe_b64encode(object_id.encode()).decode().rstrip("=")


def _place(cursor: str | None) -> str | None:
    """The id that a page continues after.

    Raises:
        InvalidRequest: the text is none of our cursors.
    """
    if cursor is None:
        return None
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        place = ""
    if _ID.fullmatch(place) is None:
        raise InvalidRequest("page is not the next_page of a search.", code="search_page_invalid", param="page")
    return place


def _of_anyone(load: Callable[[Connection, Iterable[str]], Awaitable[Mapping[str, Any]]]) -> _Load:
    """The ids were found in the caller's scope; that is checked again all the same."""

    async def load_own(conn: Connection, scope: Scope, ids: Iterable[str]) -> Mapping[str, Any]:
        return {key: value for key, value in (await load(conn, ids)).items() if value.scope == scope}

    return load_own


def _route(
    root: str, kind: str, answer: type[msgspec.Struct], load: _Load, shape: Shape = render.render
) -> Endpoint[Search]:
    async def run(call: Call, asked: Search) -> Found[Any]:
        query = search.parse(asked.query, searching.SHELVES[kind].kinds)
        after = _place(asked.page)
        hits = await searching.find(call.conn, call.scope, kind, query, limit=asked.limit, after=after)
        values = await load(call.conn, call.scope, hits.ids)
        items = [values[object_id] for object_id in hits.ids if object_id in values]
        total = None
        if TOTAL_COUNT in asked.expand:
            total = await searching.count(call.conn, call.scope, kind, query)
        next_page = _cursor(hits.ids[-1]) if hits.has_more else None
        return Found(items, hits.has_more, next_page, total)

    run.__doc__ = f"Search {root.replace('_', ' ')} by {', '.join(sorted(searching.SHELVES[kind].fields))}."
    return Endpoint(
        methods=("GET", "HEAD"),
        path=f"/v1/{root}/search",
        kind=kind,
        params=Search,
        answer=answer,
        run=run,
        is_list=True,
        is_search=True,
        shape=shape,
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    _route("customers", "customer", CustomerObject, catalog.get_customers),
    _route("products", "product", ProductObject, catalog.get_products),
    _route("prices", "price", PriceObject, catalog.get_prices),
    _route("subscriptions", "subscription", SubscriptionObject, _of_anyone(subscriptions.load)),
    _route("invoices", "invoice", InvoiceObject, _of_anyone(invoices.load)),
    _route("charges", "charge", ChargeObject, _of_anyone(charges.load)),
    _route("charge_intents", "charge_intent", ChargeIntentObject, _of_anyone(charge_intents.load)),
    _route(
        "payment_intents",
        "payment_intent",
        ChargeIntentObject,
        _of_anyone(charge_intents.load),
        payments.payment_intent,
    ),
)
