"""Who ended a subscription, and what was said about it (SX-13)."""

from dataclasses import dataclass
from enum import StrEnum


class CancellationReason(StrEnum):
    """Who or what ended a subscription (SX-13)."""

    CUSTOMER = "customer"
    MERCHANT = "merchant"
    PAYMENT_FAILED = "payment_failed"


class CancellationFeedback(StrEnum):
    """Why a customer left, in Stripe's words."""

    CUSTOMER_SERVICE = "customer_service"
    LOW_QUALITY = "low_quality"
    MISSING_FEATURES = "missing_features"
    OTHER = "other"
    SWITCHED_SERVICE = "switched_service"
    TOO_COMPLEX = "too_complex"
    TOO_EXPENSIVE = "too_expensive"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationDetails:
    """What was said about leaving."""

    comment: str | None = None
    feedback: CancellationFeedback | None = None
