"""Changing what a living subscription is billed by (ST-57): at once within what the wallet signed, else when it does.

A change that costs more per period than the mandate allows, or that needs another grid of periods, is written down as
the subscription's pending update, and a setup intent asks the wallet for a mandate; until that is registered, and
finally so, the old terms go on. What takes effect is written down in sets, by `services/plan_effects`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.db import catalog, mandates, setup_intents
from gateway.db.engine import Connection
from gateway.domain import course, plan_change
from gateway.domain import setup_intent as setup_domain
from gateway.domain.errors import Conflict, InvalidRequest
from gateway.domain.mandate import Mandate
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.money import to_base_units
from gateway.domain.period import to_unix
from gateway.domain.proration import ProrationBehavior
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.subscription import CollectionMethod, Status, Subscription
from gateway.domain.terms import UPDATE_WINDOW, PendingUpdate
from gateway.domain.transition import StatusReason
from gateway.services import discounts as discount_services
from gateway.services import invoicing, item_changes, pending_updates, plan_effects, tax_rates
from gateway.services import mandates as mandate_services
from gateway.services import setup_intents as setups
from gateway.services.changes import Changes
from gateway.services.discounts import DiscountRequest
from gateway.services.gateway import Gateway
from gateway.services.item_changes import ItemChange
from gateway.services.items import common_interval
from gateway.services.plan_effects import Effect
from gateway.services.proration import Change

_METHOD: Final = "default_payment_method"


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsRequest:
    """A change as asked for; what is None stays as it is.

    Attributes:
        ends_trial: the trial ends now; `trial_end` gives it another end.
        waits: a change that needs the wallet's signature waits for it; otherwise it is refused.
    """

    items: Sequence[ItemChange] | None = None
    discounts: Sequence[DiscountRequest] | None = None
    tax_rate_ids: Sequence[str] | None = None
    trial_end: datetime | None = None
    ends_trial: bool = False
    proration: ProrationBehavior = ProrationBehavior.CREATE_PRORATIONS
    prorated_at: datetime | None = None
    waits: bool = True

    @property
    def moves_trial(self) -> bool:
        """Whether the end of the trial is asked to be another."""
        return self.ends_trial or self.trial_end is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A change as checked.

    Attributes:
        before, after: minor units of a whole period, passing discounts apart.
        trial_end: that the trial gets; None: its own.
    """

    change: Change
    rows: invoicing.Terms
    before: int
    after: int
    trial_end: datetime | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing would be different."""
        s = self.change.subscription
        return self.change.terms == plan_change.terms_of(s) and self.trial_end in (None, s.trial_end)


async def resolve(conn: Connection, subscription: Subscription, request: TermsRequest, now: datetime) -> Resolved:
    """Check a change and say what it costs. Coupons that it names are redeemed.

    Raises:
        InvalidRequest: something named cannot be used, or the subscription cannot be changed so as it stands.
        NotFound: something named does not exist.
    """
    s = subscription
    terms = plan_change.terms_of(s)
    if request.items is not None:
        _check_status(s, request)
        items, prices = await item_changes.resolve(conn, s, request.items, now)
        interval = common_interval(list(prices.values()))
        terms = replace(terms, items=items, interval=interval)
    if request.discounts is not None:
        redeemed = await discount_services.redeem(
            conn,
            scope=s.scope,
            customer_id=s.customer_id,
            currency=s.currency,
            requests=request.discounts,
            now=now,
            held=s.discounts,
        )
        terms = replace(terms, discounts=redeemed)
    if request.tax_rate_ids is not None:
        rate_ids = tax_rates.distinct(request.tax_rate_ids, param="default_tax_rates")
        await tax_rates.usable(
            conn, s.scope, [rate for rate in rate_ids if rate not in s.tax_rate_ids], param="default_tax_rates"
        )
        terms = replace(terms, tax_rate_ids=rate_ids)
    trial_end = None
    if request.moves_trial:
        trial_end = plan_change.trial_end_of(s, None if request.ends_trial else request.trial_end, now)
        await _check_prescribed(conn, s, trial_end)
    _check_proration(s, request, now)
    after = plan_change.with_terms(s, terms)
    rows = await invoicing.terms_of(conn, [s, after], lock=False)
    return Resolved(
        change=Change(subscription=s, terms=terms, at=now, behavior=request.proration, prorated_at=request.prorated_at),
        rows=rows,
        before=invoicing.recurring_total(s, rows, now),
        after=invoicing.recurring_total(after, rows, now),
        trial_end=trial_end,
    )


def _check_status(s: Subscription, request: TermsRequest) -> None:
    """Refuse where a change of items would mean something else than it says."""
    match s.status:
        case Status.PENDING | Status.INCOMPLETE if s.period_index:
            raise InvalidRequest(
                f"Subscription '{s.id}' waits for its first payment; its items can be changed once that is made. "
                "Cancel it and create another one instead.",
                code="subscription_first_payment_open",
                param="items",
            )
        case Status.PAUSED:
            raise InvalidRequest(
                f"Subscription '{s.id}' is paused. Resume it before its items are changed.",
                code="subscription_paused",
                param="items",
            )
        case Status.UNPAID if request.proration is not ProrationBehavior.NONE:
            raise InvalidRequest(
                f"Subscription '{s.id}' is unpaid: nothing was paid that could be prorated. "
                "Use proration_behavior=none.",
                code="subscription_unpaid",
                param="proration_behavior",
            )
        case _:
            pass


def _check_proration(s: Subscription, request: TermsRequest, now: datetime) -> None:
    at = request.prorated_at
    if at is None:
        return
    if request.items is None or request.proration is ProrationBehavior.NONE:
        raise InvalidRequest(
            "proration_date goes with items that are prorated.", code="parameter_conflict", param="proration_date"
        )
    if not s.period_start <= at <= max(s.period_end, now):
        raise InvalidRequest(
            f"proration_date must lie in the current period, from {to_unix(s.period_start)} to "
            f"{to_unix(s.period_end)}.",
            code="invalid_proration_date",
            param="proration_date",
        )


async def _check_prescribed(conn: Connection, s: Subscription, trial_end: datetime) -> None:
    """A trial that a product prescribes must be used (SX-08); it may be made longer."""
    prices = await catalog.get_prices(conn, s.scope, [item.price_id for item in s.items])
    products = await catalog.get_products(conn, s.scope, sorted({price.product_id for price in prices.values()}))
    days = max((product.trial_period_days or 0 for product in products.values()), default=0)
    if s.trial_start is not None and (trial_end - s.trial_start).days < days:
        raise InvalidRequest(
            f"The product has a trial of {days} days, which must be used.", code="trial_mandatory", param="trial_end"
        )


async def change(
    conn: Connection,
    gateway: Gateway,
    subscription: Subscription,
    request: TermsRequest,
    *,
    method_id: str | None,
    now: datetime,
    changes: Changes,
) -> Subscription:
    """Change the terms of a locked subscription, at once or pending the wallet's signature (`pending_update`).

    `method_id` names the wallet that is to pay from then on; None leaves it to the one that pays. An earlier change
    that was waiting is withdrawn; naming the terms that hold already does nothing else.

    Raises:
        Conflict: the mandate of an earlier change is being registered right now.
        InvalidRequest: the change cannot be made (`resolve`), or there is no wallet to ask.
        NotFound: something named does not exist.
    """
    now = now.replace(microsecond=0)
    resolved = await resolve(conn, subscription, request, now)
    await _open_setups(conn, subscription, changes)
    s = await pending_updates.withdraw(conn, subscription, now, changes)
    resolved = replace(resolved, change=replace(resolved.change, subscription=s))
    if resolved.is_nothing:
        return s
    mandate = await mandate_of(conn, s)
    if fits(gateway, resolved, mandate):
        return await _at_once(conn, gateway, resolved, changes)
    if s.period_index == 0 and (mandate is None or mandate.status is MandateStatus.PENDING):
        return await _ask_anew(conn, gateway, resolved, method_id, changes)
    if not request.waits:
        raise InvalidRequest(
            f"This change of subscription '{s.id}' needs the wallet's signature: it costs more than the wallet has "
            "allowed, or bills at other times. Use payment_behavior=pending_if_incomplete.",
            code="signature_required",
            param="payment_behavior",
        )
    return await _propose(conn, gateway, resolved, method_id, changes)


async def mandate_of(conn: Connection, subscription: Subscription) -> Mandate | None:
    """The mandate that a subscription draws on."""
    wanted = subscription.mandate_id
    return None if wanted is None else (await mandates.load(conn, [wanted])).get(wanted)


def fits(gateway: Gateway, resolved: Resolved, mandate: Mandate | None) -> bool:
    """Whether what the wallet has signed, if it has, is enough: for the amount, the grid, and from when on."""
    s, terms = resolved.change.subscription, resolved.change.terms
    if resolved.after == 0 or s.collection_method is CollectionMethod.SEND_INVOICE:
        return True
    if mandate is None:
        return s.period_index > 0 and resolved.after <= resolved.before
    if mandate.status is MandateStatus.PENDING and s.period_index == 0:
        same = plan_change.same_length(terms, plan_change.terms_of(s))
        return same and resolved.trial_end is None and resolved.after == resolved.before
    if resolved.trial_end is not None and mandate.terms.start > to_unix(resolved.trial_end):
        return False
    if (mandate.terms.unit, mandate.terms.every) != terms.interval.on_chain:
        return False
    token = gateway.token(mandate.chain_id, mandate.terms.token)
    units = to_base_units(resolved.after, s.currency, token)
    return units <= mandate.terms.amount or resolved.after <= resolved.before


async def _at_once(conn: Connection, gateway: Gateway, resolved: Resolved, changes: Changes) -> Subscription:
    effect = Effect(change=resolved.change, trial_end=resolved.trial_end)
    await plan_effects.take_effect(conn, gateway, [effect], changes)
    return changes.current(resolved.change.subscription)


async def _ask_anew(
    conn: Connection, gateway: Gateway, resolved: Resolved, method_id: str | None, changes: Changes
) -> Subscription:
    """Nothing was signed and nothing is billed yet: the change holds at once, and the wallet is asked for it."""
    s, now = resolved.change.subscription, resolved.change.at
    setups_open = await _open_setups(conn, s, changes)
    wallet = _wallet(s, method_id, setups_open)
    mandate = None
    if wallet is not None:
        _cancel(setups_open, now, changes)
        method = await setups.method_of(conn, s.scope, s.customer_id, wallet, param=_METHOD)
        after = plan_change.with_terms(s, resolved.change.terms)
        after = after if resolved.trial_end is None else replace(after, anchor=resolved.trial_end)
        asked_for = await mandate_services.ask(conn, gateway, after, method, total=resolved.after, now=now)
        mandate = changes.insert(asked_for)
    effect = Effect(change=resolved.change, trial_end=resolved.trial_end, unsigned=mandate)
    await plan_effects.take_effect(conn, gateway, [effect], changes)
    after = changes.current(s)
    if wallet is None and not setups_open and after.period_end > now:
        setup = changes.insert(setups.begin(after, None, now))
        after = changes.update(course.await_setup(after, setup.id, now))
    return after


async def _propose(
    conn: Connection, gateway: Gateway, resolved: Resolved, method_id: str | None, changes: Changes
) -> Subscription:
    """Ask the wallet for a mandate for the new terms; the old ones go on until it is registered."""
    s, now = resolved.change.subscription, resolved.change.at
    if s.status in {Status.UNPAID, Status.PAUSED}:
        raise InvalidRequest(
            f"Subscription '{s.id}' is {s.status}: a change that needs the wallet's signature has to wait until it is "
            "active again.",
            code=f"subscription_{s.status}",
        )
    setups_open = await _open_setups(conn, s, changes)
    wallet = _wallet(s, method_id, setups_open)
    if wallet is None:
        raise InvalidRequest(
            "This change needs a wallet's signature, and the subscription has no payment method. "
            "Give default_payment_method.",
            code="payment_method_missing",
            param=_METHOD,
        )
    _cancel(setups_open, now, changes)
    method = await setups.method_of(conn, s.scope, s.customer_id, wallet, param=_METHOD)
    setup = setups.blank(s, now)
    update = PendingUpdate(
        terms=resolved.change.terms,
        expires_at=now + UPDATE_WINDOW,
        setup_intent_id=setup.id,
        proration=resolved.change.behavior,
        proration_at=resolved.change.prorated_at,
        trial_end=resolved.trial_end,
    )
    mandate = changes.insert(
        await mandate_services.ask(
            conn,
            gateway,
            plan_change.with_terms(s, update.terms),
            method,
            total=resolved.after,
            start=plan_change.mandate_start(s, update, now),
            now=now,
        )
    )
    changes.insert(setup_domain.create(setup_domain.with_mandate(setup, mandate)))
    return changes.update(plan_change.propose(s, update, now))


def _wallet(s: Subscription, method_id: str | None, asked: Sequence[SetupIntent]) -> str | None:
    """The payment method to ask: as named, else the one that was asked last, else the one that pays."""
    asked_last = next((setup.payment_method_id for setup in reversed(asked) if setup.payment_method_id), None)
    return method_id or asked_last or s.payment_method_id


async def _open_setups(conn: Connection, s: Subscription, changes: Changes) -> list[SetupIntent]:
    """Setup intents that ask for another mandate still.

    Raises:
        Conflict: one is being registered right now.
    """
    found = [changes.current(read) for read in await setup_intents.open_of_subscriptions(conn, [s.id], lock=True)]
    for setup in found:
        if setup.status is setup_domain.Status.PROCESSING:
            raise Conflict(
                f"Setup intent '{setup.id}' is being registered; wait for its outcome.",
                code="setup_intent_processing",
                param="items",
            )
    return [setup for setup in found if setup.status in setup_domain.OPEN]


def _cancel(asked: Sequence[SetupIntent], now: datetime, changes: Changes) -> None:
    for setup in asked:
        changes.update(setup_domain.cancel(setup, StatusReason("terms_changed"), now))
