"""What time it is for an object: that of its customer's test clock, or the system's."""

from datetime import datetime

from gateway.db import catalog, charge_intents, invoices, mandates, subscriptions, test_clocks
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope


async def of_clock(conn: Connection, test_clock_id: str | None, system_now: datetime) -> datetime:
    """Time of a test clock; the system's where none is named."""
    if test_clock_id is None:
        return system_now
    clock = (await test_clocks.load(conn, [test_clock_id])).get(test_clock_id)
    return system_now if clock is None else clock.frozen_at


async def of_customer(conn: Connection, scope: Scope, customer_id: str, system_now: datetime) -> datetime:
    """Time of a customer; the system's where there is no such customer."""
    found = await catalog.get_customer(conn, scope, customer_id)
    return system_now if found is None else await of_clock(conn, found.test_clock_id, system_now)


async def of_subscription(conn: Connection, scope: Scope, subscription_id: str, system_now: datetime) -> datetime:
    """Time of a subscription; the system's where there is no such subscription."""
    found = await subscriptions.get(conn, scope, subscription_id)
    return system_now if found is None else await of_clock(conn, found.test_clock_id, system_now)


async def of_invoice(conn: Connection, scope: Scope, invoice_id: str, system_now: datetime) -> datetime:
    """Time of an invoice; the system's where there is no such invoice."""
    found = await invoices.get(conn, scope, invoice_id)
    return system_now if found is None else await of_clock(conn, found.test_clock_id, system_now)


async def of_intent(conn: Connection, scope: Scope, intent_id: str, system_now: datetime) -> datetime:
    """Time of a charge intent; the system's where there is no such intent."""
    found = await charge_intents.get(conn, scope, intent_id)
    return system_now if found is None else await of_clock(conn, found.test_clock_id, system_now)


async def of_mandate(conn: Connection, scope: Scope, mandate_id: str, system_now: datetime) -> datetime:
    """Time of a mandate, which is its customer's; the system's where there is no such mandate."""
    found = await mandates.get(conn, scope, mandate_id)
    return system_now if found is None else await of_customer(conn, scope, found.customer_id, system_now)
