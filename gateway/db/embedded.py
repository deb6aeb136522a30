"""Values that are stored as JSON inside the row of another object."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.domain.discount import Discount

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
