"""Customers, products, prices, payment methods: what merchants keep.

Reads take the caller's scope; `load_…` are for workers.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import func, or_, select

from gateway.db import bulk, keys, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.catalog import Customer, PaymentMethod, Price, Product, Scope, Standing
from gateway.domain.period import Interval

_CUSTOMERS: Final = schema.customers
_PRODUCTS: Final = schema.products
_PRICES: Final = schema.prices
_METHODS: Final = schema.payment_methods


async def add_customers(conn: Connection, values: Sequence[Customer]) -> None:
    """Insert customers."""
    await bulk.insert(conn, _CUSTOMERS, [_customer_row(value) for value in values])


async def save_customers(conn: Connection, values: Sequence[Customer]) -> None:
    """Write customers as they are now."""
    await bulk.update(conn, _CUSTOMERS, [_customer_row(value) for value in values])


async def get_customer(conn: Connection, scope: Scope, customer_id: str, *, lock: bool = False) -> Customer | None:
    """Return one customer of the caller's, deleted ones included; None when there is none."""
    return (await get_customers(conn, scope, [customer_id], lock=lock)).get(customer_id)


async def get_customers(
    conn: Connection, scope: Scope, ids: Iterable[str], *, lock: bool = False
) -> dict[str, Customer]:
    """Those of the caller's customers that exist, by id."""
    query = rows.by_id(_CUSTOMERS, ids, lock=lock).where(rows.in_scope(_CUSTOMERS, scope))
    return {row.id: _customer(row) for row in await conn.execute(query)}


async def load_customers(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, Customer]:
    """For workers: customers of any tenant."""
    return {row.id: _customer(row) for row in await rows.fetch(conn, _CUSTOMERS, ids, lock=lock)}


async def customers_of_clock(conn: Connection, scope: Scope, test_clock_id: str) -> list[Customer]:
    """Customers that live by a test clock."""
    query = select(_CUSTOMERS).where(
        rows.in_scope(_CUSTOMERS, scope), _CUSTOMERS.c.test_clock_id == test_clock_id, ~_CUSTOMERS.c.deleted
    )
    return [_customer(row) for row in await conn.execute(query.order_by(_CUSTOMERS.c.id))]


async def customers_by_contact(
    conn: Connection, scope: Scope, *, email: str | None, phone: str | None
) -> list[Customer]:
    """The caller's customers with this e-mail address, in any case, or this phone number; at most two."""
    t = _CUSTOMERS
    same = [
        *([] if email is None else [func.lower(t.c.email) == email.lower()]),
        *([] if phone is None else [t.c.phone == phone]),
    ]
    query = select(t).where(rows.in_scope(t, scope), ~t.c.deleted, or_(*same)).order_by(t.c.id).limit(2)
    return [_customer(row) for row in await conn.execute(query)]


async def page_customers(
    conn: Connection, request: PageRequest, *, email: str | None = None, test_clock: str | None = None
) -> Page[Customer]:
    """List customers that are not deleted."""
    t = _CUSTOMERS
    return await pages.read(
        conn,
        t,
        request,
        _customer,
        ~t.c.deleted,
        None if email is None else t.c.email == email,
        None if test_clock is None else t.c.test_clock_id == test_clock,
        kind="customer",
    )


async def add_products(conn: Connection, values: Sequence[Product]) -> None:
    """Insert products."""
    await bulk.insert(conn, _PRODUCTS, [_product_row(value) for value in values])


async def save_products(conn: Connection, values: Sequence[Product]) -> None:
    """Write products as they are now."""
    await bulk.update(conn, _PRODUCTS, [_product_row(value) for value in values])


async def get_product(conn: Connection, scope: Scope, product_id: str, *, lock: bool = False) -> Product | None:
    """Return one product of the caller's, deleted ones included; None when there is none."""
    return (await get_products(conn, scope, [product_id], lock=lock)).get(product_id)


async def get_products(conn: Connection, scope: Scope, ids: Iterable[str], *, lock: bool = False) -> dict[str, Product]:
    """Those of the caller's products that exist, by id."""
    query = rows.by_id(_PRODUCTS, ids, lock=lock).where(rows.in_scope(_PRODUCTS, scope))
    return {row.id: _product(row) for row in await conn.execute(query)}


