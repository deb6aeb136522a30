"""What somebody who has signed in does with a subscription: cancel, keep, pause, resume, change plan or wallet.

Each looks first whether it is theirs (`PayerScope`), then whether the merchant lets its customers do it; what follows
is what the merchant's own request would do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.db import catalog, payers, portal_configurations
from gateway.db.engine import Connection
from gateway.domain.cancellation import CancellationDetails
from gateway.domain.catalog import Price, Product
from gateway.domain.checkout import CheckoutSession
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.portal import PayerScope
from gateway.domain.portal_configuration import CancelMode, Features
from gateway.domain.subscription import CancellationReason, Subscription
from gateway.services import another_wallet, pauses, subscriptions, times
from gateway.services.gateway import Gateway
from gateway.services.item_changes import ItemChange
from gateway.services.plan_changes import TermsRequest
from gateway.services.recording import Origin
from gateway.services.subscriptions import SubscriptionChanges

COMMENT_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who does what to which subscription. `configuration_id`: what the merchant that sent them here allows."""

    payer: PayerScope
    subscription_id: str
    configuration_id: str | None
    system_now: datetime
    origin: Origin


@dataclass(frozen=True, slots=True)
class _Allowed:
    subscription: Subscription
    features: Features
    now: datetime


async def _allowed(conn: Connection, act: Act) -> _Allowed:
    """The subscription, what may be done with it, and its time.

    Raises:
        NotFound: it is not theirs, or there is none: the answer is the same.
    """
    found = await payers.subscription_of(conn, act.payer, act.subscription_id)
    if found is None:
        raise NotFound("subscription", act.subscription_id)
    return _Allowed(
        found,
        await features_of(conn, found, act.configuration_id),
        await times.of_clock(conn, found.test_clock_id, act.system_now),
    )


async def features_of(conn: Connection, subscription: Subscription, configuration_id: str | None) -> Features:
    """What a merchant allows: by the configuration that it sent its customer with, else by its default one."""
    named = None
    if configuration_id is not None:
        named = await portal_configurations.get(conn, subscription.scope, configuration_id)
    chosen = named or await portal_configurations.default_of(conn, subscription.scope)
    return Features() if chosen is None else chosen.features


def _refuse_unless(allowed: bool, what: str) -> None:  # noqa: FBT001 - a condition
    if not allowed:
        raise InvalidRequest(f"The merchant does not offer this here: {what}.", code="portal_feature_disabled")


async def cancel(
    conn: Connection, gateway: Gateway, act: Act, *, at_once: bool, sent: Mapping[str, str]
) -> Subscription:
    """End a subscription, now or with its period (SX-13, SX-19).

    Raises:
        InvalidRequest: it is over, or the merchant does not let its customers do this here.
        NotFound: it is not theirs.
    """
    may = await _allowed(conn, act)
    _refuse_unless(may.features.cancel.enabled, "canceling")
    _refuse_unless(not at_once or may.features.cancel.mode is CancelMode.IMMEDIATELY, "canceling at once")
    details = details_of(sent, may.features)
    if at_once:
        return await subscriptions.cancel(
            conn,
            gateway,
            scope=may.subscription.scope,
            subscription_id=may.subscription.id,
            reason=CancellationReason.CUSTOMER,
            details=details,
            now=may.now,
            origin=act.origin,
        )
    changes = SubscriptionChanges(given=frozenset({"cancel_at_period_end"}), cancel_at_period_end=True, details=details)
    return await _update(conn, gateway, may, changes, act.origin)


async def keep(conn: Connection, gateway: Gateway, act: Act) -> Subscription:
    """Take a cancellation at the period's end back.

    Raises:
        InvalidRequest: it is over.
        NotFound: it is not theirs.
    """
    may = await _allowed(conn, act)
    _refuse_unless(may.features.cancel.enabled, "canceling")
    _refuse_unless(may.subscription.cancel_at_period_end, "keeping what is not canceled")
    changes = SubscriptionChanges(given=frozenset({"cancel_at_period_end"}), cancel_at_period_end=False)
    return await _update(conn, gateway, may, changes, act.origin)


