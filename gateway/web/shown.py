"""What there is to show of a checkout session: its rows, and the stage that follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, assert_never

from chain.primitives import MandateTerms
from gateway.db import (
    accounts,
    broadcasts,
    charge_intents,
    charges,
    invoices,
    mandates,
    setup_intents,
    subscriptions,
)
from gateway.db.broadcasts import Broadcast
from gateway.db.engine import Connection
from gateway.domain.catalog import Account
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.checkout import CheckoutSession, Status
from gateway.domain.failure import FailureCode
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate, allowance_to_ask
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.money import Token
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.setup_intent import Status as SetupStatus
from gateway.domain.subscription import TERMINAL, Subscription
from gateway.services import allowances
from gateway.services.gateway import Gateway, Network

_NO_MONEY: Final = frozenset({FailureCode.INSUFFICIENT_BALANCE})
_NO_ALLOWANCE: Final = frozenset(
    {FailureCode.INSUFFICIENT_ALLOWANCE, FailureCode.ALLOWANCE_REVOKED, FailureCode.PERMIT_EXPIRED}
)
_OUR_TROUBLE: Final = frozenset(
    {
        FailureCode.RPC_UNAVAILABLE,
        FailureCode.GAS_TOO_HIGH,
        FailureCode.OPERATOR_UNFUNDED,
        FailureCode.OPERATOR_MISCONFIGURED,
        FailureCode.NONCE_CONFLICT,
        FailureCode.TX_DROPPED,
    }
)
"""What the payer can do nothing about, and must not be told in detail."""


class Stage(StrEnum):
    """Where a session or an invoice stands; each is a page with words and a next step."""

    DETAILS = "details"
    WALLET = "wallet"
    CONSENT = "consent"
    STALE = "stale"
    SENT = "sent"
    SUBMITTED = "submitted"
    PENDING = "pending"
    CONFIRMING = "confirming"
    WAITING = "waiting"
    TOP_UP = "topup"
    ALLOW_AGAIN = "reallow"
    REFUSED = "refused"
    DONE = "done"
    EXPIRED = "expired"
    TRANSFER = "transfer"
    ARRIVING = "arriving"
    SCHEDULED = "scheduled"
    SIGN = "sign"
    SIGN_AGAIN = "resign"
    SETTING_UP = "setup"
    PAID = "paid"
    VOID = "void"
    WRITTEN_OFF = "uncollectible"
    HELD = "held"
    CLOSED = "closed"


LIVE: Final = frozenset({Stage.SENT, Stage.SUBMITTED, Stage.PENDING, Stage.CONFIRMING, Stage.WAITING})
"""Stages that change by themselves."""


def followed(stage: Stage) -> Stage:
    """The stage as a page that follows it tells them apart: some differ in one line of text alone."""
    return Stage.SUBMITTED if stage in LIVE - {Stage.WAITING, Stage.SENT} else stage


WATCHED: Final = LIVE | {Stage.TOP_UP, Stage.ALLOW_AGAIN, Stage.TRANSFER, Stage.ARRIVING, Stage.SETTING_UP}
"""Stages that a page follows: a top-up is seen without a click."""


class OnItsWay(Protocol):
    """What is shown while a transaction is on its way."""

    @property
    def network(self) -> Network | None:
        """Where."""
        ...

    @property
    def broadcast(self) -> Broadcast | None:
        """How far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A session, and the rows that belong to it as far as there are any."""

    session: CheckoutSession
    account: Account
    network: Network | None = None
    token: Token | None = None
    subscription: Subscription | None = None
    mandate: Mandate | None = None
    invoice: Invoice | None = None
    intent: ChargeIntent | None = None
    charge: Charge | None = None
    setup: SetupIntent | None = None
    broadcast: Broadcast | None = None
    allowed_besides: int = 0

    @property
    def merchant(self) -> str:
        """The name that the payer knows."""
        return self.account.settings.branding.name or self.account.name

    @property
    def failure_code(self) -> str:
        """Why the payment or the registration was refused."""
        blamed = self.intent or self.setup
        return "" if blamed is None else blamed.reason.code

    @property
    def allowance_needed(self) -> int:
        """Base units that the wallet must allow in all: for this, and for its other subscriptions with the token."""
        draft = self.session.draft
        if draft is None:
            return 0
        return allowance_to_ask(draft.terms, draft.at) + self.allowed_besides


async def load(conn: Connection, gateway: Gateway, session: CheckoutSession) -> Shown:
    """Load what a page shows.

    Raises:
        LookupError: the merchant is gone.
    """
    account = await accounts.get(conn, session.scope.account_id)
    if account is None:
        raise LookupError(session.scope.account_id)
    draft = session.draft
    if draft is None:
        return Shown(session=session, account=account)
    network, token = gateway.networks.get(draft.chain_id), gateway.tokens.get((draft.chain_id, draft.terms.token))
    if session.confirmed_at is None:
        besides = await needed_besides(conn, draft.chain_id, draft.terms, draft.at)
        return Shown(session=session, account=account, network=network, token=token, allowed_besides=besides)
    wanted = session.subscription_id or ""
    subscription = (await subscriptions.load(conn, [wanted])).get(wanted)
    mandate_id = "" if subscription is None else subscription.mandate_id or ""
    invoice_id, setup_id = session.invoice_id or "", session.setup_intent_id or ""
    intent = (await charge_intents.of_invoices(conn, [invoice_id])).get(invoice_id) if invoice_id else None
    charge_id = "" if intent is None else intent.latest_charge_id or ""
    charge = (await charges.load(conn, [charge_id])).get(charge_id) if charge_id else None
    setup = (await setup_intents.load(conn, [setup_id])).get(setup_id) if setup_id else None
    carried_by = charge.transaction_id if charge is not None else None if setup is None else setup.transaction_id
    return Shown(
        session=session,
        account=account,
        network=network,
        token=token,
        subscription=subscription,
        mandate=(await mandates.load(conn, [mandate_id])).get(mandate_id),
        invoice=(await invoices.load(conn, [invoice_id])).get(invoice_id) if invoice_id else None,
        intent=intent,
        charge=charge,
        setup=setup,
        broadcast=None if carried_by is None else await broadcasts.of(conn, carried_by),
        allowed_besides=await needed_besides(conn, draft.chain_id, draft.terms, draft.at),
    )


async def needed_besides(conn: Connection, chain_id: int, terms: MandateTerms, since: datetime) -> int:
    """What the wallet's other mandates may still collect with the same token: an approval replaces, it does not add."""
    usable = await mandates.usable_of_wallet(conn, chain_id, terms.token, terms.payer)
    found = [mandate for mandate in usable if mandate.terms != terms]
    owners = await subscriptions.load(conn, [m.subscription_id for m in found if m.subscription_id is not None])
    living = [m for m in found if not _is_over(owners, m)]
    collected = await allowances.collected(conn, living)
    return sum(max(allowance_to_ask(m.terms, since) - m.terms.amount * _passed(m, collected), 0) for m in living)


