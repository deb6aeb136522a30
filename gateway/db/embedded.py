"""Values that are stored as JSON inside the row of another object."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.domain.discount import Discount
from gateway.domain.period import Interval, IntervalUnit
from gateway.domain.proration import ProrationBehavior
from gateway.domain.terms import PendingUpdate, SubscriptionItem, Terms

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def _stored(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def discounts_json(values: Sequence[Discount]) -> list[dict[str, Any]]:
    """Discounts as they are stored."""
    return [
        {
            "id": value.id,
            "coupon": value.coupon_id,
            "promotion_code": value.promotion_code_id,
            "start": _stored(value.start),
            "end": _stored(value.end),
        }
        for value in values
    ]


def discounts(stored: Sequence[dict[str, Any]]) -> tuple[Discount, ...]:
    """Discounts that were stored."""
    return tuple(
        Discount(
            id=value["id"],
            coupon_id=value["coupon"],
            promotion_code_id=value["promotion_code"],
            start=_EPOCH + timedelta(microseconds=value["start"]),
            end=_instant(value["end"]),
        )
        for value in stored
    )


def update_json(value: PendingUpdate | None) -> dict[str, Any] | None:
    """A pending update as it is stored."""
    if value is None:
        return None
    return {
        "items": [_item_json(item) for item in value.terms.items],
        "interval": [value.terms.interval.unit.value, value.terms.interval.count],
        "discounts": discounts_json(value.terms.discounts),
        "tax_rates": list(value.terms.tax_rate_ids),
        "expires_at": _stored(value.expires_at),
        "setup_intent": value.setup_intent_id,
        "proration": value.proration.value,
        "proration_at": _stored(value.proration_at),
        "trial_end": _stored(value.trial_end),
    }


def update(stored: dict[str, Any] | None) -> PendingUpdate | None:
    """A pending update that was stored."""
    if stored is None:
        return None
    unit, count = stored["interval"]
    return PendingUpdate(
        terms=Terms(
            items=tuple(_item(item) for item in stored["items"]),
            interval=Interval(IntervalUnit(unit), count),
            discounts=discounts(stored["discounts"]),
            tax_rate_ids=tuple(stored["tax_rates"]),
        ),
        expires_at=_EPOCH + timedelta(microseconds=stored["expires_at"]),
        setup_intent_id=stored["setup_intent"],
        proration=ProrationBehavior(stored["proration"]),
        proration_at=_instant(stored["proration_at"]),
        trial_end=_instant(stored["trial_end"]),
    )


def _item_json(item: SubscriptionItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "price": item.price_id,
        "quantity": item.quantity,
        "created_at": _stored(item.created_at),
        "metadata": dict(item.metadata),
        "tax_rates": list(item.tax_rate_ids),
    }


def _item(stored: dict[str, Any]) -> SubscriptionItem:
    return SubscriptionItem(
        id=stored["id"],
        price_id=stored["price"],
        quantity=stored["quantity"],
        created_at=_EPOCH + timedelta(microseconds=stored["created_at"]),
        metadata=stored["metadata"],
        tax_rate_ids=tuple(stored["tax_rates"]),
    )
