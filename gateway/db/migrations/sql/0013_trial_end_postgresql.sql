ALTER TABLE subscriptions ADD COLUMN missing_payment_method TEXT DEFAULT 'create_invoice' NOT NULL;
