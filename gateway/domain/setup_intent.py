"""The setup intent: asking a wallet for a mandate without charging it (ST-24 to ST-27).

The signed mandate is registered on the chain without a first amount; when that is final, the setup intent succeeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import Scope
from gateway.domain.events import EventType
from gateway.domain.mandate import Mandate
from gateway.domain.transition import Action, Machine, Moved, StatusReason, only_from

KIND: Final = "setup_intent"


class Status(StrEnum):
    """As Stripe's. `processing`: signed, its registration is planned or on its way."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.REQUIRES_PAYMENT_METHOD: frozenset({_S.REQUIRES_ACTION, _S.SUCCEEDED, _S.CANCELED}),
    _S.REQUIRES_ACTION: frozenset({_S.PROCESSING, _S.SUCCEEDED, _S.CANCELED}),
    _S.PROCESSING: frozenset({_S.REQUIRES_ACTION, _S.REQUIRES_PAYMENT_METHOD, _S.SUCCEEDED, _S.CANCELED}),
    _S.SUCCEEDED: frozenset(),
    _S.CANCELED: frozenset(),
}
OPEN: Final = frozenset(status for status, targets in TRANSITIONS.items() if targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupIntent:
    """How one mandate gets signed and registered.

    Attributes:
        next_attempt_at: when its registration is due; None when none is planned, or one is on its way.
        transaction_id: of the registration that is on its way, or was.
    """

    id: str
    scope: Scope
    customer_id: str
    status: Status
    reason: StatusReason
    created_at: datetime
    client_secret: str
    subscription_id: str
    payment_method_id: str | None = None
    mandate_id: str | None = None
    chain_id: int | None = None
    next_attempt_at: datetime | None = None
    transaction_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    succeeded_at: datetime | None = None
    canceled_at: datetime | None = None
    test_clock_id: str | None = None

    @property
    def wake_at(self) -> datetime | None:
        """When its registration is due."""
        return self.next_attempt_at if self.status is Status.PROCESSING else None


_MACHINE: Final = Machine[SetupIntent](KIND, TRANSITIONS)
_move: Final = _MACHINE.move


def create(intent: SetupIntent) -> Moved[SetupIntent]:
    """Begin to ask; with a mandate, its wallet is asked at once (ST-25)."""
    if intent.status not in {Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_ACTION}:
        raise ValueError("a setup intent begins before any signature")
    events = [EventType.SETUP_INTENT_CREATED]
    if intent.status is Status.REQUIRES_ACTION:
        events.append(EventType.SETUP_INTENT_REQUIRES_ACTION)
    return _MACHINE.begin(intent, *events)


def with_mandate(intent: SetupIntent, mandate: Mandate) -> SetupIntent:
    """The same intent, waiting for the wallet to sign `mandate`."""
    evidence = {"mandate": mandate.id, "wallet": mandate.terms.payer, "amount": str(mandate.terms.amount)}
    return replace(
        intent,
        status=Status.REQUIRES_ACTION,
        reason=StatusReason("mandate_unsigned", Action.CUSTOMER_ACTION, evidence),
        payment_method_id=mandate.payment_method_id,
        mandate_id=mandate.id,
        chain_id=mandate.chain_id,
        next_attempt_at=None,
        transaction_id=None,
    )


def ask(intent: SetupIntent, mandate: Mandate, now: datetime) -> Moved[SetupIntent]:
    """A wallet was named: it has to sign `mandate` (ST-26)."""
    only_from(KIND, intent.id, {Status.REQUIRES_PAYMENT_METHOD}, intent.status, Status.REQUIRES_ACTION)
    return _move(intent, with_mandate(intent, mandate), now, EventType.SETUP_INTENT_REQUIRES_ACTION)


def confirm(intent: SetupIntent, now: datetime, *, register: bool) -> Moved[SetupIntent]:
    """The wallet signed, or did what was missing. `register`: no charge is about to register the mandate anyway."""
    after = replace(
        intent,
        status=Status.PROCESSING,
        reason=StatusReason("registering", Action.WAIT),
        next_attempt_at=now if register else None,
    )
    return _move(intent, after, now, EventType.SETUP_INTENT_PROCESSING)


def start(intent: SetupIntent, transaction_id: str) -> Moved[SetupIntent]:
    """Its registration was signed and written down."""
    only_from(KIND, intent.id, {Status.PROCESSING}, intent.status, Status.PROCESSING)
    return Moved(value=replace(intent, transaction_id=transaction_id, next_attempt_at=None), before=intent)


def postpone(intent: SetupIntent, reason: StatusReason, until: datetime | None) -> Moved[SetupIntent]:
    """Its registration could not be made, for reasons that are ours, or did nothing: it is due again at `until`."""
    only_from(KIND, intent.id, {Status.PROCESSING}, intent.status, Status.PROCESSING)
    return Moved(value=replace(intent, reason=reason, transaction_id=None, next_attempt_at=until), before=intent)


def refuse(intent: SetupIntent, reason: StatusReason, now: datetime, *, same_wallet: bool) -> Moved[SetupIntent]:
    """The registration must fail. `same_wallet`: it helps if the wallet signs or allows again (ST-27)."""
    only_from(KIND, intent.id, {Status.PROCESSING}, intent.status, Status.REQUIRES_ACTION)
    status = Status.REQUIRES_ACTION if same_wallet else Status.REQUIRES_PAYMENT_METHOD
    after = replace(intent, status=status, reason=reason, next_attempt_at=None, transaction_id=None)
    return _move(intent, after, now, EventType.SETUP_INTENT_SETUP_FAILED)


def succeed(intent: SetupIntent, reason: StatusReason, now: datetime) -> Moved[SetupIntent]:
    """The registration is final, whoever sent it (ST-26)."""
    after = replace(intent, status=Status.SUCCEEDED, reason=reason, next_attempt_at=None, succeeded_at=now)
    return _move(intent, after, now, EventType.SETUP_INTENT_SUCCEEDED)


def cancel(intent: SetupIntent, reason: StatusReason, now: datetime) -> Moved[SetupIntent]:
    """Nobody is asked any more. A registration that is on its way may still be mined; nothing is drawn on it."""
    after = replace(intent, status=Status.CANCELED, reason=reason, next_attempt_at=None, canceled_at=now)
    return _move(intent, after, now, EventType.SETUP_INTENT_CANCELED)
