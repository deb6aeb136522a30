"""Drawing up invoices: the items of a period, what waits for the customer's next invoice, discounts and taxes.

Everything that a batch needs is loaded in bulk; putting an invoice together (`compose`) is pure, so that a preview is
the same invoice without the writing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.db import catalog, discounts, invoice_items, tax_rates
from gateway.db.engine import Connection
from gateway.domain import invoice as domain
from gateway.domain.catalog import Price
from gateway.domain.discount import Coupon, Discount, Duration, remaining_after
from gateway.domain.events import EventType
from gateway.domain.ids import new_id
from gateway.domain.invoice import BillingReason, Invoice, InvoiceLine
from gateway.domain.invoice_item import InvoiceItem, line_of
from gateway.domain.period import Period
from gateway.domain.pricing import price_lines
from gateway.domain.subscription import Subscription
from gateway.domain.tax import TaxRate
from gateway.domain.terms import SubscriptionItem
from gateway.domain.transition import Event, Moved, StatusReason
from gateway.services import usage
from gateway.services.changes import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What to draw up an invoice for; one for a change holds its prorations alone.

    Without `finalizes_at` it becomes open only when somebody says so (ST-35).
    """

    subscription: Subscription
    billed: Period
    reason: BillingReason
    now: datetime
    finalizes_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Rows that invoices are drawn up from. Coupons are the merchants' own: their keys hold the tenant.

    `usage` is what metered items used in the running period so far, by item.
    """

    prices: Mapping[str, Price]
    coupons: Mapping[discounts.CouponKey, Coupon] = field(default_factory=dict)
    rates: Mapping[str, TaxRate] = field(default_factory=dict)
    pending: Mapping[str, Sequence[InvoiceItem]] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)

    def coupons_of(self, subscription: Subscription) -> dict[str, Coupon]:
        """Coupons of a subscription's discounts, by id."""
        return {
            discount.coupon_id: self.coupons[subscription.scope, discount.coupon_id]
            for discount in subscription.discounts
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """An invoice that is drawn up, what it took from the customer's waiting items, and the discounts that go on."""

    invoice: Invoice
    taken: tuple[InvoiceItem, ...]
    discounts_left: tuple[Discount, ...]


async def terms_of(conn: Connection, subscriptions: Sequence[Subscription], *, lock: bool = True) -> Terms:
    """Load what invoices of these subscriptions are drawn up from; with `lock`, what waits is locked to be taken."""
    price_ids = {item.price_id for subscription in subscriptions for item in subscription.items}
    pending: dict[str, list[InvoiceItem]] = {}
    for item in await invoice_items.pending_of(conn, sorted({s.customer_id for s in subscriptions}), lock=lock):
        pending.setdefault(item.customer_id, []).append(item)
    rate_ids = {rate_id for subscription in subscriptions for rate_id in _rate_ids(subscription)}
    rate_ids |= {rate_id for items in pending.values() for item in items for rate_id in item.tax_rate_ids}
    prices = await catalog.load_prices(conn, sorted(price_ids)) if price_ids else {}
    return Terms(
        prices=prices,
        coupons=await discounts.load_coupons(
            conn, {(s.scope, discount.coupon_id) for s in subscriptions for discount in s.discounts}
        ),
        rates=await tax_rates.shelf.load(conn, sorted(rate_ids)) if rate_ids else {},
        pending=pending,
        usage=await usage.of_items(conn, subscriptions, prices),
    )


def _rate_ids(subscription: Subscription) -> Iterable[str]:
    yield from subscription.tax_rate_ids
    for item in subscription.items:
        yield from item.tax_rate_ids


async def compose_all(conn: Connection, bills: Sequence[Bill], changes: Changes | None = None) -> list[Composed]:
    """Draw up an invoice for each bill (ST-52), with what waited for it (ST-75); `take` writes them down."""
    if not bills:
        return []
    terms = await terms_of(conn, [bill.subscription for bill in bills])
    if changes is not None:
        changes.carry(prices=terms.prices)
    gone: set[str] = set()
    drafts: list[Composed] = []
    for bill in bills:
        composed = compose(bill, terms, without=gone)
        gone.update(item.id for item in composed.taken)
        drafts.append(composed)
    return drafts


async def take(conn: Connection, drafts: Sequence[Composed], changes: Changes) -> None:
    """Write down invoices that were drawn up, and that the items they took wait no longer."""
    for composed in drafts:
        changes.insert(domain.draft(composed.invoice))
    taken = [
        (item, replace(item, invoice_id=composed.invoice.id), composed.invoice.created_at)
        for composed in drafts
        for item in composed.taken
    ]
    if taken:
        await invoice_items.shelf.save(conn, [after for _, after, _ in taken])
    for before, after, at in taken:
        event = Event(type=EventType.INVOICEITEM_UPDATED, object_id=after.id, at=at)
        changes.announced.append(Moved(value=after, before=before, events=(event,)))


def compose(bill: Bill, terms: Terms, *, without: Iterable[str] = ()) -> Composed:
    """Draw up an invoice; `without` names waiting items that another invoice took."""
    s = bill.subscription
    gone = set(without)
    taken = tuple(
        item
        for item in terms.pending.get(s.customer_id, ())
        if item.id not in gone and item.currency == s.currency and item.subscription_id in (None, s.id)
    )
    if bill.reason is BillingReason.SUBSCRIPTION_UPDATE:
        taken = tuple(item for item in taken if item.proration and item.subscription_id == s.id)
        priced = []
    else:
        # Usage is billed when its period is over; a trial's is free.
        used = s.current_period if bill.reason is BillingReason.SUBSCRIPTION_CYCLE and s.period_index else None
        priced = [_line(item, s, bill.billed, terms, bill.now, used=used) for item in s.items]
    priced += [(line_of(item, bill.now), [terms.rates[rate_id] for rate_id in _rates_of(item, s)]) for item in taken]
    coupons = terms.coupons_of(s)
    counting = tuple(discount for discount in s.discounts if discount.counts_at(bill.billed.start))
    lines = price_lines(priced, counting, coupons, s.currency)
    return Composed(
        invoice=Invoice(
            id=new_id("in", bill.now),
            scope=s.scope,
            customer_id=s.customer_id,
            subscription_id=s.id,
            status=domain.Status.DRAFT,
            reason=StatusReason("period_started"),
            created_at=bill.now,
            billing_reason=bill.reason,
            currency=s.currency,
            lines=lines,
            total=sum(line.total for line in lines),
            period_index=bill.billed.index,
            period_start=bill.billed.start,
            period_end=bill.billed.end,
            description=s.description,
            auto_advance=bill.finalizes_at is not None or bill.reason is BillingReason.SUBSCRIPTION_CREATE,
            finalizes_at=bill.finalizes_at,
            test_clock_id=s.test_clock_id,
            collection_method=s.collection_method,
            discounts=counting,
        ),
        taken=taken,
        discounts_left=s.discounts
        if bill.reason is BillingReason.SUBSCRIPTION_UPDATE
        else remaining_after(s.discounts, coupons, bill.billed.start),
    )


def _rates_of(item: InvoiceItem, owner: Subscription) -> Sequence[str]:
    """Tax rates of an invoice item; a proration was given all of its own."""
    return item.tax_rate_ids if item.proration else item.tax_rate_ids or owner.tax_rate_ids


def _line(
    item: SubscriptionItem,
    owner: Subscription,
    billed: Period,
    terms: Terms,
    now: datetime,
    *,
    used: Period | None = None,
) -> tuple[InvoiceLine, list[TaxRate]]:
    """The line of an item; of a metered one it bills the usage of `used`, or, without it, nothing yet."""
    price = terms.prices[item.price_id]
    quantity, amount, period = item.quantity, price.unit_amount * item.quantity, billed
    description = f"{item.quantity} x {price.nickname or item.price_id}"
    if price.meter_id is not None:
        quantity = 0 if used is None else terms.usage.get(item.id, 0)
        amount, period = usage.charged(price, quantity), used or billed
        description = usage.described(price, quantity)
    line = InvoiceLine(
        id=new_id("il", now),
        description=description,
        amount=amount,
        quantity=quantity,
        price_id=item.price_id,
        subscription_item_id=item.id,
        meter_id=price.meter_id,
        period_start=period.start,
        period_end=period.end,
    )
    return line, [terms.rates[rate_id] for rate_id in item.tax_rate_ids or owner.tax_rate_ids]


def recurring_total(subscription: Subscription, terms: Terms, now: datetime) -> int:
    """What each period costs once passing discounts are over: taxes included, less coupons that last for ever.

    Usage costs nothing here: what a wallet is asked to allow for it is the merchant's to say (`mandate_amount`).
    """
    return max(licensed_total(subscription, terms, now), subscription.mandate_amount or 0)


def licensed_total(subscription: Subscription, terms: Terms, now: datetime) -> int:
    """What each period costs without any usage, otherwise as `recurring_total`."""
    coupons = terms.coupons_of(subscription)
    lasting = [d for d in subscription.discounts if coupons[d.coupon_id].duration is Duration.FOREVER]
    return sum(line.total for line in _whole_period(subscription, lasting, terms, now))


def net_by_item(subscription: Subscription, terms: Terms, now: datetime) -> dict[str, int]:
    """What each item costs in a whole period as things stand, discounts taken off, by item.

    A coupon for a single invoice is left to that invoice.
    """
    coupons = terms.coupons_of(subscription)
    counting = [
        d for d in subscription.discounts if d.counts_at(now) and coupons[d.coupon_id].duration is not Duration.ONCE
    ]
    lines = _whole_period(subscription, counting, terms, now)
    return {line.subscription_item_id or "": line.amount - line.discount_amount for line in lines}


def _whole_period(
    owner: Subscription, applied: Sequence[Discount], terms: Terms, now: datetime
) -> tuple[InvoiceLine, ...]:
    priced = [_line(item, owner, owner.current_period, terms, now) for item in owner.items]
    return price_lines(priced, applied, terms.coupons_of(owner), owner.currency)


async def reprice(conn: Connection, invoice: Invoice, lines: Sequence[InvoiceLine], now: datetime) -> Moved[Invoice]:
    """Give a draft other lines, and all of them their discounts and taxes anew (ST-51).

    `tax_amounts` of the lines say which rates apply to each.
    """
    rate_ids = {tax.rate_id for line in lines for tax in line.tax_amounts}
    rates = await tax_rates.shelf.load(conn, sorted(rate_ids)) if rate_ids else {}
    found = await discounts.load_coupons(conn, {(invoice.scope, discount.coupon_id) for discount in invoice.discounts})
    priced = price_lines(
        [(line, [rates[tax.rate_id] for tax in line.tax_amounts]) for line in lines],
        invoice.discounts,
        {coupon_id: coupon for (_, coupon_id), coupon in found.items()},
        invoice.currency,
    )
    return domain.bill_lines(invoice, priced, now)
