ALTER TABLE charges ADD COLUMN amount_refunded BIGINT DEFAULT '0' NOT NULL;
CREATE TABLE token_transfers (
	chain_id BIGINT NOT NULL,
	block_number BIGINT NOT NULL,
	log_index INTEGER NOT NULL,
	block_hash TEXT NOT NULL,
	transaction_hash TEXT NOT NULL,
	token TEXT NOT NULL,
	sender TEXT NOT NULL,
	recipient TEXT NOT NULL,
	amount TEXT NOT NULL,
	object_id TEXT,
	seen_at BIGINT NOT NULL,
	CONSTRAINT pk_token_transfers PRIMARY KEY (chain_id, block_number, log_index)
);
CREATE TABLE transfer_cursors (
	chain_id BIGINT NOT NULL,
	number BIGINT NOT NULL,
	CONSTRAINT pk_transfer_cursors PRIMARY KEY (chain_id)
);
CREATE TABLE refunds (
	id TEXT NOT NULL,
	account_id TEXT NOT NULL,
	livemode BOOLEAN NOT NULL,
	charge_id TEXT NOT NULL,
	charge_intent_id TEXT NOT NULL,
	customer_id TEXT NOT NULL,
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
	sender TEXT NOT NULL,
	recipient TEXT NOT NULL,
	watched_from BIGINT NOT NULL,
	motive TEXT,
	metadata TEXT NOT NULL,
	transaction_hash TEXT,
	block_number BIGINT,
	block_hash TEXT,
	log_index INTEGER,
	succeeded_at BIGINT,
	canceled_at BIGINT,
	test_clock_id TEXT,
	CONSTRAINT pk_refunds PRIMARY KEY (id),
	CONSTRAINT fk_refunds_charge_id FOREIGN KEY(charge_id) REFERENCES charges (id)
);
CREATE INDEX ix_refunds_awaited ON refunds (chain_id, id) WHERE status = 'requires_action';
CREATE INDEX ix_refunds_charge_id ON refunds (charge_id, id);
CREATE INDEX ix_refunds_charge_intent_id ON refunds (charge_intent_id, id);
CREATE INDEX ix_refunds_tenant ON refunds (account_id, livemode, id);
CREATE UNIQUE INDEX uq_refunds_awaited_amount ON refunds (charge_id, token_amount) WHERE status = 'requires_action';
