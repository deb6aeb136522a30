ALTER TABLE payment_methods ADD COLUMN allowance TEXT;

ALTER TABLE payment_methods ADD COLUMN balance TEXT;

ALTER TABLE payment_methods ADD COLUMN renewals_left INTEGER;

ALTER TABLE payment_methods ADD COLUMN checked_at BIGINT;

ALTER TABLE payment_methods ADD COLUMN warned_at BIGINT;

CREATE TABLE wallet_cursors (
    chain_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    CONSTRAINT pk_wallet_cursors PRIMARY KEY (chain_id)
);
