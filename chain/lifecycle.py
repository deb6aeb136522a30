"""One step in the life of a transaction that owns a nonce: facts in, one decision out. Pure; no node, no row, no clock.

A nonce is taken together with signed bytes and is never given back, so every transaction ends in one of two ways: some
attempt at its nonce is final, or the nonce was used by somebody else. In between it is sent, sent again, replaced by a
dearer attempt, or replaced by a no-op when nobody wants it any more. Time is counted in blocks.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chain.fees import replacement_fees
from chain.primitives import Fees, Hash32, Receipt, SendResult

RESEND_EVERY_BLOCKS: Final = 3  # pools forget; the same bytes cost nothing
REPLACE_AFTER_BLOCKS: Final = 8  # long enough for two full blocks to pass over it, short against a period
LOST_AFTER_BLOCKS: Final = 10  # endpoints index receipts late; crying theft too early stops a signer for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecyclePolicy:
    """How patient a lane is, in blocks.

    Attributes:
        resend_every: the same bytes are handed in again after this many blocks.
        replace_after: a dearer attempt is made after this many blocks without a receipt.
        lost_after: how long a used nonce may go without a receipt of ours before it counts as used elsewhere.
    """

    resend_every: int = RESEND_EVERY_BLOCKS
    replace_after: int = REPLACE_AFTER_BLOCKS
    lost_after: int = LOST_AFTER_BLOCKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Signed bytes at the transaction's nonce.

    Attributes:
        made_block: head when it was signed.
        sent_block: head when it was last handed to a node; None = never that we know of (a crash may have hidden it).
        last_result: the nodes' last answer to it.
        is_noop: the empty call to oneself that only uses up the nonce.
    """

    hash: Hash32
    fees: Fees
    made_block: int
    sent_block: int | None = None
    last_result: SendResult | None = None
    is_noop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFacts:
    """All that a decision depends on.

    Attributes:
        nonce: the nonce this transaction owns.
        attempts: every attempt ever signed for it, oldest first; at least one.
        receipt: of whichever attempt was mined, None if none was found.
        head: number of the newest block.
        finalized: number of the newest block that counts as final.
        finalized_nonce: the account's transaction count at `finalized`.
        used_since: head at which `finalized_nonce > nonce` was first seen without a receipt, None if not seen.
        base_fee: of the newest block, wei per gas.
        market: fees that a new transaction would carry now.
        fee_cap: hard upper limit of `max_fee_per_gas`.
        wanted: whether the purpose still stands; if not, only the nonce has to be used up.
    """

    nonce: int
    attempts: tuple[Attempt, ...]
    receipt: Receipt | None
    head: int
    finalized: int
    finalized_nonce: int
    used_since: int | None
    base_fee: int
    market: Fees
    fee_cap: int
    wanted: bool

    def __post_init__(self) -> None:
        """Refuse a transaction without bytes: the nonce exists only together with them.

        Raises:
            ValueError: no attempt.
        """
        if not self.attempts:
            raise ValueError(f"nonce {self.nonce} has no attempt")


class WaitReason(StrEnum):
    """Why nothing is to be done in this step."""

    IN_POOL = "in_pool"
    LOWER_NONCE_FIRST = "lower_nonce_first"
    UNFUNDED = "unfunded"
    RECEIPT_MISSING = "receipt_missing"


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Hand this attempt to the nodes for the first time."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Resend:
    """Hand the same bytes in again: pools forget, and nodes say "sent" of what they then drop."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Replace:
    """Sign the same call at the same nonce with these fees, store it, then send it."""

    fees: Fees


@dataclass(frozen=True, slots=True)
class ReplaceByNoop:
    """Sign an empty call to oneself at the same nonce with these fees, store it, then send it."""

    fees: Fees


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now. On `RECEIPT_MISSING` remember the head as `used_since`, if it is not remembered yet."""

    reason: WaitReason


