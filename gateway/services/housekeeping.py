"""What is thrown away, and when."""

from datetime import datetime

from gateway.db import idempotency, sign_in
from gateway.services.gateway import Gateway


async def forget_answers(gateway: Gateway, *, now: datetime) -> int:
    """Forget a bounded batch of answers to requests whose keys may be used anew; returns how many."""
    async with gateway.books.write() as conn:
        return await idempotency.purge(conn, before=now - idempotency.RETENTION)


async def forget_sign_ins(gateway: Gateway, *, now: datetime) -> int:
    """Forget a bounded batch of tickets and sessions whose time is over; returns how many."""
    async with gateway.books.write() as conn:
        return await sign_in.purge(conn, now=now)
