"""What the items of a subscription become: changed, added and removed ones, as asked for and as checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.db import catalog
from gateway.db.engine import Connection
from gateway.domain import metadata as merchant_metadata
from gateway.domain.catalog import Price
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.subscription import Subscription
from gateway.domain.terms import SubscriptionItem
from gateway.services import tax_rates
from gateway.services.items import ITEMS_MAX, QUANTITY_MAX, quantity_of_usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange:
    """One item as asked for: without `id` a new one; what is None stays as it is.

    Attributes:
        param: what the request calls it, such as `items[0]`; empty where it is the request itself.
    """

    id: str | None = None
    price_id: str | None = None
    quantity: int | None = None
    deleted: bool = False
    metadata: Mapping[str, str | None] | None = None
    tax_rate_ids: Sequence[str] | None = None
    param: str = "items[0]"

    def named(self, field: str) -> str:
        """What the request calls a field of it."""
        return f"{self.param}[{field}]" if self.param else field


async def resolve(
    conn: Connection, subscription: Subscription, wanted: Sequence[ItemChange], now: datetime
) -> tuple[tuple[SubscriptionItem, ...], dict[str, Price]]:
    """Return the items that a subscription would have, and all of their prices by id.

    Items that are not named stay as they are.

    Raises:
        InvalidRequest: an item is named twice, a price is inactive, given twice, of another currency or none that
            recurs, a quantity is out of range, or no item would be left.
        NotFound: an item, price or tax rate does not exist.
    """
    if not 1 <= len(wanted) <= ITEMS_MAX:
        raise InvalidRequest(f"items takes 1 to {ITEMS_MAX} entries.", code="invalid_items", param="items")
    held = {item.id: item for item in subscription.items}
    _check_names(wanted, held)
    after = dict(held)
    asked: dict[str, ItemChange] = {}
    for change in wanted:
        if change.deleted:
            after.pop(change.id or "")
            continue
        item = _changed(held.get(change.id or ""), change, now)
        after[item.id] = item
        asked[item.id] = change
    items = tuple(after.values())
    if not items:
        raise InvalidRequest(
            "A subscription has at least one item; cancel it instead of removing the last one.",
            code="invalid_items",
            param="items",
        )
    if len(items) > ITEMS_MAX:
        raise InvalidRequest(f"A subscription has at most {ITEMS_MAX} items.", code="invalid_items", param="items")
    prices = await catalog.get_prices(conn, subscription.scope, [item.price_id for item in items])
    await _check_prices(conn, subscription, items, asked, prices)
    rate_ids = [rate_id for change in asked.values() for rate_id in change.tax_rate_ids or ()]
    param = wanted[0].named("tax_rates") if len(wanted) == 1 else "items"
    await tax_rates.usable(conn, subscription.scope, rate_ids, param=param)
    return items, prices


def _check_names(wanted: Sequence[ItemChange], held: Mapping[str, SubscriptionItem]) -> None:
    seen: set[str] = set()
    for change in wanted:
        if change.id is None:
            if change.deleted or change.price_id is None:
                missing = "id" if change.deleted else "price"
                raise InvalidRequest(
                    f"Missing required param: {change.named(missing)}.",
                    code="parameter_missing",
                    param=change.named(missing),
                )
            continue
        if change.id not in held:
            raise NotFound("subscription_item", change.id, param=change.named("id"))
        if change.id in seen:
            raise InvalidRequest(f"Item '{change.id}' is named twice.", code="duplicate_item", param=change.named("id"))
        seen.add(change.id)


def _changed(held: SubscriptionItem | None, change: ItemChange, now: datetime) -> SubscriptionItem:
    quantity = change.quantity
    if quantity is not None and not 1 <= quantity <= QUANTITY_MAX:
        raise InvalidRequest(
            f"quantity must be between 1 and {QUANTITY_MAX}.",
            code="invalid_quantity",
            param=change.named("quantity"),
        )
    base = held or SubscriptionItem(id=new_id("si", now), price_id="", quantity=1, created_at=now)
    metadata = base.metadata
    if change.metadata is not None:
        metadata = merchant_metadata.merge(base.metadata, change.metadata, param=change.named("metadata"))
    return replace(
        base,
        price_id=change.price_id or base.price_id,
        quantity=base.quantity if quantity is None else quantity,
        metadata=metadata,
        tax_rate_ids=base.tax_rate_ids
        if change.tax_rate_ids is None
        else tax_rates.distinct(change.tax_rate_ids, param=change.named("tax_rates")),
    )


async def _check_prices(
    conn: Connection,
    subscription: Subscription,
    items: Sequence[SubscriptionItem],
    asked: Mapping[str, ItemChange],
    prices: Mapping[str, Price],
) -> None:
    """A price that an item has already stays good for it, also when it is sold no more."""
    held = {item.price_id for item in subscription.items}
    products = await catalog.get_products(conn, subscription.scope, [price.product_id for price in prices.values()])
    seen: set[str] = set()
    for item in items:
        change = asked.get(item.id)
        param = "items" if change is None else change.named("price")
        price = prices.get(item.price_id)
        if price is None:
            raise NotFound("price", item.price_id, param=param)
        if price.meter_id is not None and item.quantity != 1:
            raise quantity_of_usage("items" if change is None else change.named("quantity"))
        if price.id in seen:
            raise InvalidRequest(
                f"Price '{price.id}' is given twice; raise its quantity instead.", code="duplicate_price", param=param
            )
        seen.add(price.id)
        if price.id not in held and not (price.active and products[price.product_id].active):
            raise InvalidRequest(
                f"Price '{price.id}' or its product is not active.", code="price_inactive", param=param
            )
        if price.currency != subscription.currency:
            raise InvalidRequest(
                f"Price '{price.id}' is in {price.currency}, but the subscription is in {subscription.currency}.",
                code="mixed_currencies",
                param=param,
            )
