"""Transfers that customers send to merchants, the wallets watched for them, how far each chain was searched."""

from typing import Final

from sqlalchemy import Column, Index, Table

from gateway.db.columns import AddressColumn, Amount, BaseUnits, Count, EnumColumn, Flag, Hash32Column, Identifier
from gateway.db.tables.base import at, document, key, metadata, of_tenant, partial, pointer, reason, tenant, words
from gateway.domain.push import Status

push_payments: Final = Table(
    "push_payments",
    metadata,
    key(),
    *tenant(),
    Column("status", EnumColumn(Status), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    Column("chain_id", Amount, nullable=False),
    Column("token", AddressColumn, nullable=False),
    Column("sender", AddressColumn, nullable=False),
    Column("recipient", AddressColumn, nullable=False),
    Column("token_amount", BaseUnits, nullable=False),
    Column("amount", Amount, nullable=False),
    words("currency", nullable=False),
    Column("transaction_hash", Hash32Column, nullable=False),
    Column("block_number", Amount, nullable=False),
    Column("block_hash", Hash32Column, nullable=False),
    Column("log_index", Count, nullable=False),
    pointer("customer_id"),
    Column("applied", Amount, nullable=False),
    Column("credited", Amount, nullable=False),
    Column("credited_token_amount", BaseUnits, nullable=False),
    document("invoice_ids"),
    pointer("test_clock_id"),
)
of_tenant(push_payments)
Index(
    "uq_push_payments_position",
    push_payments.c.chain_id,
    push_payments.c.block_number,
    push_payments.c.log_index,
    unique=True,
)
Index("ix_push_payments_customer_id", push_payments.c.customer_id, push_payments.c.id)
partial("ix_push_payments_unmatched", push_payments, "account_id", "livemode", "id", where="status = 'unmatched'")

push_watches: Final = Table(
    "push_watches",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("recipient", AddressColumn, primary_key=True),
    Column("account_id", Identifier, primary_key=True),
    Column("livemode", Flag, primary_key=True),
    Column("watched_from", Amount, nullable=False),
)

push_cursors: Final = Table(
    "push_cursors",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("number", Amount, nullable=False),
)
