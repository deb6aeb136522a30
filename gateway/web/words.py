"""What pages say, in the languages that there is a catalogue for, and how they write amounts and dates."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from gateway.domain.money import Token, exponent

LANGUAGES: Final = ("en", "de")
"""The first is spoken to whoever asks for none of them."""

_TOKEN_DIGITS_MIN: Final = 2
_CLIENT: Final = "js."


@dataclass(frozen=True, slots=True)
class Words:
    """One language. Called with a key of the catalogue, it says the text with its places filled in."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Say a text.

        Raises:
            KeyError: the catalogue has no such text, or a place of it is not filled in.
        """
        return self.texts[key].format(**values)

    @property
    def other_language(self) -> str:
        """The language that the page offers besides."""
        return LANGUAGES[1 - LANGUAGES.index(self.language)]

    def has(self, key: str) -> bool:
        """Whether the catalogue has a text."""
        return key in self.texts

    def for_script(self, **values: object) -> dict[str, str]:
        """The texts that the script says; it fills in `message` itself."""
        known = {"message": "{message}", **values}
        return {
            key.removeprefix(_CLIENT): text.format(**known)
            for key, text in self.texts.items()
            if key.startswith(_CLIENT)
        }

    def decimal(self, units: int, digits: int, *, digits_min: int) -> str:
        """Write an integer of units of 10^-digits, with at least so many digits after the point."""
        whole, rest = divmod(units, 10**digits)
        fraction = f"{rest:0{digits}d}".rstrip("0").ljust(min(digits_min, digits), "0") if digits else ""
        return f"{whole}{self.texts['decimal']}{fraction}" if fraction else str(whole)

    def money(self, minor_units: int, currency: str) -> str:
        """Write an amount of a currency: `12.50 USD`."""
        digits = exponent(currency)
        return f"{self.decimal(minor_units, digits, digits_min=digits)} {currency.upper()}"

    def tokens(self, base_units: int, token: Token) -> str:
        """Write an amount of a token, without its symbol: `12.50`."""
        return self.decimal(base_units, token.decimals, digits_min=_TOKEN_DIGITS_MIN)

    def date(self, at: datetime) -> str:
        """Write a day."""
        month = self.texts["months"].split("|")[at.month - 1]
        return self("date", day=at.day, month=month, year=at.year)

    def moment(self, at: datetime) -> str:
        """Write a minute, in UTC."""
        month = self.texts["months"].split("|")[at.month - 1]
        return self("moment", day=at.day, month=month, year=at.year, time=f"{at:%H:%M}")

    def every(self, unit: str, count: int) -> str:
        """Write an interval: `per month`, `every 3 months`."""
        return self(f"every.{unit}.{'one' if count == 1 else 'other'}", n=count)


@cache
def words(language: str) -> Words:
    """The catalogue of a language."""
    text = files("gateway.web").joinpath("catalogue", f"{language}.json").read_text(encoding="utf-8")
    return Words(language, json.loads(text))


def chosen(asked: str | None, locale: str | None, accepted: str | None) -> Words:
    """The language of a page: what the reader asked for, else what the merchant did, else what the browser does."""
    for wish in (asked, None if locale == "auto" else locale):
        if wish is not None and wish[:2] in LANGUAGES:
            return words(wish[:2])
    for part in (accepted or "").lower().split(","):
        tag = part.strip()[:2]
        if tag in LANGUAGES:
            return words(tag)
    return words(LANGUAGES[0])
