"""What each role runs: which service, for which chain and signer, how often without a bell. No decisions.

A role is one or more lanes, so that a chain whose endpoint is down, or a merchant whose server is slow, holds up nobody
else's.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chain.port import ChainPort
from chain.signer import Signer
from gateway.services import (
    collection,
    fuel,
    housekeeping,
    mails,
    reconciliation,
    registrations,
    rounds,
    submission,
    test_clocks,
    webhooks,
)
from gateway.services.gateway import Gateway
from gateway.services.ports import HttpPort, MailPort
from gateway.services.test_clocks import LocalChainPort
from workers.lane import BEAT_SECONDS, Lane
from workers.settings import BILLING, CLOCKS, COLLECTION, INDEXER, MAIL, MAINTENANCE, NEXT, SUBMITTER, WEBHOOKS

BATCH: Final = 1000  # rows of one transaction: statements stop to count, and a lock is held for less than a second
LOCAL_BEAT_SECONDS: Final = 0.2  # a local chain mines when it is told to, and those who tell it ring
DELIVERY_LANES: Final = 4  # a lane waits half a second for the slow ones of its batch; the others go on meanwhile

AUDIT_EVERY: Final = timedelta(minutes=1)  # how late a difference between books and chain is found
PURGE_EVERY: Final = timedelta(hours=1)
GAS_EVERY: Final = timedelta(hours=1)

Step = Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything that roles work with. `owner` names this process where it holds a lease; no `post`, no mail."""

    gateway: Gateway
    chains: Mapping[int, ChainPort]
    local_chains: Mapping[int, LocalChainPort]
    signers: Mapping[int, Sequence[Signer]]
    http: HttpPort
    clock: Callable[[], datetime]
    owner: str
    ring: Callable[[str], None]
    post: MailPort | None = None


def lanes_of(role: str, bench: Bench) -> list[Lane]:
    """The lanes of one role.

    Raises:
        KeyError: there is no such role.
    """
    steps = _STEPS[role](bench)

    def ring_next() -> None:
        for following in NEXT[role]:
            bench.ring(following)

    return [
        Lane(name, step, ring_next=ring_next, beat_seconds=LOCAL_BEAT_SECONDS if is_local else BEAT_SECONDS)
        for name, step, is_local in steps
    ]


def ring_of(role: str, lanes: Sequence[Lane]) -> Callable[[], None]:
    """What a bell of the role does: ring all its lanes; of the webhook lanes, which do the same, the first idle one."""
    if role != WEBHOOKS:
        return lambda: _ring(lanes)
    return lambda: _ring([next((lane for lane in lanes if not lane.is_busy), lanes[0])])


def _ring(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        lane.ring()


_Steps = Iterator[tuple[str, Step, bool]]
"""Name, step, and whether it follows a local chain."""


def _billing(bench: Bench) -> _Steps:
    async def step() -> int:
        return await rounds.bill(bench.gateway, bench.chains, now=bench.clock(), limit=BATCH)

    yield BILLING, step, False


def _collection(bench: Bench) -> _Steps:
    for chain, signer, opened in _signing(bench):

        async def step(chain: ChainPort = chain, signer: Signer = signer, opened: Step = opened) -> int:
            await opened()
            done = await collection.collect_due(bench.gateway, chain, signer, now=bench.clock(), limit=BATCH)
            return done + await registrations.register_due(bench.gateway, chain, signer, now=bench.clock())

        yield f"{COLLECTION} {chain.chain_id} {signer.address}", step, False


def _submitter(bench: Bench) -> _Steps:
    for chain, signer, opened in _signing(bench):

        async def step(chain: ChainPort = chain, signer: Signer = signer, opened: Step = opened) -> int:
            await opened()
            return await submission.advance(bench.gateway, chain, signer, now=bench.clock(), owner=bench.owner)

        yield f"{SUBMITTER} {chain.chain_id} {signer.address}", step, False


def _signing(bench: Bench) -> Iterator[tuple[ChainPort, Signer, Step]]:
    """Every lane of transactions, with a step that opens it the first time; a node that is away is asked again."""
    for chain_id, signers in bench.signers.items():
        for signer in signers:
            yield bench.chains[chain_id], signer, _once(bench, bench.chains[chain_id], signer)


def _once(bench: Bench, chain: ChainPort, signer: Signer) -> Step:
    is_open = False

    async def opened() -> int:
        nonlocal is_open
        if not is_open:
            await submission.open_lane(bench.gateway, chain, signer)
            is_open = True
        return 0

    return opened


def _indexer(bench: Bench) -> _Steps:
    for chain_id, chain in bench.chains.items():

        async def step(chain: ChainPort = chain) -> int:
            return await rounds.follow(bench.gateway, chain, now=bench.clock(), limit=BATCH)

        yield f"{INDEXER} {chain_id}", step, bench.gateway.networks[chain_id].is_local


def _webhooks(bench: Bench) -> _Steps:
    stragglers = webhooks.Stragglers()  # of all lanes: a slow endpoint holds up none of them

    async def step() -> int:
        return await webhooks.deliver_due(bench.gateway, bench.http, now=bench.clock(), stragglers=stragglers)

    for number in range(1, DELIVERY_LANES + 1):
        yield f"{WEBHOOKS} {number}", step, False


def _mail(bench: Bench) -> _Steps:
    post = bench.post
    if post is None:
        return

    async def step() -> int:
        return await mails.deliver_due(bench.gateway, post, now=bench.clock())

    yield MAIL, step, False


def _clocks(bench: Bench) -> _Steps:
    async def step() -> int:
        progress = await test_clocks.step(bench.gateway, bench.local_chains, now=bench.clock())
        if progress.mined:
            bench.ring(INDEXER)
        if progress.arrived:
            bench.ring(WEBHOOKS)
        return progress.moved + progress.mined

    yield CLOCKS, step, bool(bench.local_chains)


def _maintenance(bench: Bench) -> _Steps:
    async def purge() -> int:
        forgotten = await housekeeping.forget_answers(bench.gateway, now=bench.clock())
        return forgotten + await housekeeping.forget_sign_ins(bench.gateway, now=bench.clock())

    yield f"{MAINTENANCE} idempotency keys", _every(PURGE_EVERY, bench.clock, purge), False
    for chain_id, chain in bench.chains.items():

        async def audit(chain: ChainPort = chain) -> int:
            return await reconciliation.step(bench.gateway, chain)

        yield f"{MAINTENANCE} audit {chain_id}", _every(AUDIT_EVERY, bench.clock, audit), False
        for signer in bench.signers.get(chain_id, ()):

            async def look(chain: ChainPort = chain, signer: Signer = signer) -> int:
                return await fuel.watch(bench.gateway, chain, signer.address, now=bench.clock())

            yield f"{MAINTENANCE} gas {chain_id} {signer.address}", _every(GAS_EVERY, bench.clock, look), False


def _every(pause: timedelta, clock: Callable[[], datetime], step: Step) -> Step:
    """The step, at most once in `pause` as soon as it found nothing more to do: bells ring every second."""
    rested: datetime | None = None

    async def rarely() -> int:
        nonlocal rested
        now = clock()
        if rested is not None and rested <= now < rested + pause:
            return 0
        done = await step()
        if not done:
            rested = now
        return done

    return rarely


_STEPS: Final[Mapping[str, Callable[[Bench], _Steps]]] = {
    BILLING: _billing,
    COLLECTION: _collection,
    SUBMITTER: _submitter,
    INDEXER: _indexer,
    WEBHOOKS: _webhooks,
    CLOCKS: _clocks,
    MAIL: _mail,
    MAINTENANCE: _maintenance,
}
