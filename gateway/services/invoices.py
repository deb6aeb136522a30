"""What a merchant may do to an invoice by hand: change, finalise, pay, void, write off."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.db import charge_intents, invoices, subscriptions
from gateway.db.engine import Connection
from gateway.domain import charge_intent as intent_domain
from gateway.domain import course, voiding
from gateway.domain import invoice as domain
from gateway.domain import metadata as merchant_metadata
from gateway.domain import subscription as subscription_domain
from gateway.domain.catalog import Scope
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.errors import Conflict, InvalidRequest, NotFound
from gateway.domain.invoice import BillingReason, Invoice, Status
from gateway.domain.subscription import CancellationReason, Subscription
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.transition import Action, StatusReason
from gateway.domain.voiding import Standing
from gateway.services import billing, credit, payers, settings
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

_WALKED: Final = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID})
"""Statuses that voiding the newest invoice may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceChanges:
    """What to change; a field that is absent from `given` stays as it is."""

    given: frozenset[str]
    auto_advance: bool = True
    description: str | None = None
    metadata: Mapping[str, str | None] | None = field(default_factory=dict)


async def update(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    invoice_id: str,
    changes: InvoiceChanges,
    now: datetime,
    origin: Origin,
) -> Invoice:
    """Change what stands beside the amounts, and whether it goes on by itself (ST-36).

    With `auto_advance` a draft becomes open after the merchant's delay, counted from now, and is then collected, in
    `unpaid` too; an open invoice is tried again where its retries stood. Without it nothing happens by itself.

    Raises:
        Conflict: an attempt is under way, and `auto_advance` was to change.
        InvalidRequest: it is too late for that change, or its subscription is over or paused.
        NotFound: there is no such invoice.
    """
    subscription, invoice, intent = await _locked(conn, scope, invoice_id)
    moved = Changes()
    if changes.given & {"description", "metadata"}:
        description = changes.description if "description" in changes.given else invoice.description
        merged = invoice.metadata
        if "metadata" in changes.given:
            merged = merchant_metadata.merge(invoice.metadata, changes.metadata)
        invoice = moved.update(domain.describe(invoice, description, merged, now))
    if "auto_advance" in changes.given and changes.auto_advance is not invoice.auto_advance:
        domain.advancing(invoice)
        _idle(invoice, intent)
        if changes.auto_advance:
            course.collectable(subscription, param="auto_advance")
            policy = (await settings.policies(conn, gateway, [scope.account_id]))[scope.account_id]
            invoice = moved.update(domain.advance(invoice, now + policy.finalization_delay, now))
        else:
            invoice = moved.update(domain.stop_advancing(invoice, now))
        if intent is not None and intent.status in intent_domain.PAYABLE:
            next_at = intent_domain.resumes_at(intent, now) if changes.auto_advance else None
            moved.update(intent_domain.schedule(intent, next_at))
    await moved.write(conn, gateway, origin)
    return invoice


async def finalize(
    conn: Connection, gateway: Gateway, *, scope: Scope, invoice_id: str, now: datetime, origin: Origin
) -> Invoice:
    """Open a draft without waiting for its hour (ST-36, ST-53).

    Raises:
        IllegalTransition: it is no draft.
        NotFound: there is no such invoice.
    """
    subscription, invoice, _ = await _locked(conn, scope, invoice_id)
    changes = Changes()
    await billing.finalize(conn, gateway, [(invoice, subscription, now)], changes)
    await changes.write(conn, gateway, origin)
    return changes.current(invoice)


async def pay(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    invoice_id: str,
    payment_method_id: str | None = None,
    now: datetime,
    origin: Origin,
) -> Invoice:
    """Make an attempt to collect an open invoice due now, from the wallet that pays it or from another one (ST-15).

    Another wallet pays this invoice only, and is asked to sign first unless it has a mandate that covers it.

    Raises:
        Conflict: an attempt is under way.
        InvalidRequest: it is not open, its subscription is over (FR-24) or paused (C16), or there is no signed mandate
            to draw on.
        NotFound: there is no such invoice.
    """
    subscription, invoice, intent = await _locked(conn, scope, invoice_id)
    if invoice.status is not Status.OPEN or intent is None:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is {invoice.status}; only an open one can be paid.", code="invoice_not_open"
        )
    course.collectable(subscription)
    _idle(invoice, intent)
    if invoice.is_sent:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is paid by a transfer of the customer's own: see payment_instructions.",
            code="invoice_sent",
        )
    changes = Changes()
    if payment_method_id not in {None, intent.payment_method_id}:
        owed = subscription, invoice, intent
        await payers.name(conn, gateway, owed=owed, method_id=payment_method_id or "", now=now, changes=changes)
        await changes.write(conn, gateway, origin)
        return changes.current(invoice)
    if intent.mandate_id is None or intent.status is intent_domain.Status.REQUIRES_ACTION:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' cannot be pulled yet: its wallet has not signed a mandate. "
            f"Confirm charge intent '{intent.id}' with the wallet's signature.",
            code="mandate_unsigned",
        )
    changes.update(intent_domain.confirm(intent, now))
    await changes.write(conn, gateway, origin)
    return invoice


