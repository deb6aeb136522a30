"""Values of what happens around the books: clocks, deliveries, blocks and events of the chain. See `factories`."""

from dataclasses import replace
from typing import Any

from chain.primitives import (
    Charged,
    Header,
    LogPosition,
)
from gateway.domain import checkout as checkouts
from gateway.domain import push as pushes
from gateway.domain import test_clock as clocks
from gateway.domain.mail import Mail
from gateway.domain.settings import MailKind
from gateway.domain.transition import StatusReason
from gateway.domain.webhook import Delivery, WebhookEndpoint
from tests.basics import (
    CHAIN_ID,
    CLOCK_ID,
    CUSTOMER_ID,
    ENDPOINT_ID,
    INVOICE_ID,
    NOW,
    ONCHAIN_ID,
    PAYEE,
    PRICE_ID,
    SCOPE,
    TOKEN,
    WALLET,
    numbered,
    some_hash,
)


def clock(**changes: Any) -> clocks.TestClock:
    made = clocks.TestClock(
        id=CLOCK_ID,
        scope=SCOPE,
        created_at=NOW,
        frozen_at=NOW,
        status=clocks.Status.READY,
        reason=StatusReason("created"),
    )
    return replace(made, **changes)


def webhook_endpoint(**changes: Any) -> WebhookEndpoint:
    made = WebhookEndpoint(
        id=ENDPOINT_ID,
        scope=SCOPE,
        created_at=NOW,
        url="https://example.com/hooks",
        enabled_events=("*",),
        secret="whsec_dGVzdA==",
    )
    return replace(made, **changes)


def delivery(**changes: Any) -> Delivery:
    made = Delivery(
        id=numbered("dlv", 1),
        event_id=numbered("evt", 1),
        endpoint_id=ENDPOINT_ID,
        created_at=NOW,
        next_attempt_at=NOW,
    )
    return replace(made, **changes)


def mail(**changes: Any) -> Mail:
    made = Mail(
        id=numbered("mail", 1),
        scope=SCOPE,
        kind=MailKind.RECEIPT,
        dedupe_key="receipt:evt_1",
        created_at=NOW,
        object_id=INVOICE_ID,
        customer_id=CUSTOMER_ID,
        next_attempt_at=NOW,
    )
    return replace(made, **changes)


def position(block: int = 1, log_index: int = 0, **changes: Any) -> LogPosition:
    at = LogPosition(
        block_number=block,
        block_hash=some_hash(("block", block)),
        transaction_hash=some_hash(("transaction", block, log_index)),
        log_index=log_index,
    )
    return replace(at, **changes)


def header(number: int, **changes: Any) -> Header:
    """A block of the chain whose blocks `position` names."""
    made = Header(
        number=number,
        hash=some_hash(("block", number)),
        parent_hash=some_hash(("block", number - 1)),
        timestamp=int(NOW.timestamp()) + number,
        base_fee_per_gas=1_000_000_000,
    )
    return replace(made, **changes)


def charged(**changes: Any) -> Charged:
    """The chain says that the first period was collected."""
    return replace(Charged(at=position(), mandate_id=ONCHAIN_ID, period=1, amount=10_000_000), **changes)


def checkout_session(**changes: Any) -> checkouts.CheckoutSession:
    made = checkouts.CheckoutSession(
        id=numbered("cs", 1),
        scope=SCOPE,
        mode=checkouts.Mode.SUBSCRIPTION,
        status=checkouts.Status.OPEN,
        reason=StatusReason("awaiting_payer"),
        created_at=NOW,
        expires_at=NOW + checkouts.LIFE,
        token="a-token-that-nobody-guesses",
        success_url="https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
        offer=checkouts.Offer(
            currency="usd",
            lines=(checkouts.LineItem(price_id=PRICE_ID, quantity=1, description="Almanac", amount=1000),),
            subtotal=1000,
            total=1000,
            recurring=1000,
            interval="month",
        ),
    )
    return replace(made, **changes)


def push_payment(**changes: Any) -> pushes.PushPayment:
    """What a stranger sent, in doubt."""
    made = pushes.PushPayment(
        id=numbered("push", 1),
        scope=SCOPE,
        status=pushes.Status.UNMATCHED,
        reason=StatusReason("unknown_payer"),
        created_at=NOW,
        chain_id=CHAIN_ID,
        token=TOKEN,
        sender=WALLET,
        recipient=PAYEE,
        token_amount=10_000_000,
        amount=1000,
        currency="usd",
        transaction_hash=some_hash("push"),
        block_number=7,
        block_hash=some_hash(7),
        log_index=1,
    )
    return replace(made, **changes)
