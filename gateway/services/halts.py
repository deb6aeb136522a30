"""Taking a halt back, after a person has looked. What the gateway stops by itself, it never starts again by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chain.port import ChainPort
from chain.primitives import BlockTag
from gateway.db import halts
from gateway.db.blocks import Cursor
from gateway.db.transactions import Lane
from gateway.domain.act import ActKind
from gateway.services import acts, submission
from gateway.services.acts import AT_THE_DESK
from gateway.services.gateway import Gateway
from gateway.services.reversal import Reversal, take_back


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a chain stands: what is indexed of it, and the lanes that send to it."""

    cursor: Cursor
    lanes: tuple[Lane, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it or one of its lanes is halted; empty when nothing is."""
        stopped = (self.cursor.halted_reason, *(lane.halted_reason for lane in self.lanes))
        return tuple(reason for reason in stopped if reason is not None)


async def standings(gateway: Gateway) -> Sequence[Standing]:
    """Every configured chain, in the order of its id, also one that was never followed."""
    async with gateway.books.read() as conn:
        cursors = {cursor.chain_id: cursor for cursor in await halts.cursors(conn)}
        lanes = await halts.lanes(conn)
    return [
        Standing(
            cursor=cursors.get(chain_id, Cursor(chain_id=chain_id)),
            lanes=tuple(lane for lane in lanes if lane.chain_id == chain_id),
        )
        for chain_id in sorted(gateway.networks)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What resuming came to: nonces that lanes gave up, by signer, and what a re-org had taken away."""

    skipped: Mapping[str, int]
    reversal: Reversal | None


async def resume(gateway: Gateway, chain: ChainPort, standing: Standing, *, now: datetime) -> Resumed:
    """Take the halts of a chain and of its lanes back; charges that a re-org took away are reversed first.

    Raises:
        Conflict: the re-org took more away than can be taken back; nothing changed.
        RpcUnavailable: the node could not be asked; nothing changed.
    """
    chain_id = standing.cursor.chain_id
    reversal = await take_back(gateway, chain, now=now)
    stopped = [lane for lane in standing.lanes if lane.halted_reason is not None]
    nonces = {lane.signer: await chain.nonce(lane.signer, BlockTag.LATEST) for lane in stopped}
    async with gateway.books.write() as conn:
        await halts.resume_chain(conn, chain_id)
        skipped = {}
        for signer, first_free in nonces.items():
            await halts.resume_lane(conn, chain_id, signer)
            skipped[str(signer)] = await submission.catch_up(conn, chain_id, signer, first_free)
        taken_back = {"reasons": list(standing.reasons), "skipped_nonces": skipped}
        await acts.note(conn, ActKind.CHAIN_RESUMED, str(chain_id), actor=AT_THE_DESK, now=now, details=taken_back)
    return Resumed(skipped=skipped, reversal=reversal)
