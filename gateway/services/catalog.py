"""Customers and products: creating, changing and deleting them at a merchant's request."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from gateway.db import catalog, subscriptions, test_clocks
from gateway.db.engine import Connection
from gateway.db.pages import PageRequest
from gateway.domain import metadata as merchant_metadata
from gateway.domain.catalog import Customer, Product, Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.ids import new_id
from gateway.domain.subscription import TERMINAL
from gateway.services import subscriptions as subscription_services
from gateway.services.fields import Metadata, kept, moved
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin, record

_EMAIL: Final = re.compile(r"[^\s@,;<>()]+@[^\s@,;<>()]+\.[^\s@,;<>()]+")
_SUBSCRIPTIONS_MAX: Final = 100
"""Live subscriptions that end together with their customer, in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFields:
    """What a request says about a customer; a field that is not in `given` stays as it is."""

    given: frozenset[str]
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    description: str | None = None
    metadata: Metadata = field(default_factory=dict)
    default_payment_method_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFields:
    """What a request says about a product; a field that is not in `given` stays as it is."""

    given: frozenset[str]
    name: str | None = None
    active: bool = True
    description: str | None = None
    metadata: Metadata = field(default_factory=dict)
    default_price_id: str | None = None
    trial_period_days: int | None = None


def check_email(email: str, *, param: str = "email") -> None:
    """Refuse what cannot be an e-mail address.

    Raises:
        InvalidRequest: it is none.
    """
    if not _EMAIL.fullmatch(email):
        raise InvalidRequest(f"Invalid email address: {email}", code="email_invalid", param=param)


def _check_customer(fields: CustomerFields) -> None:
    if fields.email is not None:
        check_email(fields.email)


async def create_customer(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    fields: CustomerFields,
    test_clock_id: str | None = None,
    now: datetime,
    origin: Origin,
) -> Customer:
    """Make a customer, who lives in the time of a test clock if one is named (MX-01, MX-02).

    Raises:
        InvalidRequest: an address that cannot be one, or metadata beyond its limits.
        NotFound: there is no such test clock.
    """
    _check_customer(fields)
    if test_clock_id is not None:
        clock = await test_clocks.get(conn, scope, test_clock_id)
        if clock is None or clock.deleted:
            raise NotFound("test_helpers.test_clock", test_clock_id, param="test_clock")
        now = clock.frozen_at
    customer = Customer(
        id=new_id("cus", now),
        scope=scope,
        created_at=now,
        email=fields.email,
        name=fields.name,
        phone=fields.phone,
        description=fields.description,
        metadata=merchant_metadata.merge({}, fields.metadata),
        test_clock_id=test_clock_id,
    )
    await catalog.add_customers(conn, [customer])
    await record(conn, gateway, [moved(None, customer, EventType.CUSTOMER_CREATED, now)], origin=origin)
    return customer


async def customer_of(
    conn: Connection, scope: Scope, customer_id: str, *, param: str | None = None, lock: bool = False
) -> Customer:
    """Return a customer that was not deleted.

    Raises:
        NotFound: there is none.
    """
    found = await catalog.get_customer(conn, scope, customer_id, lock=lock)
    if found is None or found.deleted:
        raise NotFound("customer", customer_id, param=param)
    return found


async def update_customer(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    customer_id: str,
    fields: CustomerFields,
    now: datetime,
    origin: Origin,
) -> Customer:
    """Change a customer; its default payment method must be attached to it (MX-17).

    Raises:
        InvalidRequest: an address that cannot be one, metadata beyond its limits, a method of somebody else.
        NotFound: there is no such customer or method.
    """
    _check_customer(fields)
    before = await customer_of(conn, scope, customer_id, lock=True)
    method_id = fields.default_payment_method_id
    if method_id is not None:
        param = "invoice_settings[default_payment_method]"
        method = await catalog.get_payment_method(conn, scope, method_id)
        if method is None:
            raise NotFound("payment_method", method_id, param=param)
        if method.customer_id != before.id:
            raise InvalidRequest(
                f"Payment method '{method.id}' is not attached to customer '{before.id}'. Attach it first.",
                code="payment_method_not_attached",
                param=param,
            )
    names = ("email", "name", "phone", "description", "default_payment_method_id")
    changes = kept(fields.given, fields, dict(zip(names, names, strict=True)))
    if "metadata" in fields.given:
        changes["metadata"] = merchant_metadata.merge(before.metadata, fields.metadata)
    after = replace(before, **changes)
    await catalog.save_customers(conn, [after])
    await record(conn, gateway, [moved(before, after, EventType.CUSTOMER_UPDATED, now)], origin=origin)
    return after


