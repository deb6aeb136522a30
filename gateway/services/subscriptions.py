"""Creating, changing and ending subscriptions at a merchant's request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.db import accounts, catalog, subscriptions
from gateway.db.engine import Connection
from gateway.domain import subscription as domain
from gateway.domain import trial_end
from gateway.domain.beginning import Schedule
from gateway.domain.cancellation import CancellationDetails
from gateway.domain.catalog import Customer, PaymentMethod, Price, Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.invoice import BillingReason
from gateway.domain.mandate import Mandate
from gateway.domain.money import AMOUNT_MAX
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import CancellationReason, CollectionMethod, Subscription
from gateway.domain.terms import MissingPaymentMethod
from gateway.domain.transition import Moved
from gateway.services import (
    beginnings,
    billing,
    collection_methods,
    invoicing,
    method_changes,
    plan_changes,
    setup_intents,
)
from gateway.services import discounts as discount_services
from gateway.services import mandates as mandate_services
from gateway.services import tax_rates as tax_rate_services
from gateway.services.beginnings import Plan
from gateway.services.changes import Changes
from gateway.services.collection_methods import CollectionChange
from gateway.services.discounts import DiscountRequest
from gateway.services.gateway import Gateway
from gateway.services.invoicing import Bill
from gateway.services.items import NewItem, choose, common_interval
from gateway.services.plan_changes import TermsRequest
from gateway.services.recording import Origin

AT_ONCE: Final = Schedule()
_CAP: Final = "mandate_options[amount]"


class PaymentBehavior(StrEnum):
    """What happens when the first payment needs the wallet (C03)."""

    ALLOW_INCOMPLETE = "allow_incomplete"
    DEFAULT_INCOMPLETE = "default_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChanges:
    """What to change; a field that is absent from `given` stays as it is."""

    given: frozenset[str]
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    details: CancellationDetails | None = None
    default_payment_method_id: str | None = None
    terms: TermsRequest | None = None
    missing_payment_method: MissingPaymentMethod | None = None
    collection: CollectionChange | None = None


_ELSEWHERE: Final = frozenset({method_changes.PARAM, "terms", "trial_settings", *collection_methods.PARAMS})
"""Fields that other modules see to."""


async def create(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    customer_id: str,
    items: Sequence[NewItem],
    default_payment_method_id: str | None = None,
    payment_behavior: PaymentBehavior = PaymentBehavior.ALLOW_INCOMPLETE,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
    cancel_at: datetime | None = None,
    end_param: str = "cancel_at",
    cancel_at_period_end: bool = False,
    schedule: Schedule = AT_ONCE,
    missing_payment_method: MissingPaymentMethod = MissingPaymentMethod.CREATE_INVOICE,
    discounts: Sequence[DiscountRequest] = (),
    default_tax_rate_ids: Sequence[str] = (),
    mandate_amount: int | None = None,
    salt: int | None = None,
    collection_method: CollectionMethod = CollectionMethod.CHARGE_AUTOMATICALLY,
    days_until_due: int | None = None,
    now: datetime,
    origin: Origin,
) -> Subscription:
    """Open a subscription, finalise its first invoice, and ask the wallet for a mandate (MX-14 to MX-17, FR-16 on).

    It is `incomplete` at the end, waiting for the wallet, unless nothing is owed. Where the first period is still to
    come, there is no invoice: a setup intent asks for the mandate (ST-24, ST-25). Everything is one transaction.
    One whose invoices are sent asks no wallet for anything, and is active once its first invoice is sent (ST-76).
    `mandate_amount` is what the wallet is asked to allow per period, where usage may cost more than prices say (ST-74).
    With the `now` and the `salt` of an earlier rehearsal, it asks for exactly the mandate that was shown then.

    Raises:
        InvalidRequest: a product or price is inactive, prices do not go together, or the payment method is missing or
            cannot pay this.
        NotFound: customer, price or payment method do not exist.
    """
    now = now.replace(microsecond=0)
    customer = await _customer(conn, scope, customer_id)
    chosen, prices = await choose(conn, scope, items, now)
    is_sent = collection_method is CollectionMethod.SEND_INVOICE
    days = await collection_methods.days(conn, scope, collection_method, days_until_due)
    behavior = PaymentBehavior.DEFAULT_INCOMPLETE if is_sent else payment_behavior
    method = await _payment_method(conn, customer, default_payment_method_id, behavior)
    plan = Plan(chosen, prices, common_interval(list(prices.values())), method, salt)
    beginning = await beginnings.beginning_of(conn, customer, plan, schedule, now)
    _check_end(cancel_at, max(now, beginning.anchor), end_param)
    account = await accounts.get(conn, scope.account_id)
    notice = (AccountSettings() if account is None else account.settings).upcoming_notice
    blank = beginnings.blank(customer, plan, beginning, notice, now)
    fresh = replace(
        blank,
        description=description,
        metadata=dict(metadata or {}),
        start_at=schedule.start_date or blank.start_at,
        ends_at=beginnings.end_of_first(blank) if cancel_at_period_end else cancel_at,
        cancel_at_period_end=cancel_at_period_end,
        collection_method=collection_method,
        days_until_due=days,
        mandate_amount=_cap(mandate_amount, prices, is_needed=not is_sent),
        missing_payment_method=missing_payment_method,
    )
    opened = domain.create(await _reduced_and_taxed(conn, fresh, discounts, default_tax_rate_ids))
    if beginning.has_begun:
        return await _bill_first_period(conn, gateway, opened, plan, origin=origin)
    return await _set_up(conn, gateway, opened, plan, origin=origin)


def _cap(amount: int | None, prices: Mapping[str, Price], *, is_needed: bool) -> int | None:
    """What a period may cost at most; the merchant has to say it where a wallet is charged for usage."""
    if amount is None and is_needed and any(price.meter_id is not None for price in prices.values()):
        raise InvalidRequest(
            "What usage will cost is not known beforehand: say what a period may cost at most.",
            code="parameter_missing",
            param=_CAP,
        )
    if amount is not None and not 0 < amount <= AMOUNT_MAX:
        raise InvalidRequest(f"{_CAP} must be between 1 and {AMOUNT_MAX}.", code="invalid_amount", param=_CAP)
    return amount


def _check_cap(subscription: Subscription, needed: int) -> None:
    if subscription.mandate_amount is not None and subscription.mandate_amount < needed:
        raise InvalidRequest(
            f"{_CAP} is less than a period costs without any usage: {needed}.", code="mandate_amount_low", param=_CAP
        )


def _check_end(ends_at: datetime | None, after: datetime, param: str) -> None:
    if ends_at is not None and ends_at <= after:
        raise InvalidRequest(
            f"{param} must be in the future, and after the first period has begun.",
            code="invalid_cancel_at",
            param=param,
        )


async def _reduced_and_taxed(
    conn: Connection, subscription: Subscription, discounts: Sequence[DiscountRequest], rate_ids: Sequence[str]
) -> Subscription:
    """Apply the coupons and tax rates that a new subscription asks for (ST-04, ST-73)."""
    await tax_rate_services.usable(conn, subscription.scope, rate_ids, param="default_tax_rates")
    redeemed = await discount_services.redeem(
        conn,
        scope=subscription.scope,
        customer_id=subscription.customer_id,
        currency=subscription.currency,
        requests=discounts,
        now=subscription.created_at,
    )
    return replace(subscription, discounts=redeemed, tax_rate_ids=tuple(rate_ids))


async def _bill_first_period(
    conn: Connection, gateway: Gateway, opened: Moved[Subscription], plan: Plan, *, origin: Origin
) -> Subscription:
    now = opened.value.created_at
    bill = Bill(
        subscription=opened.value,
        billed=opened.value.current_period,
        reason=BillingReason.SUBSCRIPTION_CREATE,
        now=now,
    )
    changes = Changes()
    terms = await invoicing.terms_of(conn, [opened.value])
    composed = invoicing.compose(bill, terms)
    invoice = composed.invoice
    _check_cap(opened.value, max(invoice.total, invoicing.licensed_total(opened.value, terms, now)))
    subscription = replace(opened.value, latest_invoice_id=invoice.id, discounts=composed.discounts_left)
    prepared: dict[str, Mandate] = {}
    cap = 0 if invoice.is_sent else max(invoice.total, invoicing.recurring_total(opened.value, terms, now))
    mandate = None
    if plan.method is not None and cap:
        mandate = changes.insert(
            await mandate_services.ask(conn, gateway, subscription, plan.method, total=cap, salt=plan.salt, now=now)
        )
        prepared[mandate.id] = mandate
        subscription = replace(subscription, mandate_id=mandate.id)
    if cap and not invoice.total:
        # Nothing is owed yet, but will be: the wallet is asked beforehand (ST-24, ST-25).
        setup = setup_intents.begin(subscription, mandate, now)
        subscription = replace(subscription, pending_setup_intent_id=setup.value.id)
        changes.insert(setup)
    changes.insert(replace(opened, value=subscription))
    changes.announced.extend(discount_services.announced(subscription, (), opened.value.discounts, now))
    await invoicing.take(conn, [composed], changes)
    await billing.finalize(conn, gateway, [(invoice, subscription, now)], changes, prepared=prepared)
    await changes.write(conn, gateway, origin)
    return changes.current(subscription)


async def _set_up(
    conn: Connection, gateway: Gateway, opened: Moved[Subscription], plan: Plan, *, origin: Origin
) -> Subscription:
    """Ask for the mandate that the first period will need; nothing is owed until then (SX-06, ST-25)."""
    subscription, now = opened.value, opened.value.created_at
    changes = Changes()
    total = invoicing.recurring_total(subscription, await invoicing.terms_of(conn, [subscription], lock=False), now)
    if total and subscription.collection_method is CollectionMethod.CHARGE_AUTOMATICALLY:
        mandate = None
        if plan.method is not None:
            mandate = changes.insert(
                await mandate_services.ask(
                    conn, gateway, subscription, plan.method, total=total, salt=plan.salt, now=now
                )
            )
        intent = setup_intents.begin(subscription, mandate, now)
        subscription = replace(
            subscription,
            mandate_id=None if mandate is None else mandate.id,
            pending_setup_intent_id=intent.value.id,
        )
        changes.insert(replace(opened, value=subscription))
        changes.insert(intent)
    else:
        changes.insert(opened)
    changes.announced.extend(discount_services.announced(subscription, (), subscription.discounts, now))
    await changes.write(conn, gateway, origin)
    return subscription


async def _customer(conn: Connection, scope: Scope, customer_id: str) -> Customer:
    customer = await catalog.get_customer(conn, scope, customer_id)
    if customer is None or customer.deleted:
        raise NotFound("customer", customer_id, param="customer")
    return customer


async def _payment_method(
    conn: Connection, customer: Customer, method_id: str | None, behavior: PaymentBehavior
) -> PaymentMethod | None:
    """The method to pay with (C02, C03): as given, else the customer's default."""
    param = "default_payment_method"
    wanted = method_id or customer.default_payment_method_id
    if wanted is None:
        if behavior is PaymentBehavior.DEFAULT_INCOMPLETE:
            return None
        raise InvalidRequest(
            "This customer has no payment method. Attach one and give it as default_payment_method, "
            "or use payment_behavior=default_incomplete.",
            code="payment_method_missing",
            param=param,
        )
    return await setup_intents.method_of(conn, customer.scope, customer.id, wanted, param=param)


