"""Recovery within seconds: when a wallet that owes gets enough balance and allowance, its charge is due at once.

Only wallets with a failed charge intent are watched, by `Transfer` to and `Approval` of them. Nothing is charged here
and no attempt is used up: the intent's next attempt is only brought forward to now, on the intent's own clock.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from chain.erc20 import TokenFacts, token_facts
from chain.errors import NotReadable
from chain.logs import approvals, decode_token_logs, incoming_transfers
from chain.port import ChainPort
from chain.primitives import Address, Approved, Hash32, Transferred
from gateway.db import charge_intents
from gateway.db import stalled as stalled_rows
from gateway.db.engine import Connection
from gateway.db.stalled import Stalled
from gateway.domain import charge_intent as intents
from gateway.services.gateway import Gateway, Network

WATCHED_MAX: Final = 500  # wallets in one topic filter; nodes refuse filters of many thousands

Wallet = tuple[Address, Address]
"""A token and the account that owes in it."""


async def watched(gateway: Gateway, network: Network, *, now: datetime) -> Sequence[Stalled]:
    """Failed intents that a top-up would rescue, oldest first, at most `WATCHED_MAX`."""
    async with gateway.books.read() as conn:
        return await stalled_rows.of_chain(conn, chain_id=network.chain_id, now=now, limit=WATCHED_MAX)


async def touched(
    chain: ChainPort, network: Network, stalled: Sequence[Stalled], hashes: Sequence[Hash32]
) -> set[Wallet]:
    """Wallets among `stalled` that received their token, or changed our allowance, in these blocks."""
    if not stalled or not hashes:
        return set()
    wallets = {(entry.token, entry.owner) for entry in stalled}
    tokens = sorted({token for token, _ in wallets})
    owners = sorted({owner for _, owner in wallets})
    found: set[Wallet] = set()
    for query in (incoming_transfers(tokens, owners), approvals(tokens, owners, network.contract)):
        for logs in await chain.logs_of_blocks(hashes, query):
            for event in decode_token_logs(logs):
                match event:
                    case Transferred():
                        found.add((event.token, event.recipient))
                    case Approved():
                        found.add((event.token, event.owner))
    return found & wallets


async def able_to_pay(
    chain: ChainPort, network: Network, stalled: Sequence[Stalled], wallets: set[Wallet] | None
) -> list[Stalled]:
    """Those of `stalled` that their wallets can pay now, oldest first, as far as one balance goes.

    `wallets` None looks at all of them: after a backfill, whose blocks were not searched for transfers.
    """
    asked = {(entry.token, entry.owner) for entry in stalled} if wallets is None else wallets
    owners_of: defaultdict[Address, list[Address]] = defaultdict(list)
    for token, owner in sorted(asked):
        owners_of[token].append(owner)
    facts: dict[Address, TokenFacts] = {}
    for token, owners in owners_of.items():
        try:
            facts[token] = await token_facts(chain, token, [(owner, network.contract) for owner in owners])
        except NotReadable:
            continue  # a token that stopped answering cannot be charged either
    left: dict[Wallet, int] = {}
    able = []
    for entry in stalled:
        wallet = (entry.token, entry.owner)
        if wallet not in asked or entry.token not in facts:
            continue
        read = facts[entry.token]
        budget = min(read.balances[entry.owner], read.allowances[entry.owner, network.contract])
        rest = left.setdefault(wallet, budget)
        if rest >= entry.amount:
            left[wallet] = rest - entry.amount
            able.append(entry)
    return able


async def schedule(conn: Connection, able: Sequence[Stalled]) -> None:
    """Make these intents due now, each on its own clock; those that moved on meanwhile are left alone."""
    if not able:
        return
    entries = {entry.intent_id: entry for entry in able}
    current = await charge_intents.load(conn, list(entries), lock=True)
    moved = [
        intents.restore(intent, entries[intent.id].now, over=entries[intent.id].over)
        for intent in current.values()
        if intent.status is intents.Status.FAILED
        and (intent.next_attempt_at is None or intent.next_attempt_at > entries[intent.id].now)
    ]
    await charge_intents.save_many(conn, moved)
