"""The refund: money that goes back from the merchant's own wallet.

Nothing here can move money: a refund is a transfer that the merchant is asked to send, and it has succeeded when the
chain finally shows exactly that transfer. What is asked for never exceeds what was collected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chain.primitives import Address, Hash32, LogPosition, Transferred
from gateway.domain import charge as charges
from gateway.domain.catalog import Scope
from gateway.domain.charge import Charge
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.transition import Action, Event, Machine, Moved, StatusReason

KIND: Final = "refund"


class Status(StrEnum):
    """`requires_action` until the merchant's transfer is final."""

    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class Motive(StrEnum):
    """Why a merchant refunds, in Stripe's words."""

    DUPLICATE = "duplicate"
    FRAUDULENT = "fraudulent"
    REQUESTED_BY_CUSTOMER = "requested_by_customer"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.REQUIRES_ACTION: frozenset({_S.SUCCEEDED, _S.CANCELED}),
    _S.SUCCEEDED: frozenset(),
    _S.CANCELED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """`amount` in minor units, `token_amount` in base units: the transfer must be of exactly that.

    Attributes:
        sender: the merchant's payout wallet, which has to send it.
        recipient: the wallet that paid.
        watched_from: newest final block when it was asked for; its transfer lies above.
    """

    id: str
    scope: Scope
    charge_id: str
    charge_intent_id: str
    customer_id: str
    status: Status
    reason: StatusReason
    created_at: datetime
    amount: int
    currency: str
    chain_id: int
    token: Address
    token_amount: int
    sender: Address
    recipient: Address
    watched_from: int
    motive: Motive | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    transaction_hash: Hash32 | None = None
    block_number: int | None = None
    block_hash: Hash32 | None = None
    log_index: int | None = None
    succeeded_at: datetime | None = None
    canceled_at: datetime | None = None
    test_clock_id: str | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of a charge: minor units, and base units of its token."""

    amount: int
    token_amount: int


def portion(charge: Charge, others: Sequence[Refund], amount: int | None) -> Portion:
    """The part of a charge that a new refund of `amount` (None = the rest) returns; `others` are all its refunds.

    Refunds that are asked for count like those that happened, so that the sum never exceeds what was collected. The
    last part takes the rest of the base units: parts of a charge always add up to it.

    Raises:
        InvalidRequest: nothing was collected, nothing is left, or less than asked for, or a part too small for the
            token; or the same part is being refunded already, whose transfer could not be told from this one's.
    """
    if charge.status is not charges.Status.SUCCEEDED:
        raise InvalidRequest(
            f"Charge '{charge.id}' is {charge.status}; only a succeeded one can be refunded.",
            code="charge_not_refundable",
        )
    live = [refund for refund in others if refund.status is not Status.CANCELED]
    left = charge.amount - sum(refund.amount for refund in live)
    if left == 0:
        raise InvalidRequest(f"Charge '{charge.id}' is refunded already.", code="charge_already_refunded")
    wanted = left if amount is None else amount
    if wanted > left:
        raise InvalidRequest(
            f"Only {left} of charge '{charge.id}' can still be refunded.", code="amount_too_large", param="amount"
        )
    if wanted == left:
        units = charge.token_amount - sum(refund.token_amount for refund in live)
    else:
        units = charge.token_amount * wanted // charge.amount
    if units == 0:
        raise InvalidRequest(
            "The amount is less than one base unit of the token.", code="amount_too_small", param="amount"
        )
    twin = next((r for r in live if r.status is Status.REQUIRES_ACTION and r.token_amount == units), None)
    if twin is not None:
        raise InvalidRequest(
            f"Refund '{twin.id}' of the same amount still waits for its transfer; send that first, or cancel it.",
            code="refund_pending",
            param="amount",
        )
    return Portion(wanted, units)


def ask(refund: Refund) -> Moved[Refund]:
    """Ask the merchant for the transfer."""
    if refund.status is not Status.REQUIRES_ACTION:
        raise ValueError("a refund begins by asking for its transfer")
    return _MACHINE.begin(refund, EventType.REFUND_CREATED)


_MACHINE: Final = Machine[Refund](KIND, TRANSITIONS)


def succeed(refund: Refund, at: LogPosition, now: datetime) -> Moved[Refund]:
    """Its transfer is final, at this place of the chain."""
    evidence = {"transaction": at.transaction_hash, "block": at.block_number, "log_index": at.log_index}
    after = replace(
        refund,
        status=Status.SUCCEEDED,
        reason=StatusReason("transfer_final", Action.SUCCESS, evidence),
        transaction_hash=at.transaction_hash,
        block_number=at.block_number,
        block_hash=at.block_hash,
        log_index=at.log_index,
        succeeded_at=now,
    )
    return _MACHINE.move(refund, after, now, EventType.REFUND_UPDATED)


def cancel(refund: Refund, now: datetime) -> Moved[Refund]:
    """The merchant will not send it; its part of the charge can be refunded again."""
    after = replace(refund, status=Status.CANCELED, reason=StatusReason("canceled_by_merchant"), canceled_at=now)
    return _MACHINE.move(refund, after, now, EventType.REFUND_UPDATED)


def describe(refund: Refund, metadata: Mapping[str, str], now: datetime) -> Moved[Refund]:
    """Take over the merchant's notes, in any status."""
    event = Event(type=EventType.REFUND_UPDATED, object_id=refund.id, at=now)
    return Moved(value=replace(refund, metadata=metadata), before=refund, events=(event,))


def matches(awaited: Sequence[Refund], found: Sequence[Transferred]) -> dict[LogPosition, Refund]:
    """Which transfer pays which refund: exact token, sender, recipient and amount, the oldest refund first.

    `awaited` is sorted by age, `found` by its place on the chain. A transfer from before a refund was asked for is not
    its own. A payer who is owed the same amount twice is paid in the order of asking, so that nothing is left to guess.
    """
    waiting: dict[tuple[Address, Address, Address, int], list[Refund]] = {}
    for refund in awaited:
        key = refund.token, refund.sender, refund.recipient, refund.token_amount
        waiting.setdefault(key, []).append(refund)
    paid = {}
    for transfer in found:
        queue = waiting.get((transfer.token, transfer.sender, transfer.recipient, transfer.amount), [])
        mine = next((refund for refund in queue if refund.watched_from < transfer.at.block_number), None)
        if mine is not None:
            queue.remove(mine)
            paid[transfer.at] = mine
    return paid
