"""Fees and gas limits: pure arithmetic on wei and gas, no node, no clock.

Fees follow EIP-1559. Gas limits come from a formula instead of an estimate, because an estimate made while some items
of a batch would fail is too low, and a batch that runs out of gas burns everything and collects nothing.
"""

from dataclasses import dataclass
from typing import Final

from chain.primitives import Fees

# 112.5 %: above the 110 % on both fields that geth and reth ask for by default.
BUMP_NUMERATOR: Final = 1125
BUMP_DENOMINATOR: Final = 1000

BASE_FEE_MULTIPLIER: Final = 2  # survives six full blocks in a row (each raises the base fee by 12.5 %)

TRANSACTION_GAS_MAX: Final = 16_777_216  # EIP-7825
NOOP_GAS: Final = 21_000  # a bare call to oneself

BATCH_BASE_GAS: Final = 60_000  # 21,000 intrinsic, head of the calldata, lock, clock, operator and pause slots
ITEM_GAS_WORST: Final = 60_000
"""Worst honest pull: cold mandate, plan, balance and allowance slots, a payee whose balance was zero, a fee pull with
the two reads before it, the events: 51,700 in a test; and a token behind a proxy (about 2,600 more for each pull).
Ordinary batches take 22,800."""
GAS_MARGIN_NUMERATOR: Final = 5
GAS_MARGIN_DENOMINATOR: Final = 4  # 125 %
ITEM_GAS_FLOOR: Final = 400_000
"""The contract refuses to begin an item with less gas left than this (so that starved gas is never booked as a payer's
failure); it is needed once, at the last item, and comes back unused."""
SINGLE_EXTRA_GAS: Final = 250_000
"""A registration besides its first charge: ERC-1271 check, a new plan's two words, the mandate's word, a permit."""

BATCH_ITEMS_MAX: Final = (TRANSACTION_GAS_MAX - BATCH_BASE_GAS - ITEM_GAS_FLOOR) // (
    ITEM_GAS_WORST * GAS_MARGIN_NUMERATOR // GAS_MARGIN_DENOMINATOR
)
"""Most items whose gas limit still fits in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeePolicy:
    """What the operator is willing to pay, wei per gas.

    Attributes:
        tip: priority fee offered when nothing is urgent.
        cap: hard upper limit of `max_fee_per_gas`; at it a transaction waits, it is never dropped.
    """

    tip: int
    cap: int

    def __post_init__(self) -> None:
        """Refuse limits that could never be met.

        Raises:
            ValueError: a negative tip, or a cap below the tip.
        """
        if self.tip < 0 or self.cap < max(1, self.tip):
            raise ValueError(f"tip {self.tip} and cap {self.cap} wei per gas: expected 0 <= tip <= cap and cap >= 1")


def market_fees(base_fee_per_gas: int, policy: FeePolicy) -> Fees:
    """Fees for a new transaction above a block of `base_fee_per_gas`, never above the policy's cap."""
    wanted = base_fee_per_gas * BASE_FEE_MULTIPLIER + policy.tip
    capped = min(max(wanted, 1), policy.cap)
    return Fees(max_fee_per_gas=capped, max_priority_fee_per_gas=min(policy.tip, capped))


def bump(fees: Fees) -> Fees:
    """The least fees that a pool takes as a replacement: 112.5 % of both, rounded up, and at least 1 wei more."""
    return Fees(
        max_fee_per_gas=_bumped(fees.max_fee_per_gas),
        max_priority_fee_per_gas=_bumped(fees.max_priority_fee_per_gas),
    )


def replacement_fees(old: Fees, market: Fees, cap: int) -> Fees | None:
    """Fees to replace a transaction that carries `old`: the larger of market and bump on each field, at most `cap`.

    `None` when even the bump is above the cap: then only waiting (and telling somebody) is left.
    """
    least = bump(old)
    if least.max_fee_per_gas > cap or least.max_priority_fee_per_gas > cap:
        return None
    fee = min(max(least.max_fee_per_gas, market.max_fee_per_gas), cap)
    tip = max(least.max_priority_fee_per_gas, market.max_priority_fee_per_gas)
    return Fees(max_fee_per_gas=fee, max_priority_fee_per_gas=min(tip, fee))


def gas_limit_for(items: int) -> int:
    """Gas limit of a batch of `items` pulls.

    Raises:
        ValueError: no item, or more than `BATCH_ITEMS_MAX`.
    """
    if not 1 <= items <= BATCH_ITEMS_MAX:
        raise ValueError(f"a batch holds 1 to {BATCH_ITEMS_MAX} items, not {items}")
    return BATCH_BASE_GAS + items * ITEM_GAS_WORST * GAS_MARGIN_NUMERATOR // GAS_MARGIN_DENOMINATOR + ITEM_GAS_FLOOR


def gas_limit_for_subscribe() -> int:
    """Gas limit of a relayed `subscribe` with permit and first charge."""
    return gas_limit_for(1) + SINGLE_EXTRA_GAS


def _bumped(fee: int) -> int:
    return max(-(-fee * BUMP_NUMERATOR // BUMP_DENOMINATOR), fee + 1)
