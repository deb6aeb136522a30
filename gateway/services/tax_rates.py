"""Tax rates at a merchant's request: made once, switched off, never changed in what they charge (ST-04)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from gateway.db import tax_rates
from gateway.db.engine import Connection
from gateway.domain import metadata as merchant_metadata
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.tax import TaxRate
from gateway.services.fields import Metadata, kept, moved
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin, record

RATES_MAX: Final = 10
"""Most rates of one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRateFields:
    """What a request says about a tax rate; a field that is not in `given` stays as it is."""

    given: frozenset[str]
    active: bool = True
    display_name: str = ""
    description: str | None = None
    country: str | None = None
    state: str | None = None
    jurisdiction: str | None = None
    tax_type: str | None = None
    metadata: Metadata = field(default_factory=dict)


async def create(conn: Connection, gateway: Gateway, rate: TaxRate, *, origin: Origin) -> TaxRate:
    """Make a tax rate."""
    await tax_rates.shelf.add(conn, [rate])
    await record(conn, gateway, [moved(None, rate, EventType.TAX_RATE_CREATED, rate.created_at)], origin=origin)
    return rate


async def update(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    rate_id: str,
    fields: TaxRateFields,
    now: datetime,
    origin: Origin,
) -> TaxRate:
    """Change what does not touch money.

    Raises:
        NotFound: there is no such tax rate.
    """
    before = await tax_rates.shelf.get(conn, scope, rate_id, lock=True)
    if before is None:
        raise NotFound("tax_rate", rate_id)
    names = ("active", "display_name", "description", "country", "state", "jurisdiction", "tax_type")
    changes = kept(fields.given, fields, dict(zip(names, names, strict=True)))
    if "metadata" in fields.given:
        changes["metadata"] = merchant_metadata.merge(before.metadata, fields.metadata)
    after = replace(before, **changes)
    await tax_rates.shelf.save(conn, [after])
    await record(conn, gateway, [moved(before, after, EventType.TAX_RATE_UPDATED, now)], origin=origin)
    return after


async def usable(conn: Connection, scope: Scope, rate_ids: Sequence[str], *, param: str) -> list[TaxRate]:
    """Return the rates, in order, that a merchant wants to apply to something new.

    Raises:
        InvalidRequest: one is given twice or switched off, or there are too many.
        NotFound: one does not exist.
    """
    if not rate_ids:
        return []
    found = await tax_rates.shelf.get_many(conn, scope, sorted(set(rate_ids)))
    for rate_id in rate_ids:
        if rate_id not in found:
            raise NotFound("tax_rate", rate_id, param=param)
        if not found[rate_id].active:
            raise InvalidRequest(f"Tax rate '{rate_id}' is not active.", code="tax_rate_inactive", param=param)
    return [found[rate_id] for rate_id in rate_ids]


def distinct(rate_ids: Sequence[str], *, param: str) -> tuple[str, ...]:
    """Return the ids of the rates of one line.

    Raises:
        InvalidRequest: one is given twice, or there are too many.
    """
    if len(set(rate_ids)) != len(rate_ids) or len(rate_ids) > RATES_MAX:
        raise InvalidRequest(
            f"{param} takes at most {RATES_MAX} different tax rates.", code="invalid_tax_rates", param=param
        )
    return tuple(rate_ids)
