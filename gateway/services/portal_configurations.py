"""Making and changing what a merchant allows in the portal."""

from dataclasses import replace
from datetime import datetime

from gateway.db import catalog
from gateway.db import portal_configurations as rows
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.portal_configuration import PortalConfiguration


def blank(scope: Scope, now: datetime) -> PortalConfiguration:
    """A configuration of a merchant who has decided nothing yet."""
    return PortalConfiguration(id=new_id("bpc", now), scope=scope, created_at=now, updated_at=now)


async def create(conn: Connection, value: PortalConfiguration) -> PortalConfiguration:
    """Keep a new configuration; a merchant's first one is its default.

    Raises:
        InvalidRequest: nothing is offered to change to, or a price is not one of its product.
        NotFound: a product or price does not exist.
    """
    await _check(conn, value)
    made = replace(value, is_default=await rows.default_of(conn, value.scope) is None)
    await rows.add(conn, [made])
    return made


async def save(conn: Connection, value: PortalConfiguration) -> None:
    """Keep a configuration as it is now.

    Raises:
        InvalidRequest: as `create`; or it is the default one, which stays active.
        NotFound: as `create`.
    """
    if value.is_default and not value.active:
        raise InvalidRequest("The default configuration stays active.", code="configuration_is_default", param="active")
    await _check(conn, value)
    await rows.save(conn, [value])


async def _check(conn: Connection, value: PortalConfiguration) -> None:
    plan, where = value.features.plan, "features[subscription_update][products]"
    if plan.enabled and not plan.products:
        raise InvalidRequest("Say which prices may be changed to.", code="parameter_missing", param=where)
    if not plan.products:
        return
    prices = await catalog.get_prices(conn, value.scope, sorted(plan.price_ids))
    products = await catalog.get_products(conn, value.scope, sorted(product_id for product_id, _ in plan.products))
    for index, (product_id, price_ids) in enumerate(plan.products):
        if product_id not in products:
            raise NotFound("product", product_id, param=f"{where}[{index}][product]")
        for number, price_id in enumerate(price_ids):
            price = prices.get(price_id)
            at = f"{where}[{index}][prices][{number}]"
            if price is None:
                raise NotFound("price", price_id, param=at)
            if price.product_id != product_id or price.interval is None:
                raise InvalidRequest(
                    f"Price '{price_id}' is no recurring price of product '{product_id}'.",
                    code="parameter_invalid",
                    param=at,
                )
