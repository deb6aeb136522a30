"""From the end of a period to an invoice that is owed, in batches: renewing, finalising, expiring, ending.

Each loop claims a bounded batch, maps the domain's verbs over it, and commits once. Collecting the money is
`gateway.services.collection`'s.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.db import charge_intents, invoices, mandates, setup_intents, subscriptions
from gateway.db.engine import Connection
from gateway.domain import charge_intent as intent_domain
from gateway.domain import course, outcome, reminder, trial_end
from gateway.domain import invoice as invoice_domain
from gateway.domain import mandate as mandate_domain
from gateway.domain import setup_intent as setup_domain
from gateway.domain import subscription as subscription_domain
from gateway.domain.catalog import Scope
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventType
from gateway.domain.failure import FailureCode, failed
from gateway.domain.forecast import Forecast
from gateway.domain.ids import new_id
from gateway.domain.invoice import BillingReason, Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.money import to_base_units
from gateway.domain.subscription import Due, Subscription
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.terms import MissingPaymentMethod
from gateway.domain.transition import Action, Event, Moved, StatusReason
from gateway.failpoints import Failpoint, failpoint
from gateway.services import (
    credit,
    extra_mandates,
    invoicing,
    pending_updates,
    periods,
    sending,
    settings,
    usage,
)
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.invoicing import Bill
from gateway.services.recording import Origin

BATCH: Final = 1000
"""Rows of one transaction: large enough that statements do not count, small enough that a lock is short."""

ACCESS_TOKEN_BYTES: Final = 24  # 192 bits: nobody guesses the address of an invoice
BROADCAST_WAIT: Final = timedelta(minutes=5)
"""How often an expired subscription whose pull is under way is looked at again."""

_NUMBER_DIGITS: Final = 6


async def renew_due(
    gateway: Gateway, *, now: datetime, limit: int = BATCH, foreseen: Mapping[str, Forecast] | None = None
) -> int:
    """Take one batch of subscriptions whose time has come: draft the next period's invoice, expire, or end them.

    `foreseen` says of renewals that are announced what they will meet, by subscription. Returns how many were looked
    at; 0 means that nothing is due.
    """
    async with gateway.books.write() as conn:
        claims = await subscriptions.claim_due(conn, now=now, limit=limit)
        if not claims:
            return 0
        duties: dict[Due, list[tuple[Subscription, datetime]]] = {duty: [] for duty in Due}
        for claim in claims:
            duties[subscription_domain.due(claim.value, claim.now)].append((claim.value, claim.now))
        changes = Changes()
        await begin_periods(conn, gateway, duties[Due.RENEW], changes)
        await _expire(conn, duties[Due.EXPIRE], changes)
        for subscription, at in duties[Due.CANCEL]:
            changes.update(subscription_domain.cancel(subscription, course.ending_reason(subscription, at), at))
        await stop_collecting(conn, {s.id: at for s, at in duties[Due.CANCEL]}, changes)
        await pending_updates.drop_due(conn, duties[Due.DROP_UPDATE], changes, wait=BROADCAST_WAIT)
        for subscription, at in duties[Due.ANNOUNCE_TRIAL_END]:
            changes.update(course.announce_trial_end(subscription, at))
        await _announce(conn, duties[Due.ANNOUNCE_RENEWAL], foreseen or {}, changes)
        await changes.write(conn, gateway, Origin(now))
        failpoint(Failpoint.RENEWAL_WRITTEN)
    failpoint(Failpoint.RENEWAL_COMMITTED)
    return len(claims)


async def begin_periods(
    conn: Connection,
    gateway: Gateway,
    renewals: Sequence[tuple[Subscription, datetime]],
    changes: Changes,
    *,
    at_once: bool = False,
    prepared: Mapping[str, Mandate] | None = None,
) -> None:
    """Begin the next period of subscriptions whose current one is over, each with a draft of its invoice.

    The draft stays one for the merchant's delay (C10). The first invoice of a subscription that was waiting for its
    start date is opened at once, and with `at_once` all are; `prepared` is as in `finalize`.
    """
    renewals = await _end_unsigned_trials(conn, renewals, changes, prepared or {})
    if not renewals:
        return
    policies = await settings.policies(conn, gateway, [s.scope.account_id for s, _ in renewals])
    bills = [_bill(s, policies[s.scope.account_id], at, at_once=at_once) for s, at in renewals]
    opened = []
    drawn_up = await invoicing.compose_all(conn, bills, changes)
    for bill, composed in zip(bills, drawn_up, strict=True):
        s, invoice = bill.subscription, composed.invoice
        notice = policies[s.scope.account_id].notice
        moved = course.begin_period(s, bill.billed, invoice.id, bill.now, notice=notice)
        begun = changes.update(replace(moved, value=replace(moved.value, discounts=composed.discounts_left)))
        if s.is_scheduled or at_once:
            opened.append((invoice, begun, bill.now))
    await invoicing.take(conn, drawn_up, changes)
    if opened:
        await finalize(conn, gateway, opened, changes, prepared=prepared)


async def _end_unsigned_trials(
    conn: Connection,
    renewals: Sequence[tuple[Subscription, datetime]],
    changes: Changes,
    prepared: Mapping[str, Mandate],
) -> Sequence[tuple[Subscription, datetime]]:
    """Cancel or pause trials that end unsigned, where the merchant wants that; return what goes on."""
    asking = [s.mandate_id for s, _ in renewals if trial_end.asks(s) and s.mandate_id is not None]
    known = {**(await mandates.load(conn, sorted(asking)) if asking else {}), **prepared}
    ended = {
        s.id: (s, at) for s, at in renewals if trial_end.asks(s) and trial_end.is_missing(known.get(s.mandate_id or ""))
    }
    for s, at in ended.values():
        changes.update(trial_end.end(s, at))
    over = {s.id: at for s, at in ended.values() if s.missing_payment_method is MissingPaymentMethod.CANCEL}
    await cancel_setups(conn, over, StatusReason("subscription_ended"), changes)
    return [(s, at) for s, at in renewals if s.id not in ended]


def _bill(subscription: Subscription, policy: settings.Policy, at: datetime, *, at_once: bool) -> Bill:
    first, collected = subscription.is_scheduled, subscription.status is not SubscriptionStatus.UNPAID
    delay = timedelta() if at_once else policy.finalization_delay
    return Bill(
        subscription=subscription,
        billed=course.upcoming_period(subscription, at),
        reason=BillingReason.SUBSCRIPTION_CREATE if first else BillingReason.SUBSCRIPTION_CYCLE,
        finalizes_at=at + delay if collected and not first else None,
        now=at,
    )


async def _announce(
    conn: Connection,
    due: Sequence[tuple[Subscription, datetime]],
    foreseen: Mapping[str, Forecast],
    changes: Changes,
) -> None:
    """Tell of renewals to come, with the invoice as it would be, and what its pull will meet (ST-51, SX-14)."""
    if not due:
        return
    terms = await invoicing.terms_of(conn, [subscription for subscription, _ in due], lock=False)
    for subscription, at in due:
        bill = Bill(
            subscription=subscription,
            billed=subscription.next_period,
            reason=BillingReason.SUBSCRIPTION_CYCLE,
            now=at,
        )
        draft = invoicing.compose(bill, terms).invoice
        preview = replace(draft, id=f"upcoming_{draft.id}", reason=_outlook(foreseen.get(subscription.id)))
        told = Event(type=EventType.INVOICE_UPCOMING, object_id=preview.id, at=at)
        changes.announce(Moved(value=preview, events=(told,)))
        changes.update(course.announce_renewal(subscription, at))


def _outlook(forecast: Forecast | None) -> StatusReason:
    """Why a coming invoice will fail, or that it will not; without a forecast only that it comes."""
    if forecast is None:
        return StatusReason("upcoming")
    evidence = {
        "needed": str(forecast.draw.amount),
        "balance": str(forecast.before.balance),
        "allowance": str(forecast.before.allowance),
    }
    return StatusReason("upcoming", Action.NONE, evidence) if forecast.code is None else failed(forecast.code, evidence)


async def _expire(conn: Connection, expired: Sequence[tuple[Subscription, datetime]], changes: Changes) -> None:
    """End the 23 hours (ST-32): void what was owed, unless a pull is under way, whose outcome is waited for."""
    if not expired:
        return
    invoice_ids = [s.latest_invoice_id for s, _ in expired if s.latest_invoice_id is not None]
    owed = await invoices.load(conn, invoice_ids, lock=True)
    intents = await charge_intents.of_invoices(conn, invoice_ids, lock=True)
    reason = StatusReason("first_payment_window_passed", Action.NONE)
    ended: dict[str, datetime] = {}
    voided: list[tuple[Invoice, datetime]] = []
    for subscription, at in expired:
        intent = intents.get(subscription.latest_invoice_id or "")
        if intent is not None and intent.status is intent_domain.Status.PROCESSING:
            changes.update(course.await_broadcast(subscription, at + BROADCAST_WAIT))
            continue
        ended[subscription.id] = at
        changes.update(subscription_domain.expire(subscription, at))
        invoice = owed.get(subscription.latest_invoice_id or "")
        if invoice is not None and invoice.status is not invoice_domain.Status.VOID:
            voided.append((changes.update(invoice_domain.void(invoice, reason, at)), at))
        if intent is not None and intent.status is not intent_domain.Status.CANCELED:
            changes.update(intent_domain.cancel(intent, reason, at))
    await cancel_setups(conn, ended, reason, changes)
    await credit.give_back(conn, voided, changes)


async def cancel_setups(
    conn: Connection, ended: Mapping[str, datetime], reason: StatusReason, changes: Changes
) -> None:
    """Ask no wallet any more on behalf of subscriptions that ended, each at its time."""
    if not ended:
        return
    for intent in await setup_intents.open_of_subscriptions(conn, sorted(ended), lock=True):
        changes.update(setup_domain.cancel(intent, reason, ended[intent.subscription_id]))


async def stop_collecting(conn: Connection, ended: Mapping[str, datetime], changes: Changes) -> None:
    """Stop billing and pulling for what ended, each at its time (ST-38). A pull under way still resolves."""
    if not ended:
        return
    for invoice in await invoices.unsettled_of(conn, sorted(ended), lock=True):
        if invoice.auto_advance:
            left = changes.current(invoice)
            changes.update(invoice_domain.stop_advancing(left, ended[invoice.subscription_id]))
    for intent in await charge_intents.open_of_subscriptions(conn, sorted(ended), lock=True):
        if intent.next_attempt_at is not None:
            changes.update(intent_domain.schedule(intent, None))
    await cancel_setups(conn, ended, StatusReason("subscription_ended"), changes)


async def finalize_due(gateway: Gateway, *, now: datetime, limit: int = BATCH) -> int:
    """Take one batch of drafts whose hour has passed: they become open and their collection begins (ST-53, ST-59).

    Subscriptions are locked before their invoices, as everywhere: a merchant at the same invoice and this would
    otherwise wait for each other.
    """
    async with gateway.books.write() as conn:
        waiting = await invoices.due_owners(conn, now=now, limit=limit)
        if not waiting:
            return 0
        owners = await subscriptions.load(conn, waiting, lock=True)
        claims = await invoices.claim_due(conn, now=now, limit=limit)
        drafts = [
            (c.value, owners[c.value.subscription_id], c.now) for c in claims if c.value.subscription_id in owners
        ]
        changes = Changes()
        if drafts:
            await finalize(conn, gateway, drafts, changes)
        await changes.write(conn, gateway, Origin(now))
        failpoint(Failpoint.INVOICE_WRITTEN)
    failpoint(Failpoint.INVOICE_COMMITTED)
    return len(waiting)


async def finalize(
    conn: Connection,
    gateway: Gateway,
    drafts: Sequence[tuple[Invoice, Subscription, datetime]],
    changes: Changes,
    *,
    prepared: Mapping[str, Mandate] | None = None,
) -> None:
    """Open drafts, each with its subscription and at its time, and begin to pay them.

    `prepared` holds mandates that are not in the books yet, or not as they are, by id. An invoice of nothing is paid at
    once, without a transaction (ST-23).
    """
    drafts = await usage.fix(conn, drafts, changes)
    numbers = await _numbers(conn, [invoice for invoice, _, _ in drafts])
    balances = await credit.apply(conn, [(invoice, at) for invoice, _, at in drafts], changes)
    known = dict(prepared or {})
    if missing := sorted({s.mandate_id for _, s, _ in drafts if s.mandate_id is not None} - known.keys()):
        known |= (loaded := await mandates.load(conn, missing))
        changes.carry(mandates=loaded.values())
    policies = await settings.policies(conn, gateway, [s.scope.account_id for _, s, _ in drafts])
    free = await periods.free(conn, [(known.get(s.mandate_id or ""), draft, at) for draft, s, at in drafts])
    finalized = {
        draft.id: invoice_domain.finalize(
            replace(draft, access_token=secrets.token_urlsafe(ACCESS_TOKEN_BYTES)),
            numbers[draft.id],
            at,
            balance=balances.get(draft.id, 0),
        )
        for draft, _, at in drafts
    }
    newest = await _newest(conn, [move.value for move in finalized.values()])
    to_send = [move.value for move in finalized.values() if move.value.is_sent and move.value.amount_due]
    letters = await sending.letters(conn, gateway, to_send)
    for draft, subscription, at in drafts:
        opened = finalized[draft.id]
        if opened.value.amount_due == 0:
            paid = changes.update(
                opened, invoice_domain.pay(opened.value, StatusReason("nothing_owed", Action.SUCCESS), at)
            )
            is_newest = newest[subscription.id] == paid.id
            if change := outcome.after_payment(changes.current(subscription), paid, at, is_newest=is_newest):
                changes.update(change)
            continue
        mandate = None if draft.is_sent else known.get(subscription.mandate_id or "")
        period = free.get(draft.id, 1)
        if mandate is not None and (extra := extra_mandates.for_invoice(gateway, opened.value, mandate, at)):
            mandate, period = changes.insert(extra), 1
        intent = _begin_intent(gateway, opened.value, subscription, mandate=mandate, mandate_period=period, at=at)
        if draft.is_sent:
            sending.open_sent(opened, subscription, intent.value, letters[draft.id], at=at, changes=changes)
            continue
        opened = invoice_domain.attach_intent(opened, intent.value.id)
        changes.update(opened)
        changes.insert(intent)
        if intent.value.reason.action is Action.CUSTOMER_ACTION:
            policy = policies[subscription.scope.account_id]
            chase = reminder.of_approval(policy.approvals, at)
            changes.update(invoice_domain.require_action(opened.value, intent.value.reason, at, chase=chase))
            moves = outcome.after_refusal(changes.current(subscription), intent.value.reason, at, grace=policy.grace)
            if moves:
                changes.update(*moves)


async def _newest(conn: Connection, opened: Sequence[Invoice]) -> dict[str, str]:
    """For those that owe nothing: the newest invoice of their subscriptions that is open or becomes so now."""
    nothing = sorted({invoice.subscription_id for invoice in opened if invoice.amount_due == 0})
    newest = await invoices.newest_open(conn, nothing) if nothing else {}
    for invoice in opened:
        newest[invoice.subscription_id] = max(newest.get(invoice.subscription_id, ""), invoice.id)
    return newest


def _begin_intent(
    gateway: Gateway,
    invoice: Invoice,
    subscription: Subscription,
    *,
    mandate: Mandate | None,
    mandate_period: int,
    at: datetime,
) -> Moved[ChargeIntent]:
    """The intent that pays `invoice`: due when there is a mandate to draw on, else it asks the customer.

    Where `mandate_period` is still to come, the attempt waits for it: the contract collects no period before its time.
    Of an invoice that does not advance by itself, somebody has to ask for the payment.
    """
    intent_id = new_id("ci", at)
    blank = ChargeIntent(
        id=intent_id,
        scope=invoice.scope,
        customer_id=invoice.customer_id,
        subscription_id=subscription.id,
        invoice_id=invoice.id,
        status=intent_domain.Status.REQUIRES_PAYMENT_METHOD,
        reason=StatusReason("payment_method_missing", Action.CUSTOMER_ACTION),
        created_at=at,
        amount=invoice.amount_due,
        currency=invoice.currency,
        client_secret=f"{intent_id}_secret_{secrets.token_urlsafe(24)}",
        payment_method_id=subscription.payment_method_id,
        test_clock_id=invoice.test_clock_id,
        # Whoever let this invoice go on asked for its payment (ST-36).
        requested=invoice.auto_advance and subscription.status is SubscriptionStatus.UNPAID,
    )
    if mandate is None:
        return intent_domain.create(blank)
    try:
        token = gateway.token(mandate.chain_id, mandate.terms.token)
        amount = to_base_units(invoice.amount_due, invoice.currency, token)
    except InvalidRequest as refused:
        # The operator took the token away, or it cannot express this amount. Everybody else is billed all the same.
        evidence = {"mandate": mandate.id, "token": mandate.terms.token, "why": refused.message}
        return intent_domain.create(replace(blank, reason=failed(FailureCode.UNSUPPORTED_TOKEN, evidence)))
    drawing = intent_domain.draw_on(blank, mandate, mandate_period, amount)
    if mandate.status is MandateStatus.PENDING:
        return intent_domain.create(intent_domain.ask_signature(drawing, mandate))
    if not invoice.auto_advance:
        return intent_domain.create(intent_domain.await_request(drawing))
    begins = mandate_domain.period_start(mandate.terms, mandate_period)
    return intent_domain.create(intent_domain.plan_first_attempt(drawing, max(at, begins)))


async def _numbers(conn: Connection, drafts: Sequence[Invoice]) -> dict[str, str]:
    """Numbers for invoices that become open: gap-free per merchant and mode, in the order given."""
    counts: dict[Scope, int] = {}
    for draft in drafts:
        counts[draft.scope] = counts.get(draft.scope, 0) + 1
    nexts = dict(await invoices.take_numbers(conn, counts))
    numbers = {}
    for draft in drafts:
        numbers[draft.id] = f"INV-{nexts[draft.scope]:0{_NUMBER_DIGITS}}"
        nexts[draft.scope] += 1
    return numbers
