"""Another wallet, token or chain in the middle of a subscription (ST-15, SX-11).

The new wallet is asked for a mandate by a setup intent. Until that mandate is registered, and finally so, the old one
goes on; from then on the new one pays, what is still owed included.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from chain.primitives import Address
from gateway.db import mandates, setup_intents
from gateway.db.engine import Connection
from gateway.domain import charge_intent as intent_domain
from gateway.domain import course, plan_change
from gateway.domain import setup_intent as setup_domain
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.errors import Conflict, InvalidRequest
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.mandate import Mandate, period_for, periods_to_come
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.money import Token, to_base_units
from gateway.domain.subscription import Subscription
from gateway.domain.transition import StatusReason
from gateway.services import setup_intents as setups
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway

PARAM = "default_payment_method"


async def ask(
    conn: Connection,
    gateway: Gateway,
    subscription: Subscription,
    method_id: str | None,
    *,
    now: datetime,
    changes: Changes,
) -> Subscription:
    """Ask another wallet to pay for a locked subscription; naming the one that pays already changes nothing.

    Unless its mandate is revoked or used up: then it is asked for another one.

    A wallet that was asked before and has not signed is asked no more.

    Raises:
        Conflict: the mandate of an earlier change is being registered right now.
        InvalidRequest: no wallet is named, or one of another customer, or one of a chain or token that is not accepted.
        NotFound: there is no such payment method.
    """
    if method_id is None:
        raise InvalidRequest(
            "A subscription cannot be left without a wallet; cancel or pause it instead.",
            code="payment_method_missing",
            param=PARAM,
        )
    method = await setups.method_of(conn, subscription.scope, subscription.customer_id, method_id, param=PARAM)
    for read in await setup_intents.open_of_subscriptions(conn, [subscription.id], lock=True):
        open_setup = changes.current(read)
        if open_setup.status is setup_domain.Status.CANCELED:
            continue
        if open_setup.payment_method_id == method.id:
            return subscription
        if open_setup.status is setup_domain.Status.PROCESSING:
            raise Conflict(
                f"Setup intent '{open_setup.id}' is being registered; wait for its outcome.",
                code="setup_intent_processing",
                param=PARAM,
            )
        changes.update(setup_domain.cancel(open_setup, StatusReason("another_wallet_named"), now))
    update = subscription.pending_update
    is_paying = method.id == subscription.payment_method_id and update is None
    if is_paying and not await _is_spent(conn, subscription, now):
        if subscription.pending_setup_intent_id is None:
            return subscription
        return changes.update(course.await_setup(subscription, None, now))
    mandate = changes.insert(await setups.next_mandate(conn, gateway, subscription, method, now))
    setup = changes.insert(setups.begin(subscription, mandate, now))
    if update is not None:
        # The change that was waiting waits for this wallet now.
        return changes.update(plan_change.propose(subscription, replace(update, setup_intent_id=setup.id), now))
    return changes.update(course.await_setup(subscription, setup.id, now))


async def _is_spent(conn: Connection, subscription: Subscription, now: datetime) -> bool:
    """Whether the mandate that pays collects nothing more: its wallet may then be asked for another one (ST-22)."""
    if subscription.mandate_id is None:
        return False
    mandate = (await mandates.load(conn, [subscription.mandate_id]))[subscription.mandate_id]
    return mandate.status is MandateStatus.REVOKED or periods_to_come(mandate.terms, now) == 0


def take_over(
    owed: Iterable[tuple[ChargeIntent, Invoice]],
    mandate: Mandate,
    tokens: Mapping[tuple[int, Address], Token],
    now: datetime,
    changes: Changes,
) -> None:
    """Let a registered mandate pay what its subscription still owes, at once. A pull under way is left to its outcome.

    A period from before the mandate cannot be pulled with it, nor more than it allows; such an invoice stays as it is.
    """
    token = tokens.get((mandate.chain_id, mandate.terms.token))
    if token is None:
        return
    for read, invoice in owed:
        intent = changes.current(read)
        period = period_for(mandate.terms, invoice.period_start)
        # What was sent is waited for, and not pulled as well (ST-76).
        is_open = changes.current(invoice).status is InvoiceStatus.OPEN and not invoice.is_sent
        if not is_open or intent.status not in intent_domain.PAYABLE:
            continue
        if intent.mandate_id == mandate.id or period <= 0:
            continue
        amount = to_base_units(intent.amount, intent.currency, token)
        if amount <= mandate.terms.amount:
            changes.update(intent_domain.redirect(intent, mandate, period, amount, now))
