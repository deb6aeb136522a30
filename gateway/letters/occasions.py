"""What is written on each occasion: one function a kind of mail, from the facts to a page."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.domain.events import EventType
from gateway.domain.settings import MailKind
from gateway.letters.language import Language
from gateway.letters.page import Facts, Link, Page, Payment, one_line

_SHOWN_LINES_MAX: Final = 20
"""Lines of an invoice that a mail lists; the document has all of them."""

_SHOWN_OPTIONS_MAX: Final = 4
"""Tokens to pay with that a mail lists; the page has all of them."""


def write(facts: Facts) -> Page:
    """The page of a mail.

    Raises:
        KeyError: the object that the mail is about lacks what has to be said.
    """
    return _WRITERS[facts.mail.kind](facts)


def _upcoming(facts: Facts) -> Page:
    say, invoice = facts.language, facts.about
    words = _words(facts, date=say.unix_date(invoice["period_start"]))
    return Page(
        subject=say.say("upcoming", "subject", **words),
        heading=say.say("upcoming", "heading", **words),
        paragraphs=say.paragraphs("upcoming", **words),
        facts=_lines(facts),
        totals=[(say.say("common", "total"), words["amount"])],
        button=_link(facts, "common", "manage", facts.brand.update_url),
        links=_ways_out(facts),
        notes=_exit(facts),
    )


def _payment_failed(facts: Facts) -> Page:
    say, invoice = facts.language, facts.about
    words = _words(facts)
    code = str(invoice["status_reason"]["code"])
    again = invoice.get("next_payment_attempt")
    hope = (
        [say.say("payment_failed", "no_more")]
        if again is None
        else [say.say("payment_failed", "again", date=say.unix_date(again))]
    )
    return Page(
        subject=say.say("payment_failed", "subject", **words),
        heading=say.say("payment_failed", "heading", **words),
        paragraphs=[
            say.say("reasons", code if say.has("reasons", code) else "other"),
            *hope,
            say.say("payment_failed", "at_once"),
        ],
        facts=_lines(facts),
        totals=[(say.say("common", "total"), words["amount"])],
        button=_link(facts, "payment_failed", "button", facts.brand.update_url or _hosted(invoice)),
        links=_ways_out(facts),
    )


def _approval_needed(facts: Facts) -> Page:
    say, invoice = facts.language, facts.about
    words = _words(facts)
    reminds = facts.event is EventType.INVOICE_APPROVAL_REMINDER
    return Page(
        subject=say.say("approval_needed", "reminder" if reminds else "subject", **words),
        heading=say.say("approval_needed", "heading", **words),
        paragraphs=say.paragraphs("approval_needed", **words),
        facts=_lines(facts),
        totals=[(say.say("common", "total"), words["amount"])],
        button=_link(facts, "approval_needed", "button", _hosted(invoice) or facts.brand.update_url),
        links=_ways_out(facts),
    )


def _allowance_running_out(facts: Facts) -> Page:
    say, wallet = facts.language, facts.about["erc20_allowance"]
    rows = [
        (say.say("allowance_running_out", "left"), wallet["renewals_left"]),
        (say.say("receipt", "payer"), wallet["owner"]),
        (say.say("receipt", "token"), wallet["symbol"] or wallet["token"]),
    ]
    return Page(
        subject=say.say("allowance_running_out", "subject", merchant=facts.brand.name),
        heading=say.say("allowance_running_out", "heading"),
        paragraphs=say.paragraphs("allowance_running_out", merchant=facts.brand.name),
        facts=[(label, str(value)) for label, value in rows if value is not None],
        button=_link(facts, "allowance_running_out", "button", facts.brand.update_url),
        links=_ways_out(facts),
    )


def _receipt(facts: Facts) -> Page:
    say, invoice, payment = facts.language, facts.about, facts.payment
    paid_at = invoice["status_transitions"]["paid_at"]
    words = _words(facts, amount=say.amount(invoice["amount_paid"], invoice["currency"]), date=say.unix_date(paid_at))
    credit = invoice["total"] - invoice["amount_due"]
    totals = [(say.say("receipt", "credit"), say.amount(-credit, invoice["currency"]))] if credit > 0 else []
    return Page(
        subject=say.say("receipt", "subject", **words),
        heading=say.say("receipt", "heading", **words),
        paragraphs=say.paragraphs("receipt", **words),
        facts=[(f"{say.say('common', 'invoice')} {invoice['number']}", words["date"]), *_lines(facts)],
        totals=[*totals, (say.say("common", "total"), words["amount"])],
        button=_link(facts, "common", "document", invoice.get("invoice_pdf")),
        proof_words=None if payment is None else say.say("receipt", "verify"),
        proof=() if payment is None else proof_of(facts.language, payment),
        links=_ways_out(facts),
        notes=_exit(facts),
    )


def proof_of(say: Language, payment: Payment) -> list[tuple[str, str]]:
    """Label and value of everything that shows a payment to be true."""
    rows = [
        ("collected", say.token_amount(payment.token_amount, payment.decimals, payment.symbol)),
        ("chain", f"{payment.chain} ({payment.chain_id})"),
        ("token", payment.token),
        ("payer", payment.payer),
        ("payee", payment.payee),
        ("transaction", payment.transaction_hash),
        ("block", None if payment.block_number is None else str(payment.block_number)),
    ]
    return [(say.say("receipt", key), value) for key, value in rows if value is not None]


def _trial_ending(facts: Facts) -> Page:
    say, subscription = facts.language, facts.about
    words = {"merchant": facts.brand.name, "date": say.unix_date(subscription["trial_end"])}
    return Page(
        subject=say.say("trial_ending", "subject", **words),
        heading=say.say("trial_ending", "heading", **words),
        paragraphs=say.paragraphs("trial_ending", **words),
        facts=_items(facts),
        button=_link(facts, "common", "cancel", facts.brand.cancel_url or facts.brand.update_url),
        notes=_exit(facts),
    )


def _canceled(facts: Facts) -> Page:
    say, subscription = facts.language, facts.about
    ended = subscription.get("ended_at") or subscription["canceled_at"]
    words = {"merchant": facts.brand.name, "date": say.unix_date(ended)}
    return Page(
        subject=say.say("canceled", "subject", **words),
        heading=say.say("canceled", "heading", **words),
        paragraphs=say.paragraphs("canceled", **words),
        facts=_items(facts),
    )


def _invoice(facts: Facts) -> Page:
    say, invoice = facts.language, facts.about
    words, transfer = _due_words(facts), _transfer(facts)
    return Page(
        subject=say.say("invoice", "subject", **words),
        heading=say.say("invoice", "heading", **words),
        paragraphs=say.paragraphs("invoice", **words),
        facts=_lines(facts),
        totals=[(say.say("common", "total"), words["amount"])],
        button=_link(facts, "invoice", "button", _hosted(invoice) or facts.brand.update_url),
        proof_words=say.say("invoice", "transfer") if transfer else None,
        proof=transfer,
        links=_document(facts),
    )


def _invoice_reminder(facts: Facts) -> Page:
    say, invoice = facts.language, facts.about
    words, transfer = _due_words(facts), _transfer(facts)
    late = facts.event is EventType.INVOICE_OVERDUE
    return Page(
        subject=say.say("invoice_reminder", "subject", **words),
        heading=say.say("invoice_reminder", "heading", **words),
        paragraphs=[
            say.say("invoice_reminder", "after" if late else "before", **words),
            say.say("invoice_reminder", "ignore"),
        ],
        facts=_lines(facts),
        totals=[(say.say("common", "total"), words["amount"])],
        button=_link(facts, "invoice", "button", _hosted(invoice) or facts.brand.update_url),
        proof_words=say.say("invoice", "transfer") if transfer else None,
        proof=transfer,
        links=_document(facts),
    )


def _endpoint_disabled(facts: Facts) -> Page:
    say = facts.language
    rows = [("endpoint", facts.details["url"]), ("error", facts.details.get("error", ""))]
    return Page(
        subject=say.say("endpoint_disabled", "subject"),
        heading=say.say("endpoint_disabled", "heading"),
        paragraphs=say.paragraphs("endpoint_disabled", url=facts.details["url"]),
        facts=[(say.say("endpoint_disabled", key), one_line(value)) for key, value in rows if value],
    )


def _sign_in(facts: Facts) -> Page:
    say, words = facts.language, {"merchant": facts.brand.name}
    return Page(
        subject=say.say("sign_in", "subject", **words),
        heading=say.say("sign_in", "heading", **words),
        paragraphs=say.paragraphs("sign_in", **words),
        button=_link(facts, "sign_in", "button", facts.details["url"]),
        notes=[say.say("sign_in", "not_you")],
    )


def _words(facts: Facts, **more: str) -> dict[str, str]:
    """What most sentences about an invoice name."""
    invoice = facts.about
    amount = facts.language.amount(invoice["amount_due"], invoice["currency"])
    return {"merchant": facts.brand.name, "amount": amount, **more}


def _due_words(facts: Facts) -> dict[str, str]:
    due = facts.about.get("due_date") or facts.about["created"]
    return _words(facts, number=str(facts.about["number"]), date=facts.language.unix_date(due))


def _transfer(facts: Facts) -> list[tuple[str, str]]:
    """How to pay by a transfer of one's own, where the invoice says how (PM-01)."""
    asked = facts.about.get("payment_instructions")
    if not asked:
        return []
    say = facts.language
    rows = [(say.say("receipt", "payee"), str(asked["recipient"]))]
    for option in asked["options"][:_SHOWN_OPTIONS_MAX]:
        rows.append((f"{option['symbol']} ({option['chain_id']})", str(option["amount_decimal"])))
        rows.append((say.say("receipt", "token"), str(option["token"])))
    return rows


