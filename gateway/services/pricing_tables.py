"""Pricing tables at a merchant's request, and the checkouts that pages start from them (MX-12, SX-22)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.db import catalog, pricing_tables
from gateway.db.engine import Connection
from gateway.domain import metadata as merchant_metadata
from gateway.domain.catalog import Price, Product, Scope
from gateway.domain.checkout import CheckoutSession, CustomField, FieldKind, LineItem, Mode, Offer
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.pricing_table import KIND, PRICES_MAX, PricingTable
from gateway.services import checkout
from gateway.services.checkout import NewSession
from gateway.services.fields import Metadata, kept, moved
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin, record


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingTableFields:
    """What a request says about a pricing table; a field that is not in `given` stays as it is."""

    given: frozenset[str]
    prices: Sequence[str] = ()
    success_url: str = ""
    cancel_url: str | None = None
    active: bool = True
    allow_promotion_codes: bool = False
    trial_period_days: int | None = None
    hidden_fields: Sequence[str] = ()
    locale: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a visitor chose, and what the page that sent them hands through."""

    price_id: str
    client_reference_id: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


async def create(conn: Connection, gateway: Gateway, table: PricingTable, *, origin: Origin) -> PricingTable:
    """Make a pricing table.

    Raises:
        InvalidRequest: a price is given twice, is switched off, or is charged once or for usage; or there are none or
            too many.
        NotFound: a price does not exist.
    """
    await _check_prices(conn, table.scope, table.prices)
    await pricing_tables.shelf.add(conn, [table])
    made = moved(None, table, EventType.PRICING_TABLE_CREATED, table.created_at)
    await record(conn, gateway, [made], origin=origin)
    return table


async def update(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    table_id: str,
    fields: PricingTableFields,
    now: datetime,
    origin: Origin,
) -> PricingTable:
    """Change what a pricing table sells and how; checkouts that were started stay as they are.

    Raises:
        InvalidRequest, NotFound: as `create`; or there is no such table.
    """
    before = await pricing_tables.shelf.get(conn, scope, table_id, lock=True)
    if before is None:
        raise NotFound(KIND, table_id)
    names = (
        "active", "success_url", "cancel_url", "allow_promotion_codes", "trial_period_days", "locale",
    )  # fmt: skip
    changes = kept(fields.given, fields, dict(zip(names, names, strict=True)))
    for name in fields.given & {"prices", "hidden_fields"}:
        changes[name] = tuple(getattr(fields, name))
    if "metadata" in fields.given:
        changes["metadata"] = merchant_metadata.merge(before.metadata, fields.metadata)
    after = replace(before, **changes)
    if "prices" in fields.given:
        await _check_prices(conn, scope, after.prices)
    await pricing_tables.shelf.save(conn, [after])
    await record(conn, gateway, [moved(before, after, EventType.PRICING_TABLE_UPDATED, now)], origin=origin)
    return after


async def _check_prices(conn: Connection, scope: Scope, price_ids: Sequence[str]) -> None:
    if not 1 <= len(price_ids) <= PRICES_MAX or len(set(price_ids)) != len(price_ids):
        raise InvalidRequest(
            f"prices takes 1 to {PRICES_MAX} different prices.", code="parameter_invalid", param="prices"
        )
    found = await catalog.get_prices(conn, scope, sorted(price_ids))
    for index, price_id in enumerate(price_ids):
        if price_id not in found:
            raise NotFound("price", price_id, param=f"prices[{index}]")
        if not found[price_id].active:
            raise InvalidRequest(f"Price '{price_id}' is not active.", code="price_inactive", param=f"prices[{index}]")
        if found[price_id].interval is None:
            raise InvalidRequest(
                f"Price '{price_id}' is charged once; a checkout sells subscriptions.",
                code="price_not_recurring",
                param=f"prices[{index}]",
            )
        if found[price_id].meter_id is not None:
            raise InvalidRequest(
                f"Price '{price_id}' charges for usage: there is no first payment that a checkout could ask for.",
                code="price_metered",
                param=f"prices[{index}]",
            )


async def shown(conn: Connection, table: PricingTable) -> list[tuple[Price, Product]]:
    """The prices that a table offers now, with their products: one that was switched off is left out."""
    prices = await catalog.load_prices(conn, sorted(table.prices))
    products = await catalog.load_products(conn, sorted({price.product_id for price in prices.values()}))
    found = [prices[price_id] for price_id in table.prices if price_id in prices and prices[price_id].active]
    return [(price, products[price.product_id]) for price in found if products[price.product_id].active]


async def start(
    conn: Connection, gateway: Gateway, *, table: PricingTable, wanted: Start, now: datetime, origin: Origin
) -> CheckoutSession:
    """Open a checkout session for one of a table's prices. What the table does not name is not taken over.

    Raises:
        InvalidRequest: the price is not one of the table's, or cannot be sold now.
        NotFound: the table is switched off.
    """
    if not table.active:
        raise NotFound(KIND, table.id)
    if wanted.price_id not in table.prices:
        raise InvalidRequest("This is not one of the prices.", code="price_not_offered", param="price")
    fields = tuple(
        CustomField(key=key, kind=FieldKind.HIDDEN, label=key, value=wanted.values[key])
        for key in table.hidden_fields
        if wanted.values.get(key)
    )
    session = NewSession(
        mode=Mode.SUBSCRIPTION,
        success_url=table.success_url,
        cancel_url=table.cancel_url,
        offer=Offer(
            lines=(LineItem(price_id=wanted.price_id, quantity=1, description="", amount=0),),
            trial_days=table.trial_period_days,
            allow_promotion_codes=table.allow_promotion_codes,
            custom_fields=fields,
        ),
        client_reference_id=wanted.client_reference_id,
        locale=table.locale,
    )
    return await checkout.create(conn, gateway, scope=table.scope, wanted=session, now=now, origin=origin)
