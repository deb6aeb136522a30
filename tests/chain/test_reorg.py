import pytest

from chain.primitives import BlockRef, Header, hash32
from chain.reorg import Append, Ask, BelowFinality, Step, TailExhausted, Unwind, next_step
from chain.testing import FakeChain


async def follow(chain: FakeChain, own: list[BlockRef], finalized: int = 0) -> tuple[Step, int]:
    """Ask the chain until there is a decision; (decision, rounds)."""
    fetched: dict[int, Header | None] = {}
    rounds = 0
    while isinstance(step := next_step(own, fetched, finalized), Ask):
        assert not set(step.numbers) & set(fetched), "asked twice for the same number"
        fetched |= dict(zip(step.numbers, await chain.headers(step.numbers), strict=True))
        rounds += 1
    return step, rounds


def indexed(chain: FakeChain) -> list[BlockRef]:
    return [block.header.ref for block in chain.blocks]


async def test_a_grown_chain_is_appended_to() -> None:
    chain = FakeChain()
    chain.mine(5)
    own = indexed(chain)
    chain.mine(3)
    assert await follow(chain, own) == (Append(own[-1]), 1)


async def test_nothing_indexed_is_appended_to() -> None:
    assert await follow(FakeChain(), []) == (Append(None), 0)


@pytest.mark.parametrize("depth", range(1, 65))
async def test_a_reorg_of_any_depth_unwinds_to_the_common_ancestor(depth: int) -> None:
    chain = FakeChain()
    chain.mine(100)
    own = indexed(chain)
    chain.reorg(depth)
    step, rounds = await follow(chain, own)
    assert step == Unwind(own[-1 - depth], depth)
    assert rounds <= 14


async def test_a_shorter_chain_unwinds_too() -> None:
    chain = FakeChain()
    chain.mine(20)
    own = indexed(chain)
    chain.reorg(7, blocks=2)
    assert (await follow(chain, own))[0] == Unwind(own[-8], 7)


async def test_a_chain_that_only_lost_blocks_unwinds_too() -> None:
    chain = FakeChain()
    chain.mine(20)
    own = indexed(chain)
    chain.reorg(7, blocks=0)
    assert (await follow(chain, own))[0] == Unwind(own[-8], 7)


async def test_only_blocks_that_were_indexed_are_asked_for() -> None:
    chain = FakeChain()
    chain.mine(50)
    own = indexed(chain)[::7]
    chain.reorg(20)
    assert (await follow(chain, own))[0] == Unwind(own[-4], 3)


async def test_a_fork_below_finality_is_an_alarm_and_never_unwound() -> None:
    chain = FakeChain()
    chain.mine(20)
    own = indexed(chain)
    chain.reorg(10)
    step, _ = await follow(chain, own, finalized=15)
    assert isinstance(step, BelowFinality)
    assert step.ours.number <= 15
    assert step.canonical == chain.blocks[step.ours.number].header.ref != step.ours


async def test_a_fork_just_above_finality_is_unwound() -> None:
    chain = FakeChain()
    chain.mine(20)
    own = indexed(chain)
    chain.reorg(5)
    assert (await follow(chain, own, finalized=15))[0] == Unwind(own[15], 5)


async def test_a_final_block_that_vanished_is_an_alarm() -> None:
    chain = FakeChain()
    chain.mine(20)
    own = indexed(chain)
    chain.reorg(10, blocks=0)
    step, _ = await follow(chain, own, finalized=20)
    assert step == BelowFinality(own[20], None)


async def test_a_fork_below_what_was_given_asks_for_more_of_our_own() -> None:
    chain = FakeChain()
    chain.mine(20)
    own = indexed(chain)
    chain.reorg(10)
    assert (await follow(chain, own[14:]))[0] == TailExhausted(own[14])


def test_own_blocks_out_of_order_are_refused() -> None:
    block = BlockRef(3, hash32("0x" + "00" * 32))
    with pytest.raises(ValueError, match="rising numbers"):
        next_step([block, block], {}, 0)
