"""Sending invoices that customers pay by transfers of their own: to which wallet, by when, and how it is recognised.

Finding those transfers is `gateway.services.pushes`', reminding of what is not paid `gateway.services.reminders`'.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chain.primitives import Address
from gateway.db import accounts, blocks, charge_intents, invoices, pushes, subscriptions
from gateway.db.engine import Connection
from gateway.db.pushes import Watch
from gateway.db.transfers import NOWHERE
from gateway.domain import charge_intent as intent_domain
from gateway.domain import course, reminder
from gateway.domain import sending as domain
from gateway.domain.catalog import Account, Scope
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.invoice import Invoice, Status, attach_intent
from gateway.domain.push import REFERENCES
from gateway.domain.subscription import Subscription
from gateway.domain.transition import Action, Moved, StatusReason
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

_PROBES: Final = 8
"""References that are tried for an invoice: fewer than all, so that one query finds a free one."""

Named = tuple[Scope, int, int]
"""Tenant, amount in minor units, reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a sent invoice says: the merchant's wallet and settings, and the reference."""

    account: Account
    reference: int | None

    @property
    def payee(self) -> Address:
        """Where to send."""
        return self.account.payout_address


async def letters(conn: Connection, gateway: Gateway, opened: Sequence[Invoice]) -> dict[str, Letter]:
    """What to say on invoices that are open and numbered, by invoice; their wallets are watched from now on.

    References are given under the lock that numbers a merchant's invoices. Where all that are tried are taken, an
    invoice has none, and only its customer's known wallets can pay it.
    """
    if not opened:
        return {}
    wanted = {invoice.id: _candidates(invoice) for invoice in opened}
    named = await invoices.by_references(conn, sorted({one for probes in wanted.values() for one in probes}, key=str))
    taken: set[Named] = {
        (one.scope, one.amount_remaining, one.push_reference or 0) for one in named if one.status is Status.OPEN
    }
    owners = await accounts.get_many(conn, sorted({invoice.scope.account_id for invoice in opened}))
    found = {}
    for invoice in opened:
        free = next((one for one in wanted[invoice.id] if one not in taken), None)
        if free is not None:
            taken.add(free)
        reference = None if free is None else free[2]
        found[invoice.id] = Letter(account=owners[invoice.scope.account_id], reference=reference)
    await _watch(conn, gateway, {(invoice.scope, found[invoice.id].payee) for invoice in opened})
    return found


def _candidates(invoice: Invoice) -> list[Named]:
    digits = "".join(character for character in invoice.number or "" if character.isdigit())
    first = int(digits or "0")
    return [(invoice.scope, invoice.amount_remaining, (first + probe) % REFERENCES + 1) for probe in range(_PROBES)]


async def _watch(conn: Connection, gateway: Gateway, payees: Iterable[tuple[Scope, Address]]) -> None:
    """Look for transfers to these wallets on every chain of their mode, above what is final now."""
    wanted = sorted(payees, key=str)
    watches = []
    for network in gateway.networks.values():
        here = [(scope, payee) for scope, payee in wanted if scope.livemode is network.livemode]
        if here:
            final = (await blocks.cursor(conn, network.chain_id)).final_number
            watches += [
                Watch(
                    chain_id=network.chain_id,
                    recipient=payee,
                    scope=scope,
                    watched_from=NOWHERE if final is None else final,
                )
                for scope, payee in here
            ]
    await pushes.add_watches(conn, watches)


def open_sent(
    finalized: Moved[Invoice],
    subscription: Subscription,
    intent: ChargeIntent,
    letter: Letter,
    *,
    at: datetime,
    changes: Changes,
) -> None:
    """Send an invoice that was just finalised: nothing is pulled for it, and until its date it is credit (ST-76)."""
    settings = letter.account.settings.send_invoice
    days = settings.due_days if subscription.days_until_due is None else subscription.days_until_due
    due_at = at.replace(microsecond=0) + timedelta(days=days)
    waiting = replace(
        intent,
        payment_method_id=None,
        reason=StatusReason(domain.AWAITING_TRANSFER, Action.CUSTOMER_ACTION, {"recipient": letter.payee}),
    )
    opened = changes.update(attach_intent(finalized, waiting.id))
    changes.insert(intent_domain.create(waiting))
    sent = changes.update(
        domain.send(
            opened,
            payee=letter.payee,
            reference=letter.reference,
            due_at=due_at,
            chase=reminder.of_payment(settings, at, due_at),
            now=at,
        )
    )
    if change := domain.give_credit(changes.current(subscription), sent, at):
        changes.update(change)


async def send(
    conn: Connection, gateway: Gateway, *, scope: Scope, invoice_id: str, now: datetime, origin: Origin
) -> Invoice:
    """Send an open invoice, or send it again. One that is pulled can then be paid by a transfer too (C04).

    Raises:
        InvalidRequest: it is not open, or its subscription is over or paused.
        NotFound: there is no such invoice.
    """
    read = await invoices.get(conn, scope, invoice_id)
    if read is None:
        raise NotFound("invoice", invoice_id)
    owner = (await subscriptions.load(conn, [read.subscription_id], lock=True))[read.subscription_id]
    invoice = (await invoices.load(conn, [read.id], lock=True))[read.id]
    intent = (await charge_intents.of_invoices(conn, [read.id], lock=True)).get(read.id)
    if invoice.status is not Status.OPEN or intent is None:
        raise InvalidRequest(
            f"Invoice '{invoice.id}' is {invoice.status}; only an open one can be sent.", code="invoice_not_open"
        )
    course.collectable(owner)
    changes = Changes()
    if invoice.payee is None:
        # The lock that references are given under.
        await invoices.take_numbers(conn, {scope: 0})
    letter = (await letters(conn, gateway, [invoice]))[invoice.id]
    sent = changes.update(domain.send(invoice, payee=letter.payee, reference=letter.reference, now=now))
    await changes.write(conn, gateway, origin)
    return sent
