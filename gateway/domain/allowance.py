"""What a wallet still allows, and when to say that it will not be enough (ST-67, SX-24).

Renewals are counted as if all of a merchant's subscriptions on the wallet renewed together, for as much as their
mandates allow: the notice comes early rather than late.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.domain.catalog import PaymentMethod, Standing
from gateway.domain.events import EventType
from gateway.domain.mandate import USABLE, Mandate, periods_to_come
from gateway.domain.subscription import Subscription
from gateway.domain.transition import Event, Moved

RENEWALS_MAX: Final = 10_000
"""Most renewals that are counted: beyond that, "without end" is as true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the subscriptions on a wallet take, in base units: with each renewal, and in all; None = without end."""

    per_renewal: int
    in_all: int | None


def demand_of(drawn: Sequence[tuple[Subscription, Mandate]]) -> Demand:
    """Sum up what is still to come; a subscription that ends with its period takes nothing more."""
    per_renewal, in_all, endless = 0, 0, False
    for subscription, mandate in drawn:
        ends_at = subscription.ends_at
        if mandate.status not in USABLE or (ends_at is not None and ends_at <= subscription.period_end):
            continue
        per_renewal += mandate.terms.amount
        left = periods_to_come(mandate.terms, subscription.period_end)
        endless = endless or left is None
        in_all += mandate.terms.amount * (left or 0)
    return Demand(per_renewal=per_renewal, in_all=None if endless else in_all)


def look(
    method: PaymentMethod,
    *,
    allowance: int,
    balance: int,
    demand: Demand,
    notice: int,
    approved: bool,
    now: datetime,
) -> Moved[PaymentMethod]:
    """Take over what the chain says of a wallet.

    `approved`: its owner changed the allowance, which is told. With `notice` renewals left or fewer it is said that the
    allowance runs out, once, until it is raised above that again.
    """
    left = min(allowance // demand.per_renewal, RENEWALS_MAX) if demand.per_renewal else None
    enough = demand.in_all is not None and allowance >= demand.in_all
    is_short = left is not None and left <= notice and not enough
    before = method.standing
    warned_at = (before.warned_at if before is not None and before.warned_at else now) if is_short else None
    after = replace(
        method,
        standing=Standing(
            allowance=allowance, balance=balance, renewals_left=left, checked_at=now, warned_at=warned_at
        ),
    )
    told = [EventType.PAYMENT_METHOD_UPDATED] if approved else []
    if is_short and (before is None or before.warned_at is None):
        told.append(EventType.PAYMENT_METHOD_ALLOWANCE_RUNNING_OUT)
    events = tuple(Event(type=kind, object_id=method.id, at=now) for kind in told)
    return Moved(value=after, before=method, events=events)
