"""Transfers that merchants and customers send by themselves, and the refunds that wait for some of them."""

from typing import Final

from sqlalchemy import Column, Index, Table

from gateway.db.columns import AddressColumn, Amount, BaseUnits, Count, EnumColumn, Hash32Column, Identifier
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
from gateway.domain.refund import Motive
from gateway.domain.refund import Status as RefundStatus

refunds: Final = Table(
    "refunds",
    metadata,
    key(),
    *tenant(),
    owner("charge_id", "charges"),
    Column("charge_intent_id", Identifier, nullable=False),
    Column("customer_id", Identifier, nullable=False),
    Column("status", EnumColumn(RefundStatus), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    Column("amount", Amount, nullable=False),
    words("currency", nullable=False),
    Column("chain_id", Amount, nullable=False),
    Column("token", AddressColumn, nullable=False),
    Column("token_amount", BaseUnits, nullable=False),
    Column("sender", AddressColumn, nullable=False),
    Column("recipient", AddressColumn, nullable=False),
    Column("watched_from", Amount, nullable=False),
    Column("motive", EnumColumn(Motive), nullable=True),
    document("metadata"),
    Column("transaction_hash", Hash32Column, nullable=True),
    Column("block_number", Amount, nullable=True),
    Column("block_hash", Hash32Column, nullable=True),
    Column("log_index", Count, nullable=True),
    at("succeeded_at"),
    at("canceled_at"),
    pointer("test_clock_id"),
)
of_tenant(refunds)
Index("ix_refunds_charge_id", refunds.c.charge_id, refunds.c.id)
Index("ix_refunds_charge_intent_id", refunds.c.charge_intent_id, refunds.c.id)
partial("ix_refunds_block", refunds, "chain_id", "block_number", where="block_number IS NOT NULL")
partial("ix_refunds_awaited", refunds, "chain_id", "id", where="status = 'requires_action'")
partial(
    "uq_refunds_awaited_amount", refunds, "charge_id", "token_amount", where="status = 'requires_action'", unique=True
)

transfer_cursors: Final = Table(
    "transfer_cursors",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("number", Amount, nullable=False),
)

wallet_cursors: Final = Table(
    "wallet_cursors",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("number", Amount, nullable=False),
)

token_transfers: Final = Table(
    "token_transfers",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("block_number", Amount, primary_key=True, autoincrement=False),
    Column("log_index", Count, primary_key=True, autoincrement=False),
    Column("block_hash", Hash32Column, nullable=False),
    Column("transaction_hash", Hash32Column, nullable=False),
    Column("token", AddressColumn, nullable=False),
    Column("sender", AddressColumn, nullable=False),
    Column("recipient", AddressColumn, nullable=False),
    Column("amount", BaseUnits, nullable=False),
    pointer("object_id"),
    at("seen_at", nullable=False),
)
