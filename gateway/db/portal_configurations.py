"""What merchants allow in the portal."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select

from gateway.db import bulk, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.portal_configuration import KIND, Features, PortalConfiguration

_T: Final = schema.portal_configurations


async def add(conn: Connection, values: Sequence[PortalConfiguration]) -> None:
    """Insert configurations.

    Raises:
        ConstraintBroken: `uq_portal_configurations_default`: the merchant has a default one.
    """
    await bulk.insert(conn, _T, [_row(value) for value in values])


async def save(conn: Connection, values: Sequence[PortalConfiguration]) -> None:
    """Write configurations as they are now."""
    await bulk.update(conn, _T, [_row(value) for value in values])


async def get(
    conn: Connection, scope: Scope, configuration_id: str, *, lock: bool = False
) -> PortalConfiguration | None:
    """Return one configuration of the caller's; None when there is none."""
    query = rows.by_id(_T, [configuration_id], lock=lock).where(rows.in_scope(_T, scope))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _configuration(row)


async def default_of(conn: Connection, scope: Scope) -> PortalConfiguration | None:
    """Return the caller's default configuration; None when it never made one."""
    row = (await conn.execute(select(_T).where(rows.in_scope(_T, scope), _T.c.is_default))).one_or_none()
    return None if row is None else _configuration(row)


async def load(conn: Connection, ids: Sequence[str]) -> dict[str, PortalConfiguration]:
    """For workers and payers' pages: configurations by id, as a merchant's URL named them."""
    return {row.id: _configuration(row) for row in await conn.execute(rows.by_id(_T, ids, lock=False))}


async def page(
    conn: Connection, request: PageRequest, *, active: bool | None = None, is_default: bool | None = None
) -> Page[PortalConfiguration]:
    """List configurations."""
    return await pages.read(
        conn,
        _T,
        request,
        _configuration,
        None if active is None else _T.c.active.is_(active),
        None if is_default is None else _T.c.is_default.is_(is_default),
        kind=KIND,
    )


def _row(value: PortalConfiguration) -> bulk.Row:
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "created_at": value.created_at,
        "updated_at": value.updated_at,
        "active": value.active,
        "is_default": value.is_default,
        "name": value.name,
        "default_return_url": value.default_return_url,
        "features": msgspec.to_builtins(value.features),
        "business_profile": {
            "headline": value.headline,
            "privacy_policy_url": value.privacy_policy_url,
            "terms_of_service_url": value.terms_of_service_url,
        },
        "metadata": value.metadata,
    }


def _configuration(row: Any) -> PortalConfiguration:
    return PortalConfiguration(
        id=row.id,
        scope=rows.scope(row),
        created_at=row.created_at,
        updated_at=row.updated_at,
        active=row.active,
        is_default=row.is_default,
        name=row.name,
        default_return_url=row.default_return_url,
        features=msgspec.convert(row.features, Features),
        **row.business_profile,
        metadata=row.metadata,
    )
