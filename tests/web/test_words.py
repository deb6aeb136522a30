"""What the pages say, and how often they are served; without a browser."""

import string

import pytest

from gateway.web.security import REQUESTS_MAX, REQUESTS_WINDOW, Limiter
from gateway.web.words import LANGUAGES, chosen, words
from tests import factories


def test_a_session_is_served_so_often_and_no_more() -> None:
    limiter, now = Limiter(), factories.NOW
    assert [limiter.allows("cs_1", now) for _ in range(REQUESTS_MAX + 1)] == [True] * REQUESTS_MAX + [False]
    assert limiter.allows("cs_2", now)
    assert limiter.allows("cs_1", now + REQUESTS_WINDOW)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things(language: str) -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    reference, spoken = words(LANGUAGES[0]).texts, words(language).texts
    assert set(spoken) == set(reference)
    assert {key: places(text) for key, text in spoken.items()} == {key: places(text) for key, text in reference.items()}


def test_the_reader_s_wish_goes_before_the_merchant_s_and_the_browser_s() -> None:
    assert chosen("de", "en", "en").language == "de"
    assert chosen(None, "de", "en").language == "de"
    assert chosen("xx", "auto", "fr-CH, de;q=0.8").language == "de"
    assert chosen(None, None, None).language == "en"


@pytest.mark.parametrize(
    ("units", "digits", "digits_min", "written"),
    [(10_000_000, 6, 2, "10.00"), (1, 6, 2, "0.000001"), (1_500_000, 6, 2, "1.50"), (7, 0, 2, "7"), (0, 2, 2, "0.00")],
)
def test_amounts_are_written_to_the_last_unit(units: int, digits: int, digits_min: int, written: str) -> None:
    assert words("en").decimal(units, digits, digits_min=digits_min) == written
