"""Every table in one place. Statements name a table as `schema.invoices`; `schema.metadata` is the whole."""

from typing import Final

from sqlalchemy import MetaData

from gateway.db.tables import (
    acts as act_tables,
)
from gateway.db.tables import (
    base,
    billing,
    chain,
    checkouts,
    events,
    mails,
    merchants,
    metering,
    portals,
    pricing,
    pushes,
    setups,
    transfers,
)

metadata: Final[MetaData] = base.metadata

accounts = merchants.accounts
acts = act_tables.acts
api_keys = merchants.api_keys
test_clocks = merchants.test_clocks
customers = merchants.customers
products = merchants.products
prices = merchants.prices
payment_methods = merchants.payment_methods
idempotency_keys = merchants.idempotency_keys

mandates = billing.mandates
subscriptions = billing.subscriptions
subscription_items = billing.subscription_items
invoices = billing.invoices
invoice_lines = billing.invoice_lines
invoice_sequences = billing.invoice_sequences
charge_intents = billing.charge_intents
charges = billing.charges

setup_intents = setups.setup_intents
checkout_sessions = checkouts.checkout_sessions
pricing_tables = checkouts.pricing_tables
sign_in_tickets = portals.sign_in_tickets
portal_sessions = portals.portal_sessions
portal_configurations = portals.portal_configurations
refunds = transfers.refunds
transfer_cursors = transfers.transfer_cursors
wallet_cursors = transfers.wallet_cursors
token_transfers = transfers.token_transfers
push_payments = pushes.push_payments
push_watches = pushes.push_watches
push_cursors = pushes.push_cursors

tax_rates = pricing.tax_rates
coupons = pricing.coupons
promotion_codes = pricing.promotion_codes
invoice_items = pricing.invoice_items
balance_transactions = pricing.balance_transactions

meters = metering.meters
meter_events = metering.meter_events

event_sequences = events.event_sequences
event_log = events.events
webhook_endpoints = events.webhook_endpoints
deliveries = events.deliveries
delivery_attempts = events.delivery_attempts
state_changes = events.state_changes

mail_queue = mails.mails

lanes = chain.lanes
chain_transactions = chain.chain_transactions
transaction_attempts = chain.transaction_attempts
chain_cursors = chain.chain_cursors
audit_cursors = chain.audit_cursors
blocks = chain.blocks
chain_logs = chain.chain_logs
