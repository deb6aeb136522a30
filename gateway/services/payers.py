"""Which wallet pays an invoice that somebody pays by hand, and whether it can (ST-15, ST-16).

Another wallet than the one that pays already is named for one invoice. If it has a registered mandate for the
subscription which covers the invoice, it pays at once; else it is asked to sign first: for this one payment, or, where
the first payment of the subscription is concerned, for all of them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from chain.errors import ChainError
from chain.port import ChainPort
from gateway.db import charge_intents, invoices, mandates, subscriptions
from gateway.db.engine import Connection
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain.catalog import PaymentMethod, Scope
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.errors import Conflict
from gateway.domain.failure import uses_a_retry
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.mandate import Mandate, Status
from gateway.domain.money import to_base_units
from gateway.domain.period import to_unix
from gateway.domain.subscription import AWAITING_FIRST_PAYMENT, TERMINAL, Subscription
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.services import mandates as mandate_services
from gateway.services import method_changes, periods, simulation
from gateway.services import setup_intents as setups
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.simulation import Attempt, Verdict

PARAM: Final = "payment_method"


async def refusal(
    conn: Connection, gateway: Gateway, chains: Mapping[int, ChainPort], *, scope: Scope, invoice_id: str, now: datetime
) -> Verdict | None:
    """Why a pull of an open invoice would fail if it was asked for now, told by the chain; None where nothing is known.

    Nothing is written: what is refused here was no attempt. Trouble of ours, or of a node, is no refusal.
    """
    invoice = await invoices.get(conn, scope, invoice_id)
    intent = None if invoice is None else (await charge_intents.of_invoices(conn, [invoice.id])).get(invoice.id)
    if invoice is None or intent is None or intent.mandate_id is None or intent.status not in intent_domain.PAYABLE:
        return None
    owner = (await subscriptions.load(conn, [invoice.subscription_id]))[invoice.subscription_id]
    mandate = (await mandates.load(conn, [intent.mandate_id]))[intent.mandate_id]
    chain = chains.get(mandate.chain_id)
    stands = owner.status not in {*TERMINAL, SubscriptionStatus.PAUSED} and invoice.status is InvoiceStatus.OPEN
    if chain is None or mandate.status is not Status.ACTIVE or not stands:
        return None
    attempt = Attempt(intent=intent, invoice=invoice, subscription=owner, mandate=mandate, now=now)
    try:
        [verdict] = await simulation.of_pulls(chain, gateway.networks[mandate.chain_id], [attempt])
    except ChainError:
        return None
    return verdict if verdict.code is not None and uses_a_retry(verdict.code) else None


async def name(
    conn: Connection,
    gateway: Gateway,
    *,
    owed: tuple[Subscription, Invoice, ChargeIntent],
    method_id: str,
    now: datetime,
    changes: Changes,
) -> None:
    """Let another wallet of the customer pay a locked invoice; an attempt is due now, or the wallet has to sign.

    Raises:
        Conflict: its mandate is being registered right now; it pays what is owed when that is final.
        InvalidRequest: the wallet is another customer's, or its chain or token is not accepted.
        NotFound: there is no such payment method.
    """
    subscription, invoice, intent = owed
    method = await setups.method_of(conn, subscription.scope, subscription.customer_id, method_id, param=PARAM)
    token = gateway.token(method.chain_id, method.token, param=PARAM)
    amount = to_base_units(intent.amount, intent.currency, token)
    found = await mandates.of_wallet(
        conn,
        subscription.scope,
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        payment_method_id=method.id,
    )
    mandate = _covering(found, amount, now)
    if mandate is not None and mandate.status is Status.SIGNED:
        raise Conflict(
            f"The mandate of payment method '{method.id}' is being registered; it pays what is owed when it is final.",
            code="mandate_confirming",
            param=PARAM,
        )
    period = None if mandate is None else await _free_period(conn, mandate, invoice, now)
    if mandate is None or period is None:
        mandate, period = await _new_mandate(conn, gateway, owed, method, now=now, changes=changes), 1
    if mandate.status is Status.ACTIVE:
        changes.update(intent_domain.redirect(intent, mandate, period, amount, now))
        return
    asked = changes.update(intent_domain.ask(intent, mandate, period, amount, now))
    changes.update(invoice_domain.require_action(invoice, asked.reason, now))


def _covering(found: Sequence[Mandate], amount: int, now: datetime) -> Mandate | None:
    """The newest mandate that allows so much: a registered one first, then one that may still be signed."""
    usable = [mandate for mandate in found if mandate.terms.amount >= amount]
    ranked = (Status.ACTIVE, Status.SIGNED, Status.PENDING)
    for status in ranked:
        for mandate in usable:
            open_to_sign = status is not Status.PENDING or to_unix(now) <= mandate.terms.deadline
            if mandate.status is status and open_to_sign:
                return mandate
    return None


async def _free_period(conn: Connection, mandate: Mandate, invoice: Invoice, now: datetime) -> int | None:
    """The period of a mandate that this invoice may spend; None where there is none left."""
    period = (await periods.free(conn, [(mandate, invoice, now)]))[invoice.id]
    return period if not mandate.terms.periods or period <= mandate.terms.periods else None


async def _new_mandate(
    conn: Connection,
    gateway: Gateway,
    owed: tuple[Subscription, Invoice, ChargeIntent],
    method: PaymentMethod,
    *,
    now: datetime,
    changes: Changes,
) -> Mandate:
    subscription, _, intent = owed
    if subscription.status in AWAITING_FIRST_PAYMENT:
        # Whoever makes the first payment is asked for the later ones, too.
        await method_changes.ask(conn, gateway, subscription, method.id, now=now, changes=changes)
        return changes.made(Mandate)[-1]
    start = now.replace(microsecond=0)
    return changes.insert(
        await mandate_services.ask(
            conn, gateway, subscription, method, total=intent.amount, start=start, periods=1, now=now
        )
    )
