"""From final events of the chain to the statuses that a merchant sees. The only place where money becomes paid.

Only events at final depth are read, in chain order, and each is marked as settled in the transaction that writes what
it means: doing it again finds nothing to do. Who sent the transaction does not matter, only what the contract says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from chain.primitives import Address, Canceled, Charged, ChargeFailed, Hash32, MandateId, Subscribed
from gateway.db import (
    blocks,
    charge_intents,
    charges,
    invoices,
    mandates,
    setup_intents,
    subscriptions,
    test_clocks,
    transactions,
)
from gateway.db.blocks import StoredLog
from gateway.db.engine import Connection
from gateway.domain import charge as charge_domain
from gateway.domain import charge_intent as intent_domain
from gateway.domain import course, outcome
from gateway.domain import mandate as mandate_domain
from gateway.domain import setup_intent as setup_domain
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.failure import FailureCode, failed, from_chain, uses_a_retry
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.mandate import Mandate
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.money import Token
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.subscription import TERMINAL, Subscription
from gateway.domain.transition import Action, StatusReason
from gateway.failpoints import Failpoint, failpoint
from gateway.services import bookings, method_changes, plan_effects, settings
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.plan_effects import Signed
from gateway.services.recording import Origin
from gateway.services.settings import Policy

RELEASED_WAIT: Final = timedelta(minutes=1)
"""Time until an attempt that finally did nothing is made again: what keeps failing so must not burn gas all day long.
A test clock stands still: there it stays due."""

BATCH: Final = 1000
"""Events of one transaction."""

_OVER: Final = frozenset({intent_domain.Status.SUCCEEDED, intent_domain.Status.CANCELED})


@dataclass(slots=True)
class _Books:
    """Rows that a batch of events is about, loaded in bulk and locked in the usual order.

    `carriers` are our transactions among those in which pulls failed, by hash; `newest` is the newest open invoice of
    each subscription.
    """

    mandates: dict[MandateId, Mandate]
    intent_ids: dict[tuple[str, int], str]
    given_up: Mapping[tuple[str, int], str]
    intents: dict[str, ChargeIntent]
    invoices: dict[str, Invoice]
    subscriptions: dict[str, Subscription]
    charges: dict[str, Charge]
    carriers: dict[Hash32, str]
    setups: dict[str, list[SetupIntent]]
    newest: Mapping[str, str]
    clocks: dict[str, datetime]
    tokens: Mapping[tuple[int, Address], Token]
    policies: Mapping[str, Policy]
    now: datetime
    signed: list[Signed] = field(default_factory=list)

    def time_of(self, test_clock_id: str | None) -> datetime:
        """Time of an object: its test clock's, else the system's."""
        return self.clocks.get(test_clock_id or "", self.now)

    def intent_of(self, mandate: Mandate, period: int) -> ChargeIntent | None:
        """The intent that a period of a mandate pays."""
        return self.intents.get(self.intent_ids.get((mandate.id, period), ""))

    def given_up_of(self, mandate: Mandate, period: int) -> ChargeIntent | None:
        """The canceled intent that a period of a mandate was to pay, where no other took its place."""
        return self.intents.get(self.given_up.get((mandate.id, period), ""))

    def owed(self, intent: ChargeIntent, changes: Changes) -> outcome.Owed:
        """What an attempt is about, as it stands."""
        return outcome.Owed(
            intent=intent,
            invoice=changes.current(self.invoices[intent.invoice_id]),
            subscription=changes.current(self.subscriptions[intent.subscription_id]),
            is_newest=self.newest.get(intent.subscription_id, intent.invoice_id) <= intent.invoice_id,
        )


async def settle(gateway: Gateway, *, chain_id: int, now: datetime, limit: int = BATCH) -> int:
    """Write what a batch of final events means; release charges whose transactions finally did nothing.

    Returns how many events and charges were settled; 0 means that there is nothing left.
    """
    async with gateway.books.write() as conn:
        # Under the cursor's lock: two workers that settle one event would book its money twice.
        cursor = await blocks.cursor(conn, chain_id, lock=True)
        if cursor.final_number is None or cursor.halted_reason is not None:
            return 0
        logs = await blocks.unsettled(conn, chain_id, up_to_number=cursor.final_number, limit=limit)
        stranded = await charges.stranded(conn, chain_id, limit=limit)
        unregistered = await setup_intents.stranded(conn, chain_id, limit=limit)
        if not logs and not stranded and not unregistered:
            return 0
        changes = Changes()
        books = await _load(conn, gateway, chain_id, logs=logs, stranded=stranded, now=now)
        changes.carry(mandates=books.mandates.values(), intents=books.intents.values())
        for log in logs:
            _apply(books, log, changes)
        for charge in stranded:
            _release(books, charge, changes)
        await plan_effects.apply_signed(conn, gateway, books.signed, changes)
        await _try_again(conn, unregistered, now, changes)
        await blocks.mark_settled(conn, [log.id for log in logs], now=now)
        await changes.write(conn, gateway, Origin(now))
        failpoint(Failpoint.SETTLEMENT_WRITTEN)
    failpoint(Failpoint.SETTLEMENT_COMMITTED)
    return len(logs) + len(stranded) + len(unregistered)


async def _load(
    conn: Connection,
    gateway: Gateway,
    chain_id: int,
    *,
    logs: Sequence[StoredLog],
    stranded: Sequence[Charge],
    now: datetime,
) -> _Books:
    onchain_ids = sorted({log.event.mandate_id for log in logs})
    known = await mandates.by_onchain_ids(conn, chain_id, onchain_ids) if onchain_ids else {}
    keys = sorted(
        {
            (known[log.event.mandate_id].id, log.event.period)
            for log in logs
            if isinstance(log.event, Charged | ChargeFailed) and log.event.mandate_id in known
        }
    )
    read = await charge_intents.by_mandate_periods(conn, keys) if keys else {}
    given_up = await _given_up(conn, logs, known, read)
    stranded_ids = sorted({charge.charge_intent_id for charge in stranded})
    ids = sorted(
        {intent.id for intent in (*read.values(), *given_up.values())}
        | set(stranded_ids)
        | await _unsigned(conn, known)
    )
    unlocked = {intent.id: intent for intent in (*read.values(), *given_up.values())}
    unlocked |= await charge_intents.load(conn, [intent_id for intent_id in ids if intent_id not in unlocked])
    registered = [
        known[log.event.mandate_id].id
        for log in logs
        if isinstance(log.event, Subscribed) and log.event.mandate_id in known
    ]
    awaited = await setup_intents.open_of_mandates(conn, registered) if registered else []
    redirected = sorted({setup.subscription_id for setup in awaited})
    still_owed = await charge_intents.open_of_subscriptions(conn, redirected) if redirected else []
    unlocked |= {intent.id: intent for intent in still_owed}
    ids = sorted(unlocked)
    owner_ids = {i.subscription_id for i in unlocked.values()} | {setup.subscription_id for setup in awaited}
    owners = await subscriptions.load(conn, owner_ids, lock=True)
    owed = await invoices.load(conn, [i.invoice_id for i in unlocked.values()], lock=True)
    intents = await charge_intents.load(conn, ids, lock=True) if ids else {}
    # Collections change no mandate: only those that begin or end here are locked, and read again.
    if changing := sorted({log.event.mandate_id for log in logs if isinstance(log.event, Subscribed | Canceled)}):
        known |= await mandates.by_onchain_ids(conn, chain_id, changing, lock=True)
    latest = [intent.latest_charge_id for intent in intents.values() if intent.latest_charge_id is not None]
    setups: dict[str, list[SetupIntent]] = {}
    for setup in await setup_intents.open_of_mandates(conn, registered, lock=True) if awaited else []:
        setups.setdefault(setup.mandate_id or "", []).append(setup)
    named = {intent.test_clock_id for intent in intents.values()} | {setup.test_clock_id for setup in awaited}
    clock_ids = sorted(clock_id for clock_id in named if clock_id is not None)
    clocks = await test_clocks.load(conn, clock_ids) if clock_ids else {}
    return _Books(
        mandates=known,
        intent_ids={key: intent.id for key, intent in read.items()},
        given_up={key: intent.id for key, intent in given_up.items()},
        intents=intents,
        invoices=owed,
        subscriptions=owners,
        charges=await charges.load(conn, latest, lock=True) if latest else {},
        carriers=await _carriers(conn, logs),
        setups=setups,
        newest=await invoices.newest_open(conn, sorted(owners)) if owners else {},
        clocks={clock.id: clock.frozen_at for clock in clocks.values()},
        tokens=gateway.tokens,
        policies=await settings.policies(conn, gateway, [i.scope.account_id for i in intents.values()]),
        now=now,
    )


async def _given_up(
    conn: Connection,
    logs: Sequence[StoredLog],
    known: Mapping[MandateId, Mandate],
    live: Mapping[tuple[str, int], ChargeIntent],
) -> dict[tuple[str, int], ChargeIntent]:
    """Canceled intents of periods that were collected all the same: by the payee or the payer, who may."""
    periods = {
        (mandate.id, log.event.period): mandate
        for log in logs
        if isinstance(log.event, Charged) and (mandate := known.get(log.event.mandate_id)) is not None
    }
    missing = {key: mandate for key, mandate in periods.items() if key not in live}
    owners = sorted({mandate.subscription_id for mandate in missing.values() if mandate.subscription_id is not None})
    canceled = await charge_intents.canceled_of_subscriptions(conn, owners) if owners else []
    found = {(i.mandate_id, i.mandate_period): i for i in canceled if i.mandate_id is not None}
    return {key: found[key] for key in missing if key in found}


async def _unsigned(conn: Connection, known: Mapping[MandateId, Mandate]) -> set[str]:
    """Intents that wait for a signature which is not needed: their payer registered the mandate by itself."""
    pending = {mandate.id: mandate for mandate in known.values() if mandate.status is MandateStatus.PENDING}
    owners = sorted({mandate.subscription_id for mandate in pending.values() if mandate.subscription_id is not None})
    found = await charge_intents.open_of_subscriptions(conn, owners) if owners else []
    return {intent.id for intent in found if intent.mandate_id in pending}


async def _carriers(conn: Connection, logs: Sequence[StoredLog]) -> dict[Hash32, str]:
    hashes = sorted({log.event.at.transaction_hash for log in logs if isinstance(log.event, ChargeFailed)})
    ours = await transactions.by_hashes(conn, hashes) if hashes else {}
    return {mined: transaction.id for mined, transaction in ours.items()}


def _apply(books: _Books, log: StoredLog, changes: Changes) -> None:
    mandate = books.mandates.get(log.event.mandate_id)
    if mandate is None:
        return  # not one of ours: another gateway may use the same contract
    event = log.event
    match event:
        case Subscribed():
            reason = StatusReason("registered", Action.SUCCESS, bookings.where(event))
            changes.update(mandate_domain.activate(changes.current(mandate), reason, books.now))
            if mandate.status is MandateStatus.PENDING:
                _begin_unsigned(books, mandate, changes)
            for setup in books.setups.get(mandate.id, ()):
                _set_up(books, mandate, setup, reason, changes)
        case Canceled():
            reason = StatusReason("revoked_on_chain", Action.CUSTOMER_ACTION, {**bookings.where(event), "by": event.by})
            changes.update(mandate_domain.revoke(changes.current(mandate), reason, books.now))
        case Charged():
            _collected(books, mandate, event, changes)
        case ChargeFailed():
            _refused(books, mandate, event, changes)


def _set_up(books: _Books, mandate: Mandate, setup: SetupIntent, reason: StatusReason, changes: Changes) -> None:
    """A wallet is set up: its subscription draws on this mandate, and waits for nothing any more (ST-26)."""
    now = books.time_of(setup.test_clock_id)
    changes.update(setup_domain.succeed(changes.current(setup), reason, now))
    subscription = changes.current(books.subscriptions[setup.subscription_id])
    if subscription.status in TERMINAL:
        return
    if subscription.pending_update is not None and subscription.pending_update.setup_intent_id == setup.id:
        books.signed.append(Signed(subscription=subscription, mandate=changes.current(mandate), at=now))
        return
    if subscription.mandate_id != mandate.id:
        subscription = changes.update(course.draw_on(subscription, mandate.payment_method_id, mandate.id, now))
    if subscription.pending_setup_intent_id == setup.id:
        changes.update(course.await_setup(subscription, None, now))
    owed = [(i, books.invoices[i.invoice_id]) for i in books.intents.values() if i.subscription_id == subscription.id]
    method_changes.take_over(owed, mandate, books.tokens, now, changes)


async def _try_again(conn: Connection, unregistered: Sequence[SetupIntent], now: datetime, changes: Changes) -> None:
    """Registrations that finally did nothing are due again, unless their mandate was registered otherwise."""
    if not unregistered:
        return
    current = await setup_intents.load(conn, [setup.id for setup in unregistered], lock=True)
    clocks = await test_clocks.load(conn, sorted({s.test_clock_id for s in unregistered if s.test_clock_id}))
    for read in unregistered:
        setup = changes.current(current[read.id])
        if setup == read:
            clock = clocks.get(setup.test_clock_id or "")
            reason = failed(FailureCode.TX_DROPPED, {"transaction": setup.transaction_id})
            changes.update(setup_domain.postpone(setup, reason, clock.frozen_at if clock else now))


def _collected(books: _Books, mandate: Mandate, event: Charged, changes: Changes) -> None:
    """A period was collected, by whomever: what it pays for is paid."""
    intent = books.intent_of(mandate, event.period) or books.given_up_of(mandate, event.period)
    if intent is None:
        return  # collected by the payee before it was billed; the attempt will find it (`already_paid`)
    owed = books.owed(changes.current(intent), changes)
    now = books.time_of(intent.test_clock_id)
    if owed.intent.status in _OVER or owed.invoice.status is not InvoiceStatus.OPEN:
        bookings.unexpected(owed.intent, mandate, event, books.tokens, now=now, changes=changes)
        return
    if event.amount < (owed.intent.token_amount or 0):
        # Payers and payees may collect less than is owed. The next attempt finds that and says so.
        bookings.unexpected(owed.intent, mandate, event, books.tokens, now=now, changes=changes)
        if owed.intent.status in intent_domain.PAYABLE:
            changes.update(intent_domain.schedule(owed.intent, now))
        return
    latest = books.charges.get(intent.latest_charge_id or "")
    bookings.record_collection(owed, latest, mandate, event, now=now, changes=changes)


def _begin_unsigned(books: _Books, mandate: Mandate, changes: Changes) -> None:
    """The payer registered the mandate itself: what waited for its signature is due now."""
    for read in books.intents.values():
        intent = changes.current(read)
        if intent.mandate_id == mandate.id and intent.status is intent_domain.Status.REQUIRES_ACTION:
            changes.update(intent_domain.schedule(intent, books.time_of(intent.test_clock_id)))


def _refused(books: _Books, mandate: Mandate, event: ChargeFailed, changes: Changes) -> None:
    """A pull of a batch failed on the chain although its simulation had passed."""
    intent = books.intent_of(mandate, event.period)
    charge = None if intent is None else books.charges.get(intent.latest_charge_id or "")
    if intent is None or charge is None:
        return
    intent, charge = changes.current(intent), changes.current(charge)
    if charge.status is not charge_domain.Status.PENDING or intent.status is not intent_domain.Status.PROCESSING:
        return
    if books.carriers.get(event.at.transaction_hash) != charge.transaction_id:
        return  # somebody else's transaction failed, or an earlier one of ours; this charge's own one decides
    now = books.time_of(intent.test_clock_id)
    code = from_chain(event.reason)
    evidence = {
        **bookings.where(event),
        "chain_reason": event.reason.name.lower(),
        "token_error": "0x" + event.token_error.hex(),
    }
    reason = failed(code, evidence)
    if not uses_a_retry(code):
        changes.update(charge_domain.release(charge, reason, now))
        changes.update(intent_domain.postpone(intent, reason, now, now))
        return
    changes.update(charge_domain.fail(charge, reason, event.at.transaction_hash, now))
    owed = books.owed(intent, changes)
    policy = books.policies[intent.scope.account_id]
    refused = outcome.refused(
        owed,
        charge.id,
        code,
        evidence,
        renewals=policy.retries,
        grace=policy.grace,
        approvals=policy.approvals,
        now=now,
    )
    changes.take(refused)


def _release(books: _Books, stranded: Charge, changes: Changes) -> None:
    """A transaction finally did nothing (reverted whole, or its nonce went elsewhere): try again, uncounted."""
    charge = changes.current(stranded)
    intent = changes.current(books.intents[charge.charge_intent_id])
    if charge.status is not charge_domain.Status.PENDING:
        return
    now = books.time_of(intent.test_clock_id)
    reason = failed(FailureCode.TX_DROPPED, {"transaction": charge.transaction_id})
    changes.update(charge_domain.release(charge, reason, now))
    if intent.status is intent_domain.Status.PROCESSING:
        wait = timedelta() if intent.test_clock_id else RELEASED_WAIT
        changes.update(intent_domain.postpone(intent, reason, now + wait, now))
