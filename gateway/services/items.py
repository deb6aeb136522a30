"""What a subscription is for: prices and quantities, as asked for and as checked (FR-16)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.db import catalog
from gateway.db.engine import Connection
from gateway.domain.catalog import Price, Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.period import Interval
from gateway.domain.terms import SubscriptionItem
from gateway.services import tax_rates as tax_rate_services

ITEMS_MAX: Final = 20
"""Most items of one subscription; the SDKs' peers allow as many."""

QUANTITY_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """So many of a price, as asked for."""

    price_id: str
    quantity: int = 1
    metadata: Mapping[str, str] = field(default_factory=dict)
    tax_rate_ids: Sequence[str] = ()


async def choose(
    conn: Connection, scope: Scope, items: Sequence[NewItem], now: datetime
) -> tuple[tuple[SubscriptionItem, ...], dict[str, Price]]:
    """Check what is asked for and return it with its prices by id.

    Raises:
        InvalidRequest: a price is inactive, given twice, or of another currency; a quantity out of range.
        NotFound: a price or tax rate does not exist.
    """
    if not 1 <= len(items) <= ITEMS_MAX:
        raise InvalidRequest(f"items takes 1 to {ITEMS_MAX} entries.", code="invalid_items", param="items")
    prices = await catalog.get_prices(conn, scope, [item.price_id for item in items])
    products = await catalog.get_products(conn, scope, [price.product_id for price in prices.values()])
    seen: set[str] = set()
    for index, item in enumerate(items):
        param = f"items[{index}][price]"
        price = prices.get(item.price_id)
        if price is None:
            raise NotFound("price", item.price_id, param=param)
        if item.price_id in seen:
            raise InvalidRequest(
                f"Price '{price.id}' is given twice; raise its quantity instead.", code="duplicate_price", param=param
            )
        seen.add(item.price_id)
        if not price.active or not products[price.product_id].active:
            raise InvalidRequest(
                f"Price '{price.id}' or its product is not active.", code="price_inactive", param=param
            )
        if not 1 <= item.quantity <= QUANTITY_MAX:
            raise InvalidRequest(
                f"quantity must be between 1 and {QUANTITY_MAX}.",
                code="invalid_quantity",
                param=f"items[{index}][quantity]",
            )
        if price.meter_id is not None and item.quantity != 1:
            raise quantity_of_usage(f"items[{index}][quantity]")
    if len({price.currency for price in prices.values()}) != 1:
        raise InvalidRequest(
            "All prices of a subscription must have one currency.", code="mixed_currencies", param="items"
        )
    await tax_rate_services.usable(
        conn, scope, [rate_id for item in items for rate_id in item.tax_rate_ids], param="items"
    )
    chosen = tuple(
        SubscriptionItem(
            id=new_id("si", now),
            price_id=item.price_id,
            quantity=item.quantity,
            created_at=now,
            metadata=dict(item.metadata),
            tax_rate_ids=tuple(item.tax_rate_ids),
        )
        for item in items
    )
    return chosen, prices


def quantity_of_usage(param: str) -> InvalidRequest:
    """The error of a quantity where usage is what is counted."""
    return InvalidRequest(
        "A metered price takes no quantity: its meter counts.", code="quantity_not_allowed", param=param
    )


def common_interval(prices: Sequence[Price]) -> Interval:
    """Return the interval that all prices of a subscription share.

    Raises:
        InvalidRequest: they do not, or one is not recurring.
    """
    intervals = {price.interval for price in prices}
    if len(intervals) == 1 and (interval := intervals.pop()) is not None:
        return interval
    raise InvalidRequest(
        "All prices of a subscription must be recurring at the same interval.", code="mixed_intervals", param="items"
    )
