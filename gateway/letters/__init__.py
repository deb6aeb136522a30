"""What people read: mails, invoices and receipts as documents. Values in, bytes out; no rows, no network, no clock."""
