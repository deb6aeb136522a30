"""The checkout session: a page that lives for a day, asks one wallet for one subscription, and is used once.

Its terms are frozen when it is made. Until the wallet has signed there is nothing but the session: the subscription,
its customer and its payment method are made with the signature, and the session ends with what becomes of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chain.primitives import Address, MandateTerms
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.transition import Action, Machine, Moved, StatusReason, only_from

KIND: Final = "checkout.session"
LIFE: Final = timedelta(hours=24)
LIFE_MIN: Final = timedelta(minutes=30)
"""As Stripe's: a session can be made to live shorter than a day, but not so short that nobody can finish it."""

DRAFT_LIFE: Final = timedelta(minutes=30)
"""How long the terms that a wallet is shown stay as they are: what is signed then begins at most so long ago."""


class Mode(StrEnum):
    """`subscription`: a new one, with its first charge. `setup`: a wallet for one that there is."""

    SUBSCRIPTION = "subscription"
    SETUP = "setup"


class Status(StrEnum):
    """As Stripe's. `complete` = the money is final, or the wallet is set up; a signature alone is not enough."""

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


class PaymentStatus(StrEnum):
    """What became of the first charge."""

    UNPAID = "unpaid"
    PAID = "paid"
    NO_PAYMENT_REQUIRED = "no_payment_required"


class FieldKind(StrEnum):
    """Kinds of custom fields; the payer never sees a hidden one (SX-22)."""

    TEXT = "text"
    NUMERIC = "numeric"
    DROPDOWN = "dropdown"
    HIDDEN = "hidden"


