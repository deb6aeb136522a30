"""The forecast of a wallet on the wire."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from gateway.domain.failure import FailureCode
from gateway.domain.forecast import Forecast
from gateway.domain.money import Token
from gateway.domain.period import to_unix


class ForecastEntry(Struct, frozen=True, kw_only=True):
    """A pull that is to come. Amounts in base units of the token, as decimal strings."""

    object: Literal["forecast_entry"] = "forecast_entry"
    subscription: str
    renewal: int
    due: int
    retry: bool
    amount: str
    collectable: bool
    code: str | None
    missing_balance: str
    missing_allowance: str
    message: str


class ForecastObject(Struct, frozen=True, kw_only=True):
    """What a wallet has now, and which of the coming pulls from it can be collected if it stays so."""

    object: Literal["forecast"] = "forecast"
    subscription: str
    chain_id: int
    token: str
    symbol: str
    decimals: int
    wallet: str
    balance: str
    allowance: str
    collectable: bool
    data: Sequence[ForecastEntry]


def entry(forecast: Forecast, token: Token) -> ForecastEntry:
    """Show a coming pull."""
    return ForecastEntry(
        subscription=forecast.draw.subscription_id,
        renewal=forecast.number,
        due=to_unix(forecast.draw.at),
        retry=forecast.draw.retried,
        amount=str(forecast.draw.amount),
        collectable=forecast.code is None,
        code=None if forecast.code is None else forecast.code.value,
        missing_balance=str(forecast.missing_balance),
        missing_allowance=str(forecast.missing_allowance),
        message=_message(forecast, token),
    )


def _message(forecast: Forecast, token: Token) -> str:
    at = f"{forecast.draw.at:%Y-%m-%d}"
    what = f"Renewal {forecast.number} on {at}" if not forecast.draw.retried else f"The retry on {at}"
    if forecast.code is None:
        return f"{what} can be collected: {_units(forecast.draw.amount, token)}."
    if forecast.code is FailureCode.INSUFFICIENT_BALANCE:
        lacking, held = forecast.missing_balance, f"the wallet will have {_units(forecast.before.balance, token)}"
    else:
        lacking, held = forecast.missing_allowance, f"the allowance will be {_units(forecast.before.allowance, token)}"
    return f"{what} fails by {_units(lacking, token)}: {held}, and {_units(forecast.draw.amount, token)} are due."


def _units(amount: int, token: Token) -> str:
    exact = Decimal(amount).scaleb(-token.decimals)
    return f"{exact:f} {token.symbol}"
