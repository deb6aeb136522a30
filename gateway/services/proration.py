"""Writing down what changes in the middle of a period give back and add: as invoice items, in sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.db import billed as billed_rows
from gateway.db.engine import Connection
from gateway.domain import plan_change
from gateway.domain.ids import new_id
from gateway.domain.invoice_item import InvoiceItem
from gateway.domain.proration import Billed, ProrationBehavior, by_rates, credit, debit
from gateway.domain.subscription import Subscription
from gateway.domain.terms import SubscriptionItem, Terms
from gateway.services import invoicing


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that takes effect `at`. `subscription` is as it was before.

    Attributes:
        prorated_at: as of when it is prorated; None: as of `at`.
    """

    subscription: Subscription
    terms: Terms
    at: datetime
    behavior: ProrationBehavior = ProrationBehavior.CREATE_PRORATIONS
    prorated_at: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """When the old terms end for the bill: within the running period."""
        s = self.subscription
        return min(max(self.prorated_at or self.at, s.period_start), s.period_end)

    @property
    def is_prorated(self) -> bool:
        """Whether something was billed for the time that is left."""
        s = self.subscription
        running = s.period_index > 0 and s.status in plan_change.PRORATED
        return running and self.behavior is not ProrationBehavior.NONE and self.as_of < s.period_end

    @property
    def gone(self) -> list[SubscriptionItem]:
        """Items that are no longer billed as they were. Other lengths of periods end all of them."""
        after = {item.id: item.sold for item in self.terms.items}
        every = not plan_change.same_length(self.terms, plan_change.terms_of(self.subscription))
        return [item for item in self.subscription.items if every or after.get(item.id) != item.sold]

    @property
    def new(self) -> list[SubscriptionItem]:
        """Items that are billed for the rest of the period; where another one begins, it bills them whole."""
        before = {item.id: item.sold for item in self.subscription.items}
        if not plan_change.same_length(self.terms, plan_change.terms_of(self.subscription)):
            return []
        return [item for item in self.terms.items if before.get(item.id) != item.sold]


async def of(conn: Connection, changes: Sequence[Change], terms: invoicing.Terms) -> list[list[InvoiceItem]]:
    """Return the prorations of each change, written nowhere. `terms` holds the rows of the new terms."""
    prorated = [change for change in changes if change.is_prorated]
    if not prorated:
        return [[] for _ in changes]
    found = await billed_rows.beyond(
        conn,
        sorted({change.subscription.customer_id for change in prorated}),
        {item.id for change in prorated for item in change.gone},
        min(change.as_of for change in prorated),
    )
    return [_items(change, found, terms) if change.is_prorated else [] for change in changes]


def _items(change: Change, found: Mapping[str, Sequence[Billed]], terms: invoicing.Terms) -> list[InvoiceItem]:
    s, as_of = change.subscription, change.as_of
    items = []
    for item in change.gone:
        parts = [part for part in found.get(item.id, ()) if part.end == s.period_end]
        for rate_ids, group in by_rates(parts).items():
            if amount := credit(group, as_of):
                items.append(_item(change, item, terms, amount, rate_ids))
    nets = invoicing.net_by_item(plan_change.with_terms(s, change.terms), terms, change.at)
    items += [
        _item(change, item, terms, amount, item.tax_rate_ids or change.terms.tax_rate_ids)
        for item in change.new
        if (amount := debit(nets[item.id], s.period_start, s.period_end, as_of))
    ]
    return items


def _item(
    change: Change, item: SubscriptionItem, terms: invoicing.Terms, amount: int, rate_ids: Sequence[str]
) -> InvoiceItem:
    s, name = change.subscription, terms.prices[item.price_id].nickname or item.price_id
    word = "Remaining" if amount > 0 else "Unused"
    return InvoiceItem(
        id=new_id("ii", change.at),
        scope=s.scope,
        created_at=change.at,
        customer_id=s.customer_id,
        currency=s.currency,
        amount=amount,
        quantity=item.quantity,
        period_start=change.as_of,
        period_end=s.period_end,
        description=f"{word} time on {item.quantity} x {name} after {change.as_of:%d %b %Y %H:%M:%S} UTC",
        price_id=item.price_id,
        subscription_id=s.id,
        subscription_item_id=item.id,
        discountable=False,
        proration=True,
        tax_rate_ids=tuple(rate_ids),
        test_clock_id=s.test_clock_id,
    )
