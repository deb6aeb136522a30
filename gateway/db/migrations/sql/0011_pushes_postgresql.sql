ALTER TABLE invoices ADD COLUMN collection_method TEXT DEFAULT 'charge_automatically' NOT NULL;
ALTER TABLE invoices ADD COLUMN due_at BIGINT;
ALTER TABLE invoices ADD COLUMN payee TEXT;
ALTER TABLE invoices ADD COLUMN push_reference INTEGER;
ALTER TABLE invoices ADD COLUMN push_amount BIGINT;
ALTER TABLE invoices ADD COLUMN chase TEXT;
CREATE INDEX ix_invoices_customer_open ON invoices (customer_id, id) WHERE status = 'open';
CREATE INDEX ix_invoices_push ON invoices (account_id, livemode, push_amount, push_reference) WHERE push_reference IS NOT NULL;
CREATE TABLE push_payments (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    chain_id BIGINT NOT NULL,
    token TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    token_amount NUMERIC(78, 0) NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    transaction_hash TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    log_index INTEGER NOT NULL,
    customer_id TEXT,
    applied BIGINT NOT NULL,
    credited BIGINT NOT NULL,
    credited_token_amount NUMERIC(78, 0) NOT NULL,
    invoice_ids TEXT NOT NULL,
    test_clock_id TEXT,
    CONSTRAINT pk_push_payments PRIMARY KEY (id)
);
CREATE INDEX ix_push_payments_customer_id ON push_payments (customer_id, id);
CREATE INDEX ix_push_payments_tenant ON push_payments (account_id, livemode, id);
CREATE INDEX ix_push_payments_unmatched ON push_payments (account_id, livemode, id) WHERE status = 'unmatched';
CREATE UNIQUE INDEX uq_push_payments_position ON push_payments (chain_id, block_number, log_index);
CREATE TABLE push_watches (
    chain_id BIGINT NOT NULL,
    recipient TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    watched_from BIGINT NOT NULL,
    CONSTRAINT pk_push_watches PRIMARY KEY (chain_id, recipient, account_id, livemode)
);
CREATE TABLE push_cursors (
    chain_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    CONSTRAINT pk_push_cursors PRIMARY KEY (chain_id)
);
ALTER TABLE charges ALTER COLUMN payment_method_id DROP NOT NULL;
ALTER TABLE charges ALTER COLUMN onchain_mandate_id DROP NOT NULL;
ALTER TABLE charges ALTER COLUMN mandate_period DROP NOT NULL;
ALTER TABLE charges ADD COLUMN payer TEXT;
ALTER TABLE charges ADD COLUMN push_payment_id TEXT;