async def void(
    conn: Connection, gateway: Gateway, *, scope: Scope, invoice_id: str, now: datetime, origin: Origin
) -> Invoice:
    """Say that it is owed no more. Voiding the first invoice expires an incomplete subscription (ST-41, ST-47).

    Raises:
        Conflict: a pull is under way.
        IllegalTransition: it is paid or void already.
        NotFound: there is no such invoice.
    """
    subscription, invoice, intent = await _locked(conn, scope, invoice_id)
    _idle(invoice, intent)
    changes = Changes()
    reason = StatusReason("voided_by_merchant")
    voided = changes.update(domain.void(invoice, reason, now))
    _drop(intent, reason, now, changes)
    await credit.give_back(conn, [(voided, now)], changes)
    first = invoice.billing_reason is BillingReason.SUBSCRIPTION_CREATE
    if first and subscription.status in subscription_domain.AWAITING_FIRST_PAYMENT:
        changes.update(subscription_domain.expire(subscription, now))
    elif voided.id == subscription.latest_invoice_id and subscription.status in _WALKED:
        await _walk(conn, subscription, voided, now, changes)
    await changes.write(conn, gateway, origin)
    return voided


async def _walk(conn: Connection, subscription: Subscription, voided: Invoice, now: datetime, changes: Changes) -> None:
    """Look for what the older invoices leave of the subscription (ST-42 to ST-45)."""
    history = [
        one for one in await invoices.of_subscription(conn, subscription.scope, subscription.id) if one.id != voided.id
    ]
    intents = await charge_intents.of_invoices(conn, [one.id for one in history])
    target = voiding.status_after([_standing(one, intents.get(one.id)) for one in history], now)
    reason = StatusReason("invoice_voided", evidence={"invoice": voided.id})
    if target is subscription.status:
        return
    match target:
        case SubscriptionStatus.ACTIVE:
            changes.update(voiding.excuse(subscription, reason, now))
        case SubscriptionStatus.CANCELED:
            changes.update(subscription_domain.cancel(subscription, CancellationReason.PAYMENT_FAILED, now))
            await billing.stop_collecting(conn, {subscription.id: now}, changes)
        case SubscriptionStatus.PAST_DUE | SubscriptionStatus.UNPAID:
            _owing(subscription, target, reason, now, changes)
        case _:
            raise AssertionError(target)


def _owing(
    subscription: Subscription, target: SubscriptionStatus, reason: StatusReason, now: datetime, changes: Changes
) -> None:
    """An older invoice is still owed. An unpaid subscription stays so: nothing was paid."""
    if subscription.status is SubscriptionStatus.ACTIVE:
        subscription = changes.update(subscription_domain.mark_past_due(subscription, reason, now))
    if target is SubscriptionStatus.UNPAID:
        changes.update(subscription_domain.mark_unpaid(subscription, reason, now))


def _standing(invoice: Invoice, intent: ChargeIntent | None) -> Standing:
    over = intent is not None and intent.status is intent_domain.Status.FAILED and intent.next_attempt_at is None
    policy = intent.policy if intent is not None and over else None
    return Standing(
        invoice=invoice, dunning_over=None if policy is None else policy.on_exhausted, due_at=invoice.due_at
    )


async def mark_uncollectible(
    conn: Connection, gateway: Gateway, *, scope: Scope, invoice_id: str, now: datetime, origin: Origin
) -> Invoice:
    """Write it off (ST-46).

    Raises:
        Conflict: a pull is under way.
        IllegalTransition: it is not open.
        NotFound: there is no such invoice.
    """
    _, invoice, intent = await _locked(conn, scope, invoice_id)
    _idle(invoice, intent)
    changes = Changes()
    reason = StatusReason("written_off_by_merchant", Action.NONE)
    written_off = changes.update(domain.mark_uncollectible(invoice, reason, now))
    _drop(intent, reason, now, changes)
    await changes.write(conn, gateway, origin)
    return written_off


def _drop(intent: ChargeIntent | None, reason: StatusReason, now: datetime, changes: Changes) -> None:
    if intent is not None and intent.status in intent_domain.PAYABLE:
        changes.update(intent_domain.cancel(intent, reason, now))


def _idle(invoice: Invoice, intent: ChargeIntent | None) -> None:
    """Raise while a pull is under way: its outcome decides (ST-47)."""
    if intent is not None and intent.status is intent_domain.Status.PROCESSING:
        raise Conflict(
            f"A payment of invoice '{invoice.id}' is on its way; wait for its outcome.", code="charge_intent_processing"
        )


async def _locked(conn: Connection, scope: Scope, invoice_id: str) -> tuple[Subscription, Invoice, ChargeIntent | None]:
    """The rows of an invoice, locked in the usual order: subscription, invoice, intent."""
    read = await invoices.get(conn, scope, invoice_id)
    if read is None:
        raise NotFound("invoice", invoice_id)
    subscription = (await subscriptions.load(conn, [read.subscription_id], lock=True))[read.subscription_id]
    invoice = (await invoices.load(conn, [read.id], lock=True))[read.id]
    intents = await charge_intents.of_invoices(conn, [read.id], lock=True)
    return subscription, invoice, intents.get(read.id)
