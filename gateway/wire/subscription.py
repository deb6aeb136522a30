"""Subscriptions and their items on the wire; periods stand on both, where older and newer clients look."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from gateway.domain.mandate import USABLE
from gateway.domain.period import to_unix
from gateway.domain.plan_change import OwnedItem
from gateway.domain.subscription import TERMINAL, Subscription
from gateway.domain.terms import SubscriptionItem
from gateway.wire import catalog, pricing
from gateway.wire.common import ListOf, Reason, reason, unix
from gateway.wire.mandate import WalletCallObject, revocation
from gateway.wire.related import Related


class SubscriptionItemObject(Struct, frozen=True, kw_only=True):
    """So many of a price."""

    id: str
    object: Literal["subscription_item"] = "subscription_item"
    created: int
    current_period_end: int
    current_period_start: int
    discounts: Sequence[str] = ()
    metadata: Mapping[str, str]
    plan: catalog.PlanObject | None
    price: catalog.PriceObject | str
    quantity: int | None
    subscription: str
    tax_rates: Sequence[pricing.TaxRateObject]


class CancellationDetails(Struct, frozen=True, kw_only=True):
    """Who ended it: `customer`, `merchant` or `payment_failed` (SX-13)."""

    comment: str | None = None
    feedback: str | None = None
    reason: str | None


class AutomaticTax(Struct, frozen=True, kw_only=True):
    """There is no tax engine."""

    enabled: bool = False


class PendingUpdateObject(Struct, frozen=True, kw_only=True):
    """A change that waits for the wallet: `setup_intent` says what has to be signed."""

    billing_cycle_anchor: int | None = None
    default_tax_rates: Sequence[pricing.TaxRateObject]
    discounts: Sequence[pricing.DiscountObject]
    expires_at: int
    proration_behavior: Literal["create_prorations", "none", "always_invoice"]
    proration_date: int | None
    setup_intent: str
    subscription_items: Sequence[SubscriptionItemObject]
    trial_end: int | None
    trial_from_plan: bool | None = None


class EndBehavior(Struct, frozen=True, kw_only=True):
    """What happens when a trial ends and no wallet has signed."""

    billing_cycle_anchor: None = None
    missing_payment_method: Literal["create_invoice", "cancel", "pause"]


class TrialSettings(Struct, frozen=True, kw_only=True):
    """How a trial ends."""

    end_behavior: EndBehavior


class DanglingAllowance(Struct, frozen=True, kw_only=True):
    """A mandate that outlived its subscription: nothing is pulled with it, and the payer had better end it (C12)."""

    mandate: str
    payment_method: str
    revocation: Sequence[WalletCallObject]


class MandateOptions(Struct, frozen=True, kw_only=True):
    """What the wallet is asked to allow per period, where that is more than the prices say."""

    amount: int


class SubscriptionObject(Struct, frozen=True, kw_only=True):
    """A customer's access and its schedule."""

    id: str
    object: Literal["subscription"] = "subscription"
    automatic_tax: AutomaticTax = AutomaticTax()
    billing_cycle_anchor: int
    cancel_at: int | None
    cancel_at_period_end: bool
    canceled_at: int | None
    cancellation_details: CancellationDetails
    collection_method: Literal["charge_automatically", "send_invoice"]
    created: int
    currency: str
    current_period_end: int
    current_period_start: int
    customer: str
    dangling_allowance: DanglingAllowance | None
    days_until_due: int | None = None
    default_payment_method: str | None
    description: str | None
    default_tax_rates: Sequence[pricing.TaxRateObject]
    discounts: Sequence[pricing.DiscountObject]
    ended_at: int | None
    items: ListOf[SubscriptionItemObject]
    latest_charge_intent: str | None
    latest_invoice: str | None
    livemode: bool
    mandate: str | None
    mandate_options: MandateOptions | None
    metadata: Mapping[str, str]
    pause_collection: None = None
    paused_at: int | None
    pending_setup_intent: str | None
    pending_update: PendingUpdateObject | None
    plan: catalog.PlanObject | None
    quantity: int | None
    schedule: str | None = None
    start_date: int
    status: str
    status_reason: Reason
    test_clock: str | None
    trial_end: int | None
    trial_settings: TrialSettings
    trial_start: int | None
    activated_at: int | None
    expires_at: int | None


