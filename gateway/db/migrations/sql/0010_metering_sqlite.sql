CREATE TABLE meters (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    event_name TEXT NOT NULL,
    aggregation TEXT NOT NULL,
    customer_key TEXT NOT NULL,
    value_key TEXT NOT NULL,
    status TEXT NOT NULL,
    deactivated_at BIGINT,
    CONSTRAINT pk_meters PRIMARY KEY (id)
);

CREATE INDEX ix_meters_tenant ON meters (account_id, livemode, id);

CREATE UNIQUE INDEX uq_meters_event_name ON meters (account_id, livemode, event_name) WHERE status = 'active';

CREATE TABLE meter_events (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    meter_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    identifier TEXT NOT NULL,
    value BIGINT NOT NULL,
    happened_at BIGINT NOT NULL,
    CONSTRAINT pk_meter_events PRIMARY KEY (id),
    CONSTRAINT fk_meter_events_meter_id FOREIGN KEY(meter_id) REFERENCES meters (id),
    CONSTRAINT fk_meter_events_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id)
);

CREATE UNIQUE INDEX uq_meter_events_identifier ON meter_events (account_id, livemode, identifier);

CREATE INDEX ix_meter_events_usage ON meter_events (meter_id, customer_id, happened_at, id);
