"""Valid values of every domain object: a test names only what it is about.

Called without arguments, all of them belong together: one merchant, one customer with one wallet, one monthly
subscription of 10 USD, its first invoice, the intent that pays it and the charge that collects it. Give `id` (see
`numbered`) and the ids of related objects to make more than one.
"""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from chain.primitives import (
    MandateTerms,
    PeriodUnit,
    Permit,
)
from gateway.domain import charge as charges
from gateway.domain import charge_intent as intents
from gateway.domain import invoice as invoices
from gateway.domain import mandate as mandates
from gateway.domain import refund as refunds
from gateway.domain import setup_intent as setups
from gateway.domain import subscription as subscriptions
from gateway.domain.catalog import Account, ApiKey, Customer, PaymentMethod, Price, Product
from gateway.domain.period import period
from gateway.domain.terms import SubscriptionItem
from gateway.domain.transition import StatusReason
from tests.basics import (
    ACCOUNT_ID,
    CHAIN_ID,
    CHARGE_ID,
    CLOCK_ID,
    CONTRACT,
    CUSTOMER_ID,
    ENDPOINT_ID,
    INTENT_ID,
    INVOICE_ID,
    ITEM_ID,
    LINE_ID,
    MANDATE_ID,
    MONTHLY,
    NOW,
    ONCHAIN_ID,
    PAYEE,
    PAYMENT_METHOD_ID,
    PRICE_ID,
    PRODUCT_ID,
    SCOPE,
    SETUP_ID,
    SUBSCRIPTION_ID,
    TOKEN,
    USDC,
    WALLET,
    numbered,
    some_address,
    some_hash,
    some_mandate_id,
)
from tests.happenings import (
    charged,
    checkout_session,
    clock,
    delivery,
    header,
    position,
    webhook_endpoint,
)

__all__ = [
    "ACCOUNT_ID",
    "CHAIN_ID",
    "CHARGE_ID",
    "CLOCK_ID",
    "CONTRACT",
    "CUSTOMER_ID",
    "ENDPOINT_ID",
    "INTENT_ID",
    "INVOICE_ID",
    "ITEM_ID",
    "LINE_ID",
    "MANDATE_ID",
    "MONTHLY",
    "NOW",
    "ONCHAIN_ID",
    "PAYEE",
    "PAYMENT_METHOD_ID",
    "PRICE_ID",
    "PRODUCT_ID",
    "SCOPE",
    "SETUP_ID",
    "SUBSCRIPTION_ID",
    "TOKEN",
    "USDC",
    "WALLET",
    "charged",
    "checkout_session",
    "clock",
    "delivery",
    "header",
    "numbered",
    "position",
    "some_address",
    "some_hash",
    "some_mandate_id",
    "webhook_endpoint",
]


def account(**changes: Any) -> Account:
    return replace(Account(id=ACCOUNT_ID, name="Ada's Almanac", payout_address=PAYEE, created_at=NOW), **changes)


def api_key(**changes: Any) -> ApiKey:
    key = ApiKey(
        id=numbered("key", 1),
        account_id=ACCOUNT_ID,
        livemode=False,
        kind="sk",
        digest=sha256(b"a test key").digest(),
        last4="1234",
        created_at=NOW,
    )
    return replace(key, **changes)


def customer(**changes: Any) -> Customer:
    return replace(Customer(id=CUSTOMER_ID, scope=SCOPE, created_at=NOW, email="ada@example.com"), **changes)


def product(**changes: Any) -> Product:
    return replace(Product(id=PRODUCT_ID, scope=SCOPE, created_at=NOW, updated_at=NOW, name="Almanac"), **changes)


def price(**changes: Any) -> Price:
    made = Price(
        id=PRICE_ID,
        scope=SCOPE,
        created_at=NOW,
        product_id=PRODUCT_ID,
        currency="usd",
        unit_amount=1000,
        interval=MONTHLY,
    )
    return replace(made, **changes)


def payment_method(**changes: Any) -> PaymentMethod:
    made = PaymentMethod(
        id=PAYMENT_METHOD_ID,
        scope=SCOPE,
        created_at=NOW,
        chain_id=CHAIN_ID,
        token=TOKEN,
        owner=WALLET,
        spender=CONTRACT,
        customer_id=CUSTOMER_ID,
    )
    return replace(made, **changes)


