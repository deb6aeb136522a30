"""What a subscription's next invoice would be: drawn up as a renewal draws it up, and not written down."""

from dataclasses import replace
from datetime import datetime

from gateway.db import catalog, subscriptions
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.invoice import BillingReason, Invoice
from gateway.domain.subscription import TERMINAL, Subscription
from gateway.domain.transition import StatusReason
from gateway.services import invoicing
from gateway.services.invoicing import Bill


async def upcoming(
    conn: Connection, *, scope: Scope, subscription_id: str | None, customer_id: str | None, now: datetime
) -> Invoice:
    """Return the next invoice of a subscription as it would be, with the customer's balance applied.

    Raises:
        InvalidRequest: neither is named, the subscription ends before its next period, or is not the customer's.
        NotFound: there is no such subscription.
    """
    if subscription_id is None:
        raise InvalidRequest("Missing required param: subscription.", code="parameter_missing", param="subscription")
    found = await subscriptions.get(conn, scope, subscription_id)
    if found is None or customer_id not in (None, found.customer_id):
        raise NotFound("subscription", subscription_id, param="subscription")
    _check_goes_on(found)
    terms = await invoicing.terms_of(conn, [found], lock=False)
    bill = Bill(subscription=found, billed=found.next_period, reason=BillingReason.SUBSCRIPTION_CYCLE, now=now)
    invoice = invoicing.compose(bill, terms).invoice
    customer = (await catalog.load_customers(conn, [found.customer_id]))[found.customer_id]
    balance = customer.balance if customer.balance_currency in (None, invoice.currency) else 0
    return replace(
        invoice,
        id=f"upcoming_{invoice.id}",
        reason=StatusReason("upcoming"),
        starting_balance=balance,
        ending_balance=min(invoice.total + balance, 0),
    )


def _check_goes_on(subscription: Subscription) -> None:
    ends = subscription.ends_at is not None and subscription.ends_at <= subscription.period_end
    if subscription.status in TERMINAL or ends:
        raise InvalidRequest(
            f"Subscription '{subscription.id}' has no next invoice: it is {subscription.status} or ends before.",
            code="invoice_upcoming_none",
            param="subscription",
        )
