"""No query of a worker or of a list reads a table that grows: each has an index, and the planner takes it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import event, text

from gateway.db import (
    audits,
    billed,
    blocks,
    catalog,
    charge_intents,
    charges,
    checkout_sessions,
    drawing,
    duties,
    events,
    invoices,
    mails,
    mandates,
    meters,
    pushes,
    refunds,
    stalled,
    state_changes,
    stranding,
    subscriptions,
    test_clocks,
    timelines,
    transactions,
    webhooks,
)
from gateway.db.engine import Books, Connection
from gateway.db.events import EventDraft
from gateway.db.pages import PageRequest
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.events import EventType
from gateway.domain.invoice import Status
from gateway.domain.metering import Aggregation, Meter, MeterEvent
from gateway.domain.push import Status as PushStatus
from gateway.domain.refund import Status as RefundStatus
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.webhook import DeliveryStatus
from tests import factories as f
from tests.db.payer_queries import payer_queries
from tests.db.searches import search_queries, usage_queries
from tests.happenings import mail as a_mail
from tests.happenings import push_payment
from tests.keeping import keep, keep_merchant

ROWS = 400
LATER = f.NOW + timedelta(days=300)
GROWING = (
    "customers|payment_methods|mandates|subscriptions|subscription_items|invoices|invoice_lines|charge_intents|charges"
    "|events|deliveries|delivery_attempts|mails|state_changes|chain_transactions|transaction_attempts|blocks|chain_logs"
    "|refunds|token_transfers|push_payments|checkout_sessions|meter_events|sign_in_tickets|portal_sessions"
)
# SQLite says SCAN also when it walks a partial index that holds only what is asked for.
PARTIAL = (
    "ix_subscriptions_due|ix_charge_intents_failed|ix_charges_pending|ix_invoices_o|ix_refunds_awaited"
    "|ix_chain_transactions_in_flight"
)

Work = Callable[[], Awaitable[object]]


async def fill(books: Books) -> None:
    """So many rows about which nothing is to be done, half of them on test clocks."""
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(conn, *(f.clock(id=f.numbered("clock", n)) for n in range(1, 21)), f.webhook_endpoint())
        for n in range(1, ROWS + 1):
            clock = f.numbered("clock", 1 + n % 20) if n % 2 else None
            ids = {"subscription_id": f.numbered("sub", n), "customer_id": f.numbered("cus", n + 1)}
            draft = f.draft_invoice(
                id=f.numbered("in", n),
                lines=(f.invoice_line(id=f.numbered("il", n)),),
                finalizes_at=LATER,
                test_clock_id=clock,
                **ids,
            )
            await keep(
                conn,
                f.customer(id=ids["customer_id"], test_clock_id=clock, email=f"{n}@example.com"),
                f.payment_method(id=f.numbered("pm", n + 1), customer_id=ids["customer_id"], owner=f.some_address(n)),
                f.mandate(
                    id=f.numbered("mandate", n),
                    onchain_id=f.some_mandate_id(n),
                    terms=f.mandate_terms(payer=f.some_address(n)),
                    payment_method_id=f.numbered("pm", n + 1),
                    **ids,
                ),
                f.subscription(
                    id=ids["subscription_id"],
                    customer_id=ids["customer_id"],
                    items=(f.subscription_item(id=f.numbered("si", n)),),
                    expires_at=LATER,
                    test_clock_id=clock,
                ),
                replace(draft, status=Status.PAID) if n % 3 else draft,
                f.charge_intent(
                    id=f.numbered("ci", n),
                    invoice_id=draft.id,
                    mandate_id=f.numbered("mandate", n),
                    next_attempt_at=LATER,
                    test_clock_id=clock,
                    **ids,
                ),
                f.charge(
                    id=f.numbered("ch", n),
                    status=ChargeStatus.SUCCEEDED,
                    charge_intent_id=f.numbered("ci", n),
                    mandate_period=n,
                    invoice_id=draft.id,
                    **ids,
                ),
                f.checkout_session(
                    id=f.numbered("cs", n), test_clock_id=clock, **ids, expires_at=LATER + timedelta(days=n)
                ),
                push_payment(id=f.numbered("push", n), log_index=n, customer_id=ids["customer_id"]),
                f.refund(
                    id=f.numbered("re", n),
                    status=RefundStatus.SUCCEEDED,
                    charge_id=f.numbered("ch", n),
                    charge_intent_id=f.numbered("ci", n),
                    customer_id=ids["customer_id"],
                ),
            )
        await fill_events(conn)
        await fill_usage(conn)


async def fill_usage(conn: Connection) -> None:
    """A meter of each kind, and events of many customers."""
    for n, formula in enumerate(Aggregation, start=1):
        meter = Meter(
            id=f.numbered("mtr", n),
            scope=f.SCOPE,
            created_at=f.NOW,
            updated_at=f.NOW,
            display_name="Calls",
            event_name=f"calls_{n}",
            aggregation=formula,
        )
        await meters.shelf.add(conn, [meter])
    told = [
        MeterEvent(
            id=f.numbered("mevt", n),
            scope=f.SCOPE,
            created_at=f.NOW,
            meter_id=f.numbered("mtr", 1 + n % 3),
            customer_id=f.numbered("cus", 1 + n % 40),
            identifier=f"call-{n}",
            value=n,
            happened_at=f.NOW + timedelta(minutes=n),
        )
        for n in range(1, ROWS + 1)
    ]
    await meters.event_shelf.add(conn, told)


async def fill_events(conn: Connection) -> None:
    """Events that were delivered, and blocks with events that are not settled."""
    records = await events.append(
        conn,
        [
            EventDraft(
                scope=f.SCOPE,
                type=EventType.CHARGE_PENDING,
                object_kind="charge",
                object_id=f.numbered("ch", n),
                at=f.NOW,
                snapshot=b"{}",
            )
            for n in range(1, ROWS + 1)
        ],
    )
    await webhooks.add_deliveries(
        conn,
        [
            f.delivery(
                id=f.numbered("dlv", n), event_id=record.id, next_attempt_at=None, status=DeliveryStatus.DELIVERED
            )
            for n, record in enumerate(records)
        ],
    )
    await mails.add(
        conn,
        [
            a_mail(id=f.numbered("mail", n), dedupe_key=record.id, event_id=record.id, next_attempt_at=None)
            for n, record in enumerate(records)
        ],
    )
    await blocks.append(
        conn, 1, [f.header(n) for n in range(ROWS)], [f.charged(at=f.position(n), period=n) for n in range(ROWS)]
    )


def delivery_queries(conn: Connection) -> Mapping[str, Work]:
    return {
        "due deliveries": lambda: webhooks.claim_due(conn, now=f.NOW, limit=50, lease_until=LATER),
        "due deliveries to quick endpoints": lambda: webhooks.claim_due(
            conn, now=f.NOW, limit=50, lease_until=LATER, without=["we_slow"]
        ),
        "what is or was on its way": lambda: webhooks.sent_to(conn, [f.ENDPOINT_ID], ["evt_1", "evt_2"]),
        "held deliveries": lambda: webhooks.hold_endpoint(conn, f.ENDPOINT_ID, until=LATER),
        "due mails": lambda: mails.claim_due(conn, now=f.NOW, limit=50, lease_until=LATER),
    }


def worker_queries(conn: Connection) -> Mapping[str, Work]:
    some = [f.numbered("sub", 7), f.numbered("sub", 8)]
    return {
        "due subscriptions": lambda: subscriptions.claim_due(conn, now=f.NOW, limit=50),
        "due drafts": lambda: invoices.claim_due(conn, now=f.NOW, limit=50),
        "owners of due drafts": lambda: invoices.due_owners(conn, now=f.NOW, limit=50),
        "due intents": lambda: charge_intents.due(conn, chain_id=f.CHAIN_ID, now=f.NOW, limit=50),
        "next due intents": lambda: charge_intents.due(
            conn, chain_id=f.CHAIN_ID, now=f.NOW, limit=50, after=f.charge_intent()
        ),
        **delivery_queries(conn),
        "subscriptions by id": lambda: subscriptions.load(conn, some, lock=True),
        "billed for items": lambda: billed.beyond(conn, [f.numbered("cus", 7)], [f.numbered("si", 7)], f.NOW),
        "owner of an item": lambda: subscriptions.owner_of_item(conn, f.SCOPE, f.numbered("si", 7)),
        "subscriptions of mandates": lambda: subscriptions.of_mandates(conn, [f.numbered("mandate", 3)], lock=True),
        "newest open invoices": lambda: invoices.newest_open(conn, some),
        "mandates of a wallet": lambda: mandates.of_wallet(
            conn,
            f.SCOPE,
            customer_id=f.numbered("cus", 8),
            subscription_id=f.numbered("sub", 7),
            payment_method_id=f.numbered("pm", 8),
        ),
        "open invoices": lambda: invoices.open_of(conn, some, lock=True),
        "invoices by id": lambda: invoices.load(conn, [f.numbered("in", 7)], lock=True),
        "intents of invoices": lambda: charge_intents.of_invoices(conn, [f.numbered("in", 7)], lock=True),
        "intents of subscriptions": lambda: charge_intents.open_of_subscriptions(conn, some, lock=True),
        "intents of periods": lambda: charge_intents.by_mandate_periods(
            conn, [(f.numbered("mandate", 7), 1)], lock=True
        ),
        "intents of wallets": lambda: charge_intents.failed_of_wallets(conn, 1, f.TOKEN, [f.some_address(7)]),
        "collected periods": lambda: charge_intents.count_collected(conn, [f.numbered("mandate", 7)]),
        "stalled intents": lambda: stalled.of_chain(conn, chain_id=f.CHAIN_ID, now=f.NOW, limit=50),
        "pending charges": lambda: charges.pending_of_transactions(conn, ["tx_1"], lock=True),
        "due checkout sessions": lambda: checkout_sessions.claim_due(conn, now=f.NOW, limit=50),
        "checkout sessions of subscriptions": lambda: checkout_sessions.open_of_subscriptions(conn, some, lock=True),
        "stranded charges": lambda: charges.stranded(conn, 1, limit=50),
        "unheard charges": lambda: stranding.unheard(conn, 1, limit=50),
        "missing events": lambda: blocks.add_missing(conn, 1, [f.charged()]),
        "mandates on chain": lambda: mandates.by_onchain_ids(conn, f.CHAIN_ID, [f.some_mandate_id(7)], lock=True),
        "open transactions": lambda: transactions.open_of_lane(conn, 1, f.WALLET),
        "count of transactions": lambda: transactions.count_open(conn, 1, f.WALLET),
        "transactions by hash": lambda: transactions.by_hashes(conn, [f.some_hash(1)]),
        "unsettled events": lambda: blocks.unsettled(conn, 1, up_to_number=9, limit=50),
        "charged periods": lambda: blocks.find_charged(conn, 1, [(f.ONCHAIN_ID, 3)]),
        "recent blocks": lambda: blocks.recent(conn, 1, 300),
        "clocks on their way": lambda: test_clocks.standings(conn),
        "what is due": lambda: duties.due(conn, now=f.NOW),
        "news of a chain": lambda: duties.news(conn, 1),
        "subscriptions on wallets": lambda: drawing.on_wallets(
            conn, [drawing.Wallet(f.SCOPE, f.CHAIN_ID, f.TOKEN, f.some_address(n), f.CONTRACT) for n in (7, 8)]
        ),
        "renewals to announce": lambda: drawing.to_announce(conn, now=f.NOW, limit=50),
        "timeline": lambda: timelines.page(
            conn, f.SCOPE, f.subscription(id=f.numbered("sub", 7), customer_id=f.numbered("cus", 8)), limit=9
        ),
        "audited charges": lambda: audits.charges_in(conn, 1, 300, 310),
        "audited refunds": lambda: audits.refunds_in(conn, 1, 300, 310),
        "first unsettled": lambda: audits.first_unsettled(conn, 1),
        "history": lambda: state_changes.of(conn, f.SCOPE, some),
        "events after": lambda: events.after_sequence(conn, f.SCOPE, 7, limit=50),
        "events of a type after": lambda: events.after_sequence(
            conn, f.SCOPE, 7, limit=50, up_to=90, types=["invoice.*"]
        ),
        "newest event": lambda: events.last_sequence(conn, f.SCOPE),
        "events by id": lambda: events.get_many(conn, f.SCOPE, ["evt_1"]),
        "pending deliveries": lambda: webhooks.pending_of_events(conn, ["evt_1"]),
        "deliveries of an event": lambda: webhooks.deliveries_of(conn, f.SCOPE, event_id="evt_1", limit=10),
        "customers of a clock": lambda: catalog.customers_of_clock(conn, f.SCOPE, f.numbered("clock", 2)),
    }


def transfer_queries(conn: Connection) -> Mapping[str, Work]:
    some = [f.numbered("sub", 7), f.numbered("sub", 8)]
    return {
        "canceled intents of subscriptions": lambda: charge_intents.canceled_of_subscriptions(conn, some),
        "awaited refunds": lambda: refunds.awaited(conn, f.CHAIN_ID),
        "refunds of charges": lambda: refunds.of_charges(conn, [f.numbered("ch", 7)]),
        "due open invoices": lambda: invoices.claim_due(conn, now=f.NOW, limit=50, status=Status.OPEN),
        "owners of due open invoices": lambda: invoices.due_owners(conn, now=f.NOW, limit=50, status=Status.OPEN),
        "invoices by reference": lambda: invoices.by_references(conn, [(f.SCOPE, 1000, 7)]),
        "open invoices of customers": lambda: invoices.open_of_customers(conn, [f.numbered("cus", 7)]),
        "customers of wallets": lambda: pushes.customers_of_wallets(conn, f.CHAIN_ID, [f.some_address(7)]),
        "collections in blocks": lambda: blocks.charged_in(conn, 1, [3, 7]),
    }


def list_queries(conn: Connection) -> Mapping[str, Work]:
    page = PageRequest(scope=f.SCOPE, limit=3)
    customer = f.numbered("cus", 7)
    return {
        "customers": lambda: catalog.page_customers(conn, page),
        "customers by email": lambda: catalog.page_customers(conn, page, email="x@example.com"),
        "payment methods": lambda: catalog.page_payment_methods(conn, page, customer=customer),
        "mandates": lambda: mandates.page(conn, page, customer=customer),
        "subscriptions": lambda: subscriptions.page(conn, page),
        "subscriptions of a customer": lambda: subscriptions.page(conn, page, customer=customer),
        "subscriptions by status": lambda: subscriptions.page(conn, page, status=SubscriptionStatus.UNPAID),
        "subscriptions by price": lambda: subscriptions.page(conn, page, price=f.PRICE_ID),
        "invoices": lambda: invoices.page(conn, page),
        "invoices of a customer": lambda: invoices.page(conn, page, customer=customer),
        "invoices of a subscription": lambda: invoices.page(conn, page, subscription=f.numbered("sub", 7)),
        "open invoices": lambda: invoices.page(conn, page, status=Status.OPEN),
        "charge intents": lambda: charge_intents.page(conn, page, customer=customer),
        "charges": lambda: charges.page(conn, page, charge_intent=f.numbered("ci", 7)),
        "push payments": lambda: pushes.page(conn, page),
        "push payments of a customer": lambda: pushes.page(conn, page, customer=customer),
        "unmatched push payments": lambda: pushes.page(conn, page, status=PushStatus.UNMATCHED),
        "refunds": lambda: refunds.page(conn, page),
        "refunds of a charge": lambda: refunds.page(conn, page, charge=f.numbered("ch", 7)),
        "refunds of an intent": lambda: refunds.page(conn, page, charge_intent=f.numbered("ci", 7)),
        "checkout sessions": lambda: checkout_sessions.page(conn, page),
        "checkout sessions of a customer": lambda: checkout_sessions.page(conn, page, customer=customer),
        "checkout sessions of a subscription": lambda: checkout_sessions.page(
            conn, page, subscription=f.numbered("sub", 7)
        ),
        "events": lambda: events.page(conn, page),
        "undelivered events": lambda: events.page(conn, page, delivered=False),
        "events of an object": lambda: events.page(conn, page, object_id=f.numbered("ch", 7)),
    }


async def plan_of(conn: Connection, work: Work) -> list[str]:
    """How the database carries out the statements of `work`, line by line."""
    statements: list[tuple[str, Any]] = []

    def note(_conn: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(conn.sync_connection, "before_cursor_execute", note)
    await work()
    event.remove(conn.sync_connection, "before_cursor_execute", note)
    explain = "EXPLAIN " if conn.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    return [
        " ".join(map(str, row))
        for statement, parameters in statements
        for row in await conn.exec_driver_sql(explain + statement, parameters)
    ]


async def scans(conn: Connection) -> dict[str, list[str]]:
    """Queries that read a growing table from end to end, with the lines of their plans that say so."""
    found = {}
    for name, work in {
        **worker_queries(conn),
        **transfer_queries(conn),
        **payer_queries(conn),
        **list_queries(conn),
        **search_queries(conn),
        **usage_queries(conn),
    }.items():
        plan = await plan_of(conn, work)
        reads = [line for line in plan if re.search(rf"(Seq Scan on|SCAN) ({GROWING})\b", line)]
        bad = [line for line in reads if not re.search(PARTIAL, line)]
        if bad:
            found[name] = bad
    return found


async def test_sqlite_scans_nothing_that_grows_whether_it_knows_the_sizes_or_not(sqlite_books: Books) -> None:
    await fill(sqlite_books)
    async with sqlite_books.write() as conn:
        assert await scans(conn) == {}
        await conn.execute(text("ANALYZE"))
        assert await scans(conn) == {}


async def test_postgres_scans_nothing_that_grows_where_it_has_the_choice(postgres_books: Books) -> None:
    """A table of a few hundred rows is best read whole: it is told that this is dear, as it is for large ones."""
    await fill(postgres_books)
    async with postgres_books.write() as conn:
        await conn.execute(text("ANALYZE"))
        await conn.execute(text("SET LOCAL enable_seqscan = off"))
        assert await scans(conn) == {}
