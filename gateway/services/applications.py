"""Paying invoices with what customers sent: by itself where it is clear, by the merchant's word where it was in doubt.

`Ledger` holds the rows that a set of transfers is about, locked in the usual order; one transfer after another is
judged and booked on it, so that what one pays, the next one finds paid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from gateway.db import catalog, charge_intents, invoices, pushes, subscriptions, test_clocks
from gateway.db.engine import Connection
from gateway.domain import charge as charge_domain
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain import push as domain
from gateway.domain import sending
from gateway.domain.catalog import Scope
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.credit import BALANCE_MAX, TransactionType
from gateway.domain.errors import Conflict, InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.invoice import Invoice, Status
from gateway.domain.push import Application, Part, PushPayment
from gateway.domain.subscription import Subscription
from gateway.domain.transition import Action, StatusReason
from gateway.services.changes import Changes
from gateway.services.credit import Balances
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Rows that transfers may pay, and the changes that they make. `intents` are by invoice."""

    invoices: Mapping[str, Invoice]
    intents: Mapping[str, ChargeIntent]
    subscriptions: Mapping[str, Subscription]
    beside: Mapping[str, Sequence[Invoice]]
    balances: Balances
    clocks: Mapping[str, datetime]
    system_now: datetime
    changes: Changes

    @classmethod
    async def opened(cls, conn: Connection, read: Sequence[Invoice], *, system_now: datetime, changes: Changes) -> Self:
        """Lock what these invoices belong to; they are read again."""
        owner_ids = sorted({invoice.subscription_id for invoice in read})
        owners = await subscriptions.load(conn, owner_ids, lock=True) if read else {}
        ids = sorted({invoice.id for invoice in read})
        locked = await invoices.load(conn, ids, lock=True) if read else {}
        intents = await charge_intents.of_invoices(conn, ids, lock=True) if read else {}
        beside: dict[str, list[Invoice]] = {}
        for invoice in await invoices.open_of(conn, owner_ids) if read else []:
            beside.setdefault(invoice.subscription_id, []).append(invoice)
        customer_ids = sorted({invoice.customer_id for invoice in read})
        customers = await catalog.load_customers(conn, customer_ids, lock=True) if read else {}
        clock_ids = sorted({one.test_clock_id for one in locked.values() if one.test_clock_id is not None})
        clocks = await test_clocks.load(conn, clock_ids) if clock_ids else {}
        return cls(
            invoices=locked,
            intents=intents,
            subscriptions=owners,
            beside=beside,
            balances=Balances(customers),
            clocks={clock.id: clock.frozen_at for clock in clocks.values()},
            system_now=system_now,
            changes=changes,
        )

    def current(self, read: Invoice) -> Invoice:
        """An invoice as it is now."""
        return self.changes.current(self.invoices[read.id])

    def time_of(self, test_clock_id: str | None) -> datetime:
        """Time of an object: its test clock's, else the system's."""
        return self.clocks.get(test_clock_id or "", self.system_now)

    def is_pulled(self, invoice: Invoice) -> bool:
        """Whether its money may be moving by a pull right now."""
        intent = self.intents.get(invoice.id)
        return intent is not None and self.changes.current(intent).status is intent_domain.Status.PROCESSING

    def can_credit(self, application: Application, currency: str) -> bool:
        """Whether the customer's balance takes what is left over."""
        if not application.credit:
            return True
        customer = self.balances.customers.get(application.customer_id)
        if customer is None or customer.deleted:
            return False
        is_foreign = bool(customer.balance) and customer.balance_currency not in (None, currency)
        return not is_foreign and abs(customer.balance - application.credit) <= BALANCE_MAX

    def pay(self, push: PushPayment, application: Application) -> None:
        """Book what a transfer pays: a charge for each part, and credit for what is left."""
        for part in application.parts:
            self._pay_part(push, part)
        if application.credit:
            last = self.current(application.parts[-1].invoice)
            customer = self.balances.customers[application.customer_id]
            now = self.time_of(last.test_clock_id)
            self.balances.book(customer, last, -application.credit, TransactionType.INVOICE_OVERPAID, now)

    def _pay_part(self, push: PushPayment, part: Part) -> None:
        invoice = self.current(part.invoice)
        intent = self.changes.current(self.intents[invoice.id])
        now = self.time_of(invoice.test_clock_id)
        charge = self.changes.insert(charge_domain.observe(_charge(push, part, intent, now)))
        reason = StatusReason(
            "transfer_final" if part.amount == invoice.amount_remaining else "partly_paid",
            Action.SUCCESS,
            {**_where(push), "amount": str(part.token_amount), "token": push.token},
        )
        if part.amount < invoice.amount_remaining:
            self.changes.update(sending.receive(invoice, part.amount, reason, now))
            return
        self.changes.update(intent_domain.succeed(intent, charge.id, reason, now))
        paid = self.changes.update(invoice_domain.pay(invoice, reason, now))
        owner = self.changes.current(self.subscriptions[paid.subscription_id])
        if change := sending.thank(owner, paid, now, owes=self._owes(paid, now)):
            self.changes.update(change)

    def _owes(self, paid: Invoice, now: datetime) -> bool:
        """Whether another invoice keeps the subscription from being good: one past due, or a newer one to be pulled."""
        others = [self.changes.current(one) for one in self.beside.get(paid.subscription_id, ()) if one.id != paid.id]
        return any(
            (one.due_at is not None and one.due_at <= now) if one.is_sent else one.id > paid.id
            for one in others
            if one.status is Status.OPEN
        )

    async def close(self, conn: Connection) -> None:
        """Write the balances; the rest is in the changes."""
        await self.balances.write(conn, self.changes)


