"""What a merchant lets its customers do in the portal. Leaving on the chain is not among it: it needs nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.domain.cancellation import CancellationFeedback
from gateway.domain.catalog import Scope
from gateway.domain.proration import ProrationBehavior

KIND = "billing_portal.configuration"


class CancelMode(StrEnum):
    """When a canceled subscription ends; where it may be at once, the customer may choose its period's end as well."""

    AT_PERIOD_END = "at_period_end"
    IMMEDIATELY = "immediately"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelFeature:
    """Ending a subscription, and what is asked about it."""

    enabled: bool = True
    mode: CancelMode = CancelMode.IMMEDIATELY
    asks_reason: bool = True
    options: tuple[CancellationFeedback, ...] = tuple(CancellationFeedback)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFeature:
    """Changing to another price: those of `products`, by the ids of product and prices."""

    enabled: bool = False
    products: tuple[tuple[str, tuple[str, ...]], ...] = ()
    proration: ProrationBehavior = ProrationBehavior.CREATE_PRORATIONS

    @property
    def price_ids(self) -> tuple[str, ...]:
        """Prices that may be changed to."""
        return tuple(price_id for _, price_ids in self.products for price_id in price_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What customers may do."""

    cancel: CancelFeature = field(default_factory=CancelFeature)
    plan: PlanFeature = field(default_factory=PlanFeature)
    payment_method_update: bool = True
    invoice_history: bool = True
    pause: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalConfiguration:
    """A merchant's decisions about the portal; the default one holds where none is named.

    Attributes:
        headline, privacy_policy_url, terms_of_service_url: shown to whom the merchant sends.
    """

    id: str
    scope: Scope
    created_at: datetime
    updated_at: datetime
    active: bool = True
    is_default: bool = False
    name: str | None = None
    default_return_url: str | None = None
    features: Features = field(default_factory=Features)
    headline: str | None = None
    privacy_policy_url: str | None = None
    terms_of_service_url: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