@dataclass(frozen=True, slots=True)
class AlertCapReached:
    """Only a fee above the operator's cap would help: tell somebody, keep the nonce, `resend` what it names."""

    resend: Attempt | None


@dataclass(frozen=True, slots=True)
class Mined:
    """An attempt is in a block that may still be undone; `confirmations` counts its own block as 1."""

    receipt: Receipt
    confirmations: int


@dataclass(frozen=True, slots=True)
class Finalized:
    """An attempt is in a block that counts as final: the nonce is settled."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Lost:
    """The nonce is used, finally and for long, by none of our attempts: the key signs elsewhere. Pause the signer."""

    nonce: int


Decision = Broadcast | Resend | Replace | ReplaceByNoop | Wait | AlertCapReached | Mined | Finalized | Lost

_WAITING_FOR: dict[SendResult | None, WaitReason] = {
    SendResult.NONCE_TOO_HIGH: WaitReason.LOWER_NONCE_FIRST,
    SendResult.INSUFFICIENT_FUNDS: WaitReason.UNFUNDED,
}


def next_step(facts: TransactionFacts, policy: LifecyclePolicy | None = None) -> Decision:
    """The one thing to do now.

    In this order: a receipt decides; without one a used nonce is waited for and then lost; what nobody wants becomes a
    no-op; bytes that never left are sent; bytes that a pool cannot take are replaced at once, slow ones after a while;
    everything else is sent again now and then.
    """
    policy = policy or LifecyclePolicy()
    if facts.receipt is not None:
        return _mined(facts.receipt, facts)
    if facts.finalized_nonce > facts.nonce:
        since = facts.head if facts.used_since is None else facts.used_since
        return Lost(facts.nonce) if facts.head - since >= policy.lost_after else Wait(WaitReason.RECEIPT_MISSING)
    return _send_or_wait(facts, facts.attempts[-1], policy)


def _send_or_wait(facts: TransactionFacts, newest: Attempt, policy: LifecyclePolicy) -> Decision:
    if not facts.wanted and not newest.is_noop:
        return _replace(facts, newest, policy)
    if newest.sent_block is None:
        return Broadcast(newest)
    if _must_be_replaced(facts, newest, policy):
        return _replace(facts, newest, policy)
    if facts.head - newest.sent_block >= policy.resend_every:
        return Resend(newest)
    return Wait(_WAITING_FOR.get(newest.last_result, WaitReason.IN_POOL))


def _mined(receipt: Receipt, facts: TransactionFacts) -> Decision:
    if receipt.block.number <= facts.finalized:
        return Finalized(receipt)
    return Mined(receipt, max(facts.head - receipt.block.number + 1, 0))


def _must_be_replaced(facts: TransactionFacts, newest: Attempt, policy: LifecyclePolicy) -> bool:
    age = facts.head - newest.made_block
    if newest.last_result in (SendResult.NONCE_TOO_HIGH, SendResult.INSUFFICIENT_FUNDS):
        return False  # a dearer attempt would not be taken either
    if newest.last_result is SendResult.REPLACEMENT_UNDERPRICED:
        return True  # the pool holds something dearer than we thought: outbid at once
    if newest.last_result is SendResult.FEE_CAP_TOO_LOW or newest.fees.max_fee_per_gas < facts.base_fee:
        return age >= 1  # once a block at most: a spike would otherwise be chased with every step
    return age >= policy.replace_after


def _replace(facts: TransactionFacts, newest: Attempt, policy: LifecyclePolicy) -> Decision:
    # Even an attempt that we never saw leave is outbid: a crash may have hidden that it did.
    fees = replacement_fees(newest.fees, facts.market, facts.fee_cap)
    if fees is None:
        due = newest.sent_block is None or facts.head - newest.sent_block >= policy.resend_every
        is_wanted = facts.wanted or newest.is_noop
        return AlertCapReached(newest if due and is_wanted else None)
    return Replace(fees) if facts.wanted else ReplaceByNoop(fees)
