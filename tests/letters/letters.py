"""Facts to write letters from: what a merchant, its customer and an event look like when a mail is due."""

import json
import re
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from typing import Any

from gateway.domain.branding import Branding, Locale
from gateway.domain.catalog import Standing
from gateway.domain.events import EventType
from gateway.domain.mail import Mail
from gateway.domain.period import to_unix
from gateway.domain.settings import AccountSettings, MailKind
from gateway.letters.language import language
from gateway.letters.mail import compose
from gateway.letters.page import Facts, Payment, brand_of
from gateway.wire import render
from gateway.wire.related import Related
from tests import factories as f

SENDER = "billing@dues.example"
LOOKS = Branding(
    name="Ada's Almanac",
    color="#7a3cff",
    support_email="help@almanac.example",
    update_url="https://almanac.example/pay",
    cancel_url="https://almanac.example/leave",
)
EVENTS = {
    MailKind.UPCOMING: EventType.INVOICE_UPCOMING,
    MailKind.PAYMENT_FAILED: EventType.INVOICE_PAYMENT_FAILED,
    MailKind.APPROVAL_NEEDED: EventType.INVOICE_PAYMENT_ACTION_REQUIRED,
    MailKind.RECEIPT: EventType.INVOICE_PAID,
    MailKind.TRIAL_ENDING: EventType.SUBSCRIPTION_TRIAL_WILL_END,
    MailKind.ALLOWANCE_RUNNING_OUT: EventType.PAYMENT_METHOD_ALLOWANCE_RUNNING_OUT,
    MailKind.CANCELED: EventType.SUBSCRIPTION_DELETED,
}


def about(kind: MailKind, **changes: Any) -> dict[str, Any]:
    """The object that a mail of this kind is about, in the form of the API."""
    related = Related(prices={f.PRICE_ID: f.price()})
    if kind is MailKind.ALLOWANCE_RUNNING_OUT:
        standing = Standing(allowance=20_000_000, balance=5, renewals_left=2, checked_at=f.NOW, warned_at=f.NOW)
        shown = json.loads(render.encode(f.payment_method(standing=standing), related))
    elif kind in {MailKind.TRIAL_ENDING, MailKind.CANCELED}:
        subscription = f.subscription(
            trial_start=f.NOW, trial_end=f.NOW + timedelta(days=3), ended_at=f.NOW, canceled_at=f.NOW
        )
        shown = json.loads(render.encode(subscription, related))
    else:
        invoice = f.invoice(number="A-0001", paid_at=f.NOW, amount_paid=1_000)
        shown = json.loads(render.encode(invoice, related))
        shown["next_payment_attempt"] = to_unix(f.NOW + timedelta(days=1))
        shown["status_reason"]["code"] = "insufficient_balance"
    return shown | changes


def payment(**changes: Any) -> Payment:
    values: dict[str, Any] = {
        "chain": "Base",
        "chain_id": 8453,
        "symbol": "USDC",
        "decimals": 6,
        "token": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
        "token_amount": 10_000_000,
        "transaction_hash": f.some_hash("paid"),
        "block_number": 21_345_678,
        "payer": "0x00000000000000000000000000000000000A11ce",
        "payee": "0x00000000000000000000000000000000000000Aa",
        "paid_at": f.NOW,
    }
    return Payment(**(values | changes))


def facts(kind: MailKind, *, locale: Locale = Locale.EN, looks: Branding = LOOKS, **changes: Any) -> Facts:
    account = f.account(settings=AccountSettings(branding=looks, locale=locale))
    mail = Mail(
        id=f.numbered("mail", 1),
        scope=f.SCOPE,
        kind=kind,
        dedupe_key="k",
        created_at=f.NOW,
        object_id=f.INVOICE_ID,
        customer_id=None if kind is MailKind.ENDPOINT_DISABLED else f.CUSTOMER_ID,
    )
    values: dict[str, Any] = {
        "mail": mail,
        "language": language(locale),
        "brand": brand_of(account),
        "event": EVENTS.get(kind),
        "about": about(kind),
        "names": {f.PRICE_ID: "Almanac"},
        "payment": payment() if kind is MailKind.RECEIPT else None,
        "details": {"url": "https://pay.example/customer/auth/link/secret"}
        if kind is MailKind.SIGN_IN
        else {"url": "https://shop.example/hook", "error": "HTTP 500"},
    }
    return Facts(**(values | changes))


def message(of: Facts, *, name: str | None = "Grace", recipient: str = "grace@example.com") -> EmailMessage:
    """The mail, read as a mail program reads it."""
    raw = compose(of, sender=SENDER, recipient=recipient, name=name, now=f.NOW)
    read = message_from_bytes(raw, policy=default)
    assert isinstance(read, EmailMessage)
    return read


def shown(header: object) -> str:
    """A header's words: Python's own reader of addresses adds spaces between encoded words (RFC 2047, 6.2)."""
    return str(make_header(decode_header(re.sub(r"\r?\n[ \t]+", " ", str(header)))))


def addressed(raw: bytes, header: str = "To") -> tuple[str, str]:
    """Name and address of a header."""
    name, address = parseaddr(re.sub(r"\r?\n[ \t]+", " ", message_from_bytes(raw)[header]))
    return shown(name), address


def text(of: EmailMessage, kind: str = "plain") -> str:
    part = of.get_body((kind,))
    assert part is not None
    return str(part.get_content())
