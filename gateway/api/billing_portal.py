"""`/v1/billing_portal`: send a customer to the portal, and say what customers may do there."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Word, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.api.urls import merchant_url
from gateway.db import portal_configurations
from gateway.db.pages import Page
from gateway.domain import metadata as merchant_metadata
from gateway.domain.cancellation import CancellationFeedback
from gateway.domain.destination import URL_LENGTH_MAX
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.portal_configuration import (
    KIND,
    CancelFeature,
    CancelMode,
    Features,
    PlanFeature,
    PortalConfiguration,
)
from gateway.domain.proration import ProrationBehavior
from gateway.services import catalog as customers
from gateway.services import portal_configurations as services
from gateway.services import sign_in
from gateway.wire import portal as wire
from gateway.wire.portal import PortalConfigurationObject, PortalSessionObject

_SESSION: Final = "billing_portal.session"
_PRODUCTS_MAX: Final = 10
_PRICES_MAX: Final = 10

Url = Annotated[str, Meta(min_length=1, max_length=URL_LENGTH_MAX)]
Reason = Literal[
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the parameters."""


class BusinessProfileParams(_Part, frozen=True, kw_only=True):
    """What is said of the merchant."""

    headline: Annotated[str, Meta(max_length=60)] | UnsetType | None = UNSET
    privacy_policy_url: Url | UnsetType | None = UNSET
    terms_of_service_url: Url | UnsetType | None = UNSET


class SwitchParams(_Part, frozen=True, kw_only=True):
    """Something that is on or off."""

    enabled: bool


class CustomerUpdateParams(_Part, frozen=True, kw_only=True):
    """Customers' own data are the merchant's to change: it cannot be enabled."""

    enabled: bool = False
    allowed_updates: list[str] | None = None


class CancellationReasonParams(_Part, frozen=True, kw_only=True):
    """What is asked about leaving."""

    enabled: bool
    options: list[Reason] | None = None


class CancelParams(_Part, frozen=True, kw_only=True):
    """Ending a subscription. With `immediately` the customer may choose the period's end as well."""

    enabled: bool
    mode: Literal["at_period_end", "immediately"] | None = None
    cancellation_reason: CancellationReasonParams | None = None
    proration_behavior: Literal["none"] = "none"


class PortalProductParams(_Part, frozen=True, kw_only=True):
    """Prices of a product that may be changed to."""

    product: Id
    prices: Annotated[list[Id], Meta(min_length=1, max_length=_PRICES_MAX)]


class PlanParams(_Part, frozen=True, kw_only=True):
    """Changing to another price."""

    enabled: bool
    default_allowed_updates: list[Literal["price"]] | None = None
    products: Annotated[list[PortalProductParams], Meta(max_length=_PRODUCTS_MAX)] | None = None
    proration_behavior: Literal["create_prorations", "always_invoice", "none"] | None = None


class FeaturesParams(_Part, frozen=True, kw_only=True):
    """What customers may do; what is absent stays as it is."""

    customer_update: CustomerUpdateParams | None = None
    invoice_history: SwitchParams | None = None
    payment_method_update: SwitchParams | None = None
    subscription_cancel: CancelParams | None = None
    subscription_pause: SwitchParams | None = None
    subscription_update: PlanParams | None = None


class CreateConfiguration(Params, frozen=True, kw_only=True):
    """A new configuration; a merchant's first one becomes its default."""

    features: FeaturesParams
    business_profile: BusinessProfileParams | None = None
    default_return_url: Url | None = None
    name: Word | None = None
    metadata: Metadata = None


class UpdateConfiguration(Params, frozen=True, kw_only=True):
    """What to change."""

    active: bool | UnsetType = UNSET
    features: FeaturesParams | None = None
    business_profile: BusinessProfileParams | None = None
    default_return_url: Url | UnsetType | None = UNSET
    name: Word | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET


class ListConfigurations(ListParams, frozen=True, kw_only=True):
    """Which configurations."""

    active: bool | None = None
    is_default: bool | None = None


class CreatePortalSession(Params, frozen=True, kw_only=True):
    """Whom to send to the portal, and where they go from there."""

    customer: Id
    configuration: Id | None = None
    return_url: Url | None = None
    locale: Literal["auto", "en", "de"] | None = None


@writes("/v1/billing_portal/sessions", kind=_SESSION, params=CreatePortalSession, answer=PortalSessionObject)
async def create_session(call: Call, body: CreatePortalSession) -> PortalSessionObject:
    """Create a portal session: a URL that signs the customer in, once, within five minutes."""
    customer = await customers.customer_of(call.conn, call.scope, body.customer, param="customer")
    chosen = await portal_configurations.default_of(call.conn, call.scope)
    if body.configuration is not None:
        chosen = await portal_configurations.get(call.conn, call.scope, body.configuration)
        if chosen is None:
            raise NotFound(KIND, body.configuration, param="configuration")
        if not chosen.active:
            raise InvalidRequest(
                f"Configuration '{chosen.id}' is not active.", code="configuration_inactive", param="configuration"
            )
    return_url = body.return_url or (None if chosen is None else chosen.default_return_url)
    if body.return_url is not None:
        merchant_url(body.return_url, "return_url", livemode=call.scope.livemode)
    ticket, url = await sign_in.create_url(
        call.conn,
        call.gateway,
        customer_id=customer.id,
        return_url=return_url,
        configuration_id=None if chosen is None else chosen.id,
        language=None if body.locale in (None, "auto") else body.locale,
        now=call.now,
    )
    return wire.session(ticket, url, livemode=call.scope.livemode)


