"""Invoices and receipts as PDF documents. The same facts give the same bytes: nothing in them depends on when or where.

Fonts come from packages: Fira Sans for Latin, Greek and Cyrillic, Noto Sans CJK for Chinese, Japanese and Korean, which
is only opened for texts that need it. What neither of them can write becomes a question mark.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout, TextEmphasis, VAlign, XPos, YPos
from fpdf.fonts import FontFace

from gateway.domain.branding import contrast
from gateway.domain.catalog import Customer
from gateway.domain.invoice import Invoice, Status
from gateway.domain.tax import TaxRate
from gateway.letters.language import Language
from gateway.letters.occasions import proof_of
from gateway.letters.page import Brand, Payment, one_line

_MARGIN: Final = 20.0  # millimetres, as all lengths here
_LABEL_WIDTH: Final = 42.0
_COLUMNS: Final = (86, 16, 34, 34)
_INK: Final = (28, 31, 36)
_FAINT: Final = (92, 99, 110)
_RULE: Final = (205, 210, 217)
_RULE_CONTRAST_MIN: Final = 1.5
"""A stripe that is nearer to the paper's white is drawn grey."""

_TEXT_LENGTH_MAX: Final = 500
_PERCENT_PPM: Final = 10_000
_LATIN: Final = "latin"
_CJK: Final = "cjk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a document is made of.

    Attributes:
        names: what prices are called, by id.
        rates: tax rates of the lines, by id.
        refunded: minor units that went back to the payer.
    """

    invoice: Invoice
    brand: Brand
    language: Language
    customer: Customer | None
    names: Mapping[str, str]
    rates: Mapping[str, TaxRate]
    payment: Payment | None = None
    refunded: int = 0


def render(sheet: Sheet) -> bytes:
    """The document of a finalised invoice; a receipt once it is paid.

    Raises:
        ValueError: it is a draft, which owes nothing yet.
    """
    if sheet.invoice.status is Status.DRAFT or sheet.invoice.finalized_at is None:
        raise ValueError("a draft has no document")
    return _Document(sheet).made()


class _Document(FPDF):
    """One document on A4, from top to bottom."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(format="A4")
        self._sheet = sheet
        self._say = sheet.language
        self._is_receipt = sheet.invoice.status is Status.PAID
        self.set_margin(_MARGIN)
        self.set_auto_page_break(auto=True, margin=_MARGIN + 8)
        self.set_creation_date(sheet.invoice.finalized_at)
        self.set_producer("Dues")
        self.set_title(self._seen(f"{self._name} {sheet.invoice.number}"))
        self.set_author(self._seen(sheet.brand.name))
        self.set_lang(sheet.language.locale.value)
        self.add_font(_LATIN, "", _font("fontpkg_fira_sans", "files/FiraSans-Regular.ttf"))
        self.add_font(_LATIN, "B", _font("fontpkg_fira_sans", "files/FiraSans-SemiBold.ttf"))
        known = _letters(_LATIN)
        self._has_fallback = any(ord(letter) not in known for text in _texts(sheet) for letter in text)
        if self._has_fallback:
            self.add_font(_CJK, "", _font(*_FONTS[_CJK]))
            self.set_fallback_fonts([_CJK], exact_match=False)

    def made(self) -> bytes:
        """Lay everything out."""
        self.add_page()
        self._head()
        self._parties()
        self._lines()
        self._totals()
        self._payment()
        return bytes(self.output())

    def header(self) -> None:
        """Draw the merchant's stripe on every page."""
        red, green, blue = _rgb(self._sheet.brand.color)
        self.set_fill_color(red, green, blue)
        self.rect(0, 0, self.w, 3, style="F")
        self.set_y(_MARGIN)

    def footer(self) -> None:
        """Write who it is from, and the page."""
        self.set_y(-_MARGIN + 2)
        self._font(8, color=_FAINT)
        # The number of pages is only known at the end: what stands for it must not be aligned by its width.
        self.cell(30, 5, self._say.say("document", "page", page=str(self.page_no()), pages="{nb}"))
        who = [self._sheet.brand.name, self._sheet.invoice.number, self._sheet.brand.support_email]
        self.cell(0, 5, self._seen(" · ".join(part for part in who if part)), align=Align.R)

    @property
    def _name(self) -> str:
        return self._say.say("document", "receipt" if self._is_receipt else "invoice")

    def _head(self) -> None:
        invoice, say = self._sheet.invoice, self._say
        self._font(22, bold=True)
        self.cell(0, 11, self._name, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self._font(10, color=_FAINT)
        for words in self._remarks():
            self.multi_cell(0, 5.5, words, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(4)
        rows = [
            ("number", invoice.number or ""),
            ("issued", None if invoice.finalized_at is None else say.date(invoice.finalized_at)),
            ("due", None if invoice.due_at is None else say.date(invoice.due_at)),
            ("paid", None if invoice.paid_at is None else say.date(invoice.paid_at)),
        ]
        for key, value in rows:
            if value is not None:
                self._pair(say.say("document", key), value)
        self._pair(say.say("common", "period"), self._span(invoice.period_start, invoice.period_end))
        self.ln(6)

    def _remarks(self) -> list[str]:
        invoice, say = self._sheet.invoice, self._say
        found = [] if invoice.scope.livemode else [say.say("document", "test")]
        if invoice.status in {Status.VOID, Status.UNCOLLECTIBLE}:
            found.append(say.say("document", invoice.status.value))
        if invoice.description:
            found.append(self._seen(invoice.description))
        return found

    def _span(self, start: datetime, end: datetime) -> str:
        """[start, end): the last day is the one before the end, where the period ends at midnight."""
        return f"{self._say.date(start)} – {self._say.date(end)}"  # noqa: RUF001 - a dash between two days

    def _parties(self) -> None:
        brand, customer, say = self._sheet.brand, self._sheet.customer, self._say
        known = [] if customer is None else [customer.name, customer.email]
        sides = (
            (say.say("document", "from"), [brand.name, brand.support_email]),
            (say.say("document", "bill_to"), [*known, *(() if any(known) else (self._sheet.invoice.customer_id,))]),
        )
        top, lowest, half = self.get_y(), self.get_y(), self.epw / 2
        for number, (label, values) in enumerate(sides):
            self.set_xy(self.l_margin + number * half, top)
            self._font(9, color=_FAINT)
            self.cell(half, 5, label, new_x=XPos.LEFT, new_y=YPos.NEXT)
            for value in values:
                if value:
                    self._font(10)
                    self.multi_cell(half - 6, 5.5, self._seen(value), align=Align.L, new_x=XPos.LEFT, new_y=YPos.NEXT)
            lowest = max(lowest, self.get_y())
        self.set_xy(self.l_margin, lowest + 8)

    def _lines(self) -> None:
        invoice, say = self._sheet.invoice, self._say
        self._font(9.5)
        self.set_draw_color(*_RULE)
        with self.table(
            col_widths=_COLUMNS,
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis=TextEmphasis.B, color=_FAINT, size_pt=8.5),
            line_height=5.2,
            padding=(1.6, 0),
            text_align=(Align.L, Align.R, Align.R, Align.R),
            v_align=VAlign.T,
        ) as table:
            table.row([say.say("document", key) for key in ("description", "quantity", "unit", "amount")])
            for line in invoice.lines:
                words = self._seen(_line_words(line.description, line.price_id, self._sheet.names))
                if (line.period_start, line.period_end) != (invoice.period_start, invoice.period_end):
                    words = f"{words}\n{self._span(line.period_start, line.period_end)}"
                unit, rest = divmod(line.amount, line.quantity or 1)
                cost = say.amount(unit, invoice.currency) if not rest and line.quantity else ""
                table.row([words, str(line.quantity), cost, say.amount(line.amount, invoice.currency)])
        self.ln(3)

    def _totals(self) -> None:
        invoice, say = self._sheet.invoice, self._say
        rows = [(say.say("document", "subtotal"), invoice.subtotal)]
        if discounts := sum(line.discount_amount for line in invoice.lines):
            rows.append((say.say("document", "discount"), -discounts))
        rows += self._taxes()
        rows.append((say.say("document", "total"), invoice.total))
        if invoice.starting_balance and invoice.amount_due != invoice.total:
            rows.append((say.say("document", "credit"), invoice.amount_due - invoice.total))
        rows.append((say.say("document", "due_amount"), invoice.amount_due))
        if invoice.amount_paid:
            rows.append((say.say("document", "paid_amount"), invoice.amount_paid))
        if self._sheet.refunded:
            rows.append((say.say("document", "refunded"), -self._sheet.refunded))
        if invoice.status is Status.OPEN and invoice.amount_paid:
            rows.append((say.say("document", "open_amount"), invoice.amount_remaining))
        self._keep_together(5.8 * len(rows) + 4)
        for number, (label, amount) in enumerate(rows):
            self._font(10, bold=number == len(rows) - 1)
            self.set_x(self.l_margin + self.epw - 106)
            self.cell(70, 5.8, label, align=Align.R)
            self.cell(36, 5.8, say.amount(amount, invoice.currency), align=Align.R, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(6)

    def _taxes(self) -> list[tuple[str, int]]:
        """One row for each rate, in the order of the lines."""
        sums: dict[tuple[str, bool], int] = {}
        for part in (part for line in self._sheet.invoice.lines for part in line.tax_amounts):
            sums[part.rate_id, part.inclusive] = sums.get((part.rate_id, part.inclusive), 0) + part.amount
        rows = []
        for (rate_id, inclusive), amount in sums.items():
            rate = self._sheet.rates.get(rate_id)
            percent = "" if rate is None else self._percent(rate.percentage_ppm)
            words = self._say.say("document", "tax_included" if inclusive else "tax", percent=percent)
            rows.append((self._seen(f"{rate.display_name}: {words}" if rate is not None else words), amount))
        return rows

    def _percent(self, ppm: int) -> str:
        whole, parts = divmod(ppm, _PERCENT_PPM)
        decimals = f"{parts:04d}".rstrip("0")
        return f"{whole}.{decimals}" if decimals else str(whole)

    def _payment(self) -> None:
        payment, say = self._sheet.payment, self._say
        if payment is None:
            return
        rows = proof_of(say, payment)
        self._keep_together(5.5 * (len(rows) + 3))
        self._font(11, bold=True)
        self.cell(0, 7, say.say("document", "payment"), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self._font(9, color=_FAINT)
        self.multi_cell(0, 5, say.say("receipt", "verify"), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)
        for label, value in rows:
            self._pair(label, value, size=9)

    def _keep_together(self, height: float) -> None:
        """Begin a new page where `height` does not fit on this one any more."""
        if self.get_y() + height > self.h - self.b_margin:
            self.add_page()

    def _pair(self, label: str, value: str, *, size: float = 10) -> None:
        self._font(size, color=_FAINT)
        self.cell(_LABEL_WIDTH, 5.5, label)
        self._font(size)
        self.multi_cell(
            self.epw - _LABEL_WIDTH, 5.5, self._seen(value), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )

    def _font(self, size: float, *, bold: bool = False, color: tuple[int, int, int] = _INK) -> None:
        self.set_font(_LATIN, "B" if bold else "", size)
        self.set_text_color(*color)
        if self._has_fallback:
            # A size that is first used by a letter of the other font would be forgotten after it (fpdf2 2.8.9).
            self.text(self.l_margin, self.get_y(), " ")

    def _seen(self, text: str) -> str:
        """`text` in letters that can be written."""
        known = _letters(_LATIN)
        line = one_line(text, _TEXT_LENGTH_MAX)
        if all(ord(letter) in known for letter in line):
            return line
        return "".join(letter if ord(letter) in known or ord(letter) in _letters(_CJK) else "?" for letter in line)


_FONTS: Final[Mapping[str, tuple[str, str]]] = {
    _LATIN: ("fontpkg_fira_sans", "files/FiraSans-Regular.ttf"),
    _CJK: ("noto_cjk_sans_jp_regular", "NotoSansCJKjp-Regular.otf"),
}


def _font(package: str, path: str) -> str:
    return str(files(package).joinpath(path))


@cache
def _letters(font: str) -> frozenset[int]:
    """What a font can write. Opened once, and only the one that is asked for."""
    with TTFont(_font(*_FONTS[font]), lazy=True) as opened:
        return frozenset(opened.getBestCmap())


def _texts(sheet: Sheet) -> Iterable[str]:
    """Every text that somebody else wrote."""
    customer = sheet.customer
    yield from (sheet.brand.name, sheet.invoice.description or "", *sheet.names.values())
    yield from (line.description for line in sheet.invoice.lines)
    yield from (rate.display_name for rate in sheet.rates.values())
    if customer is not None:
        yield from (customer.name or "", customer.email or "")


def _line_words(description: str, price_id: str | None, names: Mapping[str, str]) -> str:
    if price_id is None or price_id not in names:
        return description
    return description.replace(price_id, names[price_id])


def _rgb(color: str) -> Sequence[int]:
    if contrast(color, "#ffffff") < _RULE_CONTRAST_MIN:
        return _RULE
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]
