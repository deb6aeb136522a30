"""Which of the coming pulls from one wallet can be collected, and what the others lack (PRODUCT: collectability).

Subscriptions of one wallet share its balance and its allowance, so they are looked at together, in the order of time: a
pull that goes through leaves less for those after it, one that fails leaves everything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain.failure import FailureCode

UNLIMITED: Final = 2**255
"""An allowance from here on is not used up: tokens in use treat the greatest number as "for ever"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A pull that is to come: when, and how much (base units). `retried`: it was owed before, and is tried again."""

    subscription_id: str
    at: datetime
    amount: int
    retried: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What a wallet has of a token, and what it lets our contract take of it, in base units."""

    balance: int
    allowance: int

    def less(self, amount: int) -> "Means":
        """What is left after a pull."""
        left = self.allowance if self.allowance >= UNLIMITED else self.allowance - amount
        return Means(self.balance - amount, left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What will become of a draw if the wallet stays as it is.

    Attributes:
        number: which of its subscription's coming draws this is, from 1.
        code: why it will fail, None if it will not. As the contract does, this looks at the allowance first.
        before: what the wallet has left when the draw comes.
    """

    draw: Draw
    number: int
    code: FailureCode | None
    before: Means

    @property
    def missing_balance(self) -> int:
        """Base units that the wallet lacks, 0 if none."""
        return max(self.draw.amount - self.before.balance, 0)

    @property
    def missing_allowance(self) -> int:
        """Base units by which the allowance is too low, 0 if it is not."""
        return max(self.draw.amount - self.before.allowance, 0)


def foresee(draws: Iterable[Draw], means: Means) -> Iterator[Forecast]:
    """Walk through draws on one wallet in the order of time; at one time, what is owed longest comes first."""
    counted: dict[str, int] = {}
    for draw in sorted(draws, key=lambda d: (d.at, not d.retried, d.subscription_id)):
        counted[draw.subscription_id] = counted.get(draw.subscription_id, 0) + 1
        forecast = Forecast(
            draw=draw, number=counted[draw.subscription_id], code=_code(draw.amount, means), before=means
        )
        yield forecast
        if forecast.code is None:
            means = means.less(draw.amount)


def _code(amount: int, means: Means) -> FailureCode | None:
    if means.allowance < amount:
        return FailureCode.INSUFFICIENT_ALLOWANCE if means.allowance else FailureCode.ALLOWANCE_REVOKED
    return FailureCode.INSUFFICIENT_BALANCE if means.balance < amount else None
