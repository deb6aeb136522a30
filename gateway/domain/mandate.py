"""The mandate: the terms a payer signs once, and what became of them on the chain."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chain.primitives import Address, MandateId, MandateTerms, PeriodUnit, Permit
from gateway.domain.catalog import Scope
from gateway.domain.events import EventType
from gateway.domain.period import add_months, from_unix, period_index
from gateway.domain.transition import Machine, Moved, StatusReason

KIND: Final = "mandate"


OPEN_ENDED_PERIODS: Final = 12
"""Periods that a wallet is asked to allow for a mandate without an end: bounded, never unlimited (SX-24)."""


class Status(StrEnum):
    """`pending` = not signed; `signed` = registration may be on its way; `active` = registered, and final."""

    PENDING = "pending"
    SIGNED = "signed"
    ACTIVE = "active"
    REVOKED = "revoked"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.PENDING: frozenset({_S.SIGNED, _S.ACTIVE, _S.REVOKED}),
    _S.SIGNED: frozenset({_S.ACTIVE, _S.REVOKED}),
    _S.ACTIVE: frozenset({_S.REVOKED}),
    _S.REVOKED: frozenset(),
}


USABLE: Final = frozenset({_S.SIGNED, _S.ACTIVE})
"""Statuses in which a mandate collects, or may come to: until it is revoked, its allowance is live (C12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """Terms, signature and state. `onchain_id` follows from the terms, the chain and the contract.

    Attributes:
        signature: what the payer signed; empty when the payer registers by its own transaction.
    """

    id: str
    scope: Scope
    customer_id: str
    payment_method_id: str
    status: Status
    reason: StatusReason
    created_at: datetime
    chain_id: int
    contract: Address
    onchain_id: MandateId
    terms: MandateTerms
    subscription_id: str | None = None
    signature: bytes | None = None
    permit: Permit | None = None
    signed_at: datetime | None = None
    registered_at: datetime | None = None
    revoked_at: datetime | None = None


_MACHINE: Final = Machine[Mandate](KIND, TRANSITIONS)
_move: Final = _MACHINE.move


def periods_to_come(terms: MandateTerms, since: datetime) -> int | None:
    """How many periods may still be collected from `since` on; None when there is no end to them (SX-24)."""
    if not terms.periods:
        return None
    return max(terms.periods - max(period_for(terms, since), 1) + 1, 0)


def allowance_to_ask(terms: MandateTerms, since: datetime | None = None) -> int:
    """Base units that the payer's wallet is asked to allow: what may be collected from `since` on, or 12 periods."""
    return terms.amount * approved_periods(terms, since)


def approved_periods(terms: MandateTerms, since: datetime | None = None) -> int:
    """For how many payments the wallet is asked to allow the whole amount: the X of SX-24."""
    count = terms.periods if since is None else periods_to_come(terms, since)
    return count or OPEN_ENDED_PERIODS


def prepare(mandate: Mandate) -> Moved[Mandate]:
    """Write down the terms that the payer will be asked to sign."""
    if mandate.status is not Status.PENDING:
        raise ValueError("a mandate begins unsigned")
    return _MACHINE.begin(mandate, EventType.MANDATE_CREATED)


def sign(mandate: Mandate, signature: bytes, permit: Permit | None, now: datetime) -> Moved[Mandate]:
    """The payer signed; the caller has verified it. Signing again before registration replaces signature and permit."""
    after = replace(
        mandate,
        status=Status.SIGNED,
        reason=StatusReason("signed_by_payer"),
        signature=signature,
        permit=permit,
        signed_at=now,
    )
    if mandate.status is Status.SIGNED:
        return Moved(value=after, before=mandate)
    return _move(mandate, after, now, EventType.MANDATE_UPDATED)


def activate(mandate: Mandate, reason: StatusReason, now: datetime) -> Moved[Mandate]:
    """Its registration is final. Calling it again changes nothing."""
    if mandate.status is Status.ACTIVE:
        return Moved(value=mandate, before=mandate)
    after = replace(mandate, status=Status.ACTIVE, reason=reason, registered_at=now)
    return _move(mandate, after, now, EventType.MANDATE_UPDATED)


def revoke(mandate: Mandate, reason: StatusReason, now: datetime) -> Moved[Mandate]:
    """It ended for ever on the chain. Calling it again changes nothing."""
    if mandate.status is Status.REVOKED:
        return Moved(value=mandate, before=mandate)
    after = replace(mandate, status=Status.REVOKED, reason=reason, revoked_at=now)
    return _move(mandate, after, now, EventType.MANDATE_UPDATED)


def period_start(terms: MandateTerms, index: int) -> datetime:
    """First instant of the mandate's period number `index`."""
    anchor = from_unix(terms.start)
    if terms.unit is PeriodUnit.SECONDS:
        return anchor + timedelta(seconds=terms.every * (index - 1))
    return add_months(anchor, terms.every * (index - 1))


def period_for(terms: MandateTerms, at: datetime) -> int:
    """The mandate's number of the period that `at` lies in, from 1; 0 before its start."""
    return period_index(from_unix(terms.start), terms.unit, terms.every, at)