async def pause(conn: Connection, gateway: Gateway, act: Act) -> Subscription:
    """Stop billing for a while (PM-18).

    Raises:
        InvalidRequest: it cannot be paused, or not here.
        NotFound: it is not theirs.
    """
    may = await _allowed(conn, act)
    _refuse_unless(may.features.pause, "pausing")
    s = may.subscription
    return await pauses.pause(conn, gateway, scope=s.scope, subscription_id=s.id, now=may.now, origin=act.origin)


async def resume(conn: Connection, gateway: Gateway, act: Act) -> Subscription:
    """Go on after a pause, on the old days.

    Raises:
        InvalidRequest: it is not paused, or resuming is not the customer's here.
        NotFound: it is not theirs.
    """
    may = await _allowed(conn, act)
    _refuse_unless(may.features.pause, "pausing")
    s = may.subscription
    return await pauses.resume(
        conn, gateway, scope=s.scope, subscription_id=s.id, re_anchor=False, now=may.now, origin=act.origin
    )


async def plans(conn: Connection, subscription: Subscription, features: Features) -> list[tuple[Price, Product]]:
    """Prices that a subscription may be changed to, in the merchant's order; none where it has several items."""
    if not features.plan.enabled or len(subscription.items) != 1:
        return []
    [item] = subscription.items
    prices = await catalog.get_prices(conn, subscription.scope, features.plan.price_ids)
    products = await catalog.get_products(conn, subscription.scope, [price.product_id for price in prices.values()])
    return [
        (price, products[price.product_id])
        for price_id in features.plan.price_ids
        if (price := prices.get(price_id)) is not None
        and price.active
        and products[price.product_id].active
        and price.interval is not None
        and price.currency == subscription.currency
        and price.id != item.price_id
    ]


async def change_plan(conn: Connection, gateway: Gateway, act: Act, *, price_id: str) -> Subscription:
    """Change to another price that the merchant offers; above what is signed it waits for the wallet.

    Raises:
        InvalidRequest: the price is not offered here, or the change cannot be made.
        NotFound: it is not theirs.
    """
    may = await _allowed(conn, act)
    offered = {price.id for price, _ in await plans(conn, may.subscription, may.features)}
    _refuse_unless(price_id in offered, "this plan")
    item = ItemChange(id=may.subscription.items[0].id, price_id=price_id)
    terms = TermsRequest(items=[item], proration=may.features.plan.proration)
    changes = SubscriptionChanges(given=frozenset({"terms"}), terms=terms)
    return await _update(conn, gateway, may, changes, act.origin)


async def change_wallet(conn: Connection, gateway: Gateway, act: Act, *, back_to: str) -> CheckoutSession:
    """Open the page on which another wallet, token or chain is set up for a subscription, or the same one signs anew.

    Raises:
        InvalidRequest: it is over, or the merchant does not let its customers do this here.
        NotFound: it is not theirs.
    """
    may = await _allowed(conn, act)
    waits = may.subscription.pending_update is not None or may.subscription.pending_setup_intent_id is not None
    _refuse_unless(may.features.payment_method_update or waits, "another wallet")
    return await another_wallet.page_for(
        conn, gateway, may.subscription, back_to=back_to, now=may.now, origin=act.origin
    )


async def _update(
    conn: Connection, gateway: Gateway, may: _Allowed, changes: SubscriptionChanges, origin: Origin
) -> Subscription:
    s = may.subscription
    return await subscriptions.update(
        conn, gateway, scope=s.scope, subscription_id=s.id, changes=changes, now=may.now, origin=origin
    )


def details_of(sent: Mapping[str, str], allowed: Features) -> CancellationDetails:
    """What was said about leaving; a reason that was not offered is none."""
    feedback = next((option for option in allowed.cancel.options if option.value == sent.get("feedback")), None)
    comment = sent.get("comment", "").strip()[:COMMENT_MAX]
    return CancellationDetails(comment=comment or None, feedback=feedback if allowed.cancel.asks_reason else None)
