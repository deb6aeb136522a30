"""What wallets are asked for before anything is owed."""

from typing import Final

from sqlalchemy import Column, Index, Table

from gateway.db.columns import Amount, EnumColumn, Identifier
from gateway.db.tables.base import (
    at,
    document,
    due,
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
from gateway.domain.setup_intent import Status

setup_intents: Final = Table(
    "setup_intents",
    metadata,
    key(),
    *tenant(),
    Column("customer_id", Identifier, nullable=False),
    owner("subscription_id", "subscriptions"),
    Column("status", EnumColumn(Status), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    words("client_secret", nullable=False),
    pointer("payment_method_id"),
    owner("mandate_id", "mandates", nullable=True),
    Column("chain_id", Amount, nullable=True),
    at("next_attempt_at"),
    pointer("transaction_id"),
    words("description"),
    document("metadata"),
    at("succeeded_at"),
    at("canceled_at"),
    pointer("test_clock_id"),
    at("wake_at"),
)
of_tenant(setup_intents)
due(setup_intents, "chain_id")
Index("ix_setup_intents_customer_id", setup_intents.c.customer_id, setup_intents.c.id)
Index("ix_setup_intents_subscription_id", setup_intents.c.subscription_id, setup_intents.c.id)
Index("ix_setup_intents_mandate_id", setup_intents.c.mandate_id)
partial("ix_setup_intents_under_way", setup_intents, "transaction_id", where="status = 'processing'")
