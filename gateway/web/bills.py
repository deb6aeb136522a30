"""What there is to show of an invoice: its rows, and the stage that follows from them.

An invoice is shown to whoever has its address; nothing here names another invoice or another wallet than its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from chain.errors import ChainError
from chain.logs import decode_token_logs, incoming_transfers
from chain.port import ChainPort
from chain.primitives import Transferred
from gateway.db import (
    accounts,
    broadcasts,
    catalog,
    charge_intents,
    charges,
    invoices,
    mandates,
    pushes,
    setup_intents,
    subscriptions,
    tax_rates,
)
from gateway.db.broadcasts import Broadcast
from gateway.db.engine import Connection
from gateway.db.pages import PageRequest
from gateway.domain.catalog import Account, Customer
from gateway.domain.charge import Charge
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.errors import InvalidRequest
from gateway.domain.failure import FailureCode
from gateway.domain.invoice import Invoice, Status
from gateway.domain.mandate import Mandate, allowance_to_ask
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.money import Token
from gateway.domain.period import to_unix
from gateway.domain.push import amount_to_send, reference_unit
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.setup_intent import Status as SetupStatus
from gateway.domain.subscription import TERMINAL, Subscription
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.tax import TaxRate
from gateway.letters.page import Payment
from gateway.services import payments_shown
from gateway.services.gateway import Gateway, Network
from gateway.web.shown import Stage, charging, needed_besides, registering
from gateway.web.wallet_requests import Wish

CHARGES_MAX: Final = 20
"""Attempts that a page lists, newest first."""

SEARCH_BLOCKS_MAX: Final = 500
"""Blocks in which a transfer that is not final yet is looked for."""

_SIGN_AGAIN: Final = frozenset(
    {
        FailureCode.MANDATE_REVOKED,
        FailureCode.MANDATE_ENDED,
        FailureCode.AMOUNT_ABOVE_MANDATE,
        FailureCode.SIGNATURE_INVALID,
        FailureCode.PERIOD_TOO_LATE,
        FailureCode.PERIOD_UNDERPAID,
    }
)
"""What a new agreement mends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A token in which an invoice can be paid by a transfer; `amount` in base units."""

    token: Token
    network: Network
    amount: int
    is_named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """An invoice, and the rows that belong to it.

    Attributes:
        arriving: whether a transfer was seen that pays it and is not final; `broadcast` says how far it is.
        options: how it can be paid by a transfer.
        searched: newest block of each chain whose transfers are booked.
        explorers: where transactions of each chain can be looked up.
    """

    invoice: Invoice
    account: Account
    subscription: Subscription
    customer: Customer | None = None
    intent: ChargeIntent | None = None
    charges: Sequence[Charge] = ()
    payments: Sequence[Payment] = ()
    mandate: Mandate | None = None
    setup: SetupIntent | None = None
    network: Network | None = None
    token: Token | None = None
    broadcast: Broadcast | None = None
    arriving: bool = False
    allowed_besides: int = 0
    names: Mapping[str, str]
    rates: Mapping[str, TaxRate]
    options: Sequence[Option] = ()
    searched: Mapping[int, int] = field(default_factory=dict)
    explorers: Mapping[int, str | None] = field(default_factory=dict)

    @property
    def merchant(self) -> str:
        """The name that the payer knows."""
        return self.account.settings.branding.name or self.account.name

    @property
    def failure_code(self) -> str:
        """Why the payment was refused."""
        return "" if self.intent is None else self.intent.reason.code

    @property
    def wish(self) -> Wish | None:
        """What the wallet is to agree to, or to allow again; None where no wallet is known."""
        mandate, token = self.mandate, self.token
        if mandate is None or token is None:
            return None
        needed = allowance_to_ask(mandate.terms, self.invoice.period_start) + self.allowed_besides
        return Wish(
            chain_id=mandate.chain_id,
            contract=mandate.contract,
            terms=mandate.terms,
            token=token,
            allowance=needed,
        )


async def load(conn: Connection, gateway: Gateway, invoice: Invoice) -> Bill:
    """Load what a page shows of an invoice.

    Raises:
        LookupError: the merchant is gone.
    """
    account = await accounts.get(conn, invoice.scope.account_id)
    if account is None:
        raise LookupError(invoice.scope.account_id)
    intent = (await charge_intents.of_invoices(conn, [invoice.id])).get(invoice.id)
    subscription = (await subscriptions.load(conn, [invoice.subscription_id]))[invoice.subscription_id]
    request = PageRequest(scope=invoice.scope, limit=CHARGES_MAX)
    tried = (await charges.page(conn, request, charge_intent=intent.id)).items if intent is not None else []
    final = [charge for charge in tried if charge.status is ChargeStatus.SUCCEEDED]
    agreed = await payments_shown.mandates_of(conn, final)
    shown = [payments_shown.payment_of(gateway, charge, agreed, account) for charge in reversed(final)]
    rate_ids = sorted({part.rate_id for line in invoice.lines for part in line.tax_amounts})
    options = _options(gateway, invoice)
    bill = Bill(
        invoice=invoice,
        account=account,
        subscription=subscription,
        customer=(await catalog.load_customers(conn, [invoice.customer_id])).get(invoice.customer_id),
        intent=intent,
        charges=tried,
        payments=[payment for payment in shown if payment is not None],
        names=await payments_shown.names_of(conn, [line.price_id for line in invoice.lines if line.price_id]),
        rates=await tax_rates.shelf.load(conn, rate_ids) if rate_ids else {},
        options=options,
        searched=await pushes.searched(conn) if options else {},
        explorers={network.chain_id: network.explorer_url for network in gateway.networks.values()},
    )
    return bill if invoice.status is not Status.OPEN else await _with_wallet(conn, gateway, bill)


async def _with_wallet(conn: Connection, gateway: Gateway, bill: Bill) -> Bill:
    """The wallet that pays, and how far its transaction is."""
    intent, owner = bill.intent, bill.subscription
    wanted = "" if intent is None else intent.mandate_id or ""
    mandate = (await mandates.load(conn, [wanted])).get(wanted) if wanted else None
    setup_id = owner.pending_setup_intent_id or ""
    setup = (await setup_intents.load(conn, [setup_id])).get(setup_id) if setup_id else None
    newest = bill.charges[0] if bill.charges else None
    carried_by = None
    if intent is not None and intent.status is IntentStatus.PROCESSING and newest is not None:
        carried_by = newest.transaction_id
    elif setup is not None:
        carried_by = setup.transaction_id
    besides = 0
    if mandate is not None:
        besides = await needed_besides(conn, mandate.chain_id, mandate.terms, bill.invoice.period_start)
    return replace(
        bill,
        mandate=mandate,
        setup=setup,
        network=None if mandate is None else gateway.networks.get(mandate.chain_id),
        token=None if mandate is None else gateway.tokens.get((mandate.chain_id, mandate.terms.token)),
        broadcast=None if carried_by is None else await broadcasts.of(conn, carried_by),
        allowed_besides=besides,
    )


def _options(gateway: Gateway, invoice: Invoice) -> list[Option]:
    """The tokens that pay by a transfer; none where the invoice was not sent."""
    if invoice.status is not Status.OPEN or invoice.payee is None:
        return []
    found = []
    for (chain_id, _), token in sorted(gateway.tokens.items()):
        network = gateway.networks[chain_id]
        if network.livemode is not invoice.scope.livemode or token.currency != invoice.currency:
            continue
        try:
            amount = amount_to_send(invoice, token)
        except InvalidRequest:
            continue  # a token that cannot express the amount
        is_named = bool(invoice.push_reference and reference_unit(token, invoice.currency))
        found.append(Option(token=token, network=network, amount=amount, is_named=is_named))
    return found


def stage_of(bill: Bill, now: datetime) -> Stage:
    """Where an invoice stands."""
    match bill.invoice.status:
        case Status.PAID:
            return Stage.PAID
        case Status.VOID:
            return Stage.VOID
        case Status.UNCOLLECTIBLE:
            return Stage.WRITTEN_OFF
        case Status.DRAFT | Status.OPEN:
            return _owed(bill, now)


def _owed(bill: Bill, now: datetime) -> Stage:
    intent, owner = bill.intent, bill.subscription
    if bill.arriving:
        return Stage.ARRIVING
    if bill.invoice.is_sent:
        return Stage.TRANSFER
    if intent is None or owner.status in TERMINAL:
        return Stage.CLOSED
    if intent.status is not IntentStatus.PROCESSING and owner.status is SubscriptionStatus.PAUSED:
        return Stage.HELD
    return _pulled(bill, intent, now)


def _pulled(bill: Bill, intent: ChargeIntent, now: datetime) -> Stage:
    if intent.status is IntentStatus.PROCESSING:
        return charging(intent, bill.broadcast)
    if bill.setup is not None and bill.setup.status is SetupStatus.PROCESSING:
        return _setting_up(bill.setup, bill.broadcast)
    if intent.next_attempt_at is not None and intent.next_attempt_at <= now:
        return Stage.WAITING if charging(intent, None) is Stage.WAITING else Stage.SUBMITTED
    return _waiting(bill, intent, now)


def _setting_up(setup: SetupIntent, broadcast: Broadcast | None) -> Stage:
    return Stage.WAITING if registering(setup, broadcast) is Stage.WAITING else Stage.SETTING_UP


def _waiting(bill: Bill, intent: ChargeIntent, now: datetime) -> Stage:
    """No attempt is due: it is the payer's turn, or the day has not come."""
    mandate = bill.mandate
    if mandate is None or bill.token is None or bill.network is None:
        return Stage.SIGN_AGAIN
    match intent.status:
        case IntentStatus.REQUIRES_ACTION:
            is_late = mandate.status is not MandateStatus.PENDING or to_unix(now) > mandate.terms.deadline
            return Stage.SIGN_AGAIN if is_late else Stage.SIGN
        case IntentStatus.FAILED if intent.reason.code in _SIGN_AGAIN:
            return Stage.SIGN_AGAIN
        case IntentStatus.FAILED:
            # What is planned for later need not be waited for.
            return charging(replace(intent, next_attempt_at=None), None)
        case _:
            return Stage.SCHEDULED


