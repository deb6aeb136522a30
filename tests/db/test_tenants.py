"""Nobody sees what belongs to somebody else, or to the other mode."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from gateway.db import (
    catalog,
    charge_intents,
    charges,
    checkout_sessions,
    events,
    idempotency,
    invoices,
    mails,
    mandates,
    meters,
    payers,
    portal_configurations,
    pushes,
    searching,
    state_changes,
    subscriptions,
    test_clocks,
    webhooks,
)
from gateway.db.engine import Books, Connection
from gateway.db.pages import PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.portal import PayerScope
from tests import factories as f
from tests.db.parts import draft
from tests.keeping import keep, keep_merchant

MODULES: list[ModuleType] = [
    mails,
    catalog,
    charge_intents,
    charges,
    checkout_sessions,
    events,
    idempotency,
    invoices,
    mandates,
    meters,
    payers,
    portal_configurations,
    pushes,
    searching,
    state_changes,
    subscriptions,
    test_clocks,
    webhooks,
]
SCOPES = (Scope, PageRequest, PayerScope)
"""A merchant and a mode; or what a payer proved at sign-in, which is read across merchants (see test_sign_in)."""

WRITERS = ("add", "save", "append", "delete", "purge")
"""They write what a use case has read under its caller's scope."""

STRANGERS = [
    Scope(f.ACCOUNT_ID, livemode=True),
    Scope("acct_2", livemode=False),
]


def public_functions() -> list[tuple[str, Callable[..., Any]]]:
    return [
        (f"{module.__name__.rpartition('.')[2]}.{name}", function)
        for module in MODULES
        for name, function in vars(module).items()
        if inspect.iscoroutinefunction(function) and not name.startswith("_") and function.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    ("name", "function"), public_functions(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_function_asks_for_the_tenant_or_says_that_it_is_for_workers(name: str, function: Callable[..., Any]) -> None:
    parameters = inspect.signature(function).parameters
    is_scoped = any(parameters[name].annotation in SCOPES for name in ("scope", "request") if name in parameters)
    is_writer = name.partition(".")[2].startswith(WRITERS)
    is_for_workers = (function.__doc__ or "").startswith("For workers")
    assert is_scoped or is_writer or is_for_workers


@pytest.mark.parametrize("stranger", STRANGERS, ids=["the other mode", "another account"])
async def test_a_stranger_finds_nothing_by_id_and_nothing_in_lists(books: Books, stranger: Scope) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(
            conn,
            f.account(id="acct_2"),
            f.clock(),
            f.mandate(),
            f.subscription(),
            f.invoice(),
            f.charge_intent(),
            f.charge(),
            f.webhook_endpoint(),
        )
        [record] = await events.append(conn, [draft()])
    ids = {
        catalog.get_customer: f.CUSTOMER_ID,
        catalog.get_product: f.PRODUCT_ID,
        catalog.get_price: f.PRICE_ID,
        catalog.get_payment_method: f.PAYMENT_METHOD_ID,
        mandates.get: f.MANDATE_ID,
        subscriptions.get: f.SUBSCRIPTION_ID,
        invoices.get: f.INVOICE_ID,
        charge_intents.get: f.INTENT_ID,
        charges.get: f.CHARGE_ID,
        test_clocks.get: f.CLOCK_ID,
        webhooks.get_endpoint: f.ENDPOINT_ID,
        events.get: record.id,
    }
    pages: list[Callable[[Connection, PageRequest], Any]] = [
        catalog.page_customers,
        catalog.page_products,
        catalog.page_prices,
        catalog.page_payment_methods,
        mandates.page,
        subscriptions.page,
        invoices.page,
        charge_intents.page,
        charges.page,
        test_clocks.page,
        webhooks.page_endpoints,
        events.page,
    ]
    async with books.read() as conn:
        for get, object_id in ids.items():
            assert await get(conn, f.SCOPE, object_id) is not None
            assert await get(conn, stranger, object_id) is None
        for page in pages:
            assert (await page(conn, PageRequest(scope=f.SCOPE, limit=9))).items
            assert (await page(conn, PageRequest(scope=stranger, limit=9))).items == []
        assert await events.after_sequence(conn, stranger, 0, limit=9) == []
        assert await webhooks.get_delivery(conn, stranger, "whd_1") is None
        assert (await events.last_sequence(conn, stranger), await events.last_sequence(conn, f.SCOPE)) == (0, 1)
        assert list(await events.get_many(conn, f.SCOPE, [record.id])) == [record.id]
        assert await events.get_many(conn, stranger, [record.id]) == {}
