"""What a letter consists of, before it is text or HTML; and what it is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway.domain.branding import canonical_color, ink_on
from gateway.domain.catalog import Account
from gateway.domain.events import EventType
from gateway.domain.mail import Mail
from gateway.letters.language import Language

_JOINERS: Final = "\u200c\u200d"
"""Marks without which some scripts cannot be written; unlike their neighbours they turn nothing around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """A merchant as its customers see it. `ink` is the colour of letters on `color`."""

    name: str
    color: str
    ink: str
    logo_url: str | None = None
    support_email: str | None = None
    update_url: str | None = None
    cancel_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Where on a chain an invoice was paid: everything that anybody needs to look it up.

    Attributes:
        token_amount: base units of the token.
        paid_at: when the transfer was final.
    """

    chain: str
    chain_id: int
    symbol: str
    decimals: int
    token: str
    token_amount: int
    transaction_hash: str
    block_number: int | None
    payer: str | None
    payee: str
    paid_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a mail is written from.

    Attributes:
        about: the object as it was, in the form of the API.
        names: what prices are called, by id.
        details: other facts, for mails that no event stands behind.
    """

    mail: Mail
    language: Language
    brand: Brand
    event: EventType | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    payment: Payment | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Words that lead somewhere."""

    words: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A letter: the same for text and HTML.

    Attributes:
        facts: label and value, such as a line and its amount; the last of `totals` stands out.
        proof: label and value that are long and to be compared, such as a hash.
    """

    subject: str
    heading: str
    paragraphs: Sequence[str]
    facts: Sequence[tuple[str, str]] = ()
    totals: Sequence[tuple[str, str]] = ()
    button: Link | None = None
    proof_words: str | None = None
    proof: Sequence[tuple[str, str]] = ()
    links: Sequence[Link] = ()
    notes: Sequence[str] = ()


def brand_of(account: Account) -> Brand:
    """How a merchant's letters look."""
    look = account.settings.branding
    color = canonical_color(look.color)
    return Brand(
        name=one_line(look.name or account.name),
        color=color,
        ink=ink_on(color),
        logo_url=look.logo_url,
        support_email=look.support_email,
        update_url=look.update_url,
        cancel_url=look.cancel_url,
    )


def one_line(text: str, length_max: int = 200) -> str:
    """`text` as one line that people can see: control characters, line feeds and marks that turn text around go."""
    seen = "".join(letter if letter.isprintable() or letter in _JOINERS else " " for letter in text)
    line = " ".join(seen.split())
    return line if len(line) <= length_max else line[: length_max - 1] + "…"