def _where(push: PushPayment) -> dict[str, object]:
    return {"transaction": push.transaction_hash, "block": push.block_number, "push_payment": push.id}


def _charge(push: PushPayment, part: Part, intent: ChargeIntent, now: datetime) -> Charge:
    return Charge(
        id=new_id("ch", now),
        scope=intent.scope,
        charge_intent_id=intent.id,
        invoice_id=intent.invoice_id,
        customer_id=intent.customer_id,
        subscription_id=intent.subscription_id,
        status=charge_domain.Status.SUCCEEDED,
        reason=StatusReason("transfer_final", Action.SUCCESS),
        created_at=now,
        amount=part.amount,
        currency=intent.currency,
        chain_id=push.chain_id,
        token=push.token,
        token_amount=part.token_amount,
        transaction_hash=push.transaction_hash,
        block_number=push.block_number,
        block_hash=push.block_hash,
        log_index=push.log_index,
        settled_at=now,
        payer=push.sender,
        push_payment_id=push.id,
    )


async def apply(
    conn: Connection, gateway: Gateway, *, scope: Scope, push_id: str, invoice_id: str, origin: Origin
) -> PushPayment:
    """The merchant says which invoice an unmatched payment is for; what it is too much becomes credit.

    Raises:
        Conflict: a pull of the invoice is under way.
        IllegalTransition: the payment is applied or dismissed already.
        InvalidRequest: the invoice is not open, in another currency, or the rest cannot be credited.
        NotFound: there is no such payment or invoice.
    """
    if await pushes.get(conn, scope, push_id) is None:
        raise NotFound(domain.KIND, push_id)
    read = await invoices.get(conn, scope, invoice_id)
    if read is None:
        raise NotFound("invoice", invoice_id, param="invoice")
    changes = Changes()
    ledger = await Ledger.opened(conn, [read], system_now=origin.system_now, changes=changes)
    push = await _locked(conn, scope, push_id)
    invoice = ledger.current(read)
    domain.open_to(push)
    domain.applicable(invoice, push)
    if ledger.is_pulled(invoice):
        raise Conflict(
            f"A payment of invoice '{invoice.id}' is on its way; wait for its outcome.", code="charge_intent_processing"
        )
    token = gateway.token(push.chain_id, push.token)
    application = domain.divide([invoice], push.amount, push.token_amount, token)
    if not ledger.can_credit(application, push.currency):
        raise InvalidRequest(
            f"This payment is {application.credit} more than invoice '{invoice.id}' owes, and the customer's balance "
            "does not take that.",
            code="amount_too_large",
            param="invoice",
        )
    ledger.pay(push, application)
    after = changes.update(domain.apply(push, application, ledger.time_of(invoice.test_clock_id)))
    await ledger.close(conn)
    await changes.write(conn, gateway, origin)
    return after


async def dismiss(conn: Connection, gateway: Gateway, *, scope: Scope, push_id: str, origin: Origin) -> PushPayment:
    """The merchant knows of an unmatched payment, and nothing here is to be paid with it.

    Raises:
        IllegalTransition: it is applied or dismissed already.
        NotFound: there is no such payment.
    """
    changes = Changes()
    after = changes.update(domain.dismiss(await _locked(conn, scope, push_id), origin.system_now))
    await changes.write(conn, gateway, origin)
    return after


async def _locked(conn: Connection, scope: Scope, push_id: str) -> PushPayment:
    found = await pushes.get(conn, scope, push_id, lock=True)
    if found is None:
        raise NotFound(domain.KIND, push_id)
    return found
