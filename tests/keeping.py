"""Putting values straight into the books, so that a test starts from any state it likes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.db import (
    accounts,
    catalog,
    charge_intents,
    charges,
    checkout_sessions,
    invoices,
    mandates,
    pushes,
    refunds,
    setup_intents,
    subscriptions,
    test_clocks,
    webhooks,
)
from gateway.db.engine import Connection
from gateway.domain.catalog import Account, Customer, PaymentMethod, Price, Product
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.checkout import CheckoutSession
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.push import PushPayment
from gateway.domain.refund import Refund
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.subscription import Subscription
from gateway.domain.test_clock import TestClock
from gateway.domain.transition import Moved
from gateway.domain.webhook import WebhookEndpoint
from tests import factories


def created(value: Any) -> Moved[Any]:
    """`value` as if a verb had just made it, without events and history."""
    return Moved(value=value)


async def _accounts(conn: Connection, values: Sequence[Account]) -> None:
    for value in values:
        await accounts.add(conn, value)


async def _endpoints(conn: Connection, values: Sequence[WebhookEndpoint]) -> None:
    for value in values:
        await webhooks.add_endpoint(conn, value)


def _moved(add: Callable[[Connection, Sequence[Moved[Any]]], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def keep_all(conn: Connection, values: Sequence[Any]) -> None:
        await add(conn, [created(value) for value in values])

    return keep_all


_ORDER: Sequence[tuple[type, Callable[..., Awaitable[None]]]] = (
    (Account, _accounts),
    (TestClock, _moved(test_clocks.add_many)),
    (Customer, catalog.add_customers),
    (Product, catalog.add_products),
    (Price, catalog.add_prices),
    (PaymentMethod, catalog.add_payment_methods),
    (Mandate, _moved(mandates.add_many)),
    (Subscription, _moved(subscriptions.add_many)),
    (SetupIntent, _moved(setup_intents.add_many)),
    (Invoice, _moved(invoices.add_many)),
    (ChargeIntent, _moved(charge_intents.add_many)),
    (Charge, _moved(charges.add_many)),
    (Refund, _moved(refunds.add_many)),
    (PushPayment, _moved(pushes.add_many)),
    (CheckoutSession, _moved(checkout_sessions.add_many)),
    (WebhookEndpoint, _endpoints),
)


async def keep(conn: Connection, *values: object) -> None:
    """Insert values of any kind, each after those that it hangs on."""
    for kind, add in _ORDER:
        of_kind = [value for value in values if isinstance(value, kind)]
        if of_kind:
            await add(conn, of_kind)


async def keep_merchant(conn: Connection) -> None:
    """Insert what everything else hangs on: the account, the customer, product, price and wallet of `factories`."""
    await keep(
        conn,
        factories.account(),
        factories.customer(),
        factories.product(),
        factories.price(),
        factories.payment_method(),
    )
