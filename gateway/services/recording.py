"""Announcing what happened: every event is rendered, numbered and queued in the transaction of the change.

The only way into the event log. Everything a batch needs is loaded in bulk: the number of statements does not depend on
the number of events.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from chain import eip712, erc20
from gateway.db import catalog, charge_intents, events, mandates, tax_rates, webhooks
from gateway.db.engine import Connection
from gateway.db.events import EventDraft, EventRecord
from gateway.domain.catalog import Customer, PaymentMethod, Price, Product, Scope
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.checkout import CheckoutSession
from gateway.domain.discount import Coupon, CustomerDiscount, PromotionCode
from gateway.domain.ids import new_id
from gateway.domain.invoice import Invoice
from gateway.domain.invoice_item import InvoiceItem
from gateway.domain.mandate import Mandate, Status
from gateway.domain.metering import Meter
from gateway.domain.plan_change import OwnedItem
from gateway.domain.push import PushPayment
from gateway.domain.refund import Refund
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.subscription import TERMINAL, Subscription
from gateway.domain.tax import TaxRate
from gateway.domain.terms import SubscriptionItem
from gateway.domain.test_clock import TestClock
from gateway.domain.transition import Moved
from gateway.domain.webhook import Delivery, WebhookEndpoint
from gateway.services import allowances, mail_queue
from gateway.services.gateway import Gateway
from gateway.wire import render
from gateway.wire.related import Related

Recordable = (
    Customer
    | Product
    | Price
    | PaymentMethod
    | Mandate
    | Subscription
    | OwnedItem
    | Invoice
    | InvoiceItem
    | ChargeIntent
    | Charge
    | Refund
    | PushPayment
    | TaxRate
    | Coupon
    | PromotionCode
    | CustomerDiscount
    | SetupIntent
    | CheckoutSession
    | TestClock
    | Meter
    | WebhookEndpoint
)
"""Kinds of objects that events are about."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from.

    Attributes:
        system_now: time outside of any test clock; deliveries live in it.
        request_id: of the API call; None when a worker made the change.
    """

    system_now: datetime
    request_id: str | None = None


_UPDATED: Final = ".updated"
"""Only events of these types say what was otherwise before."""


class _Shown:
    """Renderings of one transaction: a value that a move ends with and the next one starts from is rendered once."""

    def __init__(self, related: Related) -> None:
        self._related = related
        self._kept: dict[int, bytes] = {}

    def snapshot(self, value: Any) -> bytes:
        """JSON of a value, which its caller holds on to meanwhile: values are told apart by their place in memory."""
        found = self._kept.get(id(value))
        if found is None:
            found = self._kept[id(value)] = render.encode(value, self._related)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Rows that a transaction has read or written already, as they are in it.

    `intents` are by the invoice that they pay; nothing pays the invoices in `unpaid` yet.
    """

    prices: Mapping[str, Price] = field(default_factory=dict)
    mandates: Mapping[str, Mandate] = field(default_factory=dict)
    intents: Mapping[str, ChargeIntent] = field(default_factory=dict)
    unpaid: frozenset[str] = frozenset()


async def record(
    conn: Connection,
    gateway: Gateway,
    moved: Sequence[Moved[Any]],
    *,
    origin: Origin,
    known: Known | None = None,
) -> list[EventRecord]:
    """Write the events of `moved`, in its order, one delivery for each endpoint that hears of them, and the mails.

    Call it last in a transaction: it takes the lock that numbers events, and holds it until the commit.
    """
    announced = [move for move in moved if move.events]
    if not announced:
        return []
    related = await related_to(conn, gateway, [move.value for move in announced], known)
    shown = _Shown(related)
    drafts: list[EventDraft] = []
    for move in announced:
        snapshot = shown.snapshot(move.value)
        updates = move.before is not None and any(event.type.endswith(_UPDATED) for event in move.events)
        previous = render.changed(shown.snapshot(move.before), snapshot) if updates else None
        drafts.extend(
            EventDraft(
                scope=move.value.scope,
                type=event.type,
                object_kind=render.kind(move.value),
                object_id=event.object_id,
                at=event.at,
                snapshot=snapshot,
                previous=previous if event.type.endswith(_UPDATED) else None,
                request_id=origin.request_id,
            )
            for event in move.events
        )
    records = await events.append(conn, drafts)
    await _queue_deliveries(conn, records, origin.system_now)
    told = [move.value for move in announced for _ in move.events]
    await mail_queue.queue(conn, gateway, list(zip(told, records, strict=True)), system_now=origin.system_now)
    return records


