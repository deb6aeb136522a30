"""What changes the sum of an invoice: tax rates, coupons and their codes, invoice items, customers' balances."""

from typing import Final

from sqlalchemy import Column, Index, Table

from gateway.db.columns import Amount, Count, EnumColumn, Flag, Identifier
from gateway.db.tables.base import at, document, key, metadata, of_tenant, owner, partial, pointer, tenant, words
from gateway.domain.credit import TransactionType
from gateway.domain.discount import Duration

tax_rates: Final = Table(
    "tax_rates",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    words("display_name", nullable=False),
    Column("percentage_ppm", Count, nullable=False),
    Column("inclusive", Flag, nullable=False),
    Column("active", Flag, nullable=False),
    words("country"),
    words("state"),
    words("jurisdiction"),
    words("description"),
    words("tax_type"),
    document("metadata"),
)
of_tenant(tax_rates)

coupons: Final = Table(
    "coupons",
    metadata,
    # Merchants choose ids of coupons, so that they are unique only among a merchant's own.
    Column("account_id", Identifier, primary_key=True),
    Column("livemode", Flag, primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("serial", Identifier, nullable=False),
    at("created_at", nullable=False),
    Column("duration", EnumColumn(Duration), nullable=False),
    Column("percent_off", Count, nullable=True),
    Column("amount_off", Amount, nullable=True),
    words("currency"),
    Column("duration_in_months", Count, nullable=True),
    Column("max_redemptions", Amount, nullable=True),
    Column("times_redeemed", Amount, nullable=False),
    at("redeem_by"),
    words("name"),
    Column("deleted", Flag, nullable=False),
    document("metadata"),
)
Index("uq_coupons_serial", coupons.c.account_id, coupons.c.livemode, coupons.c.serial, unique=True)

promotion_codes: Final = Table(
    "promotion_codes",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    words("code", nullable=False),
    words("coupon_id", nullable=False),
    Column("active", Flag, nullable=False),
    owner("customer_id", "customers", nullable=True),
    at("expires_at"),
    Column("max_redemptions", Amount, nullable=True),
    Column("times_redeemed", Amount, nullable=False),
    document("metadata"),
)
of_tenant(promotion_codes)
partial(
    "uq_promotion_codes_code",
    promotion_codes,
    "account_id",
    "livemode",
    "code",
    where="active",
    unique=True,
)

invoice_items: Final = Table(
    "invoice_items",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    owner("customer_id", "customers"),
    words("currency", nullable=False),
    Column("amount", Amount, nullable=False),
    Column("quantity", Amount, nullable=False),
    at("period_start", nullable=False),
    at("period_end", nullable=False),
    Column("unit_amount", Amount, nullable=True),
    words("description"),
    pointer("price_id"),
    pointer("subscription_id"),
    pointer("subscription_item_id"),
    pointer("invoice_id"),
    Column("discountable", Flag, nullable=False),
    Column("proration", Flag, nullable=False),
    document("tax_rate_ids"),
    pointer("test_clock_id"),
    document("metadata"),
)
of_tenant(invoice_items)
partial("ix_invoice_items_pending", invoice_items, "customer_id", "id", where="invoice_id IS NULL")
Index("ix_invoice_items_customer_id", invoice_items.c.customer_id, invoice_items.c.id)
Index("ix_invoice_items_invoice_id", invoice_items.c.invoice_id)

balance_transactions: Final = Table(
    "balance_transactions",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    owner("customer_id", "customers"),
    Column("amount", Amount, nullable=False),
    words("currency", nullable=False),
    Column("ending_balance", Amount, nullable=False),
    Column("type", EnumColumn(TransactionType), nullable=False),
    pointer("invoice_id"),
    words("description"),
    document("metadata"),
)
of_tenant(balance_transactions)
Index("ix_balance_transactions_customer_id", balance_transactions.c.customer_id, balance_transactions.c.id)
