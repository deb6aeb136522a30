"""What belongs to somebody who has signed in, of whatever merchant: the one place where reads cross tenants (SX-19).

Every function takes a `PayerScope` and reads nothing beyond what it proves. A wallet sees what it has signed, not what
somebody said of it: a mandate that only waits for its signature is none of its.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, func, select

from chain.primitives import Address
from gateway.db import catalog, keys, mandates, schema, subscriptions
from gateway.db.engine import Connection
from gateway.domain.catalog import Customer
from gateway.domain.mandate import USABLE, Mandate, Status
from gateway.domain.portal import PayerScope
from gateway.domain.subscription import Subscription

SHOWN_MAX: Final = 100
"""Subscriptions, mandates or invoices of one page; nobody has more, and a page must end."""

_CUSTOMERS: Final = schema.customers
_MANDATES: Final = schema.mandates
_SUBSCRIPTIONS: Final = schema.subscriptions


async def subscriptions_of(conn: Connection, scope: PayerScope) -> list[Subscription]:
    """Their subscriptions, newest first, ended ones included."""
    query = _subscription_ids(scope).order_by(keys.sort_key(_SUBSCRIPTIONS.c.id).desc()).limit(SHOWN_MAX)
    ids = list((await conn.execute(query)).scalars())
    found = await subscriptions.load(conn, ids) if ids else {}
    return [found[subscription_id] for subscription_id in ids]


async def subscription_of(
    conn: Connection, scope: PayerScope, subscription_id: str, *, lock: bool = False
) -> Subscription | None:
    """One of their subscriptions; None when it is not theirs, or there is none."""
    query = _subscription_ids(scope).where(_SUBSCRIPTIONS.c.id == subscription_id)
    if (await conn.execute(query)).first() is None:
        return None
    return (await subscriptions.load(conn, [subscription_id], lock=lock)).get(subscription_id)


async def mandates_of(conn: Connection, scope: PayerScope) -> list[Mandate]:
    """Their mandates that were ever signed, newest first: a wallet may still allow what ended long ago."""
    t = _MANDATES
    if scope.wallet is not None:
        query = _signed(select(t.c.id), scope)
    else:
        signed = (t.c.customer_id == _CUSTOMERS.c.id) & (t.c.status != Status.PENDING)
        query = select(t.c.id).join_from(_CUSTOMERS, t, signed).where(_is_customer(scope))
    query = query.order_by(keys.sort_key(t.c.id).desc()).limit(SHOWN_MAX)
    ids = list((await conn.execute(query)).scalars())
    found = await mandates.load(conn, ids) if ids else {}
    return [found[mandate_id] for mandate_id in ids]


async def usable_of(conn: Connection, wallets: Sequence[Address]) -> list[Mandate]:
    """For workers and payers' pages: mandates of any merchant that draw on these wallets, or may come to.

    Taking an allowance back takes it from all of them, also from those that the asking person does not see.
    """
    query = select(_MANDATES.c.id).where(
        keys.any_of(_MANDATES.c.payer, wallets), keys.any_of(_MANDATES.c.status, sorted(USABLE))
    )
    ids = list((await conn.execute(query)).scalars())
    return list((await mandates.load(conn, ids)).values()) if ids else []


async def customers_of(conn: Connection, scope: PayerScope) -> list[Customer]:
    """Customers with the e-mail address that was proved, newest first."""
    t = _CUSTOMERS
    query = select(t.c.id).where(_is_customer(scope)).order_by(keys.sort_key(t.c.id).desc()).limit(SHOWN_MAX)
    ids = list((await conn.execute(query)).scalars())
    found = await catalog.load_customers(conn, ids) if ids else {}
    return [found[customer_id] for customer_id in ids]


def _subscription_ids(scope: PayerScope) -> Select[Any]:
    """Ids of the subscriptions that a payer may see and act on."""
    t = _SUBSCRIPTIONS
    if scope.wallet is not None:
        paid = (t.c.id == _MANDATES.c.subscription_id) & (t.c.mandate_id == _MANDATES.c.id)
        return _signed(select(t.c.id).join_from(_MANDATES, t, paid), scope)
    return select(t.c.id).join_from(_CUSTOMERS, t, t.c.customer_id == _CUSTOMERS.c.id).where(_is_customer(scope))


def _signed(query: Select[Any], scope: PayerScope) -> Select[Any]:
    query = query.where(_MANDATES.c.payer == scope.wallet, _MANDATES.c.status != Status.PENDING)
    return query if scope.chain_id is None else query.where(_MANDATES.c.chain_id == scope.chain_id)


def _is_customer(scope: PayerScope) -> Any:
    t = _CUSTOMERS
    if scope.email is not None:
        return (func.lower(t.c.email) == scope.email) & ~t.c.deleted
    return (t.c.id == scope.customer_id) & ~t.c.deleted
