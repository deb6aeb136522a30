"""Pricing tables on the wire."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from gateway.domain.period import to_unix
from gateway.domain.pricing_table import PricingTable
from gateway.wire.related import Related


class PricingTableObject(Struct, frozen=True, kw_only=True):
    """Prices that a merchant's pages may start checkouts for; `url` shows them."""

    id: str
    object: Literal["pricing_table"] = "pricing_table"
    active: bool
    allow_promotion_codes: bool
    cancel_url: str | None
    created: int
    hidden_fields: Sequence[str]
    livemode: bool
    locale: str | None
    metadata: Mapping[str, str]
    prices: Sequence[str]
    success_url: str
    trial_period_days: int | None
    url: str


def pricing_table(value: PricingTable, related: Related) -> PricingTableObject:
    """Render a pricing table."""
    return PricingTableObject(
        id=value.id,
        active=value.active,
        allow_promotion_codes=value.allow_promotion_codes,
        cancel_url=value.cancel_url,
        created=to_unix(value.created_at),
        hidden_fields=value.hidden_fields,
        livemode=value.scope.livemode,
        locale=value.locale,
        metadata=value.metadata,
        prices=value.prices,
        success_url=value.success_url,
        trial_period_days=value.trial_period_days,
        url=f"{related.public_url}/pricing/{value.id}",
    )