def _features(before: Features, given: FeaturesParams | None) -> Features:
    if given is None:
        return before
    if given.customer_update is not None and given.customer_update.enabled:
        raise InvalidRequest(
            "Customers cannot change their own data here; change them by the API.",
            code="feature_unsupported",
            param="features[customer_update][enabled]",
        )
    features = before
    if given.invoice_history is not None:
        features = replace(features, invoice_history=given.invoice_history.enabled)
    if given.payment_method_update is not None:
        features = replace(features, payment_method_update=given.payment_method_update.enabled)
    if given.subscription_pause is not None:
        features = replace(features, pause=given.subscription_pause.enabled)
    return replace(
        features,
        cancel=_cancel(features.cancel, given.subscription_cancel),
        plan=_plan(features.plan, given.subscription_update),
    )


def _cancel(before: CancelFeature, given: CancelParams | None) -> CancelFeature:
    if given is None:
        return before
    mode = before.mode if given.mode is None else CancelMode(given.mode)
    after = replace(before, enabled=given.enabled, mode=mode)
    asked = given.cancellation_reason
    if asked is None:
        return after
    options = before.options
    if asked.options is not None:
        options = tuple(dict.fromkeys(CancellationFeedback(option) for option in asked.options))
    return replace(after, asks_reason=asked.enabled, options=options)


def _plan(before: PlanFeature, given: PlanParams | None) -> PlanFeature:
    if given is None:
        return before
    products = before.products
    if given.products is not None:
        products = tuple((part.product, tuple(dict.fromkeys(part.prices))) for part in given.products)
    behavior = ProrationBehavior(given.proration_behavior or before.proration.value)
    return replace(before, enabled=given.enabled, products=products, proration=behavior)


def _described(
    call: Call, value: PortalConfiguration, profile: BusinessProfileParams | None, return_url: str | UnsetType | None
) -> PortalConfiguration:
    changes: dict[str, Any] = {}
    for name in ("headline", "privacy_policy_url", "terms_of_service_url"):
        given = UNSET if profile is None else getattr(profile, name)
        if given is UNSET:
            continue
        if given is not None and name != "headline":
            merchant_url(given, f"business_profile[{name}]", livemode=call.scope.livemode)
        changes[name] = given
    if return_url is not UNSET:
        if isinstance(return_url, str):
            merchant_url(return_url, "default_return_url", livemode=call.scope.livemode)
        changes["default_return_url"] = return_url
    return replace(value, **changes)


@writes("/v1/billing_portal/configurations", kind=KIND, params=CreateConfiguration, answer=PortalConfigurationObject)
async def create_configuration(call: Call, body: CreateConfiguration) -> PortalConfigurationObject:
    """Create a portal configuration."""
    now: datetime = call.now.replace(microsecond=0)
    blank = services.blank(call.scope, now)
    value = replace(
        _described(call, blank, body.business_profile, body.default_return_url),
        features=_features(blank.features, body.features),
        name=body.name,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
    )
    made = await services.create(call.conn, value)
    return wire.configuration(made, call.gateway.public_url)


async def _found(call: Call, *, lock: bool = False) -> PortalConfiguration:
    found = await portal_configurations.get(call.conn, call.scope, call.id, lock=lock)
    if found is None:
        raise NotFound(KIND, call.id)
    return found


@reads("/v1/billing_portal/configurations/{id:str}", kind=KIND, params=Retrieve, answer=PortalConfigurationObject)
async def retrieve(call: Call, _: Retrieve) -> PortalConfigurationObject:
    """Retrieve a portal configuration."""
    return wire.configuration(await _found(call), call.gateway.public_url)


@writes(
    "/v1/billing_portal/configurations/{id:str}",
    kind=KIND,
    params=UpdateConfiguration,
    answer=PortalConfigurationObject,
    methods=UPDATE,
)
async def update(call: Call, body: UpdateConfiguration) -> PortalConfigurationObject:
    """Update a portal configuration."""
    before = await _found(call, lock=True)
    after = replace(
        _described(call, before, body.business_profile, body.default_return_url),
        features=_features(before.features, body.features),
        updated_at=call.now.replace(microsecond=0),
    )
    if not isinstance(body.active, UnsetType):
        after = replace(after, active=body.active)
    if not isinstance(body.name, UnsetType):
        after = replace(after, name=body.name)
    if not isinstance(body.metadata, UnsetType):
        after = replace(after, metadata=merchant_metadata.merge(before.metadata, body.metadata))
    await services.save(call.conn, after)
    return wire.configuration(after, call.gateway.public_url)


@reads(
    "/v1/billing_portal/configurations",
    kind=KIND,
    params=ListConfigurations,
    answer=PortalConfigurationObject,
    is_list=True,
)
async def listed(call: Call, query: ListConfigurations) -> Page[PortalConfigurationObject]:
    """List portal configurations."""
    found = await portal_configurations.page(
        call.conn, query.page(call), active=query.active, is_default=query.is_default
    )
    return found.of([wire.configuration(value, call.gateway.public_url) for value in found.items])


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create_session, create_configuration, retrieve, update, listed)
