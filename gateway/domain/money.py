"""Money as integers: minor units of a currency for prices, base units of a token for settlement.

No float and no rounding: an amount that a token cannot express exactly is refused.
"""

import re
from dataclasses import dataclass
from typing import Final

from chain.primitives import Address
from gateway.domain.errors import InvalidRequest

# ISO 4217 exponents that differ from 2.
_EXPONENTS: Final = {
    "bif": 0, "clp": 0, "djf": 0, "gnf": 0, "isk": 0, "jpy": 0, "kmf": 0, "krw": 0, "pyg": 0, "rwf": 0, "ugx": 0,
    "vnd": 0, "vuv": 0, "xaf": 0, "xof": 0, "xpf": 0, "bhd": 3, "iqd": 3, "jod": 3, "kwd": 3, "lyd": 3, "omr": 3,
    "tnd": 3,
}  # fmt: skip
_TWO_DECIMALS: Final = frozenset({
    "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt", "bgn", "bmd",
    "bnd", "bob", "brl", "bsd", "btn", "bwp", "byn", "bzd", "cad", "cdf", "chf", "cny", "cop", "crc", "cup",
    "cve", "czk", "dkk", "dop", "dzd", "egp", "ern", "etb", "eur", "fjd", "fkp", "gbp", "gel", "ghs", "gip",
    "gmd", "gtq", "gyd", "hkd", "hnl", "htg", "huf", "idr", "ils", "inr", "irr", "jmd", "kes", "kgs", "khr",
    "kpw", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "mad", "mdl", "mga", "mkd", "mmk", "mnt", "mop",
    "mru", "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr", "nzd", "pab", "pen",
    "pgk", "php", "pkr", "pln", "qar", "ron", "rsd", "rub", "sar", "sbd", "scr", "sdg", "sek", "sgd", "shp",
    "sle", "sos", "srd", "ssp", "stn", "svc", "syp", "szl", "thb", "tjs", "tmt", "top", "try", "ttd", "twd",
    "tzs", "uah", "usd", "uyu", "uzs", "ves", "wst", "xcd", "yer", "zar", "zmw", "zwg",
})  # fmt: skip

_DECIMAL: Final = re.compile(r"(?P<whole>[0-9]{1,12})(?:\.(?P<fraction>[0-9]{1,3}))?", re.ASCII)

AMOUNT_MAX: Final = 99_999_999_99
"""Most that one price may ask for, in minor units: what the SDKs' peers accept, and far below every integer column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that may settle, as configured for a chain.

    Attributes:
        currency: ISO 4217 code, lower case, that it is pegged to 1:1.
        decimals: digits after the point of its base unit.
        permit_name: EIP-712 domain name of its EIP-2612 permit; None when it has none.
    """

    chain_id: int
    address: Address
    symbol: str
    decimals: int
    currency: str
    permit_name: str | None = None
    permit_version: str | None = None


def currency(code: str, *, param: str = "currency") -> str:
    """Return the lower-case ISO 4217 code.

    Raises:
        InvalidRequest: there is no such currency (PM-04).
    """
    lowered = code.lower()
    if lowered not in _TWO_DECIMALS and lowered not in _EXPONENTS:
        raise InvalidRequest(
            f"Invalid currency: {code}. Use a three-letter ISO 4217 code such as 'usd'.",
            code="invalid_currency",
            param=param,
        )
    return lowered


def exponent(currency_code: str) -> int:
    """Digits after the point of a currency."""
    return _EXPONENTS.get(currency_code, 2)


def minor_units(text: str, currency_code: str, *, param: str = "amount") -> int:
    """Read a positive decimal such as "100.00" as minor units, exactly (PM-05).

    Raises:
        InvalidRequest: it is no plain decimal, not above zero, finer than the currency, or too much.
    """
    digits = exponent(currency_code)
    read = _DECIMAL.fullmatch(text)
    if read is None or len(read["fraction"] or "") > digits:
        places = f"up to {digits} digits after the point" if digits else "no point"
        raise InvalidRequest(
            f'{param} must be a decimal in {currency_code} with {places}, such as "{12 if not digits else "12.50"}".',
            code="invalid_amount",
            param=param,
        )
    amount = int(read["whole"] + (read["fraction"] or "").ljust(digits, "0"))
    if not 0 < amount <= AMOUNT_MAX:
        raise InvalidRequest(f"{param} must be above zero and not too much.", code="invalid_amount", param=param)
    return amount


def to_base_units(amount: int, currency_code: str, token: Token) -> int:
    """Convert minor units into base units of a token pegged to the same currency.

    Raises:
        InvalidRequest: the token is pegged to another currency, or cannot express the amount exactly.
    """
    if token.currency != currency_code:
        raise InvalidRequest(
            f"{token.symbol} settles {token.currency}, but the price is in {currency_code}. "
            f"Use a token that is pegged to {currency_code}.",
            code="token_currency_mismatch",
        )
    scale = token.decimals - exponent(currency_code)
    if scale >= 0:
        return int(amount * 10**scale)
    whole, rest = divmod(amount, 10**-scale)
    if rest:
        raise InvalidRequest(
            f"{token.symbol} has {token.decimals} decimals and cannot express {amount} minor units of {currency_code}.",
            code="amount_not_representable",
        )
    return int(whole)


def to_minor_units(amount: int, currency_code: str, token: Token) -> int:
    """Whole minor units in so many base units of a token; what is left over is worth less than one."""
    scale = token.decimals - exponent(currency_code)
    return amount // 10**scale if scale >= 0 else int(amount * 10**-scale)
