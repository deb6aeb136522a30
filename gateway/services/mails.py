"""Delivering mails: claim what is due, write each letter, post it, write down what became of it. At least once.

Nothing is posted in a transaction, and no money waits for a mail. A letter is written when its turn comes, from the
event as it was and the merchant's looks as they are; one whose matter was settled meanwhile is dropped. A worker that
dies between posting and writing down makes a customer get a mail twice, with the same Message-ID, never not at all.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from gateway.db import accounts, catalog, charges, events, invoices, mails, webhooks
from gateway.db.engine import Connection
from gateway.db.events import EventRecord
from gateway.domain import mail as rules
from gateway.domain.branding import Locale, is_deliverable
from gateway.domain.catalog import Account, Customer
from gateway.domain.charge import Charge
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.mail import Mail
from gateway.domain.mandate import Mandate
from gateway.domain.portal import Ticket
from gateway.domain.settings import MailKind
from gateway.domain.webhook import WebhookEndpoint
from gateway.failpoints import Failpoint, failpoint
from gateway.letters.language import language
from gateway.letters.mail import compose
from gateway.letters.page import Brand, Facts, brand_of
from gateway.services import payments_shown, sign_in
from gateway.services.gateway import Gateway
from gateway.services.ports import Letter, MailPort, Posted, Verdict

BATCH: Final = 50
LEASE: Final = timedelta(minutes=5)
"""How long a claim lasts when its worker dies; longer than `MailPort.post` takes for a batch."""

_OWED: Final = frozenset(
    {MailKind.PAYMENT_FAILED, MailKind.APPROVAL_NEEDED, MailKind.INVOICE, MailKind.INVOICE_REMINDER}
)
"""What is only true while the invoice is open."""

_log: Final = logging.getLogger(__name__)
_snapshot: Final = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """Rows that the letters of a batch are written from."""

    merchants: Mapping[str, Account]
    customers: Mapping[str, Customer]
    records: Mapping[str, EventRecord]
    about: Mapping[str, Mapping[str, Any]]
    invoices: Mapping[str, Invoice]
    charges: Mapping[str, Charge]
    mandates: Mapping[str, Mandate]
    endpoints: Mapping[str, WebhookEndpoint]
    names: Mapping[str, str]
    links: Mapping[str, tuple[str, Ticket]]


async def deliver_due(gateway: Gateway, post: MailPort, *, now: datetime, limit: int = BATCH) -> int:
    """Try one batch of due mails once; returns how many were claimed."""
    async with gateway.books.write() as conn:
        claimed = await mails.claim_due(conn, now=now, limit=limit, lease_until=now + LEASE)
        desk = await _desk(conn, gateway, claimed) if claimed else None
    if desk is None:
        return 0
    failpoint(Failpoint.MAIL_CLAIMED)
    done: list[Mail] = []
    letters: list[tuple[Mail, Letter]] = []
    for mail in claimed:
        written = _written(gateway, mail, desk, now)
        if isinstance(written, Letter):
            letters.append((mail, written))
        else:
            done.append(written)
    posted = await post.post([letter for _, letter in letters]) if letters else []
    done += [_noted(mail, letter, answer, now) for (mail, letter), answer in zip(letters, posted, strict=True)]
    failpoint(Failpoint.MAIL_POSTED)
    async with gateway.books.write() as conn:
        await mails.save(conn, sorted(done, key=lambda mail: mail.id))
    failpoint(Failpoint.MAIL_COMMITTED)
    return len(claimed)


async def _desk(conn: Connection, gateway: Gateway, claimed: Sequence[Mail]) -> _Desk:
    """Load what the letters need, in bulk."""
    records = await events.load(conn, sorted({mail.event_id for mail in claimed if mail.event_id is not None}))
    about = {key: _snapshot.decode(record.snapshot) for key, record in records.items()}
    price_ids = {price_id for snapshot in about.values() for price_id in _price_ids(snapshot)}
    charge_ids = sorted({str(snapshot["charge"]) for snapshot in about.values() if snapshot.get("charge")})
    paid = await charges.load(conn, charge_ids) if charge_ids else {}
    asked = sorted({mail.object_id for mail in claimed if mail.kind in _OWED})
    silent = sorted({mail.object_id for mail in claimed if mail.kind is MailKind.ENDPOINT_DISABLED})
    customer_ids = sorted({mail.customer_id for mail in claimed if mail.customer_id is not None})
    asked_for = {mail.id: mail.object_id for mail in claimed if mail.kind is MailKind.SIGN_IN}
    return _Desk(
        merchants=await accounts.get_many(conn, sorted({mail.scope.account_id for mail in claimed})),
        customers=await catalog.load_customers(conn, customer_ids) if customer_ids else {},
        records=records,
        about=about,
        invoices=await invoices.load(conn, asked) if asked else {},
        charges=paid,
        mandates=await payments_shown.mandates_of(conn, list(paid.values())),
        endpoints=await webhooks.load(conn, silent) if silent else {},
        names=await payments_shown.names_of(conn, price_ids),
        links=await sign_in.draw_links(conn, gateway, asked_for),
    )


def _price_ids(snapshot: Mapping[str, Any]) -> list[str]:
    rows = (snapshot.get("lines") or snapshot.get("items") or {}).get("data", ())
    return [row["price"]["id"] for row in rows if row.get("price")]


def _written(gateway: Gateway, mail: Mail, desk: _Desk, now: datetime) -> Letter | Mail:
    """The letter of a mail; or the mail as it ends without one."""
    merchant = desk.merchants[mail.scope.account_id]
    customer = desk.customers.get(mail.customer_id or "")
    if reason := _settled(mail, customer, desk):
        return rules.drop(mail, reason)
    recipient = merchant.settings.branding.support_email if mail.customer_id is None else customer and customer.email
    if not recipient:
        return rules.refused(mail, "there is no address to write to")
    if not is_deliverable(recipient):
        return rules.refused(mail, f"not an address that mail can be sent to: {recipient}", recipient)
    if gateway.mail is None:
        return rules.hold(mail, now + rules.RETRY_DELAY_MAX)
    try:
        message = compose(
            _facts(gateway, mail, merchant, desk),
            sender=gateway.mail.sender,
            recipient=recipient,
            name=None if customer is None else customer.name,
            now=now,
        )
    except Exception as error:  # noqa: BLE001 - one mail that cannot be written must not hold up the others
        _log.exception("a mail could not be written", extra={"mail": mail.id, "kind": mail.kind})
        return rules.refused(mail, f"could not be written: {type(error).__name__}: {error}", recipient)
    return Letter(id=mail.id, sender=gateway.mail.sender, recipient=recipient, message=message)


def _settled(mail: Mail, customer: Customer | None, desk: _Desk) -> str | None:
    """Why there is nothing left to write about; None when there is."""
    if mail.customer_id is not None and (customer is None or customer.deleted):
        return "the customer was deleted"
    if mail.kind is MailKind.SIGN_IN and mail.id not in desk.links:
        return "its time is over"
    if mail.kind in _OWED:
        invoice = desk.invoices.get(mail.object_id)
        if invoice is None or invoice.status is not InvoiceStatus.OPEN:
            return f"the invoice is {'gone' if invoice is None else invoice.status}"
    return None


def _facts(gateway: Gateway, mail: Mail, merchant: Account, desk: _Desk) -> Facts:
    record = desk.records.get(mail.event_id or "")
    about = desk.about.get(mail.event_id or "", {})
    charge = desk.charges.get(str(about.get("charge")))
    endpoint = desk.endpoints.get(mail.object_id)
    url, ticket = desk.links.get(mail.id, (None if endpoint is None else endpoint.url, None))
    wished = None if ticket is None or ticket.language is None else Locale(ticket.language)
    return Facts(
        mail=mail,
        language=language(wished or merchant.settings.locale),
        brand=_looks(gateway, merchant),
        event=None if record is None else record.type,
        about=about,
        names=desk.names,
        payment=payments_shown.payment_of(gateway, charge, desk.mandates, merchant)
        if mail.kind is MailKind.RECEIPT and charge is not None and charge.status is ChargeStatus.SUCCEEDED
        else None,
        details={} if url is None else {"url": url},
    )


def _looks(gateway: Gateway, merchant: Account) -> Brand:
    """The merchant's looks; where it names no page to cancel on, the portal is one (ST-72)."""
    brand = brand_of(merchant)
    portal = f"{gateway.public_url}{sign_in.AUTH_PATH}" if gateway.public_url else None
    return brand if brand.cancel_url is not None else replace(brand, cancel_url=portal)


def _noted(mail: Mail, letter: Letter, answer: Posted, now: datetime) -> Mail:
    match answer.verdict:
        case Verdict.TAKEN:
            return rules.sent(mail, letter.recipient, now)
        case Verdict.REFUSED:
            _log.warning("a mail was refused", extra={"mail": mail.id, "why": answer.words})
            return rules.refused(mail, answer.words, letter.recipient)
        case Verdict.AWAY:
            return rules.deferred(mail, answer.words, now)
        case Verdict.UNTRIED:
            return rules.hold(mail, now)
