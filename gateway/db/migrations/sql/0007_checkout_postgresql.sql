CREATE INDEX ix_mandates_payer ON mandates (payer, id);
CREATE TABLE checkout_sessions (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    mode TEXT NOT NULL,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    token TEXT NOT NULL,
    success_url TEXT NOT NULL,
    cancel_url TEXT,
    offer TEXT NOT NULL,
    customer_id TEXT,
    email TEXT,
    is_email_given BOOLEAN NOT NULL,
    client_reference_id TEXT,
    locale TEXT,
    metadata TEXT NOT NULL,
    answers TEXT NOT NULL,
    promotion_code_id TEXT,
    draft TEXT,
    payment_status TEXT NOT NULL,
    subscription_id TEXT,
    setup_intent_id TEXT,
    invoice_id TEXT,
    confirmed_at BIGINT,
    completed_at BIGINT,
    test_clock_id TEXT,
    wake_at BIGINT,
    CONSTRAINT pk_checkout_sessions PRIMARY KEY (id)
);
CREATE INDEX ix_checkout_sessions_clock ON checkout_sessions (test_clock_id, wake_at) WHERE wake_at IS NOT NULL AND test_clock_id IS NOT NULL;
CREATE INDEX ix_checkout_sessions_customer ON checkout_sessions (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX ix_checkout_sessions_due ON checkout_sessions (wake_at, id) WHERE wake_at IS NOT NULL AND test_clock_id IS NULL;
CREATE INDEX ix_checkout_sessions_subscription ON checkout_sessions (subscription_id, id) WHERE subscription_id IS NOT NULL;
CREATE INDEX ix_checkout_sessions_tenant ON checkout_sessions (account_id, livemode, id);
