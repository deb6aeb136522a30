"""What was announced: events, their numbers, endpoints, deliveries; and the history of every status."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Table

from gateway.db.columns import Amount, Bytes, Count, EnumColumn, Flag, Identifier, Serial
from gateway.db.tables.base import at, document, key, metadata, of_tenant, owner, partial, reason, tenant, words
from gateway.domain.events import EventProfile, EventType
from gateway.domain.webhook import DeliveryStatus, EndpointStatus

event_sequences: Final = Table(
    "event_sequences",
    metadata,
    Column("account_id", Identifier, ForeignKey("accounts.id"), primary_key=True),
    Column("livemode", Flag, primary_key=True),
    Column("last", Amount, nullable=False),
)

events: Final = Table(
    "events",
    metadata,
    key(),
    *tenant(),
    Column("sequence", Amount, nullable=False),
    Column("type", EnumColumn(EventType), nullable=False),
    words("object_kind", nullable=False),
    Column("object_id", Identifier, nullable=False),
    Column("object_sequence", Amount, nullable=False),
    at("at", nullable=False),
    Column("snapshot", Bytes, nullable=False),
    Column("previous", Bytes, nullable=True),
    words("request_id"),
)
Index("uq_events_sequence", events.c.account_id, events.c.livemode, events.c.sequence, unique=True)
Index("uq_events_object_sequence", events.c.object_id, events.c.object_sequence, unique=True)

webhook_endpoints: Final = Table(
    "webhook_endpoints",
    metadata,
    key(),
    owner("account_id", "accounts"),
    Column("livemode", Flag, nullable=False),
    at("created_at", nullable=False),
    words("url", nullable=False),
    document("enabled_events"),
    words("secret", nullable=False),
    Column("status", EnumColumn(EndpointStatus), nullable=False),
    Column("profile", EnumColumn(EventProfile), nullable=False),
    words("description"),
    document("metadata"),
    words("previous_secret"),
    at("previous_secret_expires_at"),
    words("api_version"),
    Column("deleted", Flag, nullable=False),
)
of_tenant(webhook_endpoints)

deliveries: Final = Table(
    "deliveries",
    metadata,
    key(),
    owner("event_id", "events"),
    owner("endpoint_id", "webhook_endpoints"),
    at("created_at", nullable=False),
    Column("status", EnumColumn(DeliveryStatus), nullable=False),
    Column("attempts", Count, nullable=False),
    at("next_attempt_at"),
    Column("last_status_code", Count, nullable=True),
    words("last_error"),
    at("delivered_at"),
)
Index("uq_deliveries_event_id", deliveries.c.event_id, deliveries.c.endpoint_id, unique=True)
Index("ix_deliveries_endpoint_id", deliveries.c.endpoint_id, deliveries.c.id)
partial("ix_deliveries_due", deliveries, "next_attempt_at", "id", where="next_attempt_at IS NOT NULL")
partial("ix_deliveries_queue", deliveries, "endpoint_id", "next_attempt_at", where="next_attempt_at IS NOT NULL")

delivery_attempts: Final = Table(
    "delivery_attempts",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    owner("delivery_id", "deliveries"),
    at("at", nullable=False),
    Column("status_code", Count, nullable=True),
    Column("latency_ms", Count, nullable=False),
    words("error"),
    Column("answer", Bytes, nullable=False),
)
Index("ix_delivery_attempts_delivery_id", delivery_attempts.c.delivery_id, delivery_attempts.c.id)

state_changes: Final = Table(
    "state_changes",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    *tenant(),
    words("kind", nullable=False),
    Column("object_id", Identifier, nullable=False),
    words("source"),
    words("target", nullable=False),
    *reason(),
    at("at", nullable=False),
)
Index("ix_state_changes_object_id", state_changes.c.object_id, state_changes.c.id)
