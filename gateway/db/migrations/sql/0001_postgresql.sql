CREATE TABLE accounts (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    payout_address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (id)
);

CREATE TABLE blocks (
    chain_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    timestamp_seconds BIGINT NOT NULL,
    CONSTRAINT pk_blocks PRIMARY KEY (chain_id, number)
);

CREATE TABLE chain_cursors (
    chain_id BIGINT NOT NULL,
    head_number BIGINT,
    head_hash TEXT,
    final_number BIGINT,
    halted_reason TEXT,
    CONSTRAINT pk_chain_cursors PRIMARY KEY (chain_id)
);

CREATE TABLE chain_logs (
    id BIGSERIAL NOT NULL,
    chain_id BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    block_hash TEXT NOT NULL,
    transaction_hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    mandate_id TEXT NOT NULL,
    period INTEGER,
    amount NUMERIC(78, 0),
    detail TEXT,
    settled_at BIGINT,
    CONSTRAINT pk_chain_logs PRIMARY KEY (id)
);

CREATE INDEX ix_chain_logs_mandate_id ON chain_logs (mandate_id, period);

CREATE INDEX ix_chain_logs_unsettled ON chain_logs (chain_id, block_number, log_index) WHERE settled_at IS NULL;

CREATE UNIQUE INDEX uq_chain_logs_position ON chain_logs (chain_id, block_number, log_index);

CREATE TABLE chain_transactions (
    id TEXT NOT NULL,
    chain_id BIGINT NOT NULL,
    signer TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    "to" TEXT NOT NULL,
    data BYTEA NOT NULL,
    gas BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    mined_number BIGINT,
    mined_hash TEXT,
    succeeded BOOLEAN,
    wanted BOOLEAN NOT NULL,
    used_since_block BIGINT,
    CONSTRAINT pk_chain_transactions PRIMARY KEY (id)
);

CREATE INDEX ix_chain_transactions_in_flight ON chain_transactions (chain_id, signer, nonce) WHERE status IN ('open', 'mined');

CREATE UNIQUE INDEX uq_chain_transactions_nonce ON chain_transactions (chain_id, signer, nonce);

CREATE TABLE events (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    sequence BIGINT NOT NULL,
    type TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    object_sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    snapshot BYTEA NOT NULL,
    previous BYTEA,
    request_id TEXT,
    CONSTRAINT pk_events PRIMARY KEY (id)
);

CREATE UNIQUE INDEX uq_events_object_sequence ON events (object_id, object_sequence);

CREATE UNIQUE INDEX uq_events_sequence ON events (account_id, livemode, sequence);

CREATE TABLE invoice_sequences (
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    last BIGINT NOT NULL,
    CONSTRAINT pk_invoice_sequences PRIMARY KEY (account_id, livemode)
);

CREATE TABLE lanes (
    chain_id BIGINT NOT NULL,
    signer TEXT NOT NULL,
    next_nonce BIGINT NOT NULL,
    owner TEXT,
    leased_until BIGINT,
    halted_reason TEXT,
    CONSTRAINT pk_lanes PRIMARY KEY (chain_id, signer)
);

CREATE TABLE state_changes (
    id BIGSERIAL NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    source TEXT,
    target TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_state_changes PRIMARY KEY (id)
);

CREATE INDEX ix_state_changes_object_id ON state_changes (object_id, id);

CREATE TABLE api_keys (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    kind TEXT NOT NULL,
    digest BYTEA NOT NULL,
    last4 TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    used_at BIGINT,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT fk_api_keys_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT uq_api_keys_digest UNIQUE (digest)
);

CREATE INDEX ix_api_keys_account_id ON api_keys (account_id);

