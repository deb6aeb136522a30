"""Mails as people and mail programs read them."""

import re
import tomllib
from email import message_from_bytes
from html.parser import HTMLParser
from importlib.resources import files
from string import Formatter
from typing import Any

import pytest

from gateway.domain.branding import Branding, Locale, contrast
from gateway.domain.events import EventType
from gateway.domain.failure import FailureCode, action_of
from gateway.domain.settings import MailKind
from gateway.domain.transition import Action
from gateway.letters import headers
from gateway.letters.language import language
from gateway.letters.mail import compose
from tests import factories as f
from tests.letters.letters import SENDER, about, addressed, facts, message, payment, shown, text

EVIL = "Eve\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>\r\n.\r\nMAIL FROM:<x@y.example>\u202e"


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("kind", MailKind)
def test_SX_17_every_kind_says_the_same_as_text_and_as_html(kind: MailKind, locale: Locale) -> None:
    mail = message(facts(kind, locale=locale))
    assert mail.get_content_type() == "multipart/alternative"
    plain, tags = text(mail), Tags(text(mail, "html"))
    said = " ".join(tags.words.split())
    for line in plain.splitlines():
        words = line.strip().rstrip(":")
        if words and not set(words) <= {"=", "-"} and "https://" not in words and ": " not in words:
            assert words in said, words
    links = {attributes["href"] for tag, attributes in tags.tags if tag == "a"}
    assert links == set(re.findall(r"https?://\S+", plain)) - {"https://shop.example/hook"}
    assert mail["Content-Language"] == locale
    assert "{" not in plain


@pytest.mark.parametrize("kind", MailKind)
def test_headers_are_those_of_an_automatic_mail(kind: MailKind) -> None:
    mail = message(facts(kind))
    assert mail["From"] == "Ada's Almanac <billing@dues.example>"
    assert mail["Reply-To"] == "Ada's Almanac <help@almanac.example>"
    assert mail["To"] == "Grace <grace@example.com>"
    assert mail["Message-ID"] == f"<{f.numbered('mail', 1)}@dues.example>"
    assert mail["Date"].datetime == f.NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail["List-Unsubscribe"] is not None) == (kind is MailKind.UPCOMING)


def test_the_same_mail_is_the_same_bytes() -> None:
    one, other = (
        compose(facts(MailKind.RECEIPT), sender=SENDER, recipient="a@b.example", name="x", now=f.NOW) for _ in range(2)
    )
    assert one == other
    assert max(len(line) for line in one.split(b"\r\n")) <= 998
    assert b"\n" not in one.replace(b"\r\n", b"")
    assert b"\r" not in one.replace(b"\r\n", b"")
    assert one.isascii()


def every_place(evil: str) -> dict[str, Any]:
    """Facts in which a stranger wrote `evil` wherever a stranger may write."""
    invoice = about(MailKind.RECEIPT, number=evil, description=evil)
    for line in invoice["lines"]["data"]:
        line["description"] = f"{evil} {f.PRICE_ID}"
    for item in about(MailKind.CANCELED)["items"]["data"]:
        item["price"]["nickname"] = evil
    return {"about": invoice, "names": {f.PRICE_ID: evil}, "payment": payment(chain=evil, symbol=evil)}


@pytest.mark.parametrize("kind", [MailKind.RECEIPT, MailKind.PAYMENT_FAILED, MailKind.UPCOMING, MailKind.INVOICE])
def test_strangers_words_add_no_header_no_recipient_and_no_tag(kind: MailKind) -> None:
    ours = {name for name, _ in message(facts(kind)).items()}
    harmless = Tags(text(message(facts(kind)), "html"))
    mail = message(facts(kind, **every_place(EVIL)), name=EVIL)
    assert {name for name, _ in mail.items()} == ours
    assert mail["Bcc"] is None
    assert [address.addr_spec for address in mail["To"].addresses] == ["grace@example.com"]
    tags = Tags(text(mail, "html"))
    assert {tag for tag, _ in tags.tags} <= {tag for tag, _ in harmless.tags} | {"p"}
    assert "alert(1)" in tags.words
    raw = compose(facts(kind, **every_place(EVIL)), sender=SENDER, recipient="a@b.example", name=EVIL, now=f.NOW)
    assert not re.search(rb"(?im)^(bcc|mail from)", raw.partition(b"\r\n\r\n")[0])
    assert "\u202e" not in text(mail) + tags.words


