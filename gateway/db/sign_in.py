"""Tickets that sign somebody in once, and the sessions that they open. Secrets are known by their hashes alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select, update

from gateway.db import bulk, keys, schema
from gateway.db.engine import Connection
from gateway.domain.portal import PayerScope, PortalSession, Ticket, TicketKind

_TICKETS: Final = schema.sign_in_tickets
_SESSIONS: Final = schema.portal_sessions


async def add_ticket(conn: Connection, ticket: Ticket) -> None:
    """Insert a ticket."""
    payer = ticket.payer
    row = {
        "id": ticket.id,
        "kind": ticket.kind,
        "digest": ticket.digest,
        "created_at": ticket.created_at,
        "expires_at": ticket.expires_at,
        "email": None if payer is None else payer.email,
        "customer_id": None if payer is None else payer.customer_id,
        "language": ticket.language,
        "return_url": ticket.return_url,
        "configuration_id": ticket.configuration_id,
    }
    await bulk.insert(conn, _TICKETS, [row])


async def find_ticket(conn: Connection, kind: TicketKind, digest: bytes, now: datetime) -> Ticket | None:
    """For whoever holds its secret: a ticket that is still good."""
    query = select(_TICKETS).where(_TICKETS.c.digest == digest, _TICKETS.c.kind == kind, _TICKETS.c.expires_at > now)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _ticket(row)


async def delete_ticket(conn: Connection, kind: TicketKind, digest: bytes, now: datetime) -> Ticket | None:
    """Spend a ticket: of all who try at once, one gets it, and it is gone. None where it is not good (any more)."""
    spent = (
        delete(_TICKETS)
        .where(_TICKETS.c.digest == digest, _TICKETS.c.kind == kind, _TICKETS.c.expires_at > now)
        .returning(_TICKETS)
    )
    row = (await conn.execute(spent)).one_or_none()
    return None if row is None else _ticket(row)


async def append_digests(conn: Connection, digests: Mapping[str, bytes]) -> None:
    """Give tickets the hash of the secret that has just been written into a mail; one from before is good no more."""
    await bulk.update(conn, _TICKETS, [{"id": key, "digest": digest} for key, digest in digests.items()])


async def load_tickets(conn: Connection, ids: Sequence[str]) -> dict[str, Ticket]:
    """For workers: tickets by id."""
    found = await conn.execute(select(_TICKETS).where(keys.any_of(_TICKETS.c.id, ids)))
    return {row.id: _ticket(row) for row in found}


async def count_links(conn: Connection, scope: PayerScope, now: datetime) -> int:
    """How many links to an address are on their way or unopened."""
    query = select(func.count()).where(_TICKETS.c.email == scope.email, _TICKETS.c.expires_at > now)
    count: int = (await conn.execute(query)).scalar_one()
    return count


async def add_session(conn: Connection, session: PortalSession) -> None:
    """Insert a session."""
    payer = session.payer
    row = {
        "digest": session.digest,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
        "wallet": payer.wallet,
        "chain_id": payer.chain_id,
        "email": payer.email,
        "customer_id": payer.customer_id,
        "language": session.language,
        "return_url": session.return_url,
        "configuration_id": session.configuration_id,
    }
    await bulk.insert(conn, _SESSIONS, [row])


async def find_session(conn: Connection, digest: bytes) -> PortalSession | None:
    """For whoever holds its secret: a session, which may be over."""
    row = (await conn.execute(select(_SESSIONS).where(_SESSIONS.c.digest == digest))).one_or_none()
    return None if row is None else _session(row)


async def save_session(conn: Connection, session: PortalSession) -> None:
    """Write down when a session was used last; one that was ended meanwhile stays so."""
    seen = update(_SESSIONS).where(_SESSIONS.c.digest == session.digest).values(seen_at=session.seen_at)
    await conn.execute(seen)


async def delete_session(conn: Connection, digest: bytes) -> None:
    """End a session; one that is gone stays gone."""
    await conn.execute(delete(_SESSIONS).where(_SESSIONS.c.digest == digest))


async def purge(conn: Connection, *, now: datetime, limit: int = 1000) -> int:
    """Forget tickets and sessions whose time is over, so many of each at most; returns how many."""
    forgotten = 0
    for table, identity in ((_TICKETS, _TICKETS.c.id), (_SESSIONS, _SESSIONS.c.digest)):
        old = select(identity).where(table.c.expires_at <= now).order_by(table.c.expires_at).limit(limit)
        forgotten += (await conn.execute(delete(table).where(identity.in_(old)))).rowcount
    return forgotten


def _ticket(row: Any) -> Ticket:
    ticket = Ticket(
        id=row.id,
        kind=row.kind,
        digest=row.digest,
        created_at=row.created_at,
        expires_at=row.expires_at,
        language=row.language,
        return_url=row.return_url,
        configuration_id=row.configuration_id,
    )
    if row.email is None and row.customer_id is None:
        return ticket
    return replace(ticket, payer=PayerScope(email=row.email, customer_id=row.customer_id))


def _session(row: Any) -> PortalSession:
    return PortalSession(
        digest=row.digest,
        payer=PayerScope(wallet=row.wallet, chain_id=row.chain_id, email=row.email, customer_id=row.customer_id),
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        language=row.language,
        return_url=row.return_url,
        configuration_id=row.configuration_id,
    )
