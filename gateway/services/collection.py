"""From an intent that is due to signed bytes in the books: simulate, refuse what must fail, plan the rest.

The order is the whole safety: read what is due, ask the chain (no transaction open), then decide and sign in one
transaction that re-reads every row under lock. Nothing is sent here: `gateway.services.submission` sends what is
written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chain import fees, mandates
from chain.port import ChainPort
from chain.primitives import Charged, Fees, MandateId, TransactionRequest
from chain.signer import Signer
from gateway.db import blocks, charge_intents, invoices, subscriptions, transactions
from gateway.db import mandates as mandate_rows
from gateway.db.engine import Connection
from gateway.db.transactions import Lane
from gateway.domain import charge as charge_domain
from gateway.domain import charge_intent as intent_domain
from gateway.domain import invoice as invoice_domain
from gateway.domain import outcome
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.failure import FailureCode, failed, uses_a_retry
from gateway.domain.ids import new_id
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.transition import Action, StatusReason
from gateway.failpoints import Failpoint, failpoint
from gateway.services import bookings, settings, simulation
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway, Network
from gateway.services.recording import Origin
from gateway.services.settings import Policy
from gateway.services.simulation import Attempt, Verdict

BATCH_ITEMS: Final = 64
"""Pulls of one transaction: as cheap per pull as 100 within 2 %; all that are in flight carry a thousand."""

IN_FLIGHT_MAX: Final = 16
"""Open transactions of one signer: what public pools keep of one account."""

POSTPONED: Final = timedelta(seconds=60)
"""When an attempt that we could not make, for reasons that are ours, is due again."""

_COLLECTED: Final = frozenset(
    {
        SubscriptionStatus.PENDING,
        SubscriptionStatus.INCOMPLETE,
        SubscriptionStatus.TRIALING,
        SubscriptionStatus.ACTIVE,
        SubscriptionStatus.PAST_DUE,
    }
)
"""In any other status nothing is pulled by itself (FR-15, FR-24)."""


@dataclass(frozen=True, slots=True)
class Market:
    """What sending costs now: fees of a new transaction, and how much gas the signer can pay for at them."""

    fees: Fees
    head_number: int
    too_high: bool
    affordable_gas: int


@dataclass(frozen=True, slots=True)
class _Batch:
    """Attempts that go into one transaction."""

    purpose: transactions.Purpose
    data: bytes
    gas: int
    attempts: tuple[Attempt, ...]


async def collect_due(gateway: Gateway, chain: ChainPort, signer: Signer, *, now: datetime, limit: int = 1000) -> int:
    """Take one batch of due intents of a chain as far as signed bytes in the books.

    Nonces are given under the lock of the signer's lane, so that each is given once. Returns how many intents were
    decided; 0 means that nothing is due, that lane or chain is halted, that the lane is full, or that everything was
    postponed.

    Raises:
        RpcUnavailable: the chain could not be asked; nothing changed, no attempt was used up.
    """
    after: ChargeIntent | None = None
    while True:
        decided, after = await _collect(gateway, chain, signer, now=now, limit=limit, after=after)
        if decided or after is None:
            return decided


async def _collect(
    gateway: Gateway, chain: ChainPort, signer: Signer, *, now: datetime, limit: int, after: ChargeIntent | None
) -> tuple[int, ChargeIntent | None]:
    """Take the batch behind `after`; return how many were decided, and the last one if others may be due behind it.

    What is postponed on a test clock stays due where its clock stands, and must not hide what comes after it.
    """
    network = gateway.networks[chain.chain_id]
    async with gateway.books.read() as conn:
        attempts = await _due(conn, network, now=now, limit=limit, after=after)
        if not attempts:
            return 0, None
        cursor = await blocks.cursor(conn, network.chain_id)
        capacity = IN_FLIGHT_MAX - await transactions.count_open(conn, network.chain_id, signer.address)
    if capacity <= 0 or cursor.halted_reason is not None:
        return 0, None
    verdicts = await _verdicts(chain, network, signer, attempts)
    market = await market_of(chain, network, signer)
    failpoint(Failpoint.CHARGE_SIMULATED)
    async with gateway.books.write() as conn:
        lane = await transactions.lock_lane(conn, network.chain_id, signer.address)
        if lane is None or lane.halted_reason is not None:
            return 0, None
        changes = Changes()
        passing, decided = await _decide(conn, gateway, verdicts, market, changes)
        batches = list(_batches(passing))[:capacity]
        await _plan(conn, network, signer, lane, batches=batches, market=market, now=now, changes=changes)
        failpoint(Failpoint.CHARGE_SIGNED)
        await changes.write(conn, gateway, Origin(now))
    failpoint(Failpoint.CHARGE_COMMITTED)
    is_full = len(attempts) >= limit and any(attempt.intent.test_clock_id for attempt in attempts)
    return decided + sum(len(batch.attempts) for batch in batches), attempts[-1].intent if is_full else None


async def _due(
    conn: Connection, network: Network, *, now: datetime, limit: int, after: ChargeIntent | None
) -> list[Attempt]:
    claims = await charge_intents.due(conn, chain_id=network.chain_id, now=now, limit=limit, after=after)
    if not claims:
        return []
    intents = [claim.value for claim in claims]
    owed = await invoices.load(conn, [intent.invoice_id for intent in intents])
    owners = await subscriptions.load(conn, [intent.subscription_id for intent in intents])
    agreed = await mandate_rows.load(conn, [intent.mandate_id for intent in intents if intent.mandate_id is not None])
    return [
        Attempt(
            intent=claim.value,
            invoice=owed[claim.value.invoice_id],
            subscription=owners[claim.value.subscription_id],
            mandate=agreed[claim.value.mandate_id],
            now=claim.now,
        )
        for claim in claims
        if claim.value.mandate_id is not None
    ]


async def _verdicts(chain: ChainPort, network: Network, signer: Signer, attempts: Sequence[Attempt]) -> list[Verdict]:
    """What would happen to each attempt; those that may not be made at all come back as `NOT_DUE`."""
    verdicts = []
    pulls = []
    registrations = []
    for attempt in attempts:
        if not _wanted(attempt):
            verdicts.append(Verdict(attempt, FailureCode.NOT_DUE, {}))
            continue
        match attempt.mandate.status:
            case MandateStatus.ACTIVE:
                pulls.append(attempt)
            case MandateStatus.SIGNED:
                registrations.append(attempt)
            case MandateStatus.REVOKED | MandateStatus.PENDING:
                verdicts.append(Verdict(attempt, FailureCode.MANDATE_REVOKED, {"mandate": attempt.mandate.id}))
    verdicts += await simulation.of_pulls(chain, network, pulls)
    verdicts += await simulation.of_registrations(chain, network, signer.address, registrations)
    return verdicts


def _wanted(attempt: Attempt) -> bool:
    """Whether the attempt may be made. In `unpaid` only one that somebody asked for is (ST-35, ST-36)."""
    status = attempt.subscription.status
    asked = status is SubscriptionStatus.UNPAID and attempt.intent.requested
    return (status in _COLLECTED or asked) and attempt.invoice.status is invoice_domain.Status.OPEN


async def market_of(chain: ChainPort, network: Network, signer: Signer) -> Market:
    """What sending costs now, and how much of it the signer can pay for."""
    head = await chain.head()
    policy = fees.FeePolicy(tip=min(network.tip, network.fee_cap), cap=network.fee_cap)
    market = fees.market_fees(head.base_fee_per_gas, policy)
    balance = (await chain.balances([signer.address]))[0]
    return Market(
        fees=market,
        head_number=head.number,
        too_high=head.base_fee_per_gas > network.fee_cap,
        affordable_gas=balance // market.max_fee_per_gas,
    )


async def _decide(
    conn: Connection, gateway: Gateway, verdicts: Sequence[Verdict], market: Market, changes: Changes
) -> tuple[list[Attempt], int]:
    """Write down what is decided without a transaction; return the attempts to make, and how many were decided.

    Rows are locked in the order subscription, invoice, intent, as everywhere. An intent that changed since it was read
    is left alone: it is due again if it still is.
    """
    owners = await subscriptions.load(conn, [v.attempt.subscription.id for v in verdicts], lock=True)
    owed = await invoices.load(conn, [v.attempt.invoice.id for v in verdicts], lock=True)
    intents = await charge_intents.load(conn, [v.attempt.intent.id for v in verdicts], lock=True)
    passing: list[Attempt] = []
    decided = 0
    gas = market.affordable_gas
    seen = await _seen(conn, verdicts)
    newest = await invoices.newest_open(conn, sorted(owners)) if seen else {}
    verdicts = [_measured(verdict, seen) for verdict in verdicts]
    policies = await settings.policies(conn, gateway, [v.attempt.intent.scope.account_id for v in verdicts])
    for verdict in verdicts:
        read = verdict.attempt
        if intents.get(read.intent.id) != read.intent:
            continue
        attempt = replace(read, invoice=owed[read.invoice.id], subscription=owners[read.subscription.id])
        if not _wanted(attempt):
            changes.update(intent_domain.schedule(attempt.intent, None))
            decided += 1
        elif verdict.code is not None and uses_a_retry(verdict.code):
            policy = policies[attempt.intent.scope.account_id]
            _refuse(policy, attempt, verdict.code, verdict.evidence, changes)
            decided += 1
        elif (event := seen.get((attempt.mandate.onchain_id, attempt.item.period))) is not None:
            bookings.record_collection(
                _owed(attempt, newest, changes), None, attempt.mandate, event, now=attempt.now, changes=changes
            )
            decided += 1
        elif verdict.code is not None:
            _postpone(attempt, verdict.code, verdict.evidence, changes)
        elif market.too_high:
            evidence = {"fee_cap": str(market.fees.max_fee_per_gas)}
            _postpone(attempt, FailureCode.GAS_TOO_HIGH, evidence, changes)
        elif gas < (needed := _gas_of(attempt)):
            evidence = {"affordable_gas": str(market.affordable_gas), "needed_gas": str(needed)}
            _postpone(attempt, FailureCode.OPERATOR_UNFUNDED, evidence, changes)
        else:
            gas -= needed
            passing.append(attempt)
    return passing, decided


async def _seen(conn: Connection, verdicts: Sequence[Verdict]) -> dict[tuple[MandateId, int], Charged]:
    """Final collections of periods that the contract says are paid: charged by somebody before they were billed."""
    paid = [v.attempt for v in verdicts if v.code is FailureCode.ALREADY_PAID]
    if not paid:
        return {}
    keys = [(attempt.item.mandate_id, attempt.item.period) for attempt in paid]
    found = await blocks.find_charged(conn, paid[0].mandate.chain_id, keys)
    return {
        key: log.event for key, log in found.items() if isinstance(log.event, Charged) and log.settled_at is not None
    }


def _measured(verdict: Verdict, seen: Mapping[tuple[MandateId, int], Charged]) -> Verdict:
    """A period paid on the chain pays an invoice only with all of its amount: payers and payees may give less."""
    item = verdict.attempt.item
    event = seen.get((item.mandate_id, item.period))
    if event is None or event.amount >= item.amount:
        return verdict
    evidence = {"needed": str(item.amount), "collected": str(event.amount), "transaction": event.at.transaction_hash}
    return replace(verdict, code=FailureCode.PERIOD_UNDERPAID, evidence=evidence)


def _owed(attempt: Attempt, newest: Mapping[str, str], changes: Changes) -> outcome.Owed:
    invoice, subscription = changes.current(attempt.invoice), changes.current(attempt.subscription)
    is_newest = newest.get(subscription.id, invoice.id) <= invoice.id
    return outcome.Owed(intent=attempt.intent, invoice=invoice, subscription=subscription, is_newest=is_newest)


def _gas_of(attempt: Attempt) -> int:
    registers = attempt.mandate.status is MandateStatus.SIGNED
    return fees.gas_limit_for_subscribe() if registers else fees.gas_limit_for(1)


def _refuse(policy: Policy, attempt: Attempt, code: FailureCode, evidence: Mapping[str, Any], changes: Changes) -> None:
    """Record an attempt that must fail as a failed charge: nothing is broadcast, no gas is spent."""
    refusal = replace(
        new_charge(attempt, transaction_id=None),
        status=charge_domain.Status.FAILED,
        reason=failed(code, evidence),
        settled_at=attempt.now,
    )
    charge = changes.insert(charge_domain.refuse(refusal))
    refused = outcome.refused(
        _owed(attempt, {}, changes),
        charge.id,
        code,
        evidence,
        renewals=policy.retries,
        grace=policy.grace,
        approvals=policy.approvals,
        now=attempt.now,
    )
    changes.take(refused)


def _postpone(attempt: Attempt, code: FailureCode, evidence: Mapping[str, Any], changes: Changes) -> None:
    """Try again soon, without counting. A test clock stands still: there the attempt stays due."""
    wait = timedelta() if attempt.intent.test_clock_id else POSTPONED
    changes.update(intent_domain.postpone(attempt.intent, failed(code, evidence), attempt.now + wait, attempt.now))


def new_charge(attempt: Attempt, *, transaction_id: str | None) -> Charge:
    """A charge that is about to be attempted."""
    intent, item = attempt.intent, attempt.item
    if intent.payment_method_id is None or intent.chain_id is None or intent.token is None:
        raise ValueError(f"charge intent {intent.id} has a mandate but no payment method, chain or token")
    return Charge(
        id=new_id("ch", attempt.now),
        scope=intent.scope,
        charge_intent_id=intent.id,
        invoice_id=intent.invoice_id,
        customer_id=intent.customer_id,
        subscription_id=intent.subscription_id,
        payment_method_id=intent.payment_method_id,
        status=charge_domain.Status.PENDING,
        reason=StatusReason("broadcasting", Action.WAIT),
        created_at=attempt.now,
        amount=intent.amount,
        currency=intent.currency,
        chain_id=intent.chain_id,
        token=intent.token,
        token_amount=item.amount,
        onchain_mandate_id=item.mandate_id,
        mandate_period=item.period,
        transaction_id=transaction_id,
    )


def _batches(attempts: Sequence[Attempt]) -> Iterator[_Batch]:
    """Group attempts into transactions: registrations alone, pulls together by their plan.

    A pull whose last charge was released goes alone: if it was what made a batch revert, it takes nobody with it again.
    """
    pulls = []
    for attempt in attempts:
        if attempt.mandate.status is MandateStatus.SIGNED:
            data = simulation.registration_data(attempt)
            yield _Batch(transactions.Purpose.SUBSCRIBE, data, fees.gas_limit_for_subscribe(), (attempt,))
        elif attempt.intent.reason.code == FailureCode.TX_DROPPED:
            yield _pulls((attempt,))
        else:
            pulls.append(attempt)
    # Equal plans stand together: the contract reads a plan once for a run of them.
    pulls.sort(key=lambda a: (a.mandate.terms.token, a.mandate.terms.payee, a.mandate.terms.amount, a.intent.id))
    for first in range(0, len(pulls), BATCH_ITEMS):
        yield _pulls(tuple(pulls[first : first + BATCH_ITEMS]))


def _pulls(attempts: tuple[Attempt, ...]) -> _Batch:
    if all(attempt.item.amount == attempt.mandate.terms.amount for attempt in attempts):
        data = mandates.charge_batch_data([(attempt.item.mandate_id, attempt.item.period) for attempt in attempts])
    else:
        data = mandates.charge_batch_amounts_data([attempt.item for attempt in attempts])
    return _Batch(transactions.Purpose.CHARGE_BATCH, data, fees.gas_limit_for(len(attempts)), attempts)


async def _plan(
    conn: Connection,
    network: Network,
    signer: Signer,
    lane: Lane,
    *,
    batches: Sequence[_Batch],
    market: Market,
    now: datetime,
    changes: Changes,
) -> None:
    """Give each batch a nonce, sign it, and write the bytes down together with the charges that they carry."""
    if not batches:
        return
    nonce = await transactions.reserve(conn, lane, len(batches))
    planned = []
    for offset, batch in enumerate(batches):
        request = TransactionRequest(
            chain_id=network.chain_id,
            nonce=nonce + offset,
            to=network.contract,
            data=batch.data,
            gas=batch.gas,
            fees=market.fees,
        )
        signed = signer.sign(request)
        transaction = transactions.ChainTransaction.planned(
            new_id("tx", now), signer.address, request, purpose=batch.purpose, created_at=now
        )
        planned.append(
            (
                transaction,
                transactions.TransactionAttempt.of(transaction, signed, market.fees, made_at_block=market.head_number),
            )
        )
        for attempt in batch.attempts:
            charge = changes.insert(charge_domain.attempt(new_charge(attempt, transaction_id=transaction.id)))
            changes.update(intent_domain.start(attempt.intent, charge.id, attempt.now))
    await transactions.add_many(conn, planned)
