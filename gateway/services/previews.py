"""What a subscription's next invoice would be, also after a change: drawn up as it will be, and not written down."""

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.db import catalog, subscriptions
from gateway.db.engine import Connection
from gateway.domain import course, plan_change
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.invoice import BillingReason, Invoice
from gateway.domain.subscription import TERMINAL, Due, Subscription, due, modifiable
from gateway.domain.transition import StatusReason
from gateway.services import invoicing, plan_changes, proration
from gateway.services.gateway import Gateway
from gateway.services.invoicing import Bill
from gateway.services.plan_changes import TermsRequest


async def upcoming(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    subscription_id: str | None,
    customer_id: str | None,
    request: TermsRequest | None = None,
    now: datetime,
) -> Invoice:
    """Return the next invoice of a subscription as it would be, with the customer's balance applied.

    With `request` as if it were changed so: what is billed at once where the change begins a period, or is billed with
    a mandate of its own; else the next period's invoice, with the prorations that wait for it.

    Raises:
        InvalidRequest: neither is named, the subscription ends before its next period, or is not the customer's; the
            change cannot be made.
        NotFound: there is no such subscription, or what the change names does not exist.
    """
    if subscription_id is None:
        raise InvalidRequest("Missing required param: subscription.", code="parameter_missing", param="subscription")
    found = await subscriptions.get(conn, scope, subscription_id)
    if found is None or customer_id not in (None, found.customer_id):
        raise NotFound("subscription", subscription_id, param="subscription")
    if request is None:
        _check_goes_on(found)
        invoice = _next(found, await invoicing.terms_of(conn, [found], lock=False), now)
    else:
        invoice = await _changed(conn, gateway, found, request, now.replace(microsecond=0))
    customer = (await catalog.load_customers(conn, [found.customer_id]))[found.customer_id]
    balance = customer.balance if customer.balance_currency in (None, invoice.currency) else 0
    return replace(
        invoice,
        id=f"upcoming_{invoice.id}",
        reason=StatusReason("upcoming"),
        starting_balance=balance,
        ending_balance=min(invoice.total + balance, 0),
    )


def _next(subscription: Subscription, terms: invoicing.Terms, now: datetime) -> Invoice:
    bill = Bill(
        subscription=subscription,
        billed=subscription.next_period,
        reason=BillingReason.SUBSCRIPTION_CYCLE,
        now=now,
    )
    return invoicing.compose(bill, terms).invoice


async def _changed(
    conn: Connection, gateway: Gateway, before: Subscription, request: TermsRequest, now: datetime
) -> Invoice:
    """The next invoice as if a change took effect now."""
    modifiable(before)
    resolved = await plan_changes.resolve(conn, before, request, now)
    [prorations] = await proration.of(conn, [resolved.change], resolved.rows)
    waiting = {before.customer_id: [*resolved.rows.pending.get(before.customer_id, ()), *prorations]}
    terms = replace(resolved.rows, pending=waiting)
    after = plan_change.change_terms(before, resolved.change.terms, now).value
    if resolved.trial_end is not None:
        after = plan_change.move_trial_end(after, resolved.trial_end, now, notice=timedelta()).value
    if due(after, now) is Due.RENEW:
        billed = course.upcoming_period(after, now)
        bill = Bill(subscription=after, billed=billed, reason=BillingReason.SUBSCRIPTION_CYCLE, now=now)
        return invoicing.compose(bill, terms).invoice
    mandate = await plan_changes.mandate_of(conn, before)
    if resolved.change.is_prorated and not plan_changes.fits(gateway, resolved, mandate):
        billed = after.current_period
        bill = Bill(subscription=after, billed=billed, reason=BillingReason.SUBSCRIPTION_UPDATE, now=now)
        invoice = invoicing.compose(bill, terms).invoice
        if invoice.total > 0:
            return invoice
    _check_goes_on(after)
    return _next(after, terms, now)


def _check_goes_on(subscription: Subscription) -> None:
    ends = subscription.ends_at is not None and subscription.ends_at <= subscription.period_end
    if subscription.status in TERMINAL or ends:
        raise InvalidRequest(
            f"Subscription '{subscription.id}' has no next invoice: it is {subscription.status} or ends before.",
            code="invoice_upcoming_none",
            param="subscription",
        )