@pytest.mark.parametrize(
    "name", ["Zoë Ångström", "山田 太郎", "Οδυσσέας", "محمد", "a" * 300, "", "   ", '"', "a,b;c<d>@e"]
)
def test_any_name_of_a_customer_stands_before_the_one_address(name: str) -> None:
    raw = compose(facts(MailKind.RECEIPT), sender=SENDER, recipient="grace@example.com", name=name, now=f.NOW)
    cut = " ".join(name.split())[:99] + ("…" if len(name) > 100 else "")
    assert addressed(raw) == (cut, "grace@example.com")


def test_every_name_and_subject_arrives_as_it_was_written() -> None:
    words = [
        "Ihre", "Quittung", "für", "Müller", "Größe", "日本語", "Привет", "a", "bb", "verlängert", "(sich)", "[am]",
        "1.", "“x”", "€:", "ok", "=?utf-8?q?x?=",
    ]  # fmt: skip
    for number in range(2_000):
        written = " ".join(words[(number * step) % len(words)] for step in range(1, 2 + number % 15))
        raw = headers.lines([("Subject", headers.text(written)), ("To", headers.mailbox(written, "a@b.example"))])
        assert shown(message_from_bytes(raw)["Subject"]) == written
        assert addressed(raw) == (written, "a@b.example")
        assert max(len(line) for line in raw.split(b"\r\n")) <= 90


@pytest.mark.parametrize("value", ["a\nBcc: b", "a\r\nBcc: b", "a\rb", "a\0b", "a\r\n\r\nbody"])
def test_a_value_that_would_end_its_header_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="would end early"):
        headers.lines([("Subject", value)])


@pytest.mark.parametrize("code", [code for code in FailureCode if action_of(code) not in {Action.WAIT, Action.SUCCESS}])
@pytest.mark.parametrize("locale", Locale)
def test_SX_17_a_failed_payment_says_what_the_customer_can_do(code: FailureCode, locale: Locale) -> None:
    invoice = about(MailKind.PAYMENT_FAILED)
    invoice["status_reason"]["code"] = str(code)
    mail = message(facts(MailKind.PAYMENT_FAILED, locale=locale, about=invoice))
    words = language(locale)
    named = words.has("reasons", code)
    assert words.say("reasons", code if named else "other") in " ".join(text(mail).split())
    assert named or code in {
        FailureCode.PERIOD_TOO_LATE,
        FailureCode.PERIOD_UNDERPAID,
        FailureCode.PLAN_CLOSED,
        FailureCode.REVERSED,
    }
    assert "https://almanac.example/pay" in text(mail)


def test_ST_60_a_receipt_carries_what_is_needed_to_check_the_payment_on_the_chain() -> None:
    written = text(message(facts(MailKind.RECEIPT)))
    paid = payment()
    for fact in (paid.transaction_hash, paid.token, paid.payer, paid.payee, "21345678", "Base (8453)", "10.00 USDC"):
        assert str(fact) in written
    assert "USD 10.00" in written
    assert "A-0001" in written
    paid_from_credit = facts(MailKind.RECEIPT, about=about(MailKind.RECEIPT, total=1_500), payment=None)
    assert "Paid from credit: USD -5.00" in text(message(paid_from_credit))


def test_ST_67_an_allowance_that_runs_out_says_how_many_payments_it_still_covers() -> None:
    written = text(message(facts(MailKind.ALLOWANCE_RUNNING_OUT)))
    assert "Payments that are still covered: 2" in written
    assert "https://almanac.example/pay" in written


def test_ST_72_the_way_out_stands_in_what_is_written_about_trials_and_in_receipts() -> None:
    for kind in (MailKind.TRIAL_ENDING, MailKind.RECEIPT, MailKind.UPCOMING):
        assert "https://almanac.example/leave" in text(message(facts(kind)))
        alone = text(message(facts(kind, looks=Branding())))
        assert language(Locale.EN).say("common", "exit") in alone


def test_ST_20_an_approval_that_is_missing_leads_to_the_page_where_it_is_given() -> None:
    page = "https://pay.example/i/token"
    invoice = about(MailKind.APPROVAL_NEEDED, hosted_invoice_url=page)
    assert page in text(message(facts(MailKind.APPROVAL_NEEDED, about=invoice)))
    assert "almanac.example/pay" in text(message(facts(MailKind.APPROVAL_NEEDED)))


