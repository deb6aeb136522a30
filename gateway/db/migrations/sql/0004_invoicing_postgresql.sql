ALTER TABLE customers ADD COLUMN balance BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE customers ADD COLUMN balance_currency TEXT;

ALTER TABLE subscriptions ADD COLUMN discounts TEXT DEFAULT '[]' NOT NULL;

ALTER TABLE subscriptions ADD COLUMN tax_rate_ids TEXT DEFAULT '[]' NOT NULL;

ALTER TABLE subscription_items ADD COLUMN tax_rate_ids TEXT DEFAULT '[]' NOT NULL;

ALTER TABLE invoices ADD COLUMN discounts TEXT DEFAULT '[]' NOT NULL;

ALTER TABLE invoices ADD COLUMN starting_balance BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE invoices ADD COLUMN ending_balance BIGINT;

ALTER TABLE invoice_lines ADD COLUMN discountable BOOLEAN DEFAULT true NOT NULL;

ALTER TABLE invoice_lines ADD COLUMN proration BOOLEAN DEFAULT false NOT NULL;

ALTER TABLE invoice_lines ADD COLUMN invoice_item_id TEXT;

ALTER TABLE invoice_lines ADD COLUMN discount_amounts TEXT DEFAULT '[]' NOT NULL;

ALTER TABLE invoice_lines ADD COLUMN tax_amounts TEXT DEFAULT '[]' NOT NULL;

CREATE TABLE tax_rates (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    percentage_ppm INTEGER NOT NULL,
    inclusive BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL,
    country TEXT,
    state TEXT,
    jurisdiction TEXT,
    description TEXT,
    tax_type TEXT,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_tax_rates PRIMARY KEY (id)
);

CREATE INDEX ix_tax_rates_tenant ON tax_rates (account_id, livemode, id);

CREATE TABLE coupons (
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    id TEXT NOT NULL,
    serial TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    duration TEXT NOT NULL,
    percent_off INTEGER,
    amount_off BIGINT,
    currency TEXT,
    duration_in_months INTEGER,
    max_redemptions BIGINT,
    times_redeemed BIGINT NOT NULL,
    redeem_by BIGINT,
    name TEXT,
    deleted BOOLEAN NOT NULL,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_coupons PRIMARY KEY (account_id, livemode, id)
);

CREATE UNIQUE INDEX uq_coupons_serial ON coupons (account_id, livemode, serial);

CREATE TABLE promotion_codes (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    code TEXT NOT NULL,
    coupon_id TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    customer_id TEXT,
    expires_at BIGINT,
    max_redemptions BIGINT,
    times_redeemed BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_promotion_codes PRIMARY KEY (id),
    CONSTRAINT fk_promotion_codes_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id)
);

CREATE INDEX ix_promotion_codes_tenant ON promotion_codes (account_id, livemode, id);

CREATE UNIQUE INDEX uq_promotion_codes_code ON promotion_codes (account_id, livemode, code) WHERE active;

CREATE TABLE invoice_items (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    customer_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    unit_amount BIGINT,
    description TEXT,
    price_id TEXT,
    subscription_id TEXT,
    subscription_item_id TEXT,
    invoice_id TEXT,
    discountable BOOLEAN NOT NULL,
    proration BOOLEAN NOT NULL,
    tax_rate_ids TEXT NOT NULL,
    test_clock_id TEXT,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_invoice_items PRIMARY KEY (id),
    CONSTRAINT fk_invoice_items_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id)
);

CREATE INDEX ix_invoice_items_customer_id ON invoice_items (customer_id, id);

CREATE INDEX ix_invoice_items_invoice_id ON invoice_items (invoice_id);

CREATE INDEX ix_invoice_items_pending ON invoice_items (customer_id, id) WHERE invoice_id IS NULL;

CREATE INDEX ix_invoice_items_tenant ON invoice_items (account_id, livemode, id);

CREATE TABLE balance_transactions (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    customer_id TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    ending_balance BIGINT NOT NULL,
    type TEXT NOT NULL,
    invoice_id TEXT,
    description TEXT,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_balance_transactions PRIMARY KEY (id),
    CONSTRAINT fk_balance_transactions_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id)
);

CREATE INDEX ix_balance_transactions_customer_id ON balance_transactions (customer_id, id);

CREATE INDEX ix_balance_transactions_tenant ON balance_transactions (account_id, livemode, id);
