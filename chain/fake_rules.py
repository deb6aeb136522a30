"""What `chain.fake_contract` stands on: the contract's limits, refusals and reading of calldata. For tests only."""

from dataclasses import replace
from typing import Final

from chain import mandates
from chain.eip712 import recover
from chain.errors import CallReverted
from chain.fake_world import Entry, Plan, World
from chain.keccak import selector
from chain.periods import period_at
from chain.primitives import ZERO_ADDRESS, Address, FailReason, MandateId, MandateTerms, PeriodUnit
from chain.reverts import decode_revert
from chain.words import address_word, read_address, read_uint, uint_word

_DAY: Final = 86_400
PERIOD_MAX: Final = 4094
_PERIODS_MAX: Final = PERIOD_MAX - 1
_EVERY_SECONDS: Final = (_DAY, 3660 * _DAY)
_EVERY_MONTHS: Final = (1, 120)
_FEE_BPS_MAX: Final = 1000
_ARREARS_MAX: Final = 8
_START_PAST_MAX: Final = 3660 * _DAY
_START_FUTURE_MAX: Final = 731 * _DAY
HISTORY_MASK: Final = 0x1FF  # the newest spent period and the eight before it
_MANDATE_WORDS: Final = 12


def revert(signature: str, *words: bytes) -> CallReverted:
    """The contract's error of this signature with these arguments."""
    return decode_revert(selector(signature) + b"".join(words))


def need_running(world: World) -> None:
    """`whenRunning`.

    Raises:
        CallReverted: paused.
    """
    if world.is_paused:
        raise revert("IsPaused()")


def need_new(world: World, mandate: MandateId) -> None:
    """Raises CallReverted: the id is registered or a tombstone."""
    entry = world.entries.get(mandate)
    if entry is not None:
        name = "AlreadyCanceled(uint96)" if entry.is_canceled else "AlreadyRegistered(uint96)"
        raise revert(name, uint_word(int(mandate, 16)))


def need_signature(world: World, signer: Address, digest: bytes, signature: bytes) -> None:
    """Raises CallReverted: neither the key of `signer` nor a wallet's code (ERC-1271) agrees."""
    if signer == ZERO_ADDRESS or (recover(digest, signature) != signer and signer not in world.agreeing_wallets):
        raise revert("WrongSigner(address)", address_word(signer))


def known(world: World, mandate: MandateId) -> Entry:
    """The entry of `mandate`.

    Raises:
        CallReverted: there is none.
    """
    if mandate not in world.entries:
        raise revert("UnknownMandate(uint96)", uint_word(int(mandate, 16)))
    return world.entries[mandate]


def check_times(terms: MandateTerms, now: int) -> None:
    """Raises CallReverted: number of periods or start are out of the contract's range."""
    if terms.periods > _PERIODS_MAX:
        raise revert("TooManyPeriods(uint256,uint256)", uint_word(terms.periods), uint_word(_PERIODS_MAX))
    if terms.start + _START_PAST_MAX < now:
        raise revert("StartTooEarly(uint256,uint256)", uint_word(terms.start), uint_word(now - _START_PAST_MAX))
    if terms.start > now + _START_FUTURE_MAX:
        raise revert("StartTooLate(uint256,uint256)", uint_word(terms.start), uint_word(now + _START_FUTURE_MAX))


def check_plan(plan: Plan, contract: Address) -> None:
    """Raises CallReverted: terms that no plan of `contract` can have."""
    if plan.payee == ZERO_ADDRESS:
        raise revert("ZeroAddress()")
    if plan.payee == contract:
        raise revert("SelfAddress(address)", address_word(plan.payee))
    if plan.amount == 0:
        raise revert("AmountZero()")
    least, most = _EVERY_MONTHS if plan.unit is PeriodUnit.MONTHS else _EVERY_SECONDS
    if not least <= plan.every <= most:
        words = uint_word(plan.every), uint_word(least), uint_word(most)
        raise revert("EveryOutOfRange(uint256,uint256,uint256)", *words)
    if plan.fee_bps > _FEE_BPS_MAX:
        raise revert("FeeTooHigh(uint256,uint256)", uint_word(plan.fee_bps), uint_word(_FEE_BPS_MAX))
    if plan.arrears > _ARREARS_MAX:
        raise revert("ArrearsTooHigh(uint256,uint256)", uint_word(plan.arrears), uint_word(_ARREARS_MAX))


def refusal(entry: Entry, plan: Plan, period: int, amount: int, now: int) -> FailReason:
    """Why `amount` cannot be collected for `period` at `now`, before the token is asked."""
    present = period_at(entry.start, plan.unit, plan.every, now)
    is_spent = period <= entry.newest and entry.spent >> (entry.newest - period) & 1
    checks = (
        (is_spent and period == 0, FailReason.UNKNOWN),
        (is_spent, FailReason.ALREADY_PAID),
        (not plan.is_open, FailReason.PLAN_CLOSED),
        (period > entry.last, FailReason.ENDED),
        (period == 0, FailReason.UNKNOWN),
        (present == 0, FailReason.NOT_STARTED),
        (period > present, FailReason.NOT_DUE),
        (period + plan.arrears < present, FailReason.TOO_LATE),
        (not 0 < amount <= plan.amount, FailReason.AMOUNT_TOO_HIGH),
    )
    return next((reason for is_true, reason in checks if is_true), FailReason.NONE)


def spend(entry: Entry, period: int) -> Entry:
    """The same entry with `period` spent."""
    if period > entry.newest:
        spent = entry.spent << (period - entry.newest) | 1
        return replace(entry, newest=period, spent=spent & HISTORY_MASK)
    return replace(entry, spent=entry.spent | 1 << (entry.newest - period))


def read_items(packed: bytes, size: int) -> list[tuple[MandateId, int, int | None]]:
    """(mandate, period, amount or None for the full one) of each item of `size` bytes.

    Raises:
        CallReverted: not whole items.
    """
    if len(packed) % size:
        raise revert("BadLength(uint256,uint256)", uint_word(len(packed)), uint_word(size))
    if size == mandates.ITEM_WITH_AMOUNT_BYTES:
        return [(item.mandate_id, item.period, item.amount) for item in mandates.unpack_items(packed)]
    return [
        (MandateId("0x" + packed[at : at + 12].hex()), int.from_bytes(packed[at + 12 : at + size], "big"), None)
        for at in range(0, len(packed), size)
    ]


def read_id(arguments: bytes) -> MandateId:
    """The mandate id in the first word."""
    return MandateId(f"0x{read_uint(arguments, 0):024x}")


def read_terms(arguments: bytes) -> MandateTerms:
    """The `Mandate` struct in the first twelve words."""
    payer, payee, token = (read_address(arguments, index) for index in range(3))
    numbers = [read_uint(arguments, index) for index in range(3, _MANDATE_WORDS)]
    amount, unit, every, fee_bps, start, periods, arrears, deadline, salt = numbers
    return MandateTerms(
        payer=payer,
        payee=payee,
        token=token,
        amount=amount,
        unit=PeriodUnit(unit),
        every=every,
        fee_bps=fee_bps,
        start=start,
        periods=periods,
        arrears=arrears,
        deadline=deadline,
        salt=salt,
    )