_S = Status
TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    _S.OPEN: frozenset({_S.COMPLETE, _S.EXPIRED}),
    _S.COMPLETE: frozenset(),
    _S.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice of a dropdown."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """Something that the merchant asks the payer, or hands through hidden; the answer becomes metadata (SX-16).

    Attributes:
        value: what a hidden field holds, or what the others begin with.
    """

    key: str
    kind: FieldKind
    label: str
    optional: bool = False
    value: str | None = None
    options: tuple[Option, ...] = ()
    length_min: int = 0
    length_max: int = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class LineItem:
    """So many of a price, as it was called when the session was made."""

    price_id: str
    quantity: int
    description: str
    amount: int
    tax_rate_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The terms, frozen at creation. Amounts in minor units of `currency`, as the first invoice will have them.

    Attributes:
        coupon_ids, promotion_code_ids: discounts that the merchant gives; the payer may enter one more code.
        total: the first charge before the payer enters a code; 0 when it begins with a trial.
        recurring: what every period costs.
    """

    currency: str = ""
    lines: tuple[LineItem, ...] = ()
    subtotal: int = 0
    discount: int = 0
    tax: int = 0
    total: int = 0
    recurring: int = 0
    interval: str = ""
    interval_count: int = 1
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    trial_days: int | None = None
    trial_end: datetime | None = None
    default_tax_rate_ids: tuple[str, ...] = ()
    coupon_ids: tuple[str, ...] = ()
    promotion_code_ids: tuple[str, ...] = ()
    allow_promotion_codes: bool = False
    custom_fields: tuple[CustomField, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a connected wallet is asked for: the mandate's terms, and what the subscription costs with them.

    Attributes:
        at: the moment as which the subscription will have begun.
        trial_end: when the first charge is, where it is not now.
        setup_intent_id: in mode `setup`, the setup intent that waits for the signature.
    """

    payer: Address
    chain_id: int
    contract: Address
    terms: MandateTerms
    at: datetime
    total: int
    recurring: int
    discount: int = 0
    trial_end: datetime | None = None
    setup_intent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSession:
    """One way to one subscription.

    Attributes:
        token: the part of its address that nobody can guess; whoever has it may act as the payer.
        email: given by the merchant, or by the payer on the page.
        answers: of the payer to the custom fields, by key.
        promotion_code_id: entered by the payer.
        confirmed_at: when the wallet signed; from then on it ends with its subscription, not by the clock.
    """

    id: str
    scope: Scope
    mode: Mode
    status: Status
    reason: StatusReason
    created_at: datetime
    expires_at: datetime
    token: str
    success_url: str
    offer: Offer
    cancel_url: str | None = None
    customer_id: str | None = None
    email: str | None = None
    is_email_given: bool = False
    client_reference_id: str | None = None
    locale: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    promotion_code_id: str | None = None
    draft: Draft | None = None
    payment_status: PaymentStatus = PaymentStatus.UNPAID
    subscription_id: str | None = None
    setup_intent_id: str | None = None
    invoice_id: str | None = None
    confirmed_at: datetime | None = None
    completed_at: datetime | None = None
    test_clock_id: str | None = None

    @property
    def wake_at(self) -> datetime | None:
        """When it expires by the clock; None when it does not."""
        return self.expires_at if self.status is Status.OPEN and self.confirmed_at is None else None

    @property
    def unanswered(self) -> tuple[CustomField, ...]:
        """Questions that must be answered before the wallet is asked."""
        return tuple(
            field
            for field in self.offer.custom_fields
            if field.kind is not FieldKind.HIDDEN and not field.optional and field.key not in self.answers
        )

    @property
    def knows_payer(self) -> bool:
        """Whether the page has asked everything that it asks before the wallet."""
        return (self.customer_id is not None or self.email is not None) and not self.unanswered

    @property
    def field_values(self) -> dict[str, str]:
        """Every custom field that has a value, hidden ones included: what becomes metadata."""
        hidden = {f.key: f.value or "" for f in self.offer.custom_fields if f.kind is FieldKind.HIDDEN}
        return {**hidden, **self.answers}

    def is_draft_fresh(self, now: datetime) -> bool:
        """Whether what the wallet is shown may still be signed."""
        return self.draft is not None and now < self.draft.at + DRAFT_LIFE


_MACHINE: Final = Machine[CheckoutSession](KIND, TRANSITIONS)
_move: Final = _MACHINE.move


def _still_open(session: CheckoutSession) -> None:
    only_from(KIND, session.id, {Status.OPEN}, session.status, Status.OPEN)
    if session.confirmed_at is not None:
        raise ValueError(f"checkout session {session.id} was used already")


def create(session: CheckoutSession) -> Moved[CheckoutSession]:
    """Open a session. Nothing is announced: nothing has happened yet."""
    if session.status is not Status.OPEN:
        raise ValueError("a checkout session begins open")
    return _MACHINE.begin(session)


def describe(
    session: CheckoutSession, *, email: str | None, answers: Mapping[str, str], promotion_code_id: str | None
) -> Moved[CheckoutSession]:
    """The payer said who it is; what a wallet was shown before no longer holds."""
    _still_open(session)
    after = replace(
        session,
        email=session.email if session.is_email_given else email,
        answers=answers,
        promotion_code_id=promotion_code_id,
        draft=None,
    )
    return Moved(value=after, before=session)


def propose(session: CheckoutSession, draft: Draft | None) -> Moved[CheckoutSession]:
    """A wallet was connected and is shown these terms; None forgets it."""
    _still_open(session)
    return Moved(value=replace(session, draft=draft), before=session)


def confirm(
    session: CheckoutSession,
    *,
    customer_id: str,
    subscription_id: str,
    setup_intent_id: str | None,
    invoice_id: str | None,
    now: datetime,
) -> Moved[CheckoutSession]:
    """The wallet signed: the session is used, and ends with what becomes of its subscription."""
    _still_open(session)
    after = replace(
        session,
        customer_id=customer_id,
        subscription_id=subscription_id,
        setup_intent_id=setup_intent_id,
        invoice_id=invoice_id,
        confirmed_at=now,
        reason=StatusReason("confirmed_by_payer", Action.WAIT),
    )
    return Moved(value=after, before=session)


def complete(session: CheckoutSession, paid: PaymentStatus, now: datetime) -> Moved[CheckoutSession]:
    """What it was for is done, finally: provision (MX-18)."""
    after = replace(
        session,
        status=Status.COMPLETE,
        payment_status=paid,
        reason=StatusReason("completed", Action.SUCCESS),
        completed_at=now,
    )
    return _move(session, after, now, EventType.CHECKOUT_SESSION_COMPLETED)


def expire(session: CheckoutSession, code: str, now: datetime) -> Moved[CheckoutSession]:
    """Its time is over, the merchant ended it, or its subscription came to nothing."""
    after = replace(session, status=Status.EXPIRED, reason=StatusReason(code), draft=None)
    return _move(session, after, now, EventType.CHECKOUT_SESSION_EXPIRED)


def checked_answers(offer: Offer, answers: Mapping[str, str]) -> dict[str, str]:
    """The payer's answers to the custom fields, trimmed; what was left empty is left out.

    Raises:
        InvalidRequest: one is missing, too short or long, no number, or not among the choices.
    """
    kept: dict[str, str] = {}
    for asked in offer.custom_fields:
        if asked.kind is FieldKind.HIDDEN:
            continue
        answer = answers.get(asked.key, "").strip()
        if not answer:
            if not asked.optional:
                raise InvalidRequest(f"'{asked.label}' is needed.", code="field_missing", param=asked.key)
            continue
        fits = asked.length_min <= len(answer) <= asked.length_max
        if asked.kind is FieldKind.NUMERIC:
            fits = fits and answer.isascii() and answer.isdigit()
        if asked.kind is FieldKind.DROPDOWN:
            fits = answer in {option.value for option in asked.options}
        if not fits:
            raise InvalidRequest(f"'{asked.label}' cannot be this.", code="field_invalid", param=asked.key)
        kept[asked.key] = answer
    return kept
