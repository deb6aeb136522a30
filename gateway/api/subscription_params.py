"""What requests about subscriptions may carry."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api.fields import Id, Metadata, Text, Word
from gateway.api.forms import Params
from gateway.api.pagination import ListParams, UnixTime

Day = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class ItemParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many of a price."""

    price: Id
    quantity: int = 1
    metadata: Metadata = None
    tax_rates: list[Id] | None = None


class DiscountParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A coupon, or a promotion code by its id."""

    coupon: Id | None = None
    promotion_code: Id | None = None
    discount: Id | None = None


class CustomerData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer in place of an id: the one with this e-mail or phone, or a new one (PM-07)."""

    email: Word | None = None
    phone: Word | None = None
    name: Word | None = None
    first_name: Word | None = None
    last_name: Word | None = None


class AnchorConfigParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parts of the moment at which periods begin, in UTC."""

    month: int | None = None
    day_of_month: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None


class MandateOptionsParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the wallet is asked to allow: so many minor units per period at most, taxes included."""

    amount: int


class EndBehaviorParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens when the trial ends and no wallet has signed."""

    missing_payment_method: Literal["create_invoice", "cancel", "pause"]


class TrialSettingsParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the trial ends."""

    end_behavior: EndBehaviorParams


class CreateSubscription(Params, frozen=True, kw_only=True):
    """A new subscription. Without `default_payment_method` the customer's default pays.

    `start_date` and `end_date` are unix seconds or days like 2027-01-31, which begin at midnight UTC.
    """

    customer: Id | None = None
    customer_data: CustomerData | None = None
    items: list[ItemParams]
    default_payment_method: Id | None = None
    payment_behavior: Literal["allow_incomplete", "default_incomplete"] = "allow_incomplete"
    collection_method: Literal["charge_automatically", "send_invoice"] = "charge_automatically"
    days_until_due: int | None = None
    description: Text | None = None
    metadata: Metadata = None
    cancel_at: UnixTime | None = None
    cancel_at_period_end: bool = False
    end_date: UnixTime | Day | None = None
    start_date: UnixTime | Day | None = None
    billing_cycle_anchor: UnixTime | None = None
    billing_cycle_anchor_config: AnchorConfigParams | None = None
    trial_period_days: int | None = None
    trial_end: UnixTime | Literal["now"] | None = None
    trial_settings: TrialSettingsParams | None = None
    default_tax_rates: list[Id] | None = None
    discounts: list[DiscountParams] | None = None
    mandate_options: MandateOptionsParams | None = None


class FeedbackParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was said about leaving."""

    comment: Text | None = None
    feedback: (
        Literal[
            "customer_service",
            "low_quality",
            "missing_features",
            "other",
            "switched_service",
            "too_complex",
            "too_expensive",
            "unused",
        ]
        | None
    ) = None


class ItemChangeParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item to change or, with `deleted`, to remove; without `id` a new one."""

    id: Id | None = None
    price: Id | None = None
    quantity: int | None = None
    deleted: bool = False
    metadata: Metadata | UnsetType = UNSET
    tax_rates: list[Id] | UnsetType | None = UNSET


PendingBehavior = Literal["pending_if_incomplete", "error_if_incomplete"]
"""Whether a change that needs the wallet's signature waits for it, or is refused."""

ProrationBehaviorName = Literal["create_prorations", "none", "always_invoice"]


class UpdateSubscription(Params, frozen=True, kw_only=True):
    """What to change; an empty value clears a field. A subscription that has ended is frozen."""

    description: Text | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET
    cancel_at: UnixTime | UnsetType | None = UNSET
    cancel_at_period_end: bool | UnsetType = UNSET
    cancellation_details: FeedbackParams | UnsetType = UNSET
    default_payment_method: Id | UnsetType | None = UNSET
    collection_method: Literal["charge_automatically", "send_invoice"] | UnsetType = UNSET
    days_until_due: int | UnsetType = UNSET
    items: list[ItemChangeParams] | UnsetType = UNSET
    proration_behavior: ProrationBehaviorName = "create_prorations"
    proration_date: UnixTime | None = None
    payment_behavior: PendingBehavior = "pending_if_incomplete"
    trial_settings: TrialSettingsParams | UnsetType = UNSET
    discounts: list[DiscountParams] | UnsetType | None = UNSET
    default_tax_rates: list[Id] | UnsetType | None = UNSET
    trial_end: UnixTime | Literal["now"] | UnsetType = UNSET


class PreviewDetails(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change to look at beforehand, as `subscriptions.update` takes it."""

    items: list[ItemChangeParams] | UnsetType = UNSET
    proration_behavior: ProrationBehaviorName = "create_prorations"
    proration_date: UnixTime | None = None
    default_tax_rates: list[Id] | UnsetType | None = UNSET
    trial_end: UnixTime | Literal["now"] | UnsetType = UNSET


class CancellationDetailsParams(FeedbackParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wanted it to end, and what was said about it."""

    reason: Literal["customer", "merchant"] = "merchant"


class CancelSubscription(Params, frozen=True, kw_only=True):
    """End it now. What was billed stays as it is: nothing is prorated."""

    cancellation_details: CancellationDetailsParams | None = None
    invoice_now: Literal[False] = False
    prorate: Literal[False] = False


class ResumeSubscription(Params, frozen=True, kw_only=True):
    """Where its periods begin after the pause: `now`, or where they did before (`unchanged`)."""

    billing_cycle_anchor: Literal["now", "unchanged"] = "now"


class ListSubscriptions(ListParams, frozen=True, kw_only=True):
    """Which subscriptions; without `status` those that have not ended."""

    customer: Id | None = None
    price: Id | None = None
    test_clock: Id | None = None
    status: (
        Literal[
            "pending",
            "incomplete",
            "incomplete_expired",
            "trialing",
            "active",
            "past_due",
            "unpaid",
            "paused",
            "canceled",
            "ended",
            "all",
        ]
        | None
    ) = None
