"""The portal on the wire, in the shape of the Stripe SDKs: sessions, and what merchants allow."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from gateway.domain.portal import Ticket
from gateway.domain.portal_configuration import PortalConfiguration
from gateway.wire.common import unix


class BusinessProfileObject(Struct, frozen=True, kw_only=True):
    """What is said of the merchant."""

    headline: str | None
    privacy_policy_url: str | None
    terms_of_service_url: str | None


class CustomerUpdateObject(Struct, frozen=True, kw_only=True):
    """Customers' own data are the merchant's to change."""

    allowed_updates: Sequence[str] = ()
    enabled: bool = False


class SwitchObject(Struct, frozen=True, kw_only=True):
    """Something that is on or off."""

    enabled: bool


class MethodUpdateObject(Struct, frozen=True, kw_only=True):
    """Another wallet, token or chain."""

    enabled: bool
    payment_method_configuration: None = None


class CancellationReasonObject(Struct, frozen=True, kw_only=True):
    """What is asked about leaving."""

    enabled: bool
    feedback_options: None = None
    options: Sequence[str]


class SubscriptionCancelObject(Struct, frozen=True, kw_only=True):
    """Ending a subscription."""

    cancellation_reason: CancellationReasonObject
    enabled: bool
    mode: str
    proration_behavior: Literal["none"] = "none"


class AdjustableQuantityObject(Struct, frozen=True, kw_only=True):
    """Quantities are the merchant's to change."""

    enabled: bool = False
    maximum: None = None
    minimum: int = 0


class PortalProductObject(Struct, frozen=True, kw_only=True):
    """A product that may be changed to, and its prices."""

    adjustable_quantity: AdjustableQuantityObject
    prices: Sequence[str]
    product: str


class ScheduleObject(Struct, frozen=True, kw_only=True):
    """Changes take effect at once, or when the wallet has signed."""

    conditions: Sequence[Any] = ()


class SubscriptionUpdateObject(Struct, frozen=True, kw_only=True):
    """Changing to another price."""

    billing_cycle_anchor: None = None
    default_allowed_updates: Sequence[str]
    enabled: bool
    products: Sequence[PortalProductObject]
    proration_behavior: str
    schedule_at_period_end: ScheduleObject
    trial_update_behavior: Literal["continue_trial"] = "continue_trial"


class FeaturesObject(Struct, frozen=True, kw_only=True):
    """What customers may do. Revoking on the chain is not here: nobody can switch it off."""

    customer_update: CustomerUpdateObject
    invoice_history: SwitchObject
    payment_method_update: MethodUpdateObject
    subscription_cancel: SubscriptionCancelObject
    subscription_pause: SwitchObject
    subscription_update: SubscriptionUpdateObject


class LoginPageObject(Struct, frozen=True, kw_only=True):
    """Where customers sign in by themselves: one page for all merchants."""

    enabled: bool = True
    url: str | None


class PortalConfigurationObject(Struct, frozen=True, kw_only=True):
    """A merchant's decisions about the portal."""

    id: str
    object: Literal["billing_portal.configuration"] = "billing_portal.configuration"
    active: bool
    application: None = None
    business_profile: BusinessProfileObject
    created: int | None
    default_return_url: str | None
    features: FeaturesObject
    is_default: bool
    livemode: bool
    login_page: LoginPageObject
    metadata: Mapping[str, str]
    name: str | None
    updated: int | None


class PortalSessionObject(Struct, frozen=True, kw_only=True):
    """A URL that signs one customer in, once, within a few minutes."""

    id: str
    object: Literal["billing_portal.session"] = "billing_portal.session"
    after_expiration: None = None
    configuration: str | None
    created: int | None
    customer: str
    customer_account: None = None
    flow: None = None
    livemode: bool
    locale: str | None
    on_behalf_of: None = None
    return_url: str | None
    url: str


def configuration(value: PortalConfiguration, public_url: str) -> PortalConfigurationObject:
    """Render a configuration."""
    features = value.features
    cancel, plan = features.cancel, features.plan
    return PortalConfigurationObject(
        id=value.id,
        active=value.active,
        business_profile=BusinessProfileObject(
            headline=value.headline,
            privacy_policy_url=value.privacy_policy_url,
            terms_of_service_url=value.terms_of_service_url,
        ),
        created=unix(value.created_at),
        default_return_url=value.default_return_url,
        features=FeaturesObject(
            customer_update=CustomerUpdateObject(),
            invoice_history=SwitchObject(enabled=features.invoice_history),
            payment_method_update=MethodUpdateObject(enabled=features.payment_method_update),
            subscription_cancel=SubscriptionCancelObject(
                cancellation_reason=CancellationReasonObject(
                    enabled=cancel.asks_reason, options=[option.value for option in cancel.options]
                ),
                enabled=cancel.enabled,
                mode=cancel.mode.value,
            ),
            subscription_pause=SwitchObject(enabled=features.pause),
            subscription_update=SubscriptionUpdateObject(
                default_allowed_updates=["price"] if plan.enabled else [],
                enabled=plan.enabled,
                products=[
                    PortalProductObject(adjustable_quantity=AdjustableQuantityObject(), prices=prices, product=product)
                    for product, prices in plan.products
                ],
                proration_behavior=plan.proration.value,
                schedule_at_period_end=ScheduleObject(),
            ),
        ),
        is_default=value.is_default,
        livemode=value.scope.livemode,
        login_page=LoginPageObject(url=f"{public_url}/customer/auth"),
        metadata=value.metadata,
        name=value.name,
        updated=unix(value.updated_at),
    )


def session(ticket: Ticket, url: str, *, livemode: bool) -> PortalSessionObject:
    """Render a session at its making: its URL is shown this once."""
    return PortalSessionObject(
        id=ticket.id,
        configuration=ticket.configuration_id,
        created=unix(ticket.created_at),
        customer="" if ticket.payer is None else ticket.payer.customer_id or "",
        livemode=livemode,
        locale=ticket.language,
        return_url=ticket.return_url,
        url=url,
    )
