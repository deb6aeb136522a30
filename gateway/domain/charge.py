"""The charge: one attempt to collect, with one outcome on the chain.

It never goes back: trying again is another charge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chain.primitives import Address, Hash32, MandateId
from gateway.domain.catalog import Scope
from gateway.domain.events import EventType
from gateway.domain.transition import Event, Machine, Moved, StatusReason, only_from

KIND: Final = "charge"


class Status(StrEnum):
    """`pending` from the moment its bytes are written down; `released` when it turned out that they moved nothing."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RELEASED = "released"
    REVERSED = "reversed"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.PENDING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.RELEASED}),
    _S.SUCCEEDED: frozenset({_S.REVERSED}),
    _S.FAILED: frozenset(),
    _S.RELEASED: frozenset(),
    _S.REVERSED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One attempt. `amount` in minor units, `token_amount` in base units.

    A pull has a payment method, a mandate and its period; what a customer sent (a push) has a payer instead.

    Attributes:
        transaction_id: our row of the transaction that carries it; None when simulation showed that it must fail, or
            when somebody else's transaction collected.
        transaction_hash: of the mined transaction, once it is known.
        amount_refunded: minor units that finally went back.
        payer: the wallet that sent a push.
        push_payment_id: the transfer of which a push is a part.
    """

    id: str
    scope: Scope
    charge_intent_id: str
    invoice_id: str
    customer_id: str
    subscription_id: str
    status: Status
    reason: StatusReason
    created_at: datetime
    amount: int
    currency: str
    chain_id: int
    token: Address
    token_amount: int
    payment_method_id: str | None = None
    onchain_mandate_id: MandateId | None = None
    mandate_period: int | None = None
    transaction_id: str | None = None
    transaction_hash: Hash32 | None = None
    block_number: int | None = None
    block_hash: Hash32 | None = None
    log_index: int | None = None
    settled_at: datetime | None = None
    amount_refunded: int = 0
    payer: Address | None = None
    push_payment_id: str | None = None

    @property
    def is_push(self) -> bool:
        """Whether the customer sent it, and we did not pull."""
        return self.push_payment_id is not None


_MACHINE: Final = Machine[Charge](KIND, TRANSITIONS)
_move: Final = _MACHINE.move


def attempt(charge: Charge) -> Moved[Charge]:
    """Its bytes are written down."""
    if charge.status is not Status.PENDING:
        raise ValueError("an attempt begins as pending")
    return _MACHINE.begin(charge, EventType.CHARGE_PENDING)


def refuse(charge: Charge) -> Moved[Charge]:
    """Simulation showed that it must fail: recorded as failed, never broadcast, no gas spent."""
    if charge.status is not Status.FAILED or charge.transaction_id is not None:
        raise ValueError("a refused attempt is failed and has no transaction")
    return _MACHINE.begin(charge, EventType.CHARGE_FAILED)


def observe(charge: Charge) -> Moved[Charge]:
    """Somebody else collected the period (the payee, the payer, another deployment): record what the chain says."""
    if charge.status is not Status.SUCCEEDED or charge.transaction_hash is None:
        raise ValueError("an observed charge succeeded in a known transaction")
    return _MACHINE.begin(charge, EventType.CHARGE_SUCCEEDED)


def succeed(
    charge: Charge, transaction_hash: Hash32, block: tuple[int, Hash32], log_index: int, now: datetime
) -> Moved[Charge]:
    """Its transfer is final."""
    after = replace(
        charge,
        status=Status.SUCCEEDED,
        reason=StatusReason("transfer_final"),
        transaction_hash=transaction_hash,
        block_number=block[0],
        block_hash=block[1],
        log_index=log_index,
        settled_at=now,
    )
    return _move(charge, after, now, EventType.CHARGE_SUCCEEDED)


def fail(charge: Charge, reason: StatusReason, transaction_hash: Hash32 | None, now: datetime) -> Moved[Charge]:
    """Its failure is final."""
    after = replace(charge, status=Status.FAILED, reason=reason, transaction_hash=transaction_hash, settled_at=now)
    return _move(charge, after, now, EventType.CHARGE_FAILED)


def release(charge: Charge, reason: StatusReason, now: datetime) -> Moved[Charge]:
    """It finally moved nothing, for reasons that are ours; it does not count as an attempt and nobody is told."""
    return _move(charge, replace(charge, status=Status.RELEASED, reason=reason, settled_at=now), now)


def reverse(charge: Charge, reason: StatusReason, now: datetime) -> Moved[Charge]:
    """Its final transfer is gone from the chain."""
    return _move(charge, replace(charge, status=Status.REVERSED, reason=reason), now, EventType.CHARGE_REVERSED)


def refund(charge: Charge, amount: int, now: datetime) -> Moved[Charge]:
    """So many minor units of it finally went back to the payer; its status stays, for it did succeed.

    Raises:
        ValueError: more than it collected would have gone back.
    """
    only_from(KIND, charge.id, {Status.SUCCEEDED}, charge.status, Status.SUCCEEDED)
    refunded = charge.amount_refunded + amount
    if amount <= 0 or refunded > charge.amount:
        raise ValueError(f"{refunded} of {charge.amount} cannot have been refunded")
    event = Event(type=EventType.CHARGE_REFUNDED, object_id=charge.id, at=now)
    return Moved(value=replace(charge, amount_refunded=refunded), before=charge, events=(event,))
