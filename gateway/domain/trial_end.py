"""The end of a trial for which nobody has signed: what a merchant wants then (ST-29, ST-25)."""

from dataclasses import replace
from datetime import datetime

from gateway.domain import subscription as domain
from gateway.domain.events import EventType
from gateway.domain.mandate import Mandate
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.subscription import CancellationReason, CollectionMethod, Status, Subscription, modifiable
from gateway.domain.terms import MissingPaymentMethod
from gateway.domain.transition import Action, Event, Moved, StatusReason, only_from


def decide(subscription: Subscription, behavior: MissingPaymentMethod, now: datetime) -> Moved[Subscription]:
    """Take over what is to happen if the trial ends without a signature.

    Raises:
        InvalidRequest: it is over, and frozen.
    """
    modifiable(subscription)
    after = replace(subscription, missing_payment_method=behavior)
    told = Event(type=EventType.SUBSCRIPTION_UPDATED, object_id=subscription.id, at=now)
    return Moved(value=after, before=subscription, events=(told,))


def asks(subscription: Subscription) -> bool:
    """Whether the end of the running period ends a trial that must not go on without a signature."""
    s = subscription
    ends = s.status is Status.TRIALING and s.period_end == s.trial_end
    pulled = s.collection_method is CollectionMethod.CHARGE_AUTOMATICALLY
    return ends and pulled and s.missing_payment_method is not MissingPaymentMethod.CREATE_INVOICE


def is_missing(mandate: Mandate | None) -> bool:
    """Whether nothing can be pulled: no wallet is known, or it has not signed."""
    return mandate is None or mandate.status is MandateStatus.PENDING


def end(subscription: Subscription, now: datetime) -> Moved[Subscription]:
    """The trial is over and nobody has signed: it is canceled, or paused until it is resumed. Nothing is billed.

    Raises:
        IllegalTransition: it is in no trial.
    """
    s = subscription
    only_from(domain.KIND, s.id, {Status.TRIALING}, s.status, Status.PAUSED)
    told = Event(type=EventType.SUBSCRIPTION_TRIAL_ENDED, object_id=s.id, at=now)
    if s.missing_payment_method is MissingPaymentMethod.CANCEL:
        moved = domain.cancel(s, CancellationReason.PAYMENT_FAILED, now)
    else:
        reason = StatusReason("trial_end_without_payment_method", Action.CUSTOMER_ACTION)
        after = replace(s, status=Status.PAUSED, reason=reason, paused_at=now)
        moved = domain.move(s, after, now, EventType.SUBSCRIPTION_PAUSED, EventType.SUBSCRIPTION_UPDATED)
    return replace(moved, events=(told, *moved.events))
