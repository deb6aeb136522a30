CREATE TABLE mails (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    kind TEXT NOT NULL,
    dedupe_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    object_id TEXT NOT NULL,
    event_id TEXT,
    customer_id TEXT,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at BIGINT,
    recipient TEXT,
    last_error TEXT,
    sent_at BIGINT,
    CONSTRAINT pk_mails PRIMARY KEY (id),
    CONSTRAINT uq_mails_dedupe_key UNIQUE (dedupe_key),
    CONSTRAINT fk_mails_event_id FOREIGN KEY(event_id) REFERENCES events (id),
    CONSTRAINT fk_mails_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id)
);

CREATE INDEX ix_mails_due ON mails (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;

CREATE INDEX ix_mails_tenant ON mails (account_id, livemode, id);
