"""Mails on their way to people. What they say follows from the event; only where they are is kept here."""

from typing import Final

from sqlalchemy import Column, Table

from gateway.db.columns import Count, EnumColumn, Identifier
from gateway.db.tables.base import at, key, metadata, of_tenant, owner, partial, tenant, words
from gateway.domain.mail import Status
from gateway.domain.settings import MailKind

mails: Final = Table(
    "mails",
    metadata,
    key(),
    *tenant(),
    Column("kind", EnumColumn(MailKind), nullable=False),
    Column("dedupe_key", Identifier, nullable=False, unique=True),
    at("created_at", nullable=False),
    Column("object_id", Identifier, nullable=False),
    owner("event_id", "events", nullable=True),
    owner("customer_id", "customers", nullable=True),
    Column("status", EnumColumn(Status), nullable=False),
    Column("attempts", Count, nullable=False),
    at("next_attempt_at"),
    words("recipient"),
    words("last_error"),
    at("sent_at"),
)
of_tenant(mails)
partial("ix_mails_due", mails, "next_attempt_at", "id", where="next_attempt_at IS NOT NULL")