async def update(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    subscription_id: str,
    changes: SubscriptionChanges,
    now: datetime,
    origin: Origin,
) -> Subscription:
    """Change what may be changed while it lives; a canceled one is frozen, metadata included (C11).

    Raises:
        InvalidRequest: it is over, or the new end is not in the future.
        NotFound: there is no such subscription.
    """
    before = await _locked(conn, scope, subscription_id)
    ends_at, at_period_end = before.ends_at, before.cancel_at_period_end
    if "cancel_at" in changes.given:
        ends_at, at_period_end = changes.cancel_at, False
        if ends_at is not None and ends_at <= now:
            raise InvalidRequest("cancel_at must be in the future.", code="invalid_cancel_at", param="cancel_at")
    if "cancel_at_period_end" in changes.given:
        at_period_end = changes.cancel_at_period_end
        ends_at = before.period_end if at_period_end else None
    moved = Changes()
    after = before
    changed = domain.change(
        before,
        description=changes.description if "description" in changes.given else before.description,
        metadata=changes.metadata if "metadata" in changes.given else before.metadata,
        ends_at=ends_at,
        cancel_at_period_end=at_period_end,
        details=changes.details,
        now=now,
    )
    if changes.given - _ELSEWHERE or not changes.given:
        after = moved.update(changed)
    if changes.missing_payment_method is not None:
        after = moved.update(trial_end.decide(after, changes.missing_payment_method, now))
    wanted = changes.default_payment_method_id
    if changes.terms is not None:
        after = await plan_changes.change(conn, gateway, after, changes.terms, method_id=wanted, now=now, changes=moved)
    if changes.collection is not None:
        after = await collection_methods.change(
            conn, gateway, after, changes.collection, method_id=wanted, now=now, changes=moved
        )
    is_asked = after.pending_setup_intent_id not in (None, before.pending_setup_intent_id)
    if method_changes.PARAM in changes.given and not is_asked:
        after = await method_changes.ask(conn, gateway, after, wanted, now=now, changes=moved)
    await moved.write(conn, gateway, origin)
    return after


async def cancel(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    subscription_id: str,
    reason: CancellationReason = CancellationReason.MERCHANT,
    details: CancellationDetails | None = None,
    now: datetime,
    origin: Origin,
) -> Subscription:
    """End a subscription now (FR-24, ST-38): nothing new is billed or pulled; a pull under way still resolves.

    Raises:
        InvalidRequest: it is over already.
        NotFound: there is no such subscription.
    """
    before = await _locked(conn, scope, subscription_id)
    domain.modifiable(before)
    changes = Changes()
    after = changes.update(domain.cancel(before, reason, now, details=details))
    await billing.stop_collecting(conn, {before.id: now}, changes)
    await changes.write(conn, gateway, origin)
    return after


async def _locked(conn: Connection, scope: Scope, subscription_id: str) -> Subscription:
    found = await subscriptions.get(conn, scope, subscription_id, lock=True)
    if found is None:
        raise NotFound("subscription", subscription_id)
    return found