def mandate_terms(**changes: Any) -> MandateTerms:
    terms = MandateTerms(
        payer=WALLET,
        payee=PAYEE,
        token=TOKEN,
        amount=10_000_000,
        unit=PeriodUnit.MONTHS,
        every=1,
        fee_bps=0,
        start=int(NOW.timestamp()),
        periods=0,
        arrears=1,
        deadline=int(NOW.timestamp()) + 86_400,
        salt=2**255 + 1,
    )
    return replace(terms, **changes)


def permit(**changes: Any) -> Permit:
    made = Permit(value=2**256 - 1, deadline=int(NOW.timestamp()) + 86_400, v=27, r=b"\x01" * 32, s=b"\x02" * 32)
    return replace(made, **changes)


def mandate(**changes: Any) -> mandates.Mandate:
    """A mandate that waits for its signature."""
    made = mandates.Mandate(
        id=MANDATE_ID,
        scope=SCOPE,
        customer_id=CUSTOMER_ID,
        payment_method_id=PAYMENT_METHOD_ID,
        status=mandates.Status.PENDING,
        reason=StatusReason("created"),
        created_at=NOW,
        chain_id=CHAIN_ID,
        contract=CONTRACT,
        onchain_id=ONCHAIN_ID,
        terms=mandate_terms(),
        subscription_id=SUBSCRIPTION_ID,
    )
    return replace(made, **changes)


def signed_mandate(**changes: Any) -> mandates.Mandate:
    """A mandate that is signed, with a permit, and not yet on the chain."""
    signed = {"status": mandates.Status.SIGNED, "signature": b"\x11" * 65, "permit": permit(), "signed_at": NOW}
    return mandate(**(signed | changes))


def active_mandate(**changes: Any) -> mandates.Mandate:
    """A mandate whose registration is final."""
    return signed_mandate(**({"status": mandates.Status.ACTIVE, "registered_at": NOW} | changes))


def subscription_item(**changes: Any) -> SubscriptionItem:
    made = SubscriptionItem(id=ITEM_ID, price_id=PRICE_ID, quantity=1, created_at=NOW)
    return replace(made, **changes)


def subscription(**changes: Any) -> subscriptions.Subscription:
    """A subscription in its first, unpaid period."""
    first = period(changes.get("anchor", NOW), changes.get("interval", MONTHLY), changes.get("period_index", 1))
    made = subscriptions.Subscription(
        id=SUBSCRIPTION_ID,
        scope=SCOPE,
        customer_id=CUSTOMER_ID,
        status=subscriptions.Status.PENDING,
        reason=StatusReason("created"),
        created_at=NOW,
        currency="usd",
        items=(subscription_item(),),
        interval=MONTHLY,
        anchor=NOW,
        period_index=first.index,
        period_start=first.start,
        period_end=first.end,
        payment_method_id=PAYMENT_METHOD_ID,
        mandate_id=MANDATE_ID,
        latest_invoice_id=INVOICE_ID,
        expires_at=NOW + subscriptions.FIRST_PAYMENT_WINDOW,
    )
    return replace(made, **changes)


def active_subscription(**changes: Any) -> subscriptions.Subscription:
    """A subscription whose current period is paid."""
    paid = {
        "status": subscriptions.Status.ACTIVE,
        "reason": StatusReason("payment_final"),
        "expires_at": None,
        "activated_at": NOW,
    }
    return subscription(**(paid | changes))


def invoice_line(**changes: Any) -> invoices.InvoiceLine:
    first = period(NOW, MONTHLY, 1)
    made = invoices.InvoiceLine(
        id=LINE_ID,
        description="1 x Almanac",
        amount=1000,
        quantity=1,
        price_id=PRICE_ID,
        subscription_item_id=ITEM_ID,
        period_start=first.start,
        period_end=first.end,
    )
    return replace(made, **changes)