async def with_arrival(chains: Mapping[int, ChainPort], bill: Bill) -> Bill:
    """The same invoice, with the transfer that pays it and is not final yet, where the chains know of one.

    Only an amount that names the invoice is looked for: another one may be meant for something else.
    """
    for chain_id in sorted({option.network.chain_id for option in bill.options if option.is_named}):
        options = [one for one in bill.options if one.network.chain_id == chain_id and one.is_named]
        chain = chains.get(chain_id)
        if chain is None:
            continue
        seen = await _seen(chain, bill, options, after=bill.searched.get(chain_id, 0))
        if seen is not None:
            return replace(bill, arriving=True, network=options[0].network, broadcast=seen)
    return bill


async def _seen(chain: ChainPort, bill: Bill, options: Sequence[Option], *, after: int) -> Broadcast | None:
    amounts = {option.token.address: option.amount for option in options}
    if bill.invoice.payee is None:
        return None
    try:
        head = (await chain.head()).number
        first = max(after + 1, head - SEARCH_BLOCKS_MAX + 1)
        if first > head:
            return None
        logs = await chain.logs_in_range(first, head, incoming_transfers(sorted(amounts), [bill.invoice.payee]))
    except ChainError:
        return None
    for event in decode_token_logs(logs):
        if isinstance(event, Transferred) and amounts[event.token] == event.amount:
            return Broadcast(mined_number=event.at.block_number, head_number=head)
    return None


async def find(conn: Connection, invoice_id: str) -> Invoice | None:
    """An invoice of anybody, whose token the caller compares."""
    return (await invoices.load(conn, [invoice_id])).get(invoice_id)