@pytest.mark.parametrize("color", ["#ffffff", "#000000", "#7f7f7f", "#ffff00", "#0b5fff", "#111418"])
def test_ST_68_the_button_can_be_read_and_seen_in_any_colour(color: str) -> None:
    html = text(
        message(
            facts(
                MailKind.RECEIPT,
                looks=Branding(color=color),
                about=about(MailKind.RECEIPT, invoice_pdf="https://p.example/i"),
            )
        ),
        "html",
    )
    [(_, button)] = [(tag, a) for tag, a in Tags(html).tags if "button" in (a.get("class") or "")]
    style = dict(part.split(":", 1) for part in (button["style"] or "").split(";") if part)
    assert contrast(style["color"], style["background-color"]) >= 4.5
    seen = min(contrast(color, "#ffffff"), contrast(color, "#1c1f24")) >= 3
    assert seen != ("edge" in (button["class"] or ""))


def test_ST_68_nothing_is_loaded_from_elsewhere_but_the_merchants_logo() -> None:
    logo = "https://almanac.example/logo.png?a=1&b=2"
    with_logo = Tags(text(message(facts(MailKind.RECEIPT, looks=Branding(logo_url=logo))), "html"))
    assert [a["src"] for tag, a in with_logo.tags if "src" in a] == [logo]
    without = text(message(facts(MailKind.RECEIPT)), "html")
    assert not [tag for tag, a in Tags(without).tags if "src" in a or tag in {"link", "script", "iframe"}]
    assert "url(" not in without
    assert "@import" not in without


def test_ST_71_a_reminder_says_that_it_is_one() -> None:
    first, again = (
        message(facts(MailKind.APPROVAL_NEEDED, event=event))["Subject"]
        for event in (EventType.INVOICE_PAYMENT_ACTION_REQUIRED, EventType.INVOICE_APPROVAL_REMINDER)
    )
    assert not first.startswith("Reminder")
    assert again.startswith("Reminder")


def test_ST_19_a_reminder_before_the_due_date_differs_from_one_after_it() -> None:
    before, after = (
        text(message(facts(MailKind.INVOICE_REMINDER, event=event)))
        for event in (EventType.INVOICE_WILL_BE_DUE, EventType.INVOICE_OVERDUE)
    )
    assert "is due on" in before
    assert "has not been paid yet" in after


def test_ST_69_PM_01_an_invoice_that_is_sent_says_what_to_transfer_where() -> None:
    option = {"chain_id": 8453, "token": payment().token, "symbol": "USDC", "amount_decimal": "10.000123"}
    asked = {"recipient": payment().payee, "options": [option]}
    for kind in (MailKind.INVOICE, MailKind.INVOICE_REMINDER):
        written = text(message(facts(kind, about=about(kind, payment_instructions=asked))))
        for fact in ("10.000123", "USDC (8453)", payment().token, payment().payee):
            assert fact in written


def _words(locale: Locale) -> dict[str, set[str]]:
    tree = tomllib.loads(files("gateway.letters").joinpath(f"languages/{locale}.toml").read_text(encoding="utf-8"))
    return {
        f"{section}.{key}": {
            name
            for text in (value if isinstance(value, list) else [value])
            for _, name, *_ in Formatter().parse(text)
            if name
        }
        for section, words in tree.items()
        for key, value in words.items()
    }


@pytest.mark.parametrize("locale", Locale)
def test_every_language_has_the_same_sentences_with_the_same_facts(locale: Locale) -> None:
    assert _words(locale) == _words(Locale.EN)


def test_amounts_and_dates_are_written_as_the_language_writes_them() -> None:
    english, german = language(Locale.EN), language(Locale.DE)
    assert [each.amount(-123_456_789, "usd") for each in (english, german)] == [
        "USD -1,234,567.89",
        "-1.234.567,89 USD",
    ]
    assert [each.amount(5, "jpy") for each in (english, german)] == ["JPY 5", "5 JPY"]
    assert [each.amount(5, "kwd") for each in (english, german)] == ["KWD 0.005", "0,005 KWD"]
    assert english.token_amount(12_345_600, 6, "USDC") == "12.3456 USDC"
    assert english.token_amount(10**24, 18, "DAI") == "1,000,000.00 DAI"
    assert german.token_amount(1, 18, "DAI") == "0,000000000000000001 DAI"
    assert english.token_amount(7, 0, "PT") == "7 PT"
    assert [each.date(f.NOW.replace(year=2026, month=3, day=1)) for each in (english, german)] == [
        "1 March 2026", "1. März 2026"
    ]  # fmt: skip
