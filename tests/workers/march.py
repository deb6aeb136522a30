"""A life without waiting: every role takes its steps in turn in one process until nothing is left to do, and ends.

The steps are those of the worker, lane by lane; what is missing is what only costs time: bells, Redis, heartbeats.
Thousands of lives an hour can be ended by `kill -9` so, each at a named failpoint.
"""

import asyncio

from gateway import clock, composition, mail_post, webhook_http
from gateway import config as settings
from gateway.composition import House
from gateway.db import test_clocks, transactions, webhooks
from tests import factories
from workers.lane import Lane
from workers.roles import Bench, lanes_of
from workers.run import owner_name
from workers.settings import MAINTENANCE, ROLES, WEBHOOKS

PAUSE_SECONDS = 0.02
"""Between rounds that found nothing: a lease of a life before is waited for."""


async def march(config: settings.Config) -> None:
    """Let all roles work until the gateway is at rest."""
    livemode = config.mode == "live"
    async with (
        composition.opened(config, with_signers=True) as house,
        webhook_http.opened(allow_private=config.allow_private_webhooks, livemode=livemode) as http,
    ):
        bench = Bench(
            gateway=house.gateway,
            chains=house.chains,
            local_chains=house.local_chains,
            signers=house.signers,
            http=http,
            clock=clock.now,
            owner=owner_name(),
            ring=lambda _role: None,
            post=mail_post.of(config),
        )
        lanes = [lane for role in ROLES if role != MAINTENANCE for lane in _of(role, bench)]
        while True:
            busy = [await _step(lane) for lane in lanes]
            if not any(busy):
                if await _is_at_rest(house):
                    return
                await asyncio.sleep(PAUSE_SECONDS)


def _of(role: str, bench: Bench) -> list[Lane]:
    """One lane is enough where several do the same."""
    lanes = lanes_of(role, bench)
    return lanes[:1] if role == WEBHOOKS else lanes


async def _step(lane: Lane) -> bool:
    before = lane.health.done
    await lane._try_step()
    return lane.health.done > before


async def _is_at_rest(house: House) -> bool:
    """No clock is on its way, nothing is open on a chain, and every delivery was accepted."""
    async with house.gateway.books.read() as conn:
        if await test_clocks.standings(conn):
            return False
        for chain_id, signers in house.signers.items():
            for signer in signers:
                if await transactions.open_of_lane(conn, chain_id, signer.address):
                    return False
        owed = await webhooks.deliveries_of(conn, factories.SCOPE, endpoint_id=factories.ENDPOINT_ID, limit=200)
    return all(delivery.next_attempt_at is None for delivery in owed)
