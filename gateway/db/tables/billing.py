"""What is agreed and owed: mandates, subscriptions, invoices, the intents and charges that pay them."""

from typing import Final

from sqlalchemy import Column, Index, Table, text

from gateway.db.columns import (
    AddressColumn,
    Amount,
    BaseUnits,
    Bytes,
    Count,
    EnumColumn,
    Flag,
    Hash32Column,
    Identifier,
    MandateIdColumn,
)
from gateway.db.tables.base import (
    at,
    document,
    due,
    key,
    metadata,
    of_tenant,
    owner,
    partial,
    pointer,
    reason,
    tenant,
    words,
)
from gateway.domain.cancellation import CancellationFeedback, CancellationReason
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.invoice import BillingReason
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.period import IntervalUnit
from gateway.domain.subscription import CollectionMethod
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.terms import MissingPaymentMethod

mandates: Final = Table(
    "mandates",
    metadata,
    key(),
    *tenant(),
    owner("customer_id", "customers"),
    owner("payment_method_id", "payment_methods"),
    Column("status", EnumColumn(MandateStatus), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    Column("chain_id", Amount, nullable=False),
    Column("contract", AddressColumn, nullable=False),
    Column("onchain_id", MandateIdColumn, nullable=False),
    Column("payer", AddressColumn, nullable=False),
    Column("payee", AddressColumn, nullable=False),
    Column("token", AddressColumn, nullable=False),
    Column("amount", BaseUnits, nullable=False),
    Column("unit", Count, nullable=False),
    Column("every", Amount, nullable=False),
    Column("fee_bps", Count, nullable=False),
    Column("start_seconds", Amount, nullable=False),
    Column("periods", Count, nullable=False),
    Column("arrears", Count, nullable=False),
    Column("deadline_seconds", BaseUnits, nullable=False),
    Column("salt", BaseUnits, nullable=False),
    pointer("subscription_id"),
    Column("signature", Bytes, nullable=True),
    document("permit", nullable=True),
    at("signed_at"),
    at("registered_at"),
    at("revoked_at"),
)
of_tenant(mandates)
Index("uq_mandates_onchain_id", mandates.c.chain_id, mandates.c.onchain_id, unique=True)
Index("ix_mandates_customer_id", mandates.c.customer_id, mandates.c.id)
Index("ix_mandates_payer", mandates.c.payer, mandates.c.id)

subscriptions: Final = Table(
    "subscriptions",
    metadata,
    key(),
    *tenant(),
    owner("customer_id", "customers"),
    Column("status", EnumColumn(SubscriptionStatus), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    words("currency", nullable=False),
    Column("interval_unit", EnumColumn(IntervalUnit), nullable=False),
    Column("interval_count", Count, nullable=False),
    at("anchor", nullable=False),
    Column("period_index", Count, nullable=False),
    at("period_start", nullable=False),
    at("period_end", nullable=False),
    pointer("payment_method_id"),
    pointer("mandate_id"),
    pointer("latest_invoice_id"),
    document("discounts", initially="[]"),
    document("tax_rate_ids", initially="[]"),
    words("description"),
    document("metadata"),
    at("expires_at"),
    at("activated_at"),
    at("ends_at"),
    Column("cancel_at_period_end", Flag, nullable=False),
    at("canceled_at"),
    at("ended_at"),
    Column("cancellation_reason", EnumColumn(CancellationReason), nullable=True),
    owner("test_clock_id", "test_clocks", nullable=True),
    at("wake_at"),
    words("cancellation_comment"),
    Column("cancellation_feedback", EnumColumn(CancellationFeedback), nullable=True),
    at("start_at"),
    Column("periods_before", Count, nullable=False, server_default=text("0")),
    at("trial_start"),
    at("trial_end"),
    at("trial_notice_at"),
    at("upcoming_at"),
    pointer("pending_setup_intent_id"),
    at("paused_at"),
    at("grace_ends_at"),
    Column(
        "collection_method",
        EnumColumn(CollectionMethod),
        nullable=False,
        server_default=CollectionMethod.CHARGE_AUTOMATICALLY.value,
    ),
    Column("days_until_due", Count, nullable=True),
    document("pending_update", nullable=True),
    Column("mandate_amount", Amount, nullable=True),
    Column(
        "missing_payment_method",
        EnumColumn(MissingPaymentMethod),
        nullable=False,
        server_default=MissingPaymentMethod.CREATE_INVOICE.value,
    ),
)
of_tenant(subscriptions)
due(subscriptions)
Index("ix_subscriptions_customer_id", subscriptions.c.customer_id, subscriptions.c.id)
Index(
    "ix_subscriptions_status",
    subscriptions.c.account_id,
    subscriptions.c.livemode,
    subscriptions.c.status,
    subscriptions.c.id,
)

subscription_items: Final = Table(
    "subscription_items",
    metadata,
    key(),
    owner("subscription_id", "subscriptions"),
    Column("position", Count, nullable=False),
    owner("price_id", "prices"),
    Column("quantity", Amount, nullable=False),
    at("created_at", nullable=False),
    document("metadata"),
    document("tax_rate_ids", initially="[]"),
)
Index("ix_subscription_items_subscription_id", subscription_items.c.subscription_id, subscription_items.c.position)
Index("ix_subscription_items_price_id", subscription_items.c.price_id, subscription_items.c.subscription_id)

invoices: Final = Table(
    "invoices",
    metadata,
    key(),
    *tenant(),
    Column("customer_id", Identifier, nullable=False),
    owner("subscription_id", "subscriptions"),
    Column("status", EnumColumn(InvoiceStatus), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    Column("billing_reason", EnumColumn(BillingReason), nullable=False),
    words("currency", nullable=False),
    Column("total", Amount, nullable=False),
    Column("amount_paid", Amount, nullable=False),
    Column("period_index", Count, nullable=False),
    at("period_start", nullable=False),
    at("period_end", nullable=False),
    words("number"),
    words("description"),
    document("metadata"),
    Column("auto_advance", Flag, nullable=False),
    at("finalizes_at"),
    at("finalized_at"),
    at("paid_at"),
    at("voided_at"),
    pointer("charge_intent_id"),
    pointer("test_clock_id"),
    at("wake_at"),
    document("discounts", initially="[]"),
    Column("starting_balance", Amount, nullable=False, server_default=text("0")),
    Column("ending_balance", Amount, nullable=True),
    words("access_token"),
    Column(
        "collection_method",
        EnumColumn(CollectionMethod),
        nullable=False,
        server_default=CollectionMethod.CHARGE_AUTOMATICALLY.value,
    ),
    at("due_at"),
    Column("payee", AddressColumn, nullable=True),
    Column("push_reference", Count, nullable=True),
    Column("push_amount", Amount, nullable=True),
    document("chase", nullable=True),
)
of_tenant(invoices)
due(invoices)
Index("ix_invoices_customer_id", invoices.c.customer_id, invoices.c.id)
Index("ix_invoices_subscription_id", invoices.c.subscription_id, invoices.c.id)
partial(
    "ix_invoices_push",
    invoices,
    "account_id",
    "livemode",
    "push_amount",
    "push_reference",
    where="push_reference IS NOT NULL",
)
partial("ix_invoices_customer_open", invoices, "customer_id", "id", where="status = 'open'")
partial("ix_invoices_open", invoices, "account_id", "livemode", "id", where="status = 'open'")
partial("ix_invoices_owed", invoices, "subscription_id", "id", where="status = 'open'")
partial(
    "uq_invoices_period",
    invoices,
    "subscription_id",
    "period_index",
    where="status <> 'void' AND billing_reason <> 'subscription_update'",
    unique=True,
)

invoice_lines: Final = Table(
    "invoice_lines",
    metadata,
    key(),
    owner("invoice_id", "invoices"),
    Column("position", Count, nullable=False),
    words("description", nullable=False),
    Column("amount", Amount, nullable=False),
    Column("quantity", Amount, nullable=False),
    pointer("price_id"),
    pointer("subscription_item_id"),
    at("period_start", nullable=False),
    at("period_end", nullable=False),
    Column("discountable", Flag, nullable=False, server_default=text("true")),
    Column("proration", Flag, nullable=False, server_default=text("false")),
    pointer("invoice_item_id"),
    pointer("meter_id"),
    document("discount_amounts", initially="[]"),
    document("tax_amounts", initially="[]"),
)
Index("ix_invoice_lines_invoice_id", invoice_lines.c.invoice_id, invoice_lines.c.position)
Index("ix_invoice_lines_subscription_item_id", invoice_lines.c.subscription_item_id, invoice_lines.c.period_end)

invoice_sequences: Final = Table(
    "invoice_sequences",
    metadata,
    Column("account_id", Identifier, primary_key=True),
    Column("livemode", Flag, primary_key=True),
    Column("last", Amount, nullable=False),
)

charge_intents: Final = Table(
    "charge_intents",
    metadata,
    key(),
    *tenant(),
    Column("customer_id", Identifier, nullable=False),
    Column("subscription_id", Identifier, nullable=False),
    owner("invoice_id", "invoices"),
    Column("status", EnumColumn(IntentStatus), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    Column("amount", Amount, nullable=False),
    words("currency", nullable=False),
    words("client_secret", nullable=False),
    pointer("payment_method_id"),
    owner("mandate_id", "mandates", nullable=True),
    Column("mandate_period", Count, nullable=True),
    Column("chain_id", Amount, nullable=True),
    Column("token", AddressColumn, nullable=True),
    Column("token_amount", BaseUnits, nullable=True),
    Column("attempts", Count, nullable=False),
    at("next_attempt_at"),
    document("policy", nullable=True),
    Column("restarts", Flag, nullable=False, server_default=text("false")),
    at("failing_since"),
    pointer("latest_charge_id"),
    at("succeeded_at"),
    at("canceled_at"),
    document("metadata"),
    pointer("test_clock_id"),
    at("wake_at"),
    Column("requested", Flag, nullable=False, server_default=text("false")),
)
of_tenant(charge_intents)
due(charge_intents, "chain_id")
Index("uq_charge_intents_invoice_id", charge_intents.c.invoice_id, unique=True)
Index("ix_charge_intents_customer_id", charge_intents.c.customer_id, charge_intents.c.id)
Index("ix_charge_intents_subscription_id", charge_intents.c.subscription_id, charge_intents.c.id)
partial(
    "uq_charge_intents_mandate_period",
    charge_intents,
    "mandate_id",
    "mandate_period",
    where="mandate_id IS NOT NULL AND status <> 'canceled'",
    unique=True,
)
partial("ix_charge_intents_failed", charge_intents, "payment_method_id", where="status = 'failed'")
partial(
    "ix_charge_intents_under_way",
    charge_intents,
    "test_clock_id",
    where="status = 'processing' AND test_clock_id IS NOT NULL",
)

charges: Final = Table(
    "charges",
    metadata,
    key(),
    *tenant(),
    owner("charge_intent_id", "charge_intents"),
    Column("invoice_id", Identifier, nullable=False),
    Column("customer_id", Identifier, nullable=False),
    Column("subscription_id", Identifier, nullable=False),
    pointer("payment_method_id"),
    Column("status", EnumColumn(ChargeStatus), nullable=False),
    *reason(),
    at("created_at", nullable=False),
    Column("amount", Amount, nullable=False),
    words("currency", nullable=False),
    Column("chain_id", Amount, nullable=False),
    Column("token", AddressColumn, nullable=False),
    Column("token_amount", BaseUnits, nullable=False),
    Column("onchain_mandate_id", MandateIdColumn, nullable=True),
    Column("mandate_period", Count, nullable=True),
    owner("transaction_id", "chain_transactions", nullable=True),
    Column("transaction_hash", Hash32Column, nullable=True),
    Column("block_number", Amount, nullable=True),
    Column("block_hash", Hash32Column, nullable=True),
    Column("log_index", Count, nullable=True),
    at("settled_at"),
    Column("amount_refunded", Amount, nullable=False, server_default="0"),
    Column("payer", AddressColumn, nullable=True),
    pointer("push_payment_id"),
)
of_tenant(charges)
Index("ix_charges_customer_id", charges.c.customer_id, charges.c.id)
Index("ix_charges_charge_intent_id", charges.c.charge_intent_id, charges.c.id)
partial("ix_charges_block", charges, "chain_id", "block_number", where="block_number IS NOT NULL")
partial("ix_charges_pending", charges, "transaction_id", where="status = 'pending'")
partial(
    "uq_charges_period",
    charges,
    "chain_id",
    "onchain_mandate_id",
    "mandate_period",
    where="status = 'succeeded' AND onchain_mandate_id IS NOT NULL",
    unique=True,
)
