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
    token_amount TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    transaction_hash TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    log_index INTEGER NOT NULL,
    customer_id TEXT,
    applied BIGINT NOT NULL,
    credited BIGINT NOT NULL,
    credited_token_amount TEXT NOT NULL,
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
CREATE TABLE charges_new (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    charge_intent_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    payment_method_id TEXT,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    chain_id BIGINT NOT NULL,
    token TEXT NOT NULL,
    token_amount TEXT NOT NULL,
    onchain_mandate_id TEXT,
    mandate_period INTEGER,
    transaction_id TEXT,
    transaction_hash TEXT,
    block_number BIGINT,
    block_hash TEXT,
    log_index INTEGER,
    settled_at BIGINT,
    amount_refunded BIGINT DEFAULT '0' NOT NULL,
    payer TEXT,
    push_payment_id TEXT,
    CONSTRAINT pk_charges PRIMARY KEY (id),
    CONSTRAINT fk_charges_charge_intent_id FOREIGN KEY(charge_intent_id) REFERENCES charge_intents (id),
    CONSTRAINT fk_charges_transaction_id FOREIGN KEY(transaction_id) REFERENCES chain_transactions (id)
);
INSERT INTO charges_new (id, account_id, livemode, charge_intent_id, invoice_id, customer_id, subscription_id, payment_method_id, status, reason_code, reason_action, reason_evidence, created_at, amount, currency, chain_id, token, token_amount, onchain_mandate_id, mandate_period, transaction_id, transaction_hash, block_number, block_hash, log_index, settled_at, amount_refunded)
SELECT id, account_id, livemode, charge_intent_id, invoice_id, customer_id, subscription_id, payment_method_id, status, reason_code, reason_action, reason_evidence, created_at, amount, currency, chain_id, token, token_amount, onchain_mandate_id, mandate_period, transaction_id, transaction_hash, block_number, block_hash, log_index, settled_at, amount_refunded FROM charges;
DROP TABLE charges;
ALTER TABLE charges_new RENAME TO charges;
CREATE INDEX ix_charges_block ON charges (chain_id, block_number) WHERE block_number IS NOT NULL;
CREATE INDEX ix_charges_charge_intent_id ON charges (charge_intent_id, id);
CREATE INDEX ix_charges_customer_id ON charges (customer_id, id);
CREATE INDEX ix_charges_pending ON charges (transaction_id) WHERE status = 'pending';
CREATE INDEX ix_charges_tenant ON charges (account_id, livemode, id);
