ALTER TABLE subscriptions ADD COLUMN cancellation_comment TEXT;
ALTER TABLE subscriptions ADD COLUMN cancellation_feedback TEXT;
ALTER TABLE subscriptions ADD COLUMN start_at BIGINT;
ALTER TABLE subscriptions ADD COLUMN periods_before INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE subscriptions ADD COLUMN trial_start BIGINT;
ALTER TABLE subscriptions ADD COLUMN trial_end BIGINT;
ALTER TABLE subscriptions ADD COLUMN trial_notice_at BIGINT;
ALTER TABLE subscriptions ADD COLUMN upcoming_at BIGINT;
ALTER TABLE subscriptions ADD COLUMN pending_setup_intent_id TEXT;
ALTER TABLE subscriptions ADD COLUMN paused_at BIGINT;
ALTER TABLE subscriptions ADD COLUMN grace_ends_at BIGINT;
ALTER TABLE subscriptions ADD COLUMN collection_method TEXT DEFAULT 'charge_automatically' NOT NULL;
ALTER TABLE subscriptions ADD COLUMN days_until_due INTEGER;
ALTER TABLE charge_intents ADD COLUMN requested BOOLEAN DEFAULT false NOT NULL;
ALTER TABLE accounts ADD COLUMN settings TEXT;
ALTER TABLE products ADD COLUMN trial_period_days INTEGER;
CREATE TABLE setup_intents (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    customer_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    client_secret TEXT NOT NULL,
    payment_method_id TEXT,
    mandate_id TEXT,
    chain_id BIGINT,
    next_attempt_at BIGINT,
    transaction_id TEXT,
    description TEXT,
    metadata TEXT NOT NULL,
    succeeded_at BIGINT,
    canceled_at BIGINT,
    test_clock_id TEXT,
    wake_at BIGINT,
    CONSTRAINT pk_setup_intents PRIMARY KEY (id),
    CONSTRAINT fk_setup_intents_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT fk_setup_intents_mandate_id FOREIGN KEY(mandate_id) REFERENCES mandates (id)
);
CREATE INDEX ix_setup_intents_clock ON setup_intents (test_clock_id, wake_at) WHERE wake_at IS NOT NULL AND test_clock_id IS NOT NULL;
CREATE INDEX ix_setup_intents_customer_id ON setup_intents (customer_id, id);
CREATE INDEX ix_setup_intents_due ON setup_intents (chain_id, wake_at, id) WHERE wake_at IS NOT NULL AND test_clock_id IS NULL;
CREATE INDEX ix_setup_intents_mandate_id ON setup_intents (mandate_id);
CREATE INDEX ix_setup_intents_subscription_id ON setup_intents (subscription_id, id);
CREATE INDEX ix_setup_intents_tenant ON setup_intents (account_id, livemode, id);
CREATE INDEX ix_setup_intents_under_way ON setup_intents (transaction_id) WHERE status = 'processing';