async def load_products(conn: Connection, ids: Iterable[str]) -> dict[str, Product]:
    """For workers: products of any tenant."""
    return {row.id: _product(row) for row in await rows.fetch(conn, _PRODUCTS, ids, lock=False)}


async def page_products(
    conn: Connection, request: PageRequest, *, active: bool | None = None, ids: Sequence[str] | None = None
) -> Page[Product]:
    """List products that are not deleted."""
    t = _PRODUCTS
    return await pages.read(
        conn,
        t,
        request,
        _product,
        ~t.c.deleted,
        None if active is None else t.c.active.is_(active),
        None if ids is None else keys.any_of(t.c.id, ids),
        kind="product",
    )


async def add_prices(conn: Connection, values: Sequence[Price]) -> None:
    """Insert prices.

    Raises:
        ConstraintBroken: `uq_prices_lookup_key`: another price of the caller's has that lookup key.
    """
    await bulk.insert(conn, _PRICES, [_price_row(value) for value in values])


async def save_prices(conn: Connection, values: Sequence[Price]) -> None:
    """Write prices as they are now.

    Raises:
        ConstraintBroken: as `add_prices`.
    """
    await bulk.update(conn, _PRICES, [_price_row(value) for value in values])


async def get_price(conn: Connection, scope: Scope, price_id: str, *, lock: bool = False) -> Price | None:
    """Return one price of the caller's; None when there is none."""
    return (await get_prices(conn, scope, [price_id], lock=lock)).get(price_id)


async def get_prices(conn: Connection, scope: Scope, ids: Iterable[str], *, lock: bool = False) -> dict[str, Price]:
    """Those of the caller's prices that exist, by id."""
    query = rows.by_id(_PRICES, ids, lock=lock).where(rows.in_scope(_PRICES, scope))
    return {row.id: _price(row) for row in await conn.execute(query)}


async def load_prices(conn: Connection, ids: Iterable[str]) -> dict[str, Price]:
    """For workers: prices of any tenant."""
    return {row.id: _price(row) for row in await rows.fetch(conn, _PRICES, ids, lock=False)}


async def page_prices(
    conn: Connection,
    request: PageRequest,
    *,
    product: str | None = None,
    active: bool | None = None,
    currency: str | None = None,
    lookup_keys: Sequence[str] | None = None,
) -> Page[Price]:
    """List prices."""
    t = _PRICES
    return await pages.read(
        conn,
        t,
        request,
        _price,
        None if product is None else t.c.product_id == product,
        None if active is None else t.c.active.is_(active),
        None if currency is None else t.c.currency == currency,
        None if lookup_keys is None else keys.any_of(t.c.lookup_key, lookup_keys),
        kind="price",
    )


async def add_payment_methods(conn: Connection, values: Sequence[PaymentMethod]) -> None:
    """Insert payment methods."""
    await bulk.insert(conn, _METHODS, [_method_row(value) for value in values])


async def save_payment_methods(conn: Connection, values: Sequence[PaymentMethod]) -> None:
    """Write payment methods as they are now."""
    await bulk.update(conn, _METHODS, [_method_row(value) for value in values])


async def get_payment_method(
    conn: Connection, scope: Scope, method_id: str, *, lock: bool = False
) -> PaymentMethod | None:
    """Return one payment method of the caller's; None when there is none."""
    return (await get_payment_methods(conn, scope, [method_id], lock=lock)).get(method_id)


async def get_payment_methods(
    conn: Connection, scope: Scope, ids: Iterable[str], *, lock: bool = False
) -> dict[str, PaymentMethod]:
    """Those of the caller's payment methods that exist, by id."""
    query = rows.by_id(_METHODS, ids, lock=lock).where(rows.in_scope(_METHODS, scope))
    return {row.id: method(row) for row in await conn.execute(query)}


async def load_payment_methods(conn: Connection, ids: Iterable[str]) -> dict[str, PaymentMethod]:
    """For workers: payment methods of any tenant."""
    return {row.id: method(row) for row in await rows.fetch(conn, _METHODS, ids, lock=False)}


