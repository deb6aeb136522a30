"""Pages that ask wallets for subscriptions."""

from typing import Final

from sqlalchemy import Column, Table

from gateway.db.columns import Count, EnumColumn, Flag, Identifier
from gateway.db.tables.base import at, document, due, key, metadata, of_tenant, partial, pointer, reason, tenant, words
from gateway.domain.checkout import Mode, PaymentStatus, Status

checkout_sessions: Final = Table(
    "checkout_sessions",
    metadata,
    key(),
    *tenant(),
    Column("mode", EnumColumn(Mode), nullable=False),
    Column("status", EnumColumn(Status), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    at("expires_at", nullable=False),
    Column("token", Identifier, nullable=False),
    words("success_url", nullable=False),
    words("cancel_url"),
    document("offer"),
    pointer("customer_id"),
    words("email"),
    Column("is_email_given", Flag, nullable=False),
    words("client_reference_id"),
    words("locale"),
    document("metadata"),
    document("answers"),
    pointer("promotion_code_id"),
    document("draft", nullable=True),
    Column("payment_status", EnumColumn(PaymentStatus), nullable=False),
    pointer("subscription_id"),
    pointer("setup_intent_id"),
    pointer("invoice_id"),
    at("confirmed_at"),
    at("completed_at"),
    pointer("test_clock_id"),
    at("wake_at"),
)
of_tenant(checkout_sessions)
due(checkout_sessions)
partial("ix_checkout_sessions_customer", checkout_sessions, "customer_id", "id", where="customer_id IS NOT NULL")
partial(
    "ix_checkout_sessions_subscription", checkout_sessions, "subscription_id", "id", where="subscription_id IS NOT NULL"
)

pricing_tables: Final = Table(
    "pricing_tables",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    document("prices"),
    words("success_url", nullable=False),
    words("cancel_url"),
    Column("active", Flag, nullable=False),
    Column("allow_promotion_codes", Flag, nullable=False),
    Column("trial_period_days", Count, nullable=True),
    document("hidden_fields"),
    words("locale"),
    document("metadata"),
)
of_tenant(pricing_tables)
