"""Watching what wallets allow: approvals that their owners make, and what our own pulls leave (ST-67, SX-24).

Only final blocks are searched, for approvals of our contract by anybody, which are as many as our subscribers make.
What was read, what it means for each payment method, and how far the search went commit together. Nothing is charged
here: a wallet that can pay again is `gateway.services.recovery`'s.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chain.erc20 import TokenFacts, token_facts
from chain.errors import NotReadable, RpcRejected
from chain.logs import approvals_of, decode_token_logs
from chain.port import ChainPort
from chain.primitives import Address, Approved, Charged
from gateway.db import blocks, catalog, drawing, mandates, test_clocks, wallets
from gateway.db.drawing import Wallet
from gateway.db.engine import Connection
from gateway.domain import allowance
from gateway.domain.catalog import PaymentMethod
from gateway.domain.transition import Moved
from gateway.services import settings
from gateway.services.gateway import Gateway, Network
from gateway.services.recording import Origin, record

RANGE_BLOCKS_MAX: Final = 500
"""Blocks of one request, as public endpoints answer it."""

Account = tuple[Address, Address]
"""A token and an owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What final blocks up to `last` say: whose allowance was changed by its owner, and who was charged."""

    last: int
    approved: frozenset[Account]
    charged: frozenset[Account]


async def watch(gateway: Gateway, chain: ChainPort, *, now: datetime) -> int:
    """Search some final blocks, and look at the wallets that they touch; returns how many blocks.

    The first search begins at the newest final block: what was approved before is read when something moves.

    Raises:
        RpcUnavailable, RpcRejected: the chain could not be read; nothing was written.
        WriteConflict: another process was faster; nothing was written.
    """
    network = gateway.networks[chain.chain_id]
    tokens = sorted({token.address for token in gateway.tokens.values() if token.chain_id == chain.chain_id})
    async with gateway.books.read() as conn:
        cursor = await blocks.cursor(conn, chain.chain_id)
        was = await wallets.searched_to(conn, chain.chain_id)
    if cursor.final_number is None or cursor.halted_reason is not None or not tokens or was >= cursor.final_number:
        return 0
    first = cursor.final_number if was == wallets.NOWHERE else was + 1
    last = min(first + RANGE_BLOCKS_MAX - 1, cursor.final_number)
    read = await _read(gateway, network, chain, tokens=tokens, first=first, last=last)
    touched = sorted(read.approved | read.charged)
    async with gateway.books.read() as conn:
        known = await wallets.methods_of(conn, chain.chain_id, touched) if touched else []
    facts = await _facts(chain, network, sorted({(method.token, method.owner) for method in known}))
    async with gateway.books.write() as conn:
        await wallets.advance(conn, chain.chain_id, was=was, number=read.last)
        if facts:
            await _write(conn, gateway, network, read, facts, now=now)
    return read.last - first + 1


async def _read(
    gateway: Gateway, network: Network, chain: ChainPort, *, tokens: Sequence[Address], first: int, last: int
) -> _Read:
    """Approvals from the node, a refused range halved; pulls from our own rows."""
    while True:
        try:
            logs = await chain.logs_in_range(first, last, approvals_of(tokens, network.contract))
            break
        except RpcRejected:
            if last == first:
                raise
            last = (first + last) // 2
    approved = [event for event in decode_token_logs(logs) if isinstance(event, Approved)]
    async with gateway.books.read() as conn:
        pulls: list[Charged] = await blocks.charged_in(conn, network.chain_id, range(first, last + 1))
        ids = sorted({pull.mandate_id for pull in pulls})
        drawn = await mandates.by_onchain_ids(conn, network.chain_id, ids) if ids else {}
    return _Read(
        last=last,
        approved=frozenset((event.token, event.owner) for event in approved),
        charged=frozenset((mandate.terms.token, mandate.terms.payer) for mandate in drawn.values()),
    )


async def _facts(chain: ChainPort, network: Network, touched: Sequence[Account]) -> dict[Address, TokenFacts]:
    """Balances and allowances at the newest block, by token; a token that stopped answering is left out."""
    owners_of: defaultdict[Address, list[Address]] = defaultdict(list)
    for token, owner in touched:
        owners_of[token].append(owner)
    facts = {}
    for token, owners in owners_of.items():
        try:
            facts[token] = await token_facts(chain, token, [(owner, network.contract) for owner in owners])
        except NotReadable:
            continue
    return facts


async def _write(
    conn: Connection,
    gateway: Gateway,
    network: Network,
    read: _Read,
    facts: dict[Address, TokenFacts],
    *,
    now: datetime,
) -> None:
    asked = sorted((token, owner) for token in facts for owner in facts[token].balances)
    methods = await wallets.methods_of(conn, network.chain_id, asked, lock=True)
    demands = await _demands(conn, methods)
    policies = await settings.policies(conn, gateway, [method.scope.account_id for method in methods])
    customers = await catalog.load_customers(conn, sorted({m.customer_id for m in methods if m.customer_id}))
    clock_ids = sorted({c.test_clock_id for c in customers.values() if c.test_clock_id})
    clocks = await test_clocks.load(conn, clock_ids) if clock_ids else {}
    moved: list[Moved[PaymentMethod]] = []
    for method in methods:
        customer = customers.get(method.customer_id or "")
        clock = clocks.get((customer.test_clock_id if customer else None) or "")
        read_of = facts[method.token]
        if (method.owner, network.contract) not in read_of.allowances:
            continue
        moved.append(
            allowance.look(
                method,
                allowance=read_of.allowances[method.owner, network.contract],
                balance=read_of.balances[method.owner],
                demand=demands[_wallet(method)],
                notice=policies[method.scope.account_id].allowance_notice,
                approved=(method.token, method.owner) in read.approved,
                now=now if clock is None else clock.frozen_at,
            )
        )
    await catalog.save_payment_methods(conn, [move.value for move in moved])
    await record(conn, gateway, moved, origin=Origin(now))


async def _demands(conn: Connection, methods: Sequence[PaymentMethod]) -> dict[Wallet, allowance.Demand]:
    """What each merchant's subscriptions take from each wallet; what others draw there is not theirs to know."""
    wanted = sorted({_wallet(method) for method in methods}, key=lambda w: (w.scope.account_id, w.token, w.owner))
    shared = await drawing.on_wallets(conn, wanted)
    ids = sorted({s.mandate_id for found in shared.values() for s in found if s.mandate_id is not None})
    agreed = await mandates.load(conn, ids) if ids else {}
    return {
        wallet: allowance.demand_of([(s, agreed[s.mandate_id]) for s in found if s.mandate_id in agreed])
        for wallet, found in shared.items()
    }


def _wallet(method: PaymentMethod) -> Wallet:
    return Wallet(
        scope=method.scope,
        chain_id=method.chain_id,
        token=method.token,
        owner=method.owner,
        contract=method.spender,
    )
