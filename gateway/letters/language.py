"""Words, dates and amounts in the reader's language. A language is a file in `languages/`; nothing else knows one."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gateway.domain.branding import Locale
from gateway.domain.money import exponent

_FOLDER: Final = files("gateway.letters").joinpath("languages")


class Language:
    """One language's words. Made by `language`."""

    def __init__(self, locale: Locale, words: Mapping[str, Mapping[str, Any]]) -> None:
        self.locale = locale
        self._words = words

    def say(self, section: str, key: str, **facts: str) -> str:
        """A sentence with its facts filled in.

        Raises:
            KeyError: there is no such sentence, or a fact that it names is not given.
        """
        return str(self._words[section][key]).format_map(facts)

    def paragraphs(self, section: str, **facts: str) -> list[str]:
        """The text of a section."""
        return [str(paragraph).format_map(facts) for paragraph in self._words[section]["text"]]

    def has(self, section: str, key: str) -> bool:
        """Whether there is such a sentence."""
        return key in self._words[section]

    def date(self, at: datetime) -> str:
        """A day, as people write it."""
        form = self._words["form"]
        return str(form["date"]).format(day=at.day, month=form["months"][at.month - 1], year=at.year)

    def unix_date(self, seconds: int) -> str:
        """A day, from unix seconds."""
        return self.date(datetime.fromtimestamp(seconds, UTC))

    def amount(self, minor_units: int, currency: str) -> str:
        """Minor units with their currency."""
        number = self.number(minor_units, exponent(currency))
        return str(self._words["form"]["amount"]).format(currency=currency.upper(), number=number)

    def number(self, units: int, decimals: int) -> str:
        """An integer that counts parts of ten to the power of `decimals`, with groups of three."""
        form = self._words["form"]
        digits = f"{abs(units):0{decimals + 1}d}"
        whole, rest = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
        grouped = f"{int(whole):,}".replace(",", form["group"])
        return ("-" if units < 0 else "") + grouped + (form["decimal"] + rest if rest else "")

    def token_amount(self, base_units: int, decimals: int, symbol: str) -> str:
        """Base units of a token, without zeros that say nothing."""
        text = self.number(base_units, decimals)
        point = self._words["form"]["decimal"]
        whole, _, rest = text.partition(point)
        rest = rest.rstrip("0").ljust(min(2, decimals), "0")
        return f"{whole}{point + rest if rest else ''} {symbol}"


@cache
def language(locale: Locale) -> Language:
    """A language, read once."""
    return Language(locale, tomllib.loads(_FOLDER.joinpath(f"{locale.value}.toml").read_text(encoding="utf-8")))
