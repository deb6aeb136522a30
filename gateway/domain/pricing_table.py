"""What a merchant's pages may start checkouts for: prices and the terms they are sold on (MX-12, SX-22).

A publishable key is public. What it can sell is therefore fixed here, by a secret key; a page chooses one of the
prices, and hands through values for the hidden fields that are named here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.domain.catalog import Scope

KIND: Final = "pricing_table"

PRICES_MAX: Final = 10
HIDDEN_FIELDS_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingTable:
    """Prices in the order in which they are shown.

    Attributes:
        hidden_fields: keys of the fields that a page may hand through; their values come from browsers, so that
            anybody can have changed them.
        active: whether it is shown, and starts checkouts.
    """

    id: str
    scope: Scope
    created_at: datetime
    prices: tuple[str, ...]
    success_url: str
    cancel_url: str | None = None
    active: bool = True
    allow_promotion_codes: bool = False
    trial_period_days: int | None = None
    hidden_fields: tuple[str, ...] = ()
    locale: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
