"""Invoices and receipts as documents: what stands in them, in every script that the fonts know, and always the same."""

import re
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from gateway.domain.branding import Branding, Locale
from gateway.domain.catalog import Scope
from gateway.domain.invoice import Invoice, LineDiscount, Status
from gateway.domain.settings import AccountSettings
from gateway.domain.tax import TaxAmount, TaxRate
from gateway.letters.document import Sheet, render
from gateway.letters.language import language
from gateway.letters.page import brand_of
from tests import factories as f
from tests.letters.letters import LOOKS, payment

LIVE = Scope(f.ACCOUNT_ID, livemode=True)
VAT = TaxRate(id="txr_1", scope=LIVE, created_at=f.NOW, display_name="VAT", percentage_ppm=72_500, inclusive=False)


def opened(**changes: Any) -> Invoice:
    return replace(f.invoice(number="A-0001", finalized_at=f.NOW, scope=LIVE), **changes)


def paid(**changes: Any) -> Invoice:
    return opened(status=Status.PAID, paid_at=f.NOW, amount_paid=1_000, **changes)


def sheet(invoice: Invoice, *, locale: Locale = Locale.EN, looks: Branding = LOOKS, **changes: Any) -> Sheet:
    values: dict[str, Any] = {
        "invoice": invoice,
        "brand": brand_of(f.account(settings=AccountSettings(branding=looks, locale=locale))),
        "language": language(locale),
        "customer": f.customer(name="Grace Hopper", email="grace@example.com"),
        "names": {f.PRICE_ID: "Almanac"},
        "rates": {},
    }
    return Sheet(**(values | changes))


def pages(document: bytes) -> int:
    return len(PdfReader(BytesIO(document)).pages)


def words(document: bytes) -> str:
    """What a person copies out of the document; the reader puts a zero before each letter of the larger font."""
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(document)).pages).replace("\x00", "")


@pytest.mark.parametrize("locale", Locale)
def test_ST_60_a_receipt_says_who_paid_what_for_what_and_how_to_check_it(locale: Locale) -> None:
    document = render(sheet(paid(), locale=locale, payment=payment()))
    said = words(document)
    proof = payment()
    for fact in ("A-0001", "Ada's Almanac", "Grace Hopper", "grace@example.com", "Almanac", proof.transaction_hash):
        assert str(fact) in said, said
    assert ("Receipt" if locale is Locale.EN else "Quittung") in said
    assert ("USD 10.00" if locale is Locale.EN else "10,00 USD") in said
    assert document.startswith(b"%PDF-1.")


def test_an_invoice_shows_discounts_taxes_credit_and_what_is_left_to_pay() -> None:
    line = f.invoice_line(
        amount=2_000,
        quantity=2,
        discount_amounts=(LineDiscount(discount_id="di_1", amount=500),),
        tax_amounts=(TaxAmount(rate_id="txr_1", amount=109, inclusive=False, taxable=1_500),),
    )
    invoice = opened(lines=(line,), total=1_609, starting_balance=-600, ending_balance=0)
    said = words(render(sheet(invoice, rates={"txr_1": VAT})))
    expected = [
        "Invoice", "USD 20.00", "USD -5.00", "VAT: Tax 7.25 %", "USD 1.09", "USD 16.09", "USD -6.00", "USD 10.09",
        "Credit applied", "Amount due",
    ]  # fmt: skip
    for fact in expected:
        assert fact in said, fact
    assert "Payment" not in said


def test_the_same_invoice_is_the_same_bytes() -> None:
    assert render(sheet(paid(), payment=payment())) == render(sheet(paid(), payment=payment()))
    assert render(sheet(paid(), payment=payment())) != render(sheet(paid(), payment=payment(block_number=1)))


def test_many_lines_go_on_over_as_many_pages_as_they_need() -> None:
    lines = tuple(
        f.invoice_line(id=f.numbered("il", number), description=f"volume {number} " + "of the almanac " * (number % 9))
        for number in range(1, 61)
    )
    document = render(sheet(opened(lines=lines, total=60_000)))
    assert pages(document) == 4
    said = words(document)
    assert all(f"volume {number} " in said for number in range(1, 61))
    assert said.count("Description") == 4


@pytest.mark.parametrize(
    "name",
    [
        "山田 太郎",
        "Οδυσσέας",
        "Жанна Д'Арк",
        "Łukasz Żółć",
        "김철수",
        "简体中文",
        "Ngô Bảo Châu",
        "x" * 400,
        "a\nb\r\nc\x00d",
        "\u202eevil",
    ],
)
def test_names_in_other_scripts_and_without_end_are_written(name: str) -> None:
    document = render(sheet(paid(), customer=f.customer(name=name, email="a" * 60 + "@example.com")))
    assert pages(document) == 1
    shown = words(document).replace("\n", "")
    expected = re.sub(r"[\s\x00\u202e]+", "", name)[:300]
    assert expected in re.sub(r"\s", "", shown)


def test_letters_that_no_font_knows_become_question_marks_and_nothing_breaks() -> None:
    document = render(sheet(paid(), customer=f.customer(name="महात्मा 🦄 x")))
    assert "??" in words(document)


@pytest.mark.parametrize(
    ("status", "said"),
    [(Status.VOID, "This invoice is void."), (Status.UNCOLLECTIBLE, "This invoice was written off.")],
)
def test_what_is_not_owed_any_more_says_so(status: Status, said: str) -> None:
    assert said in words(render(sheet(opened(status=status))))


def test_a_document_of_test_mode_is_no_invoice() -> None:
    assert "Test mode" in words(render(sheet(paid(scope=f.SCOPE))))
    assert "Test mode" not in words(render(sheet(paid())))


def test_a_draft_has_no_document() -> None:
    with pytest.raises(ValueError, match="draft"):
        render(sheet(f.draft_invoice()))


def test_what_went_back_is_shown() -> None:
    said = words(render(sheet(paid(), payment=payment(), refunded=250)))
    assert "USD -2.50" in said