async def page_payment_methods(
    conn: Connection, request: PageRequest, *, customer: str | None = None
) -> Page[PaymentMethod]:
    """List payment methods."""
    t = _METHODS
    return await pages.read(
        conn, t, request, method, None if customer is None else t.c.customer_id == customer, kind="payment_method"
    )


def _customer_row(value: Customer) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "created_at": value.created_at,
        "email": value.email,
        "name": value.name,
        "phone": value.phone,
        "description": value.description,
        "metadata": value.metadata,
        "default_payment_method_id": value.default_payment_method_id,
        "test_clock_id": value.test_clock_id,
        "deleted": value.deleted,
        "balance": value.balance,
        "balance_currency": value.balance_currency,
    }


def _customer(row: Any) -> Customer:
    return Customer(
        id=row.id,
        scope=rows.scope(row),
        created_at=row.created_at,
        email=row.email,
        name=row.name,
        phone=row.phone,
        description=row.description,
        metadata=row.metadata,
        default_payment_method_id=row.default_payment_method_id,
        test_clock_id=row.test_clock_id,
        deleted=row.deleted,
        balance=row.balance,
        balance_currency=row.balance_currency,
    )


def _product_row(value: Product) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "created_at": value.created_at,
        "updated_at": value.updated_at,
        "name": value.name,
        "active": value.active,
        "description": value.description,
        "metadata": value.metadata,
        "default_price_id": value.default_price_id,
        "deleted": value.deleted,
        "trial_period_days": value.trial_period_days,
    }


def _product(row: Any) -> Product:
    return Product(
        id=row.id,
        scope=rows.scope(row),
        created_at=row.created_at,
        updated_at=row.updated_at,
        name=row.name,
        active=row.active,
        description=row.description,
        metadata=row.metadata,
        default_price_id=row.default_price_id,
        deleted=row.deleted,
        trial_period_days=row.trial_period_days,
    )


def _price_row(value: Price) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "created_at": value.created_at,
        "product_id": value.product_id,
        "currency": value.currency,
        "unit_amount": value.unit_amount,
        "interval_unit": None if value.interval is None else value.interval.unit,
        "interval_count": None if value.interval is None else value.interval.count,
        "active": value.active,
        "nickname": value.nickname,
        "lookup_key": value.lookup_key,
        "metadata": value.metadata,
        "meter_id": value.meter_id,
    }


def _price(row: Any) -> Price:
    return Price(
        id=row.id,
        scope=rows.scope(row),
        created_at=row.created_at,
        product_id=row.product_id,
        currency=row.currency,
        unit_amount=row.unit_amount,
        interval=None if row.interval_unit is None else Interval(row.interval_unit, row.interval_count),
        active=row.active,
        nickname=row.nickname,
        lookup_key=row.lookup_key,
        metadata=row.metadata,
        meter_id=row.meter_id,
    )


def _method_row(value: PaymentMethod) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "created_at": value.created_at,
        "chain_id": value.chain_id,
        "token": value.token,
        "owner": value.owner,
        "spender": value.spender,
        "customer_id": value.customer_id,
        "metadata": value.metadata,
        "allowance": None if value.standing is None else value.standing.allowance,
        "balance": None if value.standing is None else value.standing.balance,
        "renewals_left": None if value.standing is None else value.standing.renewals_left,
        "checked_at": None if value.standing is None else value.standing.checked_at,
        "warned_at": None if value.standing is None else value.standing.warned_at,
    }


def method(row: Any) -> PaymentMethod:
    """Return the payment method of a row."""
    return PaymentMethod(
        id=row.id,
        scope=rows.scope(row),
        created_at=row.created_at,
        chain_id=row.chain_id,
        token=row.token,
        owner=row.owner,
        spender=row.spender,
        customer_id=row.customer_id,
        metadata=row.metadata,
        standing=None
        if row.checked_at is None
        else Standing(
            allowance=row.allowance,
            balance=row.balance,
            renewals_left=row.renewals_left,
            checked_at=row.checked_at,
            warned_at=row.warned_at,
        ),
    )