def _is_over(owners: Mapping[str, Subscription], mandate: Mandate) -> bool:
    owner = owners.get(mandate.subscription_id or "")
    return owner is not None and owner.status in TERMINAL


def _passed(mandate: Mandate, collected: Mapping[str, int]) -> int:
    """Periods that an open-ended mandate has collected; the others count their own end."""
    return 0 if mandate.terms.periods else collected.get(mandate.id, 0)


def stage_of(shown: Shown, now: datetime) -> Stage:
    """Where a session stands."""
    session = shown.session
    match session.status:
        case Status.EXPIRED:
            return Stage.EXPIRED
        case Status.COMPLETE:
            reversed_since = shown.intent is not None and shown.intent.status is IntentStatus.REVERSED
            return Stage.WAITING if reversed_since else Stage.DONE
        case Status.OPEN if session.confirmed_at is not None:
            return _under_way(shown)
        case Status.OPEN:
            return _before_signing(session, now)
        case _:
            assert_never(session.status)


def _before_signing(session: CheckoutSession, now: datetime) -> Stage:
    if session.expires_at <= now:
        return Stage.EXPIRED
    if not session.knows_payer:
        return Stage.DETAILS
    if session.draft is None:
        return Stage.WALLET
    return Stage.CONSENT if session.is_draft_fresh(now) else Stage.STALE


def _under_way(shown: Shown) -> Stage:
    if shown.intent is not None and _is_sent(shown.intent, shown.mandate):
        return Stage.SENT
    if shown.intent is not None:
        return charging(shown.intent, shown.broadcast)
    if shown.setup is not None:
        return registering(shown.setup, shown.broadcast)
    return Stage.SUBMITTED


def _is_sent(intent: ChargeIntent, mandate: Mandate | None) -> bool:
    """Whether the payer's wallet sends the agreement itself, and the chain has not told of it yet."""
    is_unsigned = mandate is not None and mandate.status is MandateStatus.PENDING
    return is_unsigned and intent.status is IntentStatus.REQUIRES_ACTION and intent.next_attempt_at is None


def _on_chain(broadcast: Broadcast | None) -> Stage:
    if broadcast is None:
        return Stage.SUBMITTED
    return Stage.PENDING if broadcast.mined_number is None else Stage.CONFIRMING


def refused(code: str) -> Stage:
    """What a payer whose payment was refused can do about it."""
    if code in _NO_MONEY:
        return Stage.TOP_UP
    return Stage.ALLOW_AGAIN if code in _NO_ALLOWANCE else Stage.REFUSED


def charging(intent: ChargeIntent, broadcast: Broadcast | None) -> Stage:
    """Where a payment that was begun stands."""
    match intent.status:
        case IntentStatus.PROCESSING:
            return _on_chain(broadcast)
        case IntentStatus.SUCCEEDED:
            return Stage.CONFIRMING
        case IntentStatus.CANCELED:
            return Stage.EXPIRED
        case _ if intent.reason.code in _OUR_TROUBLE:
            return Stage.WAITING
        case IntentStatus.FAILED if intent.next_attempt_at is None:
            return refused(intent.reason.code)
        case _:
            return Stage.SUBMITTED


def registering(setup: SetupIntent, broadcast: Broadcast | None) -> Stage:
    """Where the registration of a wallet stands."""
    match setup.status:
        case SetupStatus.PROCESSING if setup.transaction_id is not None:
            return _on_chain(broadcast)
        case SetupStatus.PROCESSING:
            return Stage.WAITING if setup.reason.code in _OUR_TROUBLE else Stage.SUBMITTED
        case SetupStatus.REQUIRES_ACTION | SetupStatus.REQUIRES_PAYMENT_METHOD:
            return refused(setup.reason.code)
        case _:
            return Stage.CONFIRMING
