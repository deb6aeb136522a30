"""One subscription with all that hangs on it, moved by the domain's verbs alone: no rows, no chain, no waiting.

It follows the order in which the services use the verbs; what the services do with rows and nodes is tested there.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.domain import charge as charges
from gateway.domain import charge_intent as intents
from gateway.domain import course, outcome, voiding
from gateway.domain import invoice as invoices
from gateway.domain import subscription as subscriptions
from gateway.domain.cancellation import CancellationReason
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.dunning import RetryPolicy
from gateway.domain.failure import FailureCode, failed
from gateway.domain.invoice import BillingReason, Invoice
from gateway.domain.subscription import Due, Status, Subscription
from gateway.domain.transition import Action, StatusReason
from gateway.domain.voiding import Standing
from tests import factories

PRICE = 10_000_000
DELAY = timedelta(hours=1)
NOTICE = timedelta(days=3)
WHY = StatusReason("a test")
PULLED = frozenset({Status.PENDING, Status.INCOMPLETE, Status.TRIALING, Status.ACTIVE, Status.PAST_DUE})
_STEPS_MAX = 50


@dataclass
class Life:
    """The values of one subscription, a wallet, and what the chain has moved.

    Attributes:
        moved: base units that each period of the mandate finally moved.
        settled: how often each period was settled.
        pulled_in: status, and whether somebody asked, of every pull that was started.
        frozen: the subscription as it was when it ended.
        grids: which invoices bill periods of which anchor: resuming may begin anew within a paid period (C16).
    """

    now: datetime
    subscription: Subscription
    policy: RetryPolicy
    invoices: dict[str, Invoice] = field(default_factory=dict)
    intents: dict[str, ChargeIntent] = field(default_factory=dict)
    flying: dict[str, Charge] = field(default_factory=dict)
    settled_charges: dict[str, Charge] = field(default_factory=dict)
    balance: int = 100 * PRICE
    allowed: bool = True
    moved: dict[int, int] = field(default_factory=dict)
    settled: Counter[int] = field(default_factory=Counter)
    pulled_in: list[tuple[Status, bool]] = field(default_factory=list)
    frozen: Subscription | None = None
    grids: defaultdict[tuple[datetime, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    numbers: int = 0

    @classmethod
    def begin(cls, policy: RetryPolicy) -> "Life":
        """A subscription whose wallet has signed, with its first invoice."""
        life = cls(factories.NOW, subscriptions.create(factories.subscription(latest_invoice_id=None)).value, policy)
        life.bill(BillingReason.SUBSCRIPTION_CREATE, finalizes_at=life.now)
        return life

    # ------------------------------------------------------------------------------------------------ what happens

    def work(self) -> None:
        """Do everything that is due now."""
        for _ in range(_STEPS_MAX):
            duty = subscriptions.due(self.subscription, self.now)
            drafts = [i for i in self.invoices.values() if i.wake_at is not None and i.wake_at <= self.now]
            attempts = [i for i in self.intents.values() if i.wake_at is not None and i.wake_at <= self.now]
            if duty is Due.NOTHING and not drafts and not attempts:
                return
            self._serve(duty)
            for draft in drafts:
                if self.invoices[draft.id] == draft:
                    self.finalize(draft)
            for intent in attempts:
                if self.intents[intent.id] == intent:
                    self._attempt(intent)
        raise AssertionError("it does not come to rest")

    def _serve(self, duty: Due) -> None:
        s = self.subscription
        match duty:
            case Due.RENEW:
                upcoming = course.upcoming_period(s, self.now)
                wait = None if s.status is Status.UNPAID else self.now + DELAY
                made = self.draft(BillingReason.SUBSCRIPTION_CYCLE, upcoming.index, upcoming.start, upcoming.end, wait)
                self.become(course.begin_period(s, upcoming, made.id, self.now, notice=NOTICE).value)
            case Due.EXPIRE:
                self._expire()
            case Due.CANCEL:
                self.cancel(course.ending_reason(s, self.now))
            case Due.ANNOUNCE_RENEWAL:
                self.become(course.announce_renewal(s, self.now).value)
            case _:
                pass

    def _expire(self) -> None:
        latest = self.intent_of(self.subscription.latest_invoice_id)
        if latest is not None and latest.status is intents.Status.PROCESSING:
            self.become(course.await_broadcast(self.subscription, self.now + timedelta(minutes=5)).value)
            return
        self.become(subscriptions.expire(self.subscription, self.now).value)
        if latest is not None:
            self.drop(self.invoices[latest.invoice_id])

    def _attempt(self, intent: ChargeIntent) -> None:
        s, invoice = self.subscription, self.invoices[intent.invoice_id]
        asked = s.status is Status.UNPAID and intent.requested
        if invoice.status is not invoices.Status.OPEN or not (s.status in PULLED or asked):
            self.keep(intents.schedule(intent, None).value)
        elif not self.allowed or self.balance < PRICE:
            code = FailureCode.INSUFFICIENT_BALANCE if self.allowed else FailureCode.ALLOWANCE_REVOKED
            self._refuse(intent, code)
        else:
            charge = charges.attempt(self._charge(intent, charges.Status.PENDING, transaction_id="tx")).value
            self.pulled_in.append((s.status, asked))
            self.flying[charge.id] = charge
            self.keep(intents.start(intent, charge.id, self.now).value)

    def mined(self, fate: str) -> None:
        """The oldest pull under way has its outcome: `paid`, `failed` or `lost`."""
        charge = self.flying.pop(min(self.flying))
        intent = self.intents[charge.charge_intent_id]
        if fate == "paid" and self.allowed and self.balance >= PRICE:
            assert charge.mandate_period not in self.moved, "the contract moves no period twice"
            self.balance -= PRICE
            self.moved[charge.mandate_period] = PRICE
            done = charges.succeed(charge, factories.some_hash(charge.id), (1, factories.some_hash(1)), 0, self.now)
            self.settled_charges[charge.id] = done.value
            self.settled[charge.mandate_period] += 1
            self._take(outcome.collected(self._owed(intent), charge.id, {}, self.now))
        elif fate == "lost":
            charges.release(charge, WHY, self.now)
            self.keep(intents.postpone(intent, WHY, self.now, self.now).value)
        else:
            charges.fail(charge, WHY, None, self.now)
            self._refuse(intent, FailureCode.INSUFFICIENT_BALANCE, charge_id=charge.id)

    def undo(self, charge: Charge) -> None:
        """A final transfer is gone from the chain: what it paid is owed again."""
        charges.reverse(charge, WHY, self.now)
        del self.settled_charges[charge.id], self.moved[charge.mandate_period]
        self.settled[charge.mandate_period] -= 1
        self.balance += PRICE
        intent = self.intents[charge.charge_intent_id]
        self.keep(intents.schedule(intents.reverse(intent, WHY, self.now).value, self.now).value)
        self.invoices[intent.invoice_id] = invoices.reopen(self.invoices[intent.invoice_id], WHY, self.now).value
        if self.subscription.status is Status.ACTIVE and intent.invoice_id == self.subscription.latest_invoice_id:
            self.become(subscriptions.mark_past_due(self.subscription, WHY, self.now).value)

    # ------------------------------------------------------------------------------------------- what people ask for

    def cancel(self, reason: CancellationReason = CancellationReason.MERCHANT) -> None:
        self.become(subscriptions.cancel(self.subscription, reason, self.now).value)
        self.hold()

    def hold(self) -> None:
        """Let nothing happen by itself any more, except to a pull that is under way."""
        for invoice in self.invoices.values():
            if invoice.status is invoices.Status.DRAFT:
                self.invoices[invoice.id] = invoices.stop_advancing(invoice, self.now).value
        for intent in self.intents.values():
            if intent.wake_at is not None:
                self.keep(intents.schedule(intent, None).value)

    def pause(self) -> None:
        self.become(course.pause(self.subscription, self.now).value)
        self.hold()

    def resume(self, *, re_anchor: bool) -> None:
        newest = self.invoices.get(self.subscription.latest_invoice_id or "")
        owes = newest is not None and newest.status is invoices.Status.OPEN
        self.become(course.resume(self.subscription, self.now, re_anchor=re_anchor, owes=owes, notice=NOTICE).value)
        if owes and newest is not None:
            intent = self.intent_of(newest.id)
            if intent is not None and intent.status in intents.PAYABLE:
                self.keep(intents.confirm(intent, self.now).value)

    def pay(self, intent: ChargeIntent) -> None:
        subscriptions.modifiable(self.subscription)
        self.keep(intents.confirm(intent, self.now).value)

    def finalize(self, draft: Invoice) -> None:
        self.numbers += 1
        opened = invoices.finalize(draft, f"INV-{self.numbers:06d}", self.now)
        blank = factories.charge_intent(
            id=f"ci_{len(self.intents):04d}",
            invoice_id=draft.id,
            status=intents.Status.REQUIRES_PAYMENT_METHOD,
            mandate_period=1 + len(self.intents),
            created_at=self.now,
            requested=self.subscription.status is Status.UNPAID,
        )
        intent = intents.create(intents.plan_first_attempt(blank, self.now)).value
        self.keep(intent)
        self.invoices[draft.id] = invoices.attach_intent(opened, intent.id).value

    def void(self, invoice: Invoice) -> None:
        self.drop(invoice)
        s = self.subscription
        if invoice.billing_reason is BillingReason.SUBSCRIPTION_CREATE and s.status in (
            Status.PENDING,
            Status.INCOMPLETE,
        ):
            self.become(subscriptions.expire(s, self.now).value)
        elif invoice.id == s.latest_invoice_id and s.status in (Status.PAST_DUE, Status.UNPAID):
            self._walk(invoice)

    def _walk(self, voided: Invoice) -> None:
        older = [self._standing(one) for one in self.invoices.values() if one.id != voided.id]
        target = voiding.status_after(older, self.now)
        if target is Status.ACTIVE:
            self.become(voiding.excuse(self.subscription, WHY, self.now).value)
        elif target is Status.CANCELED:
            self.cancel(CancellationReason.PAYMENT_FAILED)
        elif target is Status.UNPAID and self.subscription.status is Status.PAST_DUE:
            self.become(subscriptions.mark_unpaid(self.subscription, WHY, self.now).value)

    def _standing(self, invoice: Invoice) -> Standing:
        intent = self.intent_of(invoice.id)
        over = intent is not None and intent.status is intents.Status.FAILED and intent.next_attempt_at is None
        policy = intent.policy if intent is not None and over else None
        return Standing(invoice=invoice, dunning_over=None if policy is None else policy.on_exhausted)

    def drop(self, invoice: Invoice) -> None:
        """Void an invoice, and pull nothing for it any more. A pull under way forbids it (ST-47)."""
        intent = self.intent_of(invoice.id)
        canceled = None if intent is None else intents.cancel(intent, WHY, self.now)
        self.invoices[invoice.id] = invoices.void(invoice, WHY, self.now).value
        if canceled is not None:
            self.keep(canceled.value)

    # ------------------------------------------------------------------------------------------------------ inside

    def become(self, after: Subscription) -> None:
        self.subscription = after
        if after.status in subscriptions.TERMINAL and self.frozen is None:
            self.frozen = after

    def keep(self, intent: ChargeIntent) -> None:
        self.intents[intent.id] = intent

    def intent_of(self, invoice_id: str | None) -> ChargeIntent | None:
        return next((intent for intent in self.intents.values() if intent.invoice_id == invoice_id), None)

    def bill(self, reason: BillingReason, *, finalizes_at: datetime | None) -> None:
        s = self.subscription
        made = self.draft(reason, s.period_index, s.period_start, s.period_end, finalizes_at)
        self.become(replace(s, latest_invoice_id=made.id))

    def draft(
        self, reason: BillingReason, index: int, start: datetime, end: datetime, finalizes_at: datetime | None
    ) -> Invoice:
        made = factories.draft_invoice(
            id=f"in_{len(self.invoices):04d}",
            billing_reason=reason,
            period_index=index,
            period_start=start,
            period_end=end,
            finalizes_at=finalizes_at,
            auto_advance=finalizes_at is not None,
            charge_intent_id=None,
            created_at=self.now,
        )
        self.invoices[made.id] = invoices.draft(made).value
        self.grids[self.subscription.anchor, self.subscription.periods_before].append(made.id)
        return made

    def _charge(self, intent: ChargeIntent, status: charges.Status, *, transaction_id: str | None) -> Charge:
        return factories.charge(
            id=f"ch_{len(self.pulled_in):04d}_{intent.id}",
            charge_intent_id=intent.id,
            invoice_id=intent.invoice_id,
            status=status,
            mandate_period=intent.mandate_period,
            transaction_id=transaction_id,
        )

    def _refuse(self, intent: ChargeIntent, code: FailureCode, *, charge_id: str = "ch_refused") -> None:
        assert failed(code, {}).action is not Action.WAIT
        self._take(
            outcome.refused(self._owed(intent), charge_id, code, {}, renewals=self.policy, grace=None, now=self.now)
        )

    def _owed(self, intent: ChargeIntent) -> outcome.Owed:
        invoice = self.invoices[intent.invoice_id]
        newest = max((i.id for i in self.invoices.values() if i.status is invoices.Status.OPEN), default=invoice.id)
        return outcome.Owed(
            intent=intent, invoice=invoice, subscription=self.subscription, is_newest=newest <= invoice.id
        )

    def _take(self, result: outcome.Outcome) -> None:
        self.keep(result.intent.value)
        self.invoices[result.invoice.value.id] = result.invoice.value
        for moved in result.subscription:
            self.become(moved.value)
