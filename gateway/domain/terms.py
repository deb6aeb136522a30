"""What a subscription is billed by, and a change of it that waits for the wallet.

Terms are compared and replaced as a whole: prices and quantities, interval, discounts and tax rates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.discount import Discount
from gateway.domain.period import Interval
from gateway.domain.proration import ProrationBehavior

UPDATE_WINDOW: Final = timedelta(hours=23)
"""How long a change may wait for the wallet's signature: as long as a first payment (ST-31)."""


class MissingPaymentMethod(StrEnum):
    """What happens when a trial ends and no wallet has signed."""

    CREATE_INVOICE = "create_invoice"
    CANCEL = "cancel"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionItem:
    """So many of a price."""

    id: str
    price_id: str
    quantity: int
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    tax_rate_ids: tuple[str, ...] = ()

    @property
    def sold(self) -> tuple[str, int]:
        """What is billed for it: price and quantity."""
        return self.price_id, self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What each period costs.

    Attributes:
        tax_rate_ids: for items without tax rates of their own.
    """

    items: tuple[SubscriptionItem, ...]
    interval: Interval
    discounts: tuple[Discount, ...] = ()
    tax_rate_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingUpdate:
    """A change above what the signed mandate allows: it takes effect when the wallet has signed a new one.

    Attributes:
        expires_at: when it is dropped unless it was signed before.
        setup_intent_id: asks the wallet for the mandate.
        proration_at: as of when the change is prorated; None: as of when it takes effect.
        trial_end: the end that the trial gets, if it changes.
    """

    terms: Terms
    expires_at: datetime
    setup_intent_id: str
    proration: ProrationBehavior = ProrationBehavior.CREATE_PRORATIONS
    proration_at: datetime | None = None
    trial_end: datetime | None = None