def _dangling(value: Subscription, related: Related) -> DanglingAllowance | None:
    mandate = related.mandates.get(value.mandate_id or "")
    if value.status not in TERMINAL or mandate is None or mandate.status not in USABLE:
        return None
    return DanglingAllowance(
        mandate=mandate.id, payment_method=mandate.payment_method_id, revocation=revocation(mandate, related)
    )


def _pending(value: Subscription, related: Related) -> PendingUpdateObject | None:
    update = value.pending_update
    if update is None:
        return None
    return PendingUpdateObject(
        default_tax_rates=pricing.tax_rates(update.terms.tax_rate_ids, related),
        discounts=[pricing.discount(part, value.customer_id, value.id) for part in update.terms.discounts],
        expires_at=to_unix(update.expires_at),
        proration_behavior=update.proration.value,
        proration_date=unix(update.proration_at),
        setup_intent=update.setup_intent_id,
        subscription_items=[_item(item, value, related) for item in update.terms.items],
        trial_end=unix(update.trial_end),
    )


def owned_item(value: OwnedItem, related: Related) -> SubscriptionItemObject:
    """Render one item."""
    return _item(value.item, value.owner, related)


def _item(value: SubscriptionItem, owner: Subscription, related: Related) -> SubscriptionItemObject:
    """Render an item; its periods are its subscription's."""
    price = related.prices.get(value.price_id)
    return SubscriptionItemObject(
        id=value.id,
        created=to_unix(value.created_at),
        current_period_end=to_unix(owner.period_end),
        current_period_start=to_unix(owner.period_start),
        metadata=value.metadata,
        plan=catalog.plan(price) if price is not None else None,
        price=catalog.price(price, related) if price is not None else value.price_id,
        quantity=None if price is not None and price.meter_id is not None else value.quantity,
        subscription=owner.id,
        tax_rates=pricing.tax_rates(value.tax_rate_ids, related),
    )


def subscription(value: Subscription, related: Related) -> SubscriptionObject:
    """Render a subscription with its items and their prices."""
    items = [_item(item, value, related) for item in value.items]
    only = items[0] if len(items) == 1 else None
    intent = related.intents.get(value.latest_invoice_id) if value.latest_invoice_id is not None else None
    return SubscriptionObject(
        id=value.id,
        billing_cycle_anchor=to_unix(value.anchor),
        cancel_at=unix(value.ends_at),
        cancel_at_period_end=value.cancel_at_period_end,
        canceled_at=unix(value.canceled_at),
        cancellation_details=CancellationDetails(
            reason=value.cancellation_reason,
            comment=value.cancellation_comment,
            feedback=value.cancellation_feedback,
        ),
        collection_method=value.collection_method.value,
        created=to_unix(value.created_at),
        currency=value.currency,
        current_period_end=to_unix(value.period_end),
        current_period_start=to_unix(value.period_start),
        customer=value.customer_id,
        dangling_allowance=_dangling(value, related),
        days_until_due=value.days_until_due,
        default_payment_method=value.payment_method_id,
        default_tax_rates=pricing.tax_rates(value.tax_rate_ids, related),
        description=value.description,
        discounts=[pricing.discount(part, value.customer_id, value.id) for part in value.discounts],
        ended_at=unix(value.ended_at),
        items=ListOf(data=items, url=f"/v1/subscription_items?subscription={value.id}"),
        latest_charge_intent=intent.id if intent is not None else None,
        latest_invoice=value.latest_invoice_id,
        livemode=value.scope.livemode,
        mandate=value.mandate_id,
        mandate_options=None if value.mandate_amount is None else MandateOptions(amount=value.mandate_amount),
        metadata=value.metadata,
        paused_at=unix(value.paused_at),
        pending_setup_intent=value.pending_setup_intent_id,
        pending_update=_pending(value, related),
        plan=only.plan if only is not None else None,
        quantity=only.quantity if only is not None else None,
        start_date=to_unix(value.start_at or value.anchor),
        status=value.status.value,
        status_reason=reason(value.reason),
        test_clock=value.test_clock_id,
        trial_end=unix(value.trial_end),
        trial_settings=TrialSettings(
            end_behavior=EndBehavior(missing_payment_method=value.missing_payment_method.value)
        ),
        trial_start=unix(value.trial_start),
        activated_at=unix(value.activated_at),
        expires_at=unix(value.expires_at),
    )
