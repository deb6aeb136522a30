"""What metered items come to: the usage of a period that is over, on the invoice of the one that follows (ST-74).

An event belongs to the period in which it happened. A draft shows what is known when it is drawn up; when it is
finalised the usage is read once more and fixed. Later news of that period are refused where they are told
(`gateway.services.meters`), under the lock that finalising holds: no event is counted twice, and none is forgotten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.db import catalog, discounts, invoices, meters, subscriptions, tax_rates
from gateway.db.engine import Connection
from gateway.domain import invoice as invoice_domain
from gateway.domain.catalog import Price
from gateway.domain.invoice import Invoice, InvoiceLine
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.metering import Window
from gateway.domain.money import AMOUNT_MAX
from gateway.domain.pricing import price_lines
from gateway.domain.subscription import Subscription
from gateway.services.changes import Changes


async def of_items(conn: Connection, owners: Sequence[Subscription], prices: Mapping[str, Price]) -> Mapping[str, int]:
    """What metered items of these subscriptions used in their running periods so far, by item."""
    wanted = {
        item.id: Window(meter_id, owner.customer_id, owner.period_start, owner.period_end)
        for owner in owners
        if owner.period_index > 0
        for item in owner.items
        if (meter_id := prices[item.price_id].meter_id) is not None
    }
    return dict(zip(wanted, await meters.usage(conn, list(wanted.values())), strict=True))


def charged(price: Price, quantity: int) -> int:
    """Minor units for so much usage. What no integer column could hold is far above any mandate."""
    return min(price.unit_amount * quantity, AMOUNT_MAX)


def described(price: Price, quantity: int) -> str:
    """What a line of usage says."""
    return f"{quantity} x {price.nickname or price.id} (usage)"


async def fix(
    conn: Connection, drafts: Sequence[tuple[Invoice, Subscription, datetime]], changes: Changes
) -> list[tuple[Invoice, Subscription, datetime]]:
    """Read the usage of drafts that are being finalised for the last time; return them as they are then."""
    places = [
        (draft, line)
        for draft, _, at in drafts
        for line in draft.lines
        if line.meter_id is not None and line.period_end <= at
    ]
    if not places:
        return list(drafts)
    windows = [
        Window(line.meter_id or "", draft.customer_id, line.period_start, line.period_end) for draft, line in places
    ]
    prices = await catalog.load_prices(conn, sorted({line.price_id or "" for _, line in places}))
    fixed: dict[str, InvoiceLine] = {}
    for (_, line), quantity in zip(places, await meters.usage(conn, windows), strict=True):
        price = prices[line.price_id or ""]
        if quantity != line.quantity:
            amount, words = charged(price, quantity), described(price, quantity)
            fixed[line.id] = replace(line, quantity=quantity, amount=amount, description=words)
    return await _with_lines(conn, drafts, fixed, changes)


async def _with_lines(
    conn: Connection,
    drafts: Sequence[tuple[Invoice, Subscription, datetime]],
    fixed: Mapping[str, InvoiceLine],
    changes: Changes,
) -> list[tuple[Invoice, Subscription, datetime]]:
    """Give drafts their lines of usage, and all their lines discounts and taxes anew; the rows are loaded in bulk."""
    affected = [draft for draft, _, _ in drafts if any(line.id in fixed for line in draft.lines)]
    rate_ids = sorted({tax.rate_id for draft in affected for line in draft.lines for tax in line.tax_amounts})
    rates = await tax_rates.shelf.load(conn, rate_ids) if rate_ids else {}
    named = {(draft.scope, discount.coupon_id) for draft in affected for discount in draft.discounts}
    coupons = await discounts.load_coupons(conn, named) if named else {}
    moved = {}
    for draft, _, at in drafts:
        if not any(line.id in fixed for line in draft.lines):
            continue
        lines = [fixed.get(line.id, line) for line in draft.lines]
        priced = price_lines(
            [(line, [rates[tax.rate_id] for tax in line.tax_amounts]) for line in lines],
            draft.discounts,
            {discount.coupon_id: coupons[draft.scope, discount.coupon_id] for discount in draft.discounts},
            draft.currency,
        )
        moved[draft.id] = changes.update(invoice_domain.bill_lines(draft, priced, at))
    return [(moved.get(draft.id, draft), subscription, at) for draft, subscription, at in drafts]


async def is_closed(conn: Connection, meter_id: str, customer_id: str, happened_at: datetime) -> bool:
    """Whether all that could bill usage of that time is finalised.

    Locks the customer's subscriptions that bill by the meter: none of them is finalised meanwhile. Usage from before a
    subscription, or of a customer without one, is nobody's to bill, and is not late.
    """
    found = await meters.subscribers(conn, meter_id, customer_id)
    if not found:
        return False
    owners = await subscriptions.load(conn, found, lock=True)
    begun = [owner for owner in owners.values() if owner.period_index > 0]
    if any(happened_at >= owner.period_start for owner in begun) or len(begun) < len(owners):
        return False
    for invoice in await invoices.unsettled_of(conn, found):
        for line in invoice.lines:
            within = line.meter_id == meter_id and line.period_start <= happened_at < line.period_end
            if invoice.status is InvoiceStatus.DRAFT and within:
                return False
    return any(happened_at >= (owner.activated_at or owner.created_at) for owner in begun)