async def _queue_deliveries(conn: Connection, records: Sequence[EventRecord], system_now: datetime) -> None:
    endpoints = await webhooks.enabled_of(conn, sorted({record.scope for record in records}, key=_scope_order))
    deliveries = [
        Delivery(
            id=new_id("whd", system_now),
            event_id=record.id,
            endpoint_id=endpoint.id,
            created_at=system_now,
            next_attempt_at=system_now,
        )
        for record in records
        for endpoint in endpoints.get(record.scope, ())
        if endpoint.hears(record.type) is not None
    ]
    if deliveries:
        await webhooks.add_deliveries(conn, deliveries)


def _scope_order(scope: Scope) -> tuple[str, bool]:
    return scope.account_id, scope.livemode


@dataclass(slots=True)
class _Wanted:
    """Ids of rows that renderings need."""

    prices: set[str] = field(default_factory=set)
    invoices: set[str] = field(default_factory=set)
    mandates: set[str] = field(default_factory=set)
    rates: set[str] = field(default_factory=set)

    def add(self, value: Recordable) -> None:
        """Take over what one object needs."""
        match value:
            case Subscription():
                self._subscription(value)
            case OwnedItem():
                self._items([value.item])
            case Invoice():
                self.prices.update(line.price_id for line in value.lines if line.price_id is not None)
                self.invoices.add(value.id)
            case InvoiceItem():
                self.prices.update(price_id for price_id in (value.price_id,) if price_id is not None)
                self.rates.update(value.tax_rate_ids)
            case ChargeIntent() | SetupIntent():
                self.mandates.update(mandate_id for mandate_id in (value.mandate_id,) if mandate_id is not None)
            case Mandate():
                self.mandates.add(value.id)
            case _:
                pass

    def _subscription(self, value: Subscription) -> None:
        self._items(value.items)
        self.rates.update(value.tax_rate_ids)
        if value.pending_update is not None:
            self._items(value.pending_update.terms.items)
            self.rates.update(value.pending_update.terms.tax_rate_ids)
        if value.latest_invoice_id is not None:
            self.invoices.add(value.latest_invoice_id)
        if value.status in TERMINAL and value.mandate_id is not None:
            self.mandates.add(value.mandate_id)

    def _items(self, items: Iterable[SubscriptionItem]) -> None:
        for item in items:
            self.prices.add(item.price_id)
            self.rates.update(item.tax_rate_ids)


async def related_to(
    conn: Connection, gateway: Gateway, values: Iterable[Recordable], known: Known | None = None
) -> Related:
    """Load, in bulk, the rows that rendering `values` needs beside them, without those that are `known`."""
    known = known or Known()
    shown = list(values)
    wanted = _Wanted()
    for value in shown:
        wanted.add(value)
    rate_ids = wanted.rates
    price_ids, mandate_ids = wanted.prices - known.prices.keys(), wanted.mandates - known.mandates.keys()
    invoice_ids = wanted.invoices - known.intents.keys() - known.unpaid
    intents = await charge_intents.of_invoices(conn, sorted(invoice_ids)) if invoice_ids else {}
    intents |= {key: known.intents[key] for key in wanted.invoices & known.intents.keys()}
    agreed = await mandates.load(conn, sorted(mandate_ids))
    agreed |= {key: known.mandates[key] for key in wanted.mandates & known.mandates.keys()}
    prices = await catalog.load_prices(conn, sorted(price_ids))
    return Related(
        prices={**known.prices, **prices},
        intents=intents,
        mandates=agreed,
        tax_rates=await tax_rates.shelf.load(conn, sorted(rate_ids)) if rate_ids else {},
        typed_data={
            mandate.id: eip712.mandate_typed_data(mandate.terms, mandate.chain_id, mandate.contract)
            for mandate in agreed.values()
            if mandate.status is Status.PENDING
        },
        collected=await allowances.collected(conn, [value for value in shown if isinstance(value, Mandate)]),
        revocations=allowances.revocations(agreed.values()),
        beside=await allowances.beside(conn, agreed.values()),
        calldata={
            value.id: "0x" + erc20.transfer_data(value.recipient, value.token_amount).hex()
            for value in shown
            if isinstance(value, Refund)
        },
        tokens=gateway.tokens,
        modes={network.chain_id: network.livemode for network in gateway.networks.values()},
        public_url=gateway.public_url,
    )
