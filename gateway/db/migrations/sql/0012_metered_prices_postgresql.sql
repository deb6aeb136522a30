ALTER TABLE prices ADD COLUMN meter_id TEXT;

CREATE INDEX ix_prices_meter_id ON prices (meter_id, id) WHERE meter_id IS NOT NULL;

ALTER TABLE invoice_lines ADD COLUMN meter_id TEXT;

ALTER TABLE subscriptions ADD COLUMN mandate_amount BIGINT;
