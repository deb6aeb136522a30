"""Meters, and the events that they count."""

from typing import Final

from sqlalchemy import Column, Index, Table

from gateway.db.columns import Amount, EnumColumn
from gateway.db.tables.base import at, key, metadata, of_tenant, owner, partial, tenant, words
from gateway.domain.metering import Aggregation, Status

meters: Final = Table(
    "meters",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    at("updated_at", nullable=False),
    words("display_name", nullable=False),
    words("event_name", nullable=False),
    Column("aggregation", EnumColumn(Aggregation), nullable=False),
    words("customer_key", nullable=False),
    words("value_key", nullable=False),
    Column("status", EnumColumn(Status), nullable=False),
    at("deactivated_at"),
)
of_tenant(meters)
partial("uq_meters_event_name", meters, "account_id", "livemode", "event_name", where="status = 'active'", unique=True)

meter_events: Final = Table(
    "meter_events",
    metadata,
    key(),
    *tenant(),
    at("created_at", nullable=False),
    owner("meter_id", "meters"),
    owner("customer_id", "customers"),
    words("identifier", nullable=False),
    Column("value", Amount, nullable=False),
    at("happened_at", nullable=False),
)
Index(
    "uq_meter_events_identifier",
    meter_events.c.account_id,
    meter_events.c.livemode,
    meter_events.c.identifier,
    unique=True,
)
# The usage of a period is one range of this index.
Index(
    "ix_meter_events_usage",
    meter_events.c.meter_id,
    meter_events.c.customer_id,
    meter_events.c.happened_at,
    meter_events.c.id,
)
