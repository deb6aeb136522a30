"""What is sent to chains and what is read from them: lanes, transactions, blocks, logs. No merchant owns these rows."""

from enum import StrEnum
from typing import Final

from sqlalchemy import Column, Index, Table

from chain.primitives import SendResult
from gateway.db.columns import (
    AddressColumn,
    Amount,
    BaseUnits,
    Bytes,
    Count,
    EnumColumn,
    Flag,
    Hash32Column,
    MandateIdColumn,
    Serial,
)
from gateway.db.tables.base import at, document, key, metadata, owner, partial, words


class Purpose(StrEnum):
    """What a transaction is for."""

    SUBSCRIBE = "subscribe"
    CHARGE_BATCH = "charge_batch"
    NOOP = "noop"


class TransactionStatus(StrEnum):
    """`mined` may go back to `open` while its block is not final; `lost` means that its nonce was used elsewhere."""

    OPEN = "open"
    MINED = "mined"
    FINAL = "final"
    LOST = "lost"


class LogKind(StrEnum):
    """Events of the contract that are followed."""

    SUBSCRIBED = "subscribed"
    CHARGED = "charged"
    CHARGE_FAILED = "charge_failed"
    CANCELED = "canceled"


lanes: Final = Table(
    "lanes",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("signer", AddressColumn, primary_key=True),
    Column("next_nonce", Amount, nullable=False),
    words("owner"),
    at("leased_until"),
    words("halted_reason"),
)

chain_transactions: Final = Table(
    "chain_transactions",
    metadata,
    key(),
    Column("chain_id", Amount, nullable=False),
    Column("signer", AddressColumn, nullable=False),
    Column("nonce", Amount, nullable=False),
    Column("to", AddressColumn, nullable=False),
    Column("data", Bytes, nullable=False),
    Column("gas", Amount, nullable=False),
    Column("purpose", EnumColumn(Purpose), nullable=False),
    Column("status", EnumColumn(TransactionStatus), nullable=False),
    at("created_at", nullable=False),
    Column("mined_number", Amount, nullable=True),
    Column("mined_hash", Hash32Column, nullable=True),
    Column("succeeded", Flag, nullable=True),
    Column("wanted", Flag, nullable=False),
    Column("used_since_block", Amount, nullable=True),
)
Index(
    "uq_chain_transactions_nonce",
    chain_transactions.c.chain_id,
    chain_transactions.c.signer,
    chain_transactions.c.nonce,
    unique=True,
)
partial(
    "ix_chain_transactions_in_flight",
    chain_transactions,
    "chain_id",
    "signer",
    "nonce",
    where="status IN ('open', 'mined')",
)

transaction_attempts: Final = Table(
    "transaction_attempts",
    metadata,
    Column("hash", Hash32Column, primary_key=True),
    owner("transaction_id", "chain_transactions"),
    Column("raw", Bytes, nullable=False),
    Column("max_fee_per_gas", BaseUnits, nullable=False),
    Column("max_priority_fee_per_gas", BaseUnits, nullable=False),
    Column("made_at_block", Amount, nullable=False),
    at("created_at", nullable=False),
    Column("is_noop", Flag, nullable=False),
    at("sent_at"),
    Column("sent_at_block", Amount, nullable=True),
    Column("send_count", Count, nullable=False),
    Column("last_result", EnumColumn(SendResult), nullable=True),
    words("last_error"),
)
Index("ix_transaction_attempts_transaction_id", transaction_attempts.c.transaction_id)

chain_cursors: Final = Table(
    "chain_cursors",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("head_number", Amount, nullable=True),
    Column("head_hash", Hash32Column, nullable=True),
    Column("final_number", Amount, nullable=True),
    words("halted_reason"),
)

audit_cursors: Final = Table(
    "audit_cursors",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("number", Amount, nullable=False),
)

blocks: Final = Table(
    "blocks",
    metadata,
    Column("chain_id", Amount, primary_key=True, autoincrement=False),
    Column("number", Amount, primary_key=True, autoincrement=False),
    Column("hash", Hash32Column, nullable=False),
    Column("timestamp_seconds", Amount, nullable=False),
)

chain_logs: Final = Table(
    "chain_logs",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("chain_id", Amount, nullable=False),
    Column("block_number", Amount, nullable=False),
    Column("log_index", Count, nullable=False),
    Column("block_hash", Hash32Column, nullable=False),
    Column("transaction_hash", Hash32Column, nullable=False),
    Column("kind", EnumColumn(LogKind), nullable=False),
    Column("mandate_id", MandateIdColumn, nullable=False),
    Column("period", Count, nullable=True),
    Column("amount", BaseUnits, nullable=True),
    document("detail", nullable=True),
    at("settled_at"),
)
Index(
    "uq_chain_logs_position",
    chain_logs.c.chain_id,
    chain_logs.c.block_number,
    chain_logs.c.log_index,
    unique=True,
)
Index("ix_chain_logs_mandate_id", chain_logs.c.mandate_id, chain_logs.c.period)
partial(
    "ix_chain_logs_unsettled",
    chain_logs,
    "chain_id",
    "block_number",
    "log_index",
    where="settled_at IS NULL",
)