CREATE TABLE event_sequences (
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    last BIGINT NOT NULL,
    CONSTRAINT pk_event_sequences PRIMARY KEY (account_id, livemode),
    CONSTRAINT fk_event_sequences_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE TABLE idempotency_keys (
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    key TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    status_code INTEGER,
    headers TEXT,
    body BYTEA,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (account_id, livemode, key),
    CONSTRAINT fk_idempotency_keys_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);

CREATE TABLE products (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    description TEXT,
    metadata TEXT NOT NULL,
    default_price_id TEXT,
    deleted BOOLEAN NOT NULL,
    CONSTRAINT pk_products PRIMARY KEY (id),
    CONSTRAINT fk_products_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX ix_products_tenant ON products (account_id, livemode, id);

CREATE TABLE test_clocks (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    frozen_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    name TEXT,
    target_at BIGINT,
    deleted BOOLEAN NOT NULL,
    CONSTRAINT pk_test_clocks PRIMARY KEY (id),
    CONSTRAINT fk_test_clocks_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX ix_test_clocks_advancing ON test_clocks (id) WHERE status = 'advancing';

CREATE INDEX ix_test_clocks_running ON test_clocks (id) WHERE NOT deleted;

CREATE INDEX ix_test_clocks_tenant ON test_clocks (account_id, livemode, id);

CREATE TABLE transaction_attempts (
    hash TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    raw BYTEA NOT NULL,
    max_fee_per_gas NUMERIC(78, 0) NOT NULL,
    max_priority_fee_per_gas NUMERIC(78, 0) NOT NULL,
    made_at_block BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    is_noop BOOLEAN NOT NULL,
    sent_at BIGINT,
    sent_at_block BIGINT,
    send_count INTEGER NOT NULL,
    last_result TEXT,
    last_error TEXT,
    CONSTRAINT pk_transaction_attempts PRIMARY KEY (hash),
    CONSTRAINT fk_transaction_attempts_transaction_id FOREIGN KEY(transaction_id) REFERENCES chain_transactions (id)
);

CREATE INDEX ix_transaction_attempts_transaction_id ON transaction_attempts (transaction_id);

CREATE TABLE webhook_endpoints (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    url TEXT NOT NULL,
    enabled_events TEXT NOT NULL,
    secret TEXT NOT NULL,
    status TEXT NOT NULL,
    profile TEXT NOT NULL,
    description TEXT,
    metadata TEXT NOT NULL,
    previous_secret TEXT,
    previous_secret_expires_at BIGINT,
    deleted BOOLEAN NOT NULL,
    CONSTRAINT pk_webhook_endpoints PRIMARY KEY (id),
    CONSTRAINT fk_webhook_endpoints_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX ix_webhook_endpoints_tenant ON webhook_endpoints (account_id, livemode, id);

CREATE TABLE customers (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    email TEXT,
    name TEXT,
    phone TEXT,
    description TEXT,
    metadata TEXT NOT NULL,
    default_payment_method_id TEXT,
    test_clock_id TEXT,
    deleted BOOLEAN NOT NULL,
    CONSTRAINT pk_customers PRIMARY KEY (id),
    CONSTRAINT fk_customers_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT fk_customers_test_clock_id FOREIGN KEY(test_clock_id) REFERENCES test_clocks (id)
);

CREATE INDEX ix_customers_clock ON customers (test_clock_id, id) WHERE test_clock_id IS NOT NULL;

CREATE INDEX ix_customers_email ON customers (account_id, livemode, email, id);

CREATE INDEX ix_customers_tenant ON customers (account_id, livemode, id);

CREATE TABLE deliveries (
    id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at BIGINT,
    last_status_code INTEGER,
    last_error TEXT,
    delivered_at BIGINT,
    CONSTRAINT pk_deliveries PRIMARY KEY (id),
    CONSTRAINT fk_deliveries_event_id FOREIGN KEY(event_id) REFERENCES events (id),
    CONSTRAINT fk_deliveries_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES webhook_endpoints (id)
);

CREATE INDEX ix_deliveries_due ON deliveries (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;

CREATE INDEX ix_deliveries_endpoint_id ON deliveries (endpoint_id, id);

CREATE INDEX ix_deliveries_queue ON deliveries (endpoint_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE UNIQUE INDEX uq_deliveries_event_id ON deliveries (event_id, endpoint_id);

CREATE TABLE prices (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    product_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    unit_amount BIGINT NOT NULL,
    interval_unit TEXT,
    interval_count INTEGER,
    active BOOLEAN NOT NULL,
    nickname TEXT,
    lookup_key TEXT,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_prices PRIMARY KEY (id),
    CONSTRAINT fk_prices_product_id FOREIGN KEY(product_id) REFERENCES products (id)
);

CREATE INDEX ix_prices_product_id ON prices (product_id, id);

CREATE INDEX ix_prices_tenant ON prices (account_id, livemode, id);

CREATE UNIQUE INDEX uq_prices_lookup_key ON prices (account_id, livemode, lookup_key) WHERE lookup_key IS NOT NULL;

CREATE TABLE delivery_attempts (
    id BIGSERIAL NOT NULL,
    delivery_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    status_code INTEGER,
    latency_ms INTEGER NOT NULL,
    error TEXT,
    answer BYTEA NOT NULL,
    CONSTRAINT pk_delivery_attempts PRIMARY KEY (id),
    CONSTRAINT fk_delivery_attempts_delivery_id FOREIGN KEY(delivery_id) REFERENCES deliveries (id)
);

CREATE INDEX ix_delivery_attempts_delivery_id ON delivery_attempts (delivery_id, id);

CREATE TABLE payment_methods (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    chain_id BIGINT NOT NULL,
    token TEXT NOT NULL,
    owner TEXT NOT NULL,
    spender TEXT NOT NULL,
    customer_id TEXT,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_payment_methods PRIMARY KEY (id),
    CONSTRAINT fk_payment_methods_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id)
);

CREATE INDEX ix_payment_methods_customer_id ON payment_methods (customer_id, id);

CREATE INDEX ix_payment_methods_tenant ON payment_methods (account_id, livemode, id);

CREATE INDEX ix_payment_methods_wallet ON payment_methods (owner, token, chain_id);

CREATE TABLE subscriptions (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    customer_id TEXT NOT NULL,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    currency TEXT NOT NULL,
    interval_unit TEXT NOT NULL,
    interval_count INTEGER NOT NULL,
    anchor BIGINT NOT NULL,
    period_index INTEGER NOT NULL,
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    payment_method_id TEXT,
    mandate_id TEXT,
    latest_invoice_id TEXT,
    description TEXT,
    metadata TEXT NOT NULL,
    expires_at BIGINT,
    activated_at BIGINT,
    ends_at BIGINT,
    cancel_at_period_end BOOLEAN NOT NULL,
    canceled_at BIGINT,
    ended_at BIGINT,
    cancellation_reason TEXT,
    test_clock_id TEXT,
    wake_at BIGINT,
    CONSTRAINT pk_subscriptions PRIMARY KEY (id),
    CONSTRAINT fk_subscriptions_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT fk_subscriptions_test_clock_id FOREIGN KEY(test_clock_id) REFERENCES test_clocks (id)
);

CREATE INDEX ix_subscriptions_clock ON subscriptions (test_clock_id, wake_at) WHERE wake_at IS NOT NULL AND test_clock_id IS NOT NULL;

CREATE INDEX ix_subscriptions_customer_id ON subscriptions (customer_id, id);

CREATE INDEX ix_subscriptions_due ON subscriptions (wake_at, id) WHERE wake_at IS NOT NULL AND test_clock_id IS NULL;

CREATE INDEX ix_subscriptions_status ON subscriptions (account_id, livemode, status, id);

CREATE INDEX ix_subscriptions_tenant ON subscriptions (account_id, livemode, id);

CREATE TABLE invoices (
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
    billing_reason TEXT NOT NULL,
    currency TEXT NOT NULL,
    total BIGINT NOT NULL,
    amount_paid BIGINT NOT NULL,
    period_index INTEGER NOT NULL,
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    number TEXT,
    description TEXT,
    metadata TEXT NOT NULL,
    auto_advance BOOLEAN NOT NULL,
    finalizes_at BIGINT,
    finalized_at BIGINT,
    paid_at BIGINT,
    voided_at BIGINT,
    charge_intent_id TEXT,
    test_clock_id TEXT,
    wake_at BIGINT,
    CONSTRAINT pk_invoices PRIMARY KEY (id),
    CONSTRAINT fk_invoices_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id)
);

CREATE INDEX ix_invoices_clock ON invoices (test_clock_id, wake_at) WHERE wake_at IS NOT NULL AND test_clock_id IS NOT NULL;

CREATE INDEX ix_invoices_customer_id ON invoices (customer_id, id);

CREATE INDEX ix_invoices_due ON invoices (wake_at, id) WHERE wake_at IS NOT NULL AND test_clock_id IS NULL;

CREATE INDEX ix_invoices_open ON invoices (account_id, livemode, id) WHERE status = 'open';

CREATE INDEX ix_invoices_owed ON invoices (subscription_id, id) WHERE status = 'open';

CREATE INDEX ix_invoices_tenant ON invoices (account_id, livemode, id);

CREATE UNIQUE INDEX uq_invoices_period ON invoices (subscription_id, period_index) WHERE status <> 'void';

CREATE TABLE mandates (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    customer_id TEXT NOT NULL,
    payment_method_id TEXT NOT NULL,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    chain_id BIGINT NOT NULL,
    contract TEXT NOT NULL,
    onchain_id TEXT NOT NULL,
    payer TEXT NOT NULL,
    payee TEXT NOT NULL,
    token TEXT NOT NULL,
    amount NUMERIC(78, 0) NOT NULL,
    unit INTEGER NOT NULL,
    every BIGINT NOT NULL,
    fee_bps INTEGER NOT NULL,
    start_seconds BIGINT NOT NULL,
    periods INTEGER NOT NULL,
    arrears INTEGER NOT NULL,
    deadline_seconds NUMERIC(78, 0) NOT NULL,
    salt NUMERIC(78, 0) NOT NULL,
    subscription_id TEXT,
    signature BYTEA,
    permit TEXT,
    signed_at BIGINT,
    registered_at BIGINT,
    revoked_at BIGINT,
    CONSTRAINT pk_mandates PRIMARY KEY (id),
    CONSTRAINT fk_mandates_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT fk_mandates_payment_method_id FOREIGN KEY(payment_method_id) REFERENCES payment_methods (id)
);

CREATE INDEX ix_mandates_customer_id ON mandates (customer_id, id);

CREATE INDEX ix_mandates_tenant ON mandates (account_id, livemode, id);

CREATE UNIQUE INDEX uq_mandates_onchain_id ON mandates (chain_id, onchain_id);

CREATE TABLE subscription_items (
    id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    price_id TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_subscription_items PRIMARY KEY (id),
    CONSTRAINT fk_subscription_items_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT fk_subscription_items_price_id FOREIGN KEY(price_id) REFERENCES prices (id)
);

CREATE INDEX ix_subscription_items_price_id ON subscription_items (price_id, subscription_id);

CREATE INDEX ix_subscription_items_subscription_id ON subscription_items (subscription_id, position);

CREATE TABLE charge_intents (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    customer_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    client_secret TEXT NOT NULL,
    payment_method_id TEXT,
    mandate_id TEXT,
    mandate_period INTEGER,
    chain_id BIGINT,
    token TEXT,
    token_amount NUMERIC(78, 0),
    attempts INTEGER NOT NULL,
    next_attempt_at BIGINT,
    policy TEXT,
    latest_charge_id TEXT,
    succeeded_at BIGINT,
    canceled_at BIGINT,
    metadata TEXT NOT NULL,
    test_clock_id TEXT,
    wake_at BIGINT,
    CONSTRAINT pk_charge_intents PRIMARY KEY (id),
    CONSTRAINT fk_charge_intents_invoice_id FOREIGN KEY(invoice_id) REFERENCES invoices (id),
    CONSTRAINT fk_charge_intents_mandate_id FOREIGN KEY(mandate_id) REFERENCES mandates (id)
);

CREATE INDEX ix_charge_intents_clock ON charge_intents (test_clock_id, wake_at) WHERE wake_at IS NOT NULL AND test_clock_id IS NOT NULL;

CREATE INDEX ix_charge_intents_customer_id ON charge_intents (customer_id, id);

CREATE INDEX ix_charge_intents_due ON charge_intents (chain_id, wake_at, id) WHERE wake_at IS NOT NULL AND test_clock_id IS NULL;

CREATE INDEX ix_charge_intents_failed ON charge_intents (payment_method_id) WHERE status = 'failed';

CREATE INDEX ix_charge_intents_subscription_id ON charge_intents (subscription_id, id);

CREATE INDEX ix_charge_intents_tenant ON charge_intents (account_id, livemode, id);

CREATE INDEX ix_charge_intents_under_way ON charge_intents (test_clock_id) WHERE status = 'processing' AND test_clock_id IS NOT NULL;

CREATE UNIQUE INDEX uq_charge_intents_invoice_id ON charge_intents (invoice_id);

CREATE UNIQUE INDEX uq_charge_intents_mandate_period ON charge_intents (mandate_id, mandate_period) WHERE mandate_id IS NOT NULL AND status <> 'canceled';

CREATE TABLE invoice_lines (
    id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    description TEXT NOT NULL,
    amount BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    price_id TEXT,
    subscription_item_id TEXT,
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    CONSTRAINT pk_invoice_lines PRIMARY KEY (id),
    CONSTRAINT fk_invoice_lines_invoice_id FOREIGN KEY(invoice_id) REFERENCES invoices (id)
);

CREATE INDEX ix_invoice_lines_invoice_id ON invoice_lines (invoice_id, position);

CREATE TABLE charges (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    charge_intent_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    payment_method_id TEXT NOT NULL,
    status TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason_action TEXT NOT NULL,
    reason_evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    chain_id BIGINT NOT NULL,
    token TEXT NOT NULL,
    token_amount NUMERIC(78, 0) NOT NULL,
    onchain_mandate_id TEXT NOT NULL,
    mandate_period INTEGER NOT NULL,
    transaction_id TEXT,
    transaction_hash TEXT,
    block_number BIGINT,
    block_hash TEXT,
    log_index INTEGER,
    settled_at BIGINT,
    CONSTRAINT pk_charges PRIMARY KEY (id),
    CONSTRAINT fk_charges_charge_intent_id FOREIGN KEY(charge_intent_id) REFERENCES charge_intents (id),
    CONSTRAINT fk_charges_transaction_id FOREIGN KEY(transaction_id) REFERENCES chain_transactions (id)
);

CREATE INDEX ix_charges_charge_intent_id ON charges (charge_intent_id, id);

CREATE INDEX ix_charges_customer_id ON charges (customer_id, id);

CREATE INDEX ix_charges_pending ON charges (transaction_id) WHERE status = 'pending';

CREATE INDEX ix_charges_tenant ON charges (account_id, livemode, id);