async def delete_customer(
    conn: Connection, gateway: Gateway, *, scope: Scope, customer_id: str, now: datetime, origin: Origin
) -> Customer:
    """Delete a customer; its subscriptions end at once (FR-24). What was billed stays in the books.

    Raises:
        NotFound: there is no such customer.
    """
    before = await customer_of(conn, scope, customer_id, lock=True)
    every = PageRequest(scope=scope, limit=_SUBSCRIPTIONS_MAX)
    live = await subscriptions.page(conn, every, customer=before.id, without=sorted(TERMINAL))
    if live.has_more:
        raise InvalidRequest(
            f"This customer has more than {_SUBSCRIPTIONS_MAX} live subscriptions. Cancel them first.",
            code="too_many_subscriptions",
        )
    for subscription in live.items:
        await subscription_services.cancel(
            conn, gateway, scope=scope, subscription_id=subscription.id, now=now, origin=origin
        )
    after = replace(before, deleted=True, default_payment_method_id=None)
    await catalog.save_customers(conn, [after])
    await record(conn, gateway, [moved(before, after, EventType.CUSTOMER_DELETED, now)], origin=origin)
    return after


def _product_name(name: str | None) -> str:
    if name is None or not name.strip():
        raise InvalidRequest("A product needs a name.", code="parameter_invalid_empty", param="name")
    return name


async def create_product(
    conn: Connection, gateway: Gateway, *, scope: Scope, fields: ProductFields, now: datetime, origin: Origin
) -> Product:
    """Make a product (MX-03, FR-04).

    Raises:
        InvalidRequest: it has no name, or metadata beyond its limits.
    """
    product = Product(
        id=new_id("prod", now),
        scope=scope,
        created_at=now,
        updated_at=now,
        name=_product_name(fields.name),
        active=fields.active,
        trial_period_days=fields.trial_period_days,
        description=fields.description,
        metadata=merchant_metadata.merge({}, fields.metadata),
    )
    await catalog.add_products(conn, [product])
    await record(conn, gateway, [moved(None, product, EventType.PRODUCT_CREATED, now)], origin=origin)
    return product


async def product_of(
    conn: Connection, scope: Scope, product_id: str, *, param: str | None = None, lock: bool = False
) -> Product:
    """Return a product that was not deleted.

    Raises:
        NotFound: there is none.
    """
    found = await catalog.get_product(conn, scope, product_id, lock=lock)
    if found is None or found.deleted:
        raise NotFound("product", product_id, param=param)
    return found


async def update_product(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    product_id: str,
    fields: ProductFields,
    now: datetime,
    origin: Origin,
) -> Product:
    """Change a product. An inactive one cannot be subscribed to any more; who has it keeps it (FR-16).

    Raises:
        InvalidRequest: no name, metadata beyond its limits, a default price of another product.
        NotFound: there is no such product or price.
    """
    before = await product_of(conn, scope, product_id, lock=True)
    changes = kept(
        fields.given,
        fields,
        {
            "active": "active",
            "description": "description",
            "default_price_id": "default_price_id",
            "trial_period_days": "trial_period_days",
        },
    )
    if "name" in fields.given:
        changes["name"] = _product_name(fields.name)
    if "metadata" in fields.given:
        changes["metadata"] = merchant_metadata.merge(before.metadata, fields.metadata)
    if fields.default_price_id is not None:
        price = await catalog.get_price(conn, scope, fields.default_price_id)
        if price is None:
            raise NotFound("price", fields.default_price_id, param="default_price")
        if price.product_id != before.id:
            raise InvalidRequest(
                f"Price '{price.id}' belongs to another product.", code="price_of_other_product", param="default_price"
            )
    after = replace(before, updated_at=now, **changes)
    await catalog.save_products(conn, [after])
    await record(conn, gateway, [moved(before, after, EventType.PRODUCT_UPDATED, now)], origin=origin)
    return after


async def delete_product(
    conn: Connection, gateway: Gateway, *, scope: Scope, product_id: str, now: datetime, origin: Origin
) -> Product:
    """Delete a product that never had a price; others are only made inactive, because invoices refer to them.

    Raises:
        InvalidRequest: it has prices.
        NotFound: there is no such product.
    """
    before = await product_of(conn, scope, product_id, lock=True)
    prices = await catalog.page_prices(conn, PageRequest(scope=scope, limit=1), product=before.id)
    if prices.items:
        raise InvalidRequest(
            "This product cannot be deleted because it has prices. Set active=false instead.",
            code="product_has_prices",
            param="id",
        )
    after = replace(before, deleted=True, active=False, updated_at=now)
    await catalog.save_products(conn, [after])
    await record(conn, gateway, [moved(before, after, EventType.PRODUCT_DELETED, now)], origin=origin)
    return after
