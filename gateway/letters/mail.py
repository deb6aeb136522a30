"""A page as a mail: headers that nobody can add to, the same words as text and as HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.domain.branding import contrast
from gateway.domain.settings import MailKind
from gateway.letters import headers, occasions
from gateway.letters.page import Brand, Facts, Page, one_line

_UNSUBSCRIBABLE: Final = frozenset({MailKind.UPCOMING})
"""What a customer may do without. Receipts, failures and what the law asks for are not advertising (RFC 2369, 8058)."""

_EDGE_CONTRAST_MIN: Final = 3.0
"""WCAG 2.2, 1.4.11: a button whose colour is nearer to the page's gets an edge."""

_PAGE_COLORS: Final = ("#ffffff", "#1c1f24")
_NAME_LENGTH_MAX: Final = 100
_PARAGRAPH_LENGTH_MAX: Final = 2_000

_templates: Final = Environment(
    loader=PackageLoader("gateway.letters"),
    autoescape=select_autoescape(("html",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def compose(facts: Facts, *, sender: str, recipient: str, name: str | None, now: datetime) -> bytes:
    """The whole message (RFC 5322). The same facts at the same time give the same bytes.

    Args:
        facts: what to write.
        sender: address it comes from; the merchant's name stands before it.
        recipient: one valid address.
        name: of the recipient, as the merchant or the recipient wrote it.
        now: date of the mail.

    Raises:
        KeyError: the object that the mail is about lacks what has to be said.
    """
    page = _seen(occasions.write(facts))
    brand = facts.brand
    top = [
        ("From", headers.mailbox(one_line(brand.name, _NAME_LENGTH_MAX), sender)),
        ("To", headers.mailbox(one_line(name or "", _NAME_LENGTH_MAX), recipient)),
        ("Subject", headers.text(page.subject)),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{facts.mail.id}@{sender.rpartition('@')[2]}>"),
        ("Auto-Submitted", "auto-generated"),
        ("Content-Language", facts.language.locale.value),
    ]
    if (support := brand.support_email) is not None:
        top.append(("Reply-To", headers.mailbox(one_line(brand.name, _NAME_LENGTH_MAX), support)))
        if facts.mail.kind in _UNSUBSCRIBABLE:
            about = quote(f"unsubscribe {facts.mail.kind} {facts.mail.customer_id}")
            top.append(("List-Unsubscribe", f"<mailto:{support}?subject={about}>"))
    words = _frame(facts)
    body = EmailMessage(policy=SMTP)
    body.set_content(_rendered("mail.txt", page, facts, words), cte="quoted-printable")
    body.add_alternative(_rendered("mail.html", page, facts, words), subtype="html", cte="quoted-printable")
    body.set_boundary(f"=_{facts.mail.id}")
    return headers.lines(top) + body.as_bytes()


def _seen(page: Page) -> Page:
    """The page with nothing in it that readers cannot see: strangers' words stand in every part."""

    def rows(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(one_line(label), one_line(value)) for label, value in pairs]

    return replace(
        page,
        subject=one_line(page.subject),
        heading=one_line(page.heading),
        paragraphs=[one_line(paragraph, _PARAGRAPH_LENGTH_MAX) for paragraph in page.paragraphs],
        facts=rows(page.facts),
        totals=rows(page.totals),
        proof=rows(page.proof),
    )


def _frame(facts: Facts) -> Mapping[str, str]:
    """What stands below every mail."""
    say, brand = facts.language, facts.brand
    answer = (
        say.say("common", "unattended")
        if brand.support_email is None
        else say.say("common", "questions", email=brand.support_email)
    )
    return {"answer": answer, "sent_for": say.say("common", "sent_for", merchant=brand.name)}


def _rendered(template: str, page: Page, facts: Facts, words: Mapping[str, str]) -> str:
    brand = facts.brand
    return _templates.get_template(template).render(
        page=page, brand=brand, words=words, lang=facts.language.locale.value, has_edge=_needs_edge(brand)
    )


def _needs_edge(brand: Brand) -> bool:
    return any(contrast(brand.color, page) < _EDGE_CONTRAST_MIN for page in _PAGE_COLORS)