def draft_invoice(**changes: Any) -> invoices.Invoice:
    """An invoice that becomes open in an hour."""
    first = period(NOW, MONTHLY, 1)
    made = invoices.Invoice(
        id=INVOICE_ID,
        scope=SCOPE,
        customer_id=CUSTOMER_ID,
        subscription_id=SUBSCRIPTION_ID,
        status=invoices.Status.DRAFT,
        reason=StatusReason("created"),
        created_at=NOW,
        billing_reason=invoices.BillingReason.SUBSCRIPTION_CREATE,
        currency="usd",
        lines=(invoice_line(),),
        total=1000,
        period_index=1,
        period_start=first.start,
        period_end=first.end,
        finalizes_at=NOW + timedelta(hours=1),
        charge_intent_id=INTENT_ID,
    )
    return replace(made, **changes)


def invoice(**changes: Any) -> invoices.Invoice:
    """An invoice that is owed."""
    opened = {
        "status": invoices.Status.OPEN,
        "reason": StatusReason("finalized"),
        "number": "0001",
        "finalizes_at": None,
        "finalized_at": NOW,
    }
    return draft_invoice(**(opened | changes))


def charge_intent(**changes: Any) -> intents.ChargeIntent:
    """An intent that has its mandate and is due for its first attempt."""
    made = intents.ChargeIntent(
        id=INTENT_ID,
        scope=SCOPE,
        customer_id=CUSTOMER_ID,
        subscription_id=SUBSCRIPTION_ID,
        invoice_id=INVOICE_ID,
        status=intents.Status.REQUIRES_ACTION,
        reason=StatusReason("created"),
        created_at=NOW,
        amount=1000,
        currency="usd",
        client_secret=f"{INTENT_ID}_secret_x",
        payment_method_id=PAYMENT_METHOD_ID,
        mandate_id=MANDATE_ID,
        mandate_period=1,
        chain_id=CHAIN_ID,
        token=TOKEN,
        token_amount=10_000_000,
        next_attempt_at=NOW,
    )
    return replace(made, **changes)


def processing_intent(**changes: Any) -> intents.ChargeIntent:
    """An intent whose attempt is on its way."""
    under_way = {"status": intents.Status.PROCESSING, "latest_charge_id": CHARGE_ID, "next_attempt_at": None}
    return charge_intent(**(under_way | changes))


def setup_intent(**changes: Any) -> setups.SetupIntent:
    """A setup intent whose wallet has to sign."""
    made = setups.SetupIntent(
        id=SETUP_ID,
        scope=SCOPE,
        customer_id=CUSTOMER_ID,
        status=setups.Status.REQUIRES_ACTION,
        reason=StatusReason("mandate_unsigned"),
        created_at=NOW,
        client_secret=f"{SETUP_ID}_secret_x",
        subscription_id=SUBSCRIPTION_ID,
        payment_method_id=PAYMENT_METHOD_ID,
        mandate_id=MANDATE_ID,
        chain_id=CHAIN_ID,
    )
    return replace(made, **changes)


def charge(**changes: Any) -> charges.Charge:
    """An attempt whose bytes are written down; give `transaction_id` if a stored transaction carries it."""
    made = charges.Charge(
        id=CHARGE_ID,
        scope=SCOPE,
        charge_intent_id=INTENT_ID,
        invoice_id=INVOICE_ID,
        customer_id=CUSTOMER_ID,
        subscription_id=SUBSCRIPTION_ID,
        payment_method_id=PAYMENT_METHOD_ID,
        status=charges.Status.PENDING,
        reason=StatusReason("broadcasting"),
        created_at=NOW,
        amount=1000,
        currency="usd",
        chain_id=CHAIN_ID,
        token=TOKEN,
        token_amount=10_000_000,
        onchain_mandate_id=ONCHAIN_ID,
        mandate_period=1,
    )
    return replace(made, **changes)


def refund(**changes: Any) -> refunds.Refund:
    """All of a charge, asked for and not sent."""
    made = refunds.Refund(
        id=numbered("re", 1),
        scope=SCOPE,
        charge_id=CHARGE_ID,
        charge_intent_id=INTENT_ID,
        customer_id=CUSTOMER_ID,
        status=refunds.Status.REQUIRES_ACTION,
        reason=StatusReason("awaiting_transfer"),
        created_at=NOW,
        amount=1000,
        currency="usd",
        chain_id=CHAIN_ID,
        token=TOKEN,
        token_amount=10_000_000,
        sender=PAYEE,
        recipient=WALLET,
        watched_from=0,
    )
    return replace(made, **changes)
