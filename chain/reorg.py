"""Following a chain: append, go back to the common ancestor, or raise the alarm. Pure; the caller asks the node.

`own` is the tail of what was indexed, oldest first, as (number, hash). `canonical` holds the headers fetched so far by
number; `None` says that the chain does not reach that far. The cases, in the order in which they are decided:

1. nothing indexed yet                                  → `Append(None)`: start where the caller wants to
2. the header at our tip's number is not fetched yet    → `Ask([tip])`
3. it has our hash                                      → `Append(tip)`
4. it has another hash, or the chain is shorter         → look back: which of our blocks is still canonical?
   a. some fetched header has our hash at its number, and so does nothing above it that was fetched, and
      the number just above it is fetched                → `Unwind(that block)`: exactly known
   b. the gap between the newest equal and the oldest different one is open → `Ask`: bisect it
   c. all fetched ones differ                            → `Ask` further back, twice as far each time (galloping)
5. our block at or below the finalized number differs   → `BelowFinality`: stop, tell somebody, change nothing
6. all of `own` differs and ends above the finalized number → `TailExhausted`: the caller loads more of its own chain

A round costs one request; a re-org of depth d is found in about 2·log2(d) rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chain.primitives import BlockRef, Header


@dataclass(frozen=True, slots=True)
class Append:
    """Our tip is canonical: index the blocks above it. `tip` is None when nothing was indexed."""

    tip: BlockRef | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Fetch the canonical headers of these numbers, add them to what was fetched, and decide again."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unwind:
    """Everything of ours above `ancestor` is no longer canonical; `orphans` is how many of our blocks that is."""

    ancestor: BlockRef
    orphans: int


@dataclass(frozen=True, slots=True)
class BelowFinality:
    """Our block `ours` counts as final and the chain shows another at its number: never unwound, always an alarm."""

    ours: BlockRef
    canonical: BlockRef | None


@dataclass(frozen=True, slots=True)
class TailExhausted:
    """The fork lies below the blocks that were given: give more, down to the finalized one."""

    oldest: BlockRef


Step = Append | Ask | Unwind | BelowFinality | TailExhausted


def next_step(own: Sequence[BlockRef], canonical: Mapping[int, Header | None], finalized: int) -> Step:
    """What to do next; see the module's cases.

    Args:
        own: indexed blocks, oldest first, numbers strictly rising; gaps are allowed (only some blocks have rows).
        canonical: headers fetched in this step by number, None where the chain does not reach. Never from an earlier
            step: the chain may have changed since.
        finalized: number of the newest block that counts as final.

    Raises:
        ValueError: the numbers of `own` do not rise.
    """
    if any(left.number >= right.number for left, right in pairwise(own)):
        raise ValueError("own blocks must be given with rising numbers")
    if not own:
        return Append(None)
    tip = own[-1]
    if tip.number not in canonical:
        return Ask((tip.number,))
    if _same(tip, canonical):
        return Append(tip)
    return _look_back(own, canonical, finalized)


def _look_back(own: Sequence[BlockRef], canonical: Mapping[int, Header | None], finalized: int) -> Step:
    fetched = [index for index, block in enumerate(own) if block.number in canonical]
    different = [index for index in fetched if not _same(own[index], canonical)]
    final_and_different = [index for index in different if own[index].number <= finalized]
    if final_and_different:
        ours = own[final_and_different[0]]
        header = canonical[ours.number]
        return BelowFinality(ours, header.ref if header else None)
    oldest_different = different[0]
    equal_below = [index for index in fetched if index < oldest_different and _same(own[index], canonical)]
    if equal_below:
        newest_equal = equal_below[-1]
        if newest_equal + 1 == oldest_different:
            return Unwind(own[newest_equal], len(own) - oldest_different)
        return Ask((own[(newest_equal + oldest_different) // 2].number,))
    if oldest_different == 0:
        return TailExhausted(own[0])
    distance = len(own) - 1 - oldest_different
    return Ask((own[max(oldest_different - distance - 1, 0)].number,))


def _same(block: BlockRef, canonical: Mapping[int, Header | None]) -> bool:
    header = canonical[block.number]
    return header is not None and header.hash == block.hash
