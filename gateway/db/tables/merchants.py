"""Merchants and what they sell: accounts, keys, customers, products, prices, wallets, clocks, remembered answers."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Table, func, text

from gateway.db.columns import AddressColumn, Amount, BaseUnits, Bytes, Count, EnumColumn, Flag, Identifier
from gateway.db.tables.base import (
    at,
    document,
    key,
    metadata,
    of_tenant,
    owner,
    partial,
    pointer,
    reason,
    tenant,
    words,
)
from gateway.domain.period import IntervalUnit
from gateway.domain.test_clock import Status as ClockStatus

accounts: Final = Table(
    "accounts",
    metadata,
    key(),
    words("name", nullable=False),
    Column("payout_address", AddressColumn, nullable=False),
    at("created_at", nullable=False),
    document("settings", nullable=True),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    key(),
    owner("account_id", "accounts"),
    Column("livemode", Flag, nullable=False),
    words("kind", nullable=False),
    Column("digest", Bytes, nullable=False, unique=True),
    words("last4", nullable=False),
    at("created_at", nullable=False),
    at("expires_at"),
    at("revoked_at"),
    at("used_at"),
    words("name"),
    document("permissions", nullable=True),
    pointer("replaced_by"),
)
Index("ix_api_keys_account_id", api_keys.c.account_id)

test_clocks: Final = Table(
    "test_clocks",
    metadata,
    key(),
    owner("account_id", "accounts"),
    Column("livemode", Flag, nullable=False),
    at("created_at", nullable=False),
    at("frozen_at", nullable=False),
    Column("status", EnumColumn(ClockStatus), nullable=False),
    *reason(),
    words("name"),
    at("target_at"),
    Column("deleted", Flag, nullable=False),
)
of_tenant(test_clocks)
partial("ix_test_clocks_advancing", test_clocks, "id", where="status = 'advancing'")
partial("ix_test_clocks_running", test_clocks, "id", where="NOT deleted")

customers: Final = Table(
    "customers",
    metadata,
    key(),
    owner("account_id", "accounts"),
    Column("livemode", Flag, nullable=False),
    at("created_at", nullable=False),
    words("email"),
    words("name"),
    words("phone"),
    words("description"),
    document("metadata"),
    pointer("default_payment_method_id"),
    owner("test_clock_id", "test_clocks", nullable=True),
    Column("deleted", Flag, nullable=False),
    Column("balance", Amount, nullable=False, server_default=text("0")),
    words("balance_currency"),
)
of_tenant(customers)
Index("ix_customers_email", customers.c.account_id, customers.c.livemode, customers.c.email, customers.c.id)
Index("ix_customers_mailbox", func.lower(customers.c.email), customers.c.id)
partial("ix_customers_clock", customers, "test_clock_id", "id", where="test_clock_id IS NOT NULL")

products: Final = Table(
    "products",
    metadata,
    key(),
    owner("account_id", "accounts"),
    Column("livemode", Flag, nullable=False),
    at("created_at", nullable=False),
    at("updated_at", nullable=False),
    words("name", nullable=False),
    Column("active", Flag, nullable=False),
    words("description"),
    document("metadata"),
    pointer("default_price_id"),
    Column("deleted", Flag, nullable=False),
    Column("trial_period_days", Count, nullable=True),
)
of_tenant(products)

prices: Final = Table(
    "prices",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    owner("product_id", "products"),
    words("currency", nullable=False),
    Column("unit_amount", Amount, nullable=False),
    Column("interval_unit", EnumColumn(IntervalUnit), nullable=True),
    Column("interval_count", Count, nullable=True),
    Column("active", Flag, nullable=False),
    words("nickname"),
    words("lookup_key"),
    document("metadata"),
    pointer("meter_id"),
)
of_tenant(prices)
partial("ix_prices_meter_id", prices, "meter_id", "id", where="meter_id IS NOT NULL")
Index("ix_prices_product_id", prices.c.product_id, prices.c.id)
partial(
    "uq_prices_lookup_key",
    prices,
    "account_id",
    "livemode",
    "lookup_key",
    where="lookup_key IS NOT NULL",
    unique=True,
)

payment_methods: Final = Table(
    "payment_methods",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    Column("chain_id", Amount, nullable=False),
    Column("token", AddressColumn, nullable=False),
    Column("owner", AddressColumn, nullable=False),
    Column("spender", AddressColumn, nullable=False),
    owner("customer_id", "customers", nullable=True),
    document("metadata"),
    Column("allowance", BaseUnits, nullable=True),
    Column("balance", BaseUnits, nullable=True),
    Column("renewals_left", Count, nullable=True),
    at("checked_at"),
    at("warned_at"),
)
of_tenant(payment_methods)
Index("ix_payment_methods_customer_id", payment_methods.c.customer_id, payment_methods.c.id)
Index("ix_payment_methods_wallet", payment_methods.c.owner, payment_methods.c.token, payment_methods.c.chain_id)

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("account_id", Identifier, ForeignKey("accounts.id"), primary_key=True),
    Column("livemode", Flag, primary_key=True),
    Column("key", Identifier, primary_key=True),
    words("method", nullable=False),
    words("path", nullable=False),
    Column("fingerprint", Bytes, nullable=False),
    at("created_at", nullable=False),
    Column("status_code", Count, nullable=True),
    document("headers", nullable=True),
    Column("body", Bytes, nullable=True),
)
Index("ix_idempotency_keys_created_at", idempotency_keys.c.created_at)
