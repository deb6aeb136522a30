"""How long a signer's native coin lasts: what it holds, what its transactions asked for lately, at the price of now.

An estimate that errs to the careful side: it counts gas limits, and a batch uses less than its limit. Nothing is
decided by it; whether a single attempt can be paid for, `gateway.services.collection` looks at itself.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chain import fees
from chain.port import ChainPort
from chain.primitives import Address
from gateway.db import fuel as rows
from gateway.db.engine import Connection
from gateway.services.gateway import Gateway

LOW_DAYS: Final = 7
"""Fewer are worth a warning: a weekend, and time to send some."""

LOW_WEI: Final = 10**16
"""0.01 of the native coin, for a signer that has sent nothing yet: some hundred pulls on a main network."""

WINDOW: Final = timedelta(days=30)
SPAN_MIN: Final = timedelta(days=1)  # a gateway that began an hour ago does not send so much every hour

_DAY_SECONDS: Final = 86_400
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuel:
    """What a signer holds, in wei, and for how many days that lasts; None: it has sent nothing lately."""

    signer: Address
    wei: int
    days_left: int | None

    @property
    def is_low(self) -> bool:
        """Whether somebody should send some of the native coin."""
        return self.wei < LOW_WEI if self.days_left is None else self.days_left < LOW_DAYS


async def left(conn: Connection, gateway: Gateway, chain: ChainPort, signer: Address, *, now: datetime) -> Fuel:
    """How long the native coin of a signer lasts.

    Raises:
        RpcUnavailable: the chain could not be asked.
    """
    network = gateway.networks[chain.chain_id]
    gas, since = await rows.gas_since(conn, chain.chain_id, signer, now - WINDOW)
    head = await chain.head()
    policy = fees.FeePolicy(tip=min(network.tip, network.fee_cap), cap=network.fee_cap)
    [wei] = await chain.balances([signer])
    if since is None:
        return Fuel(signer=signer, wei=wei, days_left=None)
    price = max(min(head.base_fee_per_gas + policy.tip, policy.cap), 1)
    seconds = int(max(now - since, SPAN_MIN).total_seconds())
    return Fuel(signer=signer, wei=wei, days_left=wei * seconds // (gas * price * _DAY_SECONDS))


async def watch(gateway: Gateway, chain: ChainPort, signer: Address, *, now: datetime) -> int:
    """Warn where a signer's native coin does not last; there is never anything left to do.

    Raises:
        RpcUnavailable: the chain could not be asked.
    """
    async with gateway.books.read() as conn:
        fuel = await left(conn, gateway, chain, signer, now=now)
    if fuel.is_low:
        facts = {"chain_id": chain.chain_id, "signer": signer, "wei": fuel.wei, "days_left": fuel.days_left}
        _log.warning("a signer is running out of gas: send it some of the native coin", extra=facts)
    return 0
