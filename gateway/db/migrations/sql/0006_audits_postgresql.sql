CREATE TABLE audit_cursors (
	chain_id BIGINT NOT NULL,
	number BIGINT NOT NULL,
	CONSTRAINT pk_audit_cursors PRIMARY KEY (chain_id)
);
CREATE INDEX ix_charges_block ON charges (chain_id, block_number) WHERE block_number IS NOT NULL;
CREATE INDEX ix_refunds_block ON refunds (chain_id, block_number) WHERE block_number IS NOT NULL;
