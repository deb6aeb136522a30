CREATE TABLE sign_in_tickets (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest BLOB,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    email TEXT,
    customer_id TEXT,
    language TEXT,
    return_url TEXT,
    configuration_id TEXT,
    CONSTRAINT pk_sign_in_tickets PRIMARY KEY (id),
    CONSTRAINT uq_sign_in_tickets_digest UNIQUE (digest)
);

CREATE INDEX ix_sign_in_tickets_email ON sign_in_tickets (email, expires_at) WHERE email IS NOT NULL;

CREATE INDEX ix_sign_in_tickets_expires_at ON sign_in_tickets (expires_at);

CREATE TABLE portal_sessions (
    digest BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    wallet TEXT,
    chain_id BIGINT,
    email TEXT,
    customer_id TEXT,
    language TEXT,
    return_url TEXT,
    configuration_id TEXT,
    CONSTRAINT pk_portal_sessions PRIMARY KEY (digest)
);

CREATE INDEX ix_portal_sessions_expires_at ON portal_sessions (expires_at);

CREATE TABLE portal_configurations (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    is_default BOOLEAN NOT NULL,
    name TEXT,
    default_return_url TEXT,
    features TEXT NOT NULL,
    business_profile TEXT NOT NULL,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_portal_configurations PRIMARY KEY (id)
);

CREATE INDEX ix_portal_configurations_tenant ON portal_configurations (account_id, livemode, id);

CREATE UNIQUE INDEX uq_portal_configurations_default ON portal_configurations (account_id, livemode) WHERE is_default;

CREATE INDEX ix_customers_mailbox ON customers (lower(email), id);
