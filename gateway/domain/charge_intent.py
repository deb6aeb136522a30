"""The charge intent: the state of all attempts to pay one invoice (MX-10, FR-07, ST-05).

It names the one period of the one mandate that may pay: (mandate, period) is the key that the contract itself refuses
to accept twice. Failing and trying again are moves of the intent; each attempt is a `Charge` of its own, which never
goes back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chain.primitives import Address
from gateway.domain.catalog import Scope
from gateway.domain.dunning import RetryPolicy
from gateway.domain.errors import IllegalTransition
from gateway.domain.events import EventType
from gateway.domain.mandate import Mandate
from gateway.domain.transition import Action, Event, Machine, Moved, StatusReason, only_from

KIND: Final = "charge_intent"


class Status(StrEnum):
    """Statuses of PRODUCT; Stripe's reading of them is a matter of the wire."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    REVERSED = "reversed"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.REQUIRES_PAYMENT_METHOD: frozenset({_S.REQUIRES_ACTION, _S.PROCESSING, _S.FAILED, _S.SUCCEEDED, _S.CANCELED}),
    _S.REQUIRES_ACTION: frozenset({_S.PROCESSING, _S.FAILED, _S.SUCCEEDED, _S.CANCELED}),
    _S.PROCESSING: frozenset({_S.SUCCEEDED, _S.FAILED}),
    _S.FAILED: frozenset({_S.PROCESSING, _S.SUCCEEDED, _S.REQUIRES_ACTION, _S.CANCELED}),
    _S.SUCCEEDED: frozenset({_S.REVERSED}),
    _S.CANCELED: frozenset(),
    _S.REVERSED: frozenset({_S.PROCESSING, _S.SUCCEEDED, _S.FAILED, _S.REQUIRES_ACTION, _S.CANCELED}),
}
PAYABLE: Final = frozenset({_S.REQUIRES_PAYMENT_METHOD, _S.REQUIRES_ACTION, _S.FAILED, _S.REVERSED})
"""Statuses in which an attempt may start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeIntent:
    """How one invoice gets paid.

    Attributes:
        amount: minor units of `currency`.
        token_amount: base units of `token`; what is really pulled.
        mandate_id: our id of the mandate it draws on (not the one on the chain).
        mandate_period: the contract's number of the period that this intent may spend, from 1.
        attempts: attempts that counted; infrastructure trouble is not among them (C05).
        next_attempt_at: when the next attempt is due; None when none is planned.
        policy: retry policy as it was when the last attempt failed (ST-66); None before.
        failing_since: when the first attempt that counted failed.
        requested: somebody asked for the attempt that is due: it is made where none is made by itself (ST-36).
    """

    id: str
    scope: Scope
    customer_id: str
    subscription_id: str
    invoice_id: str
    status: Status
    reason: StatusReason
    created_at: datetime
    amount: int
    currency: str
    client_secret: str
    payment_method_id: str | None = None
    mandate_id: str | None = None
    mandate_period: int | None = None
    chain_id: int | None = None
    token: Address | None = None
    token_amount: int | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    policy: RetryPolicy | None = None
    failing_since: datetime | None = None
    latest_charge_id: str | None = None
    succeeded_at: datetime | None = None
    canceled_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    test_clock_id: str | None = None
    requested: bool = False

    @property
    def wake_at(self) -> datetime | None:
        """When an attempt is due."""
        return self.next_attempt_at if self.status in PAYABLE else None


_MACHINE: Final = Machine[ChargeIntent](KIND, TRANSITIONS)
_move: Final = _MACHINE.move


def create(intent: ChargeIntent) -> Moved[ChargeIntent]:
    """Begin to pay an invoice. It may begin as `requires_payment_method` or `requires_action` only."""
    if intent.status not in {Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_ACTION}:
        raise ValueError("a charge intent begins before any attempt")
    events = [EventType.CHARGE_INTENT_CREATED]
    if intent.status is Status.REQUIRES_ACTION:
        events.append(EventType.CHARGE_INTENT_REQUIRES_ACTION)
    return _MACHINE.begin(intent, *events)


def draw_on(intent: ChargeIntent, mandate: Mandate, period: int, token_amount: int) -> ChargeIntent:
    """A new intent that will spend period number `period` of `mandate`, `token_amount` base units."""
    return replace(
        intent,
        payment_method_id=mandate.payment_method_id,
        mandate_id=mandate.id,
        mandate_period=period,
        chain_id=mandate.chain_id,
        token=mandate.terms.token,
        token_amount=token_amount,
    )


def ask_signature(intent: ChargeIntent, mandate: Mandate) -> ChargeIntent:
    """A new intent that waits for the wallet to sign `mandate` (ST-14)."""
    evidence = {"mandate": mandate.id, "wallet": mandate.terms.payer, "amount": str(mandate.terms.amount)}
    return replace(
        intent,
        status=Status.REQUIRES_ACTION,
        reason=StatusReason("mandate_unsigned", Action.CUSTOMER_ACTION, evidence),
    )


def plan_first_attempt(intent: ChargeIntent, at: datetime) -> ChargeIntent:
    """A new intent whose first attempt is due at `at`."""
    return replace(intent, reason=StatusReason("scheduled", Action.WAIT), next_attempt_at=at)


def await_request(intent: ChargeIntent) -> ChargeIntent:
    """A new intent whose payment somebody has to ask for: its invoice does not advance by itself (ST-36)."""
    return replace(intent, reason=StatusReason("awaiting_request", Action.NONE))


def confirm(intent: ChargeIntent, at: datetime) -> Moved[ChargeIntent]:
    """The wallet signed, or asks to try again: an attempt is due at `at`.

    Raises:
        IllegalTransition: an attempt is under way, or the intent is over.
    """
    if intent.status not in PAYABLE:
        raise IllegalTransition(KIND, intent.id, intent.status, Status.PROCESSING)
    after = replace(intent, reason=StatusReason("confirmed", Action.WAIT), next_attempt_at=at, requested=True)
    return Moved(value=after, before=intent)


def redirect(
    intent: ChargeIntent, mandate: Mandate, period: int, token_amount: int, at: datetime
) -> Moved[ChargeIntent]:
    """Another mandate pays instead, and an attempt is due at `at`: the customer gave a new wallet for it (ST-15).

    Attempts that were made stay counted.

    Raises:
        IllegalTransition: an attempt is under way, or the intent is over.
    """
    moved = confirm(intent, at)
    return Moved(value=draw_on(moved.value, mandate, period, token_amount), before=intent)


def ask(intent: ChargeIntent, mandate: Mandate, period: int, token_amount: int, now: datetime) -> Moved[ChargeIntent]:
    """Another wallet is to pay, and has not signed yet (ST-15): nothing is attempted until it has.

    Raises:
        IllegalTransition: an attempt is under way, or the intent is over.
    """
    if intent.status not in PAYABLE:
        raise IllegalTransition(KIND, intent.id, intent.status, Status.REQUIRES_ACTION)
    drawing = draw_on(replace(intent, next_attempt_at=None), mandate, period, token_amount)
    after = ask_signature(drawing, mandate)
    if intent.status is not Status.REQUIRES_ACTION:
        return _move(intent, after, now, EventType.CHARGE_INTENT_REQUIRES_ACTION)
    asked = Event(type=EventType.CHARGE_INTENT_REQUIRES_ACTION, object_id=intent.id, at=now)
    return Moved(value=after, before=intent, events=(asked,))


def schedule(intent: ChargeIntent, at: datetime | None) -> Moved[ChargeIntent]:
    """Plan the next attempt, or none. No status changes."""
    return Moved(value=replace(intent, next_attempt_at=at), before=intent)


def restore(intent: ChargeIntent, at: datetime, *, over: bool) -> Moved[ChargeIntent]:
    """Its wallet can pay again: the next attempt is due at `at`. `over`: none was to be made by itself (ST-65)."""
    return Moved(value=replace(intent, next_attempt_at=at, requested=intent.requested or over), before=intent)


def resumes_at(intent: ChargeIntent, now: datetime) -> datetime | None:
    """When an intent is tried again whose invoice was held: where its retries stood; None when nothing is to come."""
    if intent.mandate_id is None or intent.status is Status.REQUIRES_ACTION:
        return None
    if intent.policy is None:
        return now
    return intent.policy.next_attempt_at(intent.attempts, now, since=intent.failing_since or now)


def start(intent: ChargeIntent, charge_id: str, now: datetime) -> Moved[ChargeIntent]:
    """An attempt was signed and written down: the money may move from here on."""
    after = replace(
        intent,
        status=Status.PROCESSING,
        reason=StatusReason("broadcasting"),
        latest_charge_id=charge_id,
        next_attempt_at=None,
    )
    return _move(intent, after, now, EventType.CHARGE_INTENT_PROCESSING)


def succeed(intent: ChargeIntent, charge_id: str, reason: StatusReason, now: datetime) -> Moved[ChargeIntent]:
    """The transfer is final (FR-09). Also from before an attempt: the payee or the payer may have charged."""
    after = replace(
        intent,
        status=Status.SUCCEEDED,
        reason=reason,
        latest_charge_id=charge_id,
        next_attempt_at=None,
        succeeded_at=now,
    )
    return _move(intent, after, now, EventType.CHARGE_INTENT_SUCCEEDED)


def fail(
    intent: ChargeIntent, charge_id: str, reason: StatusReason, policy: RetryPolicy, now: datetime
) -> Moved[ChargeIntent]:
    """An attempt failed for a reason that counts: the next one follows the policy (FR-10, FR-13).

    `policy` is the merchant's of now (ST-66). Asking for an attempt by hand uses up none of the planned ones: after the
    first failure it only moves them.
    """
    since = intent.failing_since or now
    attempts = intent.attempts if intent.requested and intent.attempts else intent.attempts + 1
    after = replace(
        intent,
        status=Status.FAILED,
        reason=reason,
        latest_charge_id=charge_id,
        attempts=attempts,
        policy=policy,
        failing_since=since,
        next_attempt_at=policy.next_attempt_at(attempts, now, since=since),
        requested=False,
    )
    if intent.status is Status.FAILED:
        return Moved(
            value=after,
            before=intent,
            events=(Event(type=EventType.CHARGE_INTENT_PAYMENT_FAILED, object_id=intent.id, at=now),),
        )
    return _move(intent, after, now, EventType.CHARGE_INTENT_PAYMENT_FAILED)


def postpone(intent: ChargeIntent, reason: StatusReason, until: datetime, now: datetime) -> Moved[ChargeIntent]:
    """An attempt could not be made, for reasons that are ours: it is due again at `until` and did not count."""
    only_from(KIND, intent.id, PAYABLE | {Status.PROCESSING}, intent.status, Status.FAILED)
    after = replace(intent, reason=reason, next_attempt_at=until)
    if intent.status is not Status.PROCESSING:
        return Moved(value=after, before=intent)
    return _move(intent, replace(after, status=Status.FAILED), now)


def cancel(intent: ChargeIntent, reason: StatusReason, now: datetime) -> Moved[ChargeIntent]:
    """Nothing will be pulled for it any more. An attempt under way forbids this (ST-47)."""
    after = replace(intent, status=Status.CANCELED, reason=reason, next_attempt_at=None, canceled_at=now)
    return _move(intent, after, now, EventType.CHARGE_INTENT_CANCELED)


def reverse(intent: ChargeIntent, reason: StatusReason, now: datetime) -> Moved[ChargeIntent]:
    """A final transfer is gone from the chain; it is tried again at once, unless it comes back by itself."""
    after = replace(intent, status=Status.REVERSED, reason=reason, succeeded_at=None, next_attempt_at=now)
    return _move(intent, after, now, EventType.CHARGE_INTENT_REVERSED)
