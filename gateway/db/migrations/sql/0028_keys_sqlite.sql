ALTER TABLE api_keys ADD COLUMN name TEXT;
ALTER TABLE api_keys ADD COLUMN permissions TEXT;
ALTER TABLE api_keys ADD COLUMN replaced_by TEXT;
CREATE TABLE acts (
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    object_id TEXT NOT NULL,
    merchant_id TEXT,
    mode TEXT,
    request_id TEXT,
    details TEXT NOT NULL,
    CONSTRAINT pk_acts PRIMARY KEY (id)
);
CREATE INDEX ix_acts_merchant_id ON acts (merchant_id, id);
