"""Signing in to the portal: tickets that are spent once, sessions of browsers, and what merchants allow there."""

from typing import Final

from sqlalchemy import Column, Index, Table

from gateway.db.columns import AddressColumn, Amount, Bytes, EnumColumn, Flag
from gateway.db.tables.base import at, document, key, metadata, of_tenant, partial, pointer, tenant, words
from gateway.domain.portal import TicketKind

sign_in_tickets: Final = Table(
    "sign_in_tickets",
    metadata,
    key(),
    Column("kind", EnumColumn(TicketKind), nullable=False),
    Column("digest", Bytes, unique=True),
    at("created_at", nullable=False),
    at("expires_at", nullable=False),
    words("email"),
    pointer("customer_id"),
    words("language"),
    words("return_url"),
    pointer("configuration_id"),
)
Index("ix_sign_in_tickets_expires_at", sign_in_tickets.c.expires_at)
partial("ix_sign_in_tickets_email", sign_in_tickets, "email", "expires_at", where="email IS NOT NULL")

portal_sessions: Final = Table(
    "portal_sessions",
    metadata,
    Column("digest", Bytes, primary_key=True),
    at("created_at", nullable=False),
    at("seen_at", nullable=False),
    at("expires_at", nullable=False),
    Column("wallet", AddressColumn),
    Column("chain_id", Amount),
    words("email"),
    pointer("customer_id"),
    words("language"),
    words("return_url"),
    pointer("configuration_id"),
)
Index("ix_portal_sessions_expires_at", portal_sessions.c.expires_at)

portal_configurations: Final = Table(
    "portal_configurations",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    at("updated_at", nullable=False),
    Column("active", Flag, nullable=False),
    Column("is_default", Flag, nullable=False),
    words("name"),
    words("default_return_url"),
    document("features"),
    document("business_profile"),
    document("metadata"),
)
of_tenant(portal_configurations)
partial(
    "uq_portal_configurations_default", portal_configurations, "account_id", "livemode", where="is_default", unique=True
)
