"""What happens when changed terms take effect, in sets: prorations, the change itself, and what is billed at once.

Where a new mandate was signed for a change, its current period is still to spend: a debit for the rest of the period is
billed with it at once. Otherwise prorations wait for the next invoice: the mandate's running period is spent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.db import invoice_items, invoices
from gateway.db.engine import Connection
from gateway.domain import plan_change
from gateway.domain.events import EventType
from gateway.domain.invoice import BillingReason
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.mandate import Mandate
from gateway.domain.proration import ProrationBehavior
from gateway.domain.subscription import AWAITING_FIRST_PAYMENT, Due, Status, Subscription, due
from gateway.domain.transition import Event, Moved
from gateway.services import billing, discounts, invoicing, proration, settings
from gateway.services import setup_intents as setups
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.invoicing import Bill
from gateway.services.proration import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A change that takes effect.

    Attributes:
        trial_end: that the trial gets; None: its own.
        signed: the mandate that was signed for it, as it is now.
        unsigned: the mandate that is asked for in the place of one that nobody had signed.
    """

    change: Change
    trial_end: datetime | None = None
    signed: Mandate | None = None
    unsigned: Mandate | None = None

    @property
    def mandate(self) -> Mandate | None:
        """The mandate that pays from now on, if it is another one."""
        return self.signed or self.unsigned


async def take_effect(conn: Connection, gateway: Gateway, effects: Sequence[Effect], changes: Changes) -> None:
    """Let changes of locked subscriptions take effect, each at its time."""
    if not effects:
        return
    prepared = {effect.mandate.id: effect.mandate for effect in effects if effect.mandate is not None}
    await _finalize_drafts(conn, gateway, [effect for effect in effects if effect.signed is not None], changes)
    after = [plan_change.with_terms(effect.change.subscription, effect.change.terms) for effect in effects]
    terms = await invoicing.terms_of(conn, [*after, *(effect.change.subscription for effect in effects)], lock=False)
    prorated = await proration.of(conn, [effect.change for effect in effects], terms)
    items = [item for found in prorated for item in found]
    if items:
        await invoice_items.shelf.add(conn, items)
    for item in items:
        created = Event(type=EventType.INVOICEITEM_CREATED, object_id=item.id, at=item.created_at)
        changes.announced.append(Moved(value=item, events=(created,)))
    policies = await settings.policies(conn, gateway, [s.scope.account_id for s in after])
    begins: list[tuple[Subscription, datetime]] = []
    extra: list[tuple[Subscription, datetime]] = []
    for effect in effects:
        s = _move(effect, policies, changes)
        if due(s, effect.change.at) is Due.RENEW:
            begins.append((s, effect.change.at))
        elif effect.signed is not None and effect.change.is_prorated:
            extra.append((s, effect.change.at))
    collected = [(s, at) for s, at in begins if s.status is not Status.UNPAID]
    await billing.begin_periods(conn, gateway, collected, changes, at_once=True, prepared=prepared)
    held = [(s, at) for s, at in begins if s.status is Status.UNPAID]
    await billing.begin_periods(conn, gateway, held, changes, prepared=prepared)
    await _bill_changes(conn, gateway, extra, changes, prepared)


def _move(effect: Effect, policies: Mapping[str, settings.Policy], changes: Changes) -> Subscription:
    change = effect.change
    before, now = changes.current(change.subscription), change.at
    s = changes.update(plan_change.change_terms(before, change.terms, now))
    changes.announced.extend(discounts.announced(s, before.discounts, s.discounts, now))
    if effect.trial_end is not None and s.status is Status.TRIALING and s.period_index == 0:
        notice = policies[s.scope.account_id].notice
        s = changes.update(plan_change.move_trial_end(s, effect.trial_end, now, notice=notice))
    if effect.signed is not None:
        s = changes.update(plan_change.draw_on(s, effect.signed.payment_method_id, effect.signed.id, None, now))
    if effect.unsigned is not None:
        # Where the first period begins now, its invoice asks for the signature; otherwise a setup intent does.
        begins = due(s, now) is Due.RENEW
        setup_id = None if begins else changes.insert(setups.begin(s, effect.unsigned, now)).id
        s = changes.update(plan_change.draw_on(s, effect.unsigned.payment_method_id, effect.unsigned.id, setup_id, now))
    return s


async def _finalize_drafts(conn: Connection, gateway: Gateway, effects: Sequence[Effect], changes: Changes) -> None:
    """Open what the old terms billed and the old mandate pays, so that it does not draw on the new one."""
    owners = {effect.change.subscription.id: effect for effect in effects}
    drafts = [
        (draft, owners[draft.subscription_id].change.subscription, owners[draft.subscription_id].change.at)
        for draft in (await invoices.unsettled_of(conn, sorted(owners), lock=True) if owners else [])
        if draft.status is InvoiceStatus.DRAFT and draft.auto_advance
    ]
    if drafts:
        await billing.finalize(conn, gateway, drafts, changes)


async def _bill_changes(
    conn: Connection,
    gateway: Gateway,
    owners: Sequence[tuple[Subscription, datetime]],
    changes: Changes,
    prepared: Mapping[str, Mandate],
) -> None:
    """Bill debits for the rest of the period with the mandate that was signed for them."""
    if not owners:
        return
    bills = [
        Bill(subscription=s, billed=s.current_period, reason=BillingReason.SUBSCRIPTION_UPDATE, now=at, finalizes_at=at)
        for s, at in owners
    ]
    drawn_up = [
        (bill, composed)
        for bill, composed in zip(bills, await invoicing.compose_all(conn, bills), strict=True)
        if composed.invoice.total > 0
    ]
    await invoicing.take(conn, [composed for _, composed in drawn_up], changes)
    billed = [
        (composed.invoice, changes.update(plan_change.bill(bill.subscription, composed.invoice.id, bill.now)), bill.now)
        for bill, composed in drawn_up
    ]
    if billed:
        await billing.finalize(conn, gateway, billed, changes, prepared=prepared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A pending update whose mandate is registered. `subscription` still draws on the old one."""

    subscription: Subscription
    mandate: Mandate
    at: datetime


async def apply_signed(conn: Connection, gateway: Gateway, signed: Sequence[Signed], changes: Changes) -> None:
    """Let pending updates take effect whose mandates are registered, and finally so; what was signed is drawn on.

    One whose subscription ended meanwhile has none any more. One that waits for its first payment by now keeps what
    that payment is for: its update is dropped.
    """
    effects = []
    for one in signed:
        s, now = changes.current(one.subscription), one.at.replace(microsecond=0)
        update = s.pending_update
        if update is None:
            continue
        if s.status in AWAITING_FIRST_PAYMENT and s.period_index:
            changes.update(plan_change.drop(s, now, expired=True))
            continue
        change = Change(
            subscription=s,
            terms=update.terms,
            at=now,
            behavior=update.proration if s.status is not Status.UNPAID else ProrationBehavior.NONE,
            prorated_at=update.proration_at,
        )
        effects.append(Effect(change=change, trial_end=update.trial_end, signed=one.mandate))
    await take_effect(conn, gateway, effects, changes)
