ALTER TABLE subscriptions ADD COLUMN pending_update TEXT;

DROP INDEX uq_invoices_period;

CREATE UNIQUE INDEX uq_invoices_period ON invoices (subscription_id, period_index) WHERE status <> 'void' AND billing_reason <> 'subscription_update';

CREATE INDEX ix_invoices_subscription_id ON invoices (subscription_id, id);

CREATE INDEX ix_invoice_lines_subscription_item_id ON invoice_lines (subscription_item_id, period_end);
