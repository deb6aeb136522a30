"""Prices to change between, and changes in one line."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.db import catalog, invoice_items, invoices
from gateway.db.engine import Books
from gateway.domain.invoice import Invoice
from gateway.domain.invoice_item import InvoiceItem
from gateway.domain.period import Interval, IntervalUnit
from gateway.domain.subscription import Subscription
from gateway.services import subscriptions as services
from gateway.services.item_changes import ItemChange
from gateway.services.plan_changes import TermsRequest
from gateway.services.subscriptions import SubscriptionChanges
from tests import factories
from tests.services.house import House

SMALL, LARGE, EXTRA, YEARLY, EUROS = "price_small", "price_large", "price_extra", "price_yearly", "price_euros"
HALF = timedelta(days=14)
"""Half of the first period of the house."""


async def furnished(books: Books) -> House:
    """A house with more prices besides the one of 10 USD: 4, 30 and 5 USD a month, 100 USD a year, 10 EUR a month."""
    house = await House.build(books)
    yearly = Interval(IntervalUnit.YEAR)
    async with books.write() as conn:
        await catalog.add_prices(
            conn,
            [
                factories.price(id=SMALL, unit_amount=400),
                factories.price(id=LARGE, unit_amount=3000),
                factories.price(id=EXTRA, unit_amount=500),
                factories.price(id=YEARLY, unit_amount=10_000, interval=yearly),
                factories.price(id=EUROS, currency="eur"),
            ],
        )
    return house


async def update(house: House, subscription: Subscription, terms: TermsRequest, **fields: Any) -> Subscription:
    changes = SubscriptionChanges(given=frozenset({"terms", *fields}), terms=terms)
    method = fields.get("default_payment_method")
    async with house.gateway.books.write() as conn:
        return await services.update(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=subscription.id,
            changes=replace(changes, default_payment_method_id=method),
            now=house.now,
            origin=house.origin,
        )


async def items(house: House, subscription: Subscription, *changes: ItemChange, **fields: Any) -> Subscription:
    return await update(house, subscription, TermsRequest(items=changes, **fields))


async def to_price(house: House, subscription: Subscription, price_id: str, **fields: Any) -> Subscription:
    current = await house.subscription(subscription)
    return await items(house, subscription, ItemChange(id=current.items[0].id, price_id=price_id), **fields)


async def waiting(house: House, subscription: Subscription) -> list[InvoiceItem]:
    async with house.gateway.books.read() as conn:
        return await invoice_items.pending_of(conn, [subscription.customer_id], lock=False)


async def bills(house: House, subscription: Subscription) -> list[Invoice]:
    async with house.gateway.books.read() as conn:
        return await invoices.of_subscription(conn, house.scope, subscription.id)


def amounts(found: Sequence[Any]) -> list[int]:
    return [one.amount for one in found]
