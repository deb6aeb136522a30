"""Changing how a subscription is paid: by pulls, or by transfers of the customer's own (ST-61, ST-76)."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.db import accounts, catalog
from gateway.db.engine import Connection
from gateway.domain import sending as domain
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import CollectionMethod, Subscription
from gateway.services import method_changes
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway

PARAMS: Final = frozenset({"collection_method", "days_until_due"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionChange:
    """What is asked for; None leaves it as it is."""

    method: CollectionMethod | None = None
    days_until_due: int | None = None


async def days(conn: Connection, scope: Scope, method: CollectionMethod, days_until_due: int | None) -> int | None:
    """Days until a sent invoice is due: as asked for, else as the merchant's settings say; None for a pull.

    Raises:
        InvalidRequest: out of range, or with an automatic charge.
    """
    domain.collection_terms(method, days_until_due)
    if method is not CollectionMethod.SEND_INVOICE or days_until_due is not None:
        return days_until_due
    account = await accounts.get(conn, scope.account_id)
    return (AccountSettings() if account is None else account.settings).send_invoice.due_days


async def change(
    conn: Connection,
    gateway: Gateway,
    subscription: Subscription,
    wanted: CollectionChange,
    *,
    method_id: str | None,
    now: datetime,
    changes: Changes,
) -> Subscription:
    """Collect the next invoices of a locked subscription otherwise. What is drafted or open stays as it is.

    Pulls need a mandate: where there is none, the wallet is asked for one by a setup intent.

    Raises:
        Conflict: the mandate of an earlier change is being registered right now.
        InvalidRequest: it is over, days that do not go with the method, or pulls without a wallet.
    """
    method = wanted.method or subscription.collection_method
    is_same = method is subscription.collection_method
    kept = subscription.days_until_due if is_same and wanted.days_until_due is None else wanted.days_until_due
    days_until_due = await days(conn, subscription.scope, method, kept)
    after = changes.update(domain.collect_by(subscription, method, days_until_due, now))
    if is_same or method is CollectionMethod.SEND_INVOICE or after.mandate_id is not None:
        return after
    customer = await catalog.get_customer(conn, after.scope, after.customer_id)
    wallet = method_id or after.payment_method_id or (customer.default_payment_method_id if customer else None)
    if wallet is None:
        raise InvalidRequest(
            "A subscription that is charged automatically needs a wallet. Give it as default_payment_method.",
            code="payment_method_missing",
            param=method_changes.PARAM,
        )
    # No wallet has agreed to anything yet, the one that is noted included.
    unsigned = replace(after, payment_method_id=None)
    return await method_changes.ask(conn, gateway, unsigned, wallet, now=now, changes=changes)
