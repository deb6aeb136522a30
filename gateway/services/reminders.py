"""Chasing open invoices, in batches: reminders, past due, and what a merchant wants long after (ST-69, ST-70, ST-71).

What falls due stands on the invoice (`gateway.domain.reminder`); telling people is the mailer's and the webhooks'.
"""

from datetime import datetime

from gateway.db import charge_intents, invoices, subscriptions
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain import reminder as domain
from gateway.domain import subscription as subscription_domain
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.failure import FailureCode, needs_wallet
from gateway.domain.invoice import Invoice
from gateway.domain.period import to_unix
from gateway.domain.reminder import Ask, Chase, Step
from gateway.domain.settings import OverdueAction
from gateway.domain.subscription import CancellationReason, Subscription
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.transition import Action, StatusReason
from gateway.services import billing, settings
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin
from gateway.services.settings import Policy

_OWING = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE})
"""Statuses that an unpaid invoice makes past due, and that an action ends."""

_SILENT = frozenset({SubscriptionStatus.PAUSED, *subscription_domain.TERMINAL})
"""Nobody is reminded of what was owed before a pause, or before the end."""


async def chase_due(gateway: Gateway, *, now: datetime, limit: int = billing.BATCH) -> int:
    """Take one batch of open invoices of which something is due; returns how many. 0 means that nothing is due.

    Subscriptions are locked before their invoices, as everywhere.
    """
    async with gateway.books.write() as conn:
        waiting = await invoices.due_owners(conn, now=now, limit=limit, status=invoice_domain.Status.OPEN)
        if not waiting:
            return 0
        owners = await subscriptions.load(conn, waiting, lock=True)
        claims = await invoices.claim_due(conn, now=now, limit=limit, status=invoice_domain.Status.OPEN)
        intents = await charge_intents.of_invoices(conn, [claim.value.id for claim in claims])
        policies = await settings.policies(conn, gateway, [claim.value.scope.account_id for claim in claims])
        changes = Changes()
        ended: dict[str, datetime] = {}
        for claim in claims:
            owner = owners.get(claim.value.subscription_id)
            if owner is not None and claim.value.chase is not None:
                policy = policies[owner.scope.account_id]
                was = changes.current(owner).status
                steps = _due(claim.value, claim.value.chase, intents.get(claim.value.id), claim.now, changes)
                _chase(changes.current(claim.value), owner, steps, policy=policy, now=claim.now, changes=changes)
                if was is not changes.current(owner).status is SubscriptionStatus.CANCELED:
                    ended[owner.id] = claim.now
        await billing.stop_collecting(conn, ended, changes)
        await changes.write(conn, gateway, Origin(now))
    return len(claims)


def _due(
    invoice: Invoice, chase: Chase, intent: ChargeIntent | None, now: datetime, changes: Changes
) -> frozenset[Step]:
    """What is due, which the invoice's plan forgets; nothing any more where the wallet has acted meanwhile."""
    if chase.ask is Ask.APPROVAL and not _waits_for_wallet(intent):
        changes.update(invoice_domain.follow(invoice, None))
        return frozenset()
    left, steps = domain.take_due(chase, now)
    changes.update(invoice_domain.follow(invoice, left))
    return steps


def _chase(
    invoice: Invoice,
    owner: Subscription,
    steps: frozenset[Step],
    *,
    policy: Policy,
    now: datetime,
    changes: Changes,
) -> None:
    subscription = changes.current(owner)
    chase = invoice.chase
    if chase is None or subscription.status in _SILENT:
        return
    evidence = {"invoice": invoice.id} | ({} if invoice.due_at is None else {"due_date": to_unix(invoice.due_at)})
    code = "invoice_overdue" if chase.ask is Ask.PAYMENT else "approval_missing"
    reason = StatusReason(code, Action.CUSTOMER_ACTION, evidence)
    if Step.OVERDUE in steps and subscription.status in _OWING:
        late = subscription_domain.mark_past_due(subscription, reason, now, grace=policy.grace)
        subscription = changes.update(late)
    if Step.REMIND in steps:
        changes.update(invoice_domain.remind(invoice, now))
    if Step.ACT in steps and subscription.status in _OWING:
        _act(subscription, chase.action, reason, now, changes)


def _act(
    subscription: Subscription, action: OverdueAction, reason: StatusReason, now: datetime, changes: Changes
) -> None:
    match action:
        case OverdueAction.CANCEL:
            changes.update(subscription_domain.cancel(subscription, CancellationReason.PAYMENT_FAILED, now))
        case OverdueAction.UNPAID:
            late = changes.update(subscription_domain.mark_past_due(subscription, reason, now))
            changes.update(subscription_domain.mark_unpaid(late, reason, now))
        case OverdueAction.LEAVE:
            pass


def _waits_for_wallet(intent: ChargeIntent | None) -> bool:
    """Whether the wallet still has to approve or sign: a signature or a new allowance ends the asking."""
    if intent is None:
        return False
    match intent.status:
        case intent_domain.Status.REQUIRES_ACTION:
            return intent.next_attempt_at is None
        case intent_domain.Status.REQUIRES_PAYMENT_METHOD:
            return intent.reason.action is Action.CUSTOMER_ACTION
        case intent_domain.Status.FAILED:
            return any(intent.reason.code == code and needs_wallet(code) for code in FailureCode)
        case _:
            return False
