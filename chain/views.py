"""Answers of the contract's views `mandate`, `plan` and `quote`, decoded: what the chain itself says of one mandate."""

from dataclasses import dataclass
from typing import Final

from chain.errors import AnswerInvalid
from chain.primitives import ZERO_ADDRESS, Address, FailReason, PeriodUnit
from chain.words import WORD_BYTES, read_address, read_uint

_REGISTRATION_WORDS: Final = 7
_PLAN_WORDS: Final = 8
_QUOTE_WORDS: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A registered mandate.

    Attributes:
        plan_id: 0 when it was only revoked, never registered.
        start: unix seconds, first instant of period 1.
        newest_spent: newest spent period, 0 = none; meaningless once canceled.
        spent_before: bit i = period `newest_spent - 1 - i` is spent.
        periods: number of the last period, 0 = until canceled.
    """

    payer: Address
    plan_id: int
    start: int
    newest_spent: int
    spent_before: int
    periods: int
    canceled: bool

    def is_spent(self, period: int) -> bool:
        """Whether `period` is known to be spent; older than the window is unknown, and can never be collected."""
        if not 0 < period <= self.newest_spent:
            return False
        return bool((self.spent_before << 1 | 1) >> (self.newest_spent - period) & 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredPlan:
    """Terms that mandates share; units as in `MandateTerms`. `is_open` is the only field that changes."""

    payee: Address
    amount: int
    token: Address
    every: int
    fee_bps: int
    unit: PeriodUnit
    arrears: int
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What collecting the full amount of a period now would meet before the token is asked.

    Attributes:
        reason: `NONE` = only the token can still refuse.
        period_now: period that now lies in, 0 = not started.
        amount: most that the period can collect, fee included; base units.
        fee: part of it that goes to the fee recipient; base units.
        starts_at: unix seconds, first instant of the named period.
        ends_at: unix seconds, first instant after it.
        collectable_until: unix seconds, first instant at which it is too late.
    """

    reason: FailReason
    period_now: int
    amount: int
    fee: int
    starts_at: int
    ends_at: int
    collectable_until: int


def decode_mandate(answer: bytes) -> Registration | None:
    """Answer of `mandate(uint96)`; `None` if there is no such mandate.

    Raises:
        AnswerInvalid: another shape.
    """
    _check_length(answer, _REGISTRATION_WORDS, "mandate")
    payer = read_address(answer, 0)
    if payer == ZERO_ADDRESS:
        return None
    plan_id, start, newest, before, periods, canceled = (read_uint(answer, at) for at in range(1, 7))
    return Registration(
        payer=payer,
        plan_id=plan_id,
        start=start,
        newest_spent=newest,
        spent_before=before,
        periods=periods,
        canceled=canceled != 0,
    )


def decode_plan(answer: bytes) -> RegisteredPlan | None:
    """Answer of `plan(uint24)`; `None` if there is no such plan.

    Raises:
        AnswerInvalid: another shape.
    """
    _check_length(answer, _PLAN_WORDS, "plan")
    payee = read_address(answer, 0)
    if payee == ZERO_ADDRESS:
        return None
    every, fee_bps, unit, arrears, is_open = (read_uint(answer, at) for at in range(3, 8))
    return RegisteredPlan(
        payee=payee,
        amount=read_uint(answer, 1),
        token=read_address(answer, 2),
        every=every,
        fee_bps=fee_bps,
        unit=PeriodUnit(unit),
        arrears=arrears,
        is_open=is_open != 0,
    )


def decode_quote(answer: bytes) -> Quote:
    """Answer of `quote(uint96,uint16)`.

    Raises:
        AnswerInvalid: another shape.
    """
    _check_length(answer, _QUOTE_WORDS, "quote")
    reason, period_now, amount, fee, starts_at, ends_at, until = (read_uint(answer, at) for at in range(_QUOTE_WORDS))
    return Quote(
        reason=FailReason(reason),
        period_now=period_now,
        amount=amount,
        fee=fee,
        starts_at=starts_at,
        ends_at=ends_at,
        collectable_until=until,
    )


def _check_length(answer: bytes, words: int, what: str) -> None:
    if len(answer) != words * WORD_BYTES:
        raise AnswerInvalid(f"{what} answered {len(answer)} bytes, expected {words} words")
