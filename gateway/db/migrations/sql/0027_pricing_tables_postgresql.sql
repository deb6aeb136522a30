CREATE TABLE pricing_tables (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    prices TEXT NOT NULL,
    success_url TEXT NOT NULL,
    cancel_url TEXT,
    active BOOLEAN NOT NULL,
    allow_promotion_codes BOOLEAN NOT NULL,
    trial_period_days INTEGER,
    hidden_fields TEXT NOT NULL,
    locale TEXT,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_pricing_tables PRIMARY KEY (id)
);

CREATE INDEX ix_pricing_tables_tenant ON pricing_tables (account_id, livemode, id);