def _lines(facts: Facts) -> list[tuple[str, str]]:
    """The invoice's lines, each with what it costs."""
    lines = facts.about["lines"]["data"]
    shown = [
        (line_words(line, facts.names), facts.language.amount(line["amount"], line["currency"]))
        for line in lines[:_SHOWN_LINES_MAX]
    ]
    return shown if len(lines) <= _SHOWN_LINES_MAX else [*shown, (f"+ {len(lines) - _SHOWN_LINES_MAX}", "…")]


def line_words(line: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What a line is for: a price that nobody gave a name goes by its product's."""
    price = str((line.get("price") or {}).get("id"))
    words = str(line["description"])
    return one_line(words.replace(price, names[price]) if price in names else words)


def _items(facts: Facts) -> list[tuple[str, str]]:
    """The items of a subscription, each with its price."""
    rows = []
    for item in facts.about["items"]["data"]:
        price = item["price"]
        name = price.get("nickname") or facts.names.get(price["id"], price["id"])
        amount = price.get("unit_amount")
        cost = "" if amount is None else facts.language.amount(amount * item.get("quantity", 1), price["currency"])
        rows.append((one_line(f"{item.get('quantity', 1)} x {name}"), cost))
    return rows


def _hosted(invoice: Mapping[str, Any]) -> str | None:
    """The page where the invoice can be paid, where there is one."""
    url = invoice.get("hosted_invoice_url")
    return url if isinstance(url, str) else None


def _link(facts: Facts, section: str, key: str, url: str | None) -> Link | None:
    return None if url is None else Link(words=facts.language.say(section, key), url=url)


def _document(facts: Facts) -> list[Link]:
    link = _link(facts, "common", "document", facts.about.get("invoice_pdf"))
    return [] if link is None else [link]


def _ways_out(facts: Facts) -> list[Link]:
    """Where a subscription is ended: in every mail that speaks of money (ST-72)."""
    link = _link(facts, "common", "cancel", facts.brand.cancel_url)
    return [] if link is None else [link]


def _exit(facts: Facts) -> list[str]:
    """The way out that needs no merchant, where the merchant names none."""
    return [] if facts.brand.cancel_url is not None else [facts.language.say("common", "exit")]


_WRITERS: Final[Mapping[MailKind, Callable[[Facts], Page]]] = {
    MailKind.UPCOMING: _upcoming,
    MailKind.PAYMENT_FAILED: _payment_failed,
    MailKind.APPROVAL_NEEDED: _approval_needed,
    MailKind.ALLOWANCE_RUNNING_OUT: _allowance_running_out,
    MailKind.RECEIPT: _receipt,
    MailKind.TRIAL_ENDING: _trial_ending,
    MailKind.INVOICE: _invoice,
    MailKind.INVOICE_REMINDER: _invoice_reminder,
    MailKind.CANCELED: _canceled,
    MailKind.ENDPOINT_DISABLED: _endpoint_disabled,
    MailKind.SIGN_IN: _sign_in,
}
