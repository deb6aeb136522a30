ALTER TABLE charge_intents ADD COLUMN restarts BOOLEAN DEFAULT false NOT NULL;

ALTER TABLE charge_intents ADD COLUMN failing_since BIGINT;
