"""The port to a chain: only the calls that are really made.

`chain.json_rpc.JsonRpcChain` is the real one, `chain.testing.FakeChain` the one that tests break by hand. Every method
may raise `chain.errors.RpcUnavailable`, which decides nothing about the chain and is worth trying again later. Methods
that take several keys answer in the order of the keys, in one round trip.
"""

from collections.abc import Sequence
from typing import Protocol

from chain.primitives import Address, BlockTag, Hash32, Header, LogFilter, RawLog, Receipt, SendResult


class ChainPort(Protocol):
    """One chain as seen through its endpoints."""

    @property
    def chain_id(self) -> int:
        """The EIP-155 id this port was configured for; every endpoint is checked against it."""
        ...

    async def head(self) -> Header:
        """Newest block of the canonical chain."""
        ...

    async def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Canonical headers by number; `None` where the chain does not reach."""
        ...

    async def tagged(self, tag: BlockTag) -> Header:
        """The block that the node calls `tag`."""
        ...

    async def logs_of_blocks(self, hashes: Sequence[Hash32], query: LogFilter) -> list[list[RawLog]]:
        """Logs by block hash (EIP-234): an unknown block raises `RpcRejected` instead of an empty answer."""
        ...

    async def logs_in_range(self, first: int, last: int, query: LogFilter) -> list[RawLog]:
        """Logs of the blocks `first` to `last`, both inclusive, in chain order.

        Raises `RpcUnavailable` where the node has not reached `last` (it would answer too little without saying so),
        and `RpcRejected` where it refuses the range: halve it.
        """
        ...

    async def receipts(self, hashes: Sequence[Hash32]) -> list[Receipt | None]:
        """Receipts by transaction hash; `None` where none is known."""
        ...

    async def nonce(self, account: Address, tag: BlockTag) -> int:
        """Number of transactions of `account` mined up to `tag`: the next nonce that is free there."""
        ...

    async def balances(self, accounts: Sequence[Address]) -> list[int]:
        """Native balances in wei at the newest block."""
        ...

    async def code(self, account: Address) -> bytes:
        """Deployed code at the newest block; empty where there is none."""
        ...

    async def calls(self, requests: Sequence[tuple[Address, Address, bytes]]) -> list[bytes | Exception]:
        """`eth_call` of (from, to, data) at the newest block, in one view of the chain.

        A revert is returned as `CallReverted`, and a refusal of that one call as `RpcRejected`; neither is raised.
        """
        ...

    async def send(self, raws: Sequence[bytes]) -> list[tuple[SendResult, str]]:
        """Hand signed bytes to the endpoints, in this order: (meaning, the node's own words) for each.

        Never raises `RpcUnavailable`: no answer says nothing about the transaction, so it is `SendResult.UNKNOWN`.
        """
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...
