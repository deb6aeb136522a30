"""`FakeChain`: a chain in memory, at the port, broken by hand. For tests only.

It holds blocks, a pool with a real node's rules, and the state that our contract and its tokens need, so that a service
test can register, charge, re-org and lose answers in ten lines. What it claims about the contract is compared with the
real one on a real node in `tests/chain`.

    chain = FakeChain()
    chain.deploy_token(TOKEN)
    chain.fund(TOKEN, payer, 50_000_000)
    await chain.send([signed.raw])
    chain.mine()
    chain.reorg(1)
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chain import fake_world
from chain.errors import CallReverted, RpcRejected, RpcUnavailable
from chain.fake_contract import Call, FakeContract
from chain.fake_pool import FakePool, PoolTransaction, run
from chain.fake_world import Emitted, World
from chain.keccak import keccak256
from chain.primitives import (
    Address,
    BlockRef,
    BlockTag,
    Hash32,
    Header,
    LogFilter,
    RawLog,
    Receipt,
    SendResult,
)

CHAIN_ID: Final = 31_337
CONTRACT: Final = Address("0x" + "d0" * 20)
OWNER: Final = Address("0x" + "0a" * 20)
GENESIS_TIMESTAMP: Final = 1_700_000_000
BLOCK_SECONDS: Final = 12
GWEI: Final = 10**9
ETHER: Final = 10**18

_FOREIGN_TRANSACTION: Final = b"not one of ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A mined block with everything that it caused, and the state after it."""

    header: Header
    transactions: tuple[PoolTransaction, ...]
    receipts: tuple[Receipt, ...]
    logs: tuple[RawLog, ...]
    world: World = field(repr=False)


class FakeChain:
    """Implements `ChainPort` in memory. Time stands still until `mine`.

    Attributes:
        blocks: the canonical chain from block 0.
        pool: what waits to be mined.
        call_counts: how often each method of the port was called.
        base_fee: of the blocks mined from now on, wei per gas.
        finality_depth: blocks between the head and what is tagged `finalized`; `safe` is half of it.
        world: the state at the head; change it before `mine` to set a scene without transactions.
    """

    def __init__(
        self, *, chain_id: int = CHAIN_ID, contract: Address = CONTRACT, timestamp: int = GENESIS_TIMESTAMP
    ) -> None:
        self.chain_id: Final = chain_id
        self.contract: Final = FakeContract(contract, chain_id)
        self.world = World(owner=OWNER)
        self.blocks: list[Block] = []
        self.pool: Final = FakePool(chain_id)
        self.call_counts: Counter[str] = Counter()
        self.base_fee = GWEI
        self.finality_depth = 2
        self.is_closed = False
        self._receipts: dict[Hash32, Receipt] = {}
        self._failures: dict[str, deque[Exception]] = {}
        self._send_script: deque[str] = deque()
        self._salt = 0  # makes blocks at the same height after a re-org differ
        self._append(timestamp, (), [])

    # ------------------------------------------------------------------------------------------------ the scene

    def deploy_token(self, token: Address) -> None:
        """Make `token` exist, allowed by the contract."""
        self.world.deployed_tokens.add(token)
        self.world.allowed_tokens.add(token)

    def fund(self, token: Address, wallet: Address, balance: int, allowance: int | None = None) -> None:
        """Set balance and allowance for the contract (default: the same amount), in base units, without events."""
        self.world.balances[token, wallet] = balance
        spender = self.contract.address
        self.world.allowances[token, wallet, spender] = balance if allowance is None else allowance

    def fund_native(self, account: Address, wei: int = 100 * ETHER) -> None:
        """Set a native balance."""
        self.world.native[account] = wei

    def transfer(self, token: Address, sender: Address, recipient: Address, amount: int) -> None:
        """Move tokens with their event, in a block of its own."""
        self.mine_logs([fake_world.move(self.world, token, sender, recipient, amount)])

    def mint(self, token: Address, recipient: Address, amount: int) -> None:
        """Make tokens with their event, in a block of its own: a top-up that a watcher can see."""
        self.mine_logs([fake_world.mint(self.world, token, recipient, amount)])

    def approve(self, token: Address, owner: Address, amount: int) -> None:
        """Approve the contract with the token's event, in a block of its own."""
        self.mine_logs([fake_world.approve(self.world, token, owner, self.contract.address, amount)])

    def execute(self, caller: Address, data: bytes) -> None:
        """Call the contract as `caller` without a transaction of the pool, in a block of its own.

        Raises:
            CallReverted: it reverted; nothing was mined.
        """
        trial = self.world.copy()
        emitted = self.contract.execute(trial, Call(caller, data, self.head_timestamp + BLOCK_SECONDS))
        self.world = trial
        self.mine_logs(emitted)

    # ------------------------------------------------------------------------------------------------ the blocks

    @property
    def head_timestamp(self) -> int:
        """Unix seconds of the newest block."""
        return self.blocks[-1].header.timestamp

    def mine(self, count: int = 1, *, timestamp: int | None = None) -> Header:
        """Mine `count` blocks with all that the pool can give, the first at `timestamp` (default: 12 s after the head).

        Raises:
            ValueError: time would stand still or go back.
        """
        for index in range(count):
            at = timestamp if timestamp is not None and index == 0 else self.head_timestamp + BLOCK_SECONDS
            if at <= self.head_timestamp:
                raise ValueError(f"block time must grow: {at} is not after {self.head_timestamp}")
            self._append(at, self.pool.pick(self.world, self.base_fee), [])
        return self.blocks[-1].header

    def mine_logs(self, emitted: list[Emitted], *, timestamp: int | None = None) -> Header:
        """Mine one block that besides the pool holds a foreign transaction which emitted these logs."""
        self._append(
            timestamp or self.head_timestamp + BLOCK_SECONDS, self.pool.pick(self.world, self.base_fee), emitted
        )
        return self.blocks[-1].header

    def reorg(self, depth: int, *, blocks: int | None = None, keep_transactions: bool = True) -> None:
        """Take the newest `depth` blocks away and mine `blocks` (default as many) empty ones in their place.

        Their transactions return to the pool, as in a real node; with `keep_transactions=False` they are lost, as in
        anvil. The state is that of the common ancestor.

        Raises:
            ValueError: the genesis block would go.
        """
        if not 0 < depth < len(self.blocks):
            raise ValueError(f"a re-org of {depth} blocks does not fit a chain of {len(self.blocks)}")
        orphans = self.blocks[-depth:]
        del self.blocks[-depth:]
        self.world = self.blocks[-1].world.copy()
        self._salt += 1
        for orphan in orphans:
            for receipt in orphan.receipts:
                del self._receipts[receipt.transaction_hash]
        for _ in range(depth if blocks is None else blocks):
            self._append(self.head_timestamp + BLOCK_SECONDS, (), [])
        if keep_transactions:
            self.pool.waiting.update({sent.hash: sent for orphan in orphans for sent in orphan.transactions})

    def drop(self, transaction: Hash32) -> None:
        """Lose a transaction from the pool.

        Raises:
            KeyError: it is not there.
        """
        del self.pool.waiting[transaction]

    # ------------------------------------------------------------------------------------------------ the faults

    def fail_next(self, method: str, error: Exception | type[Exception] = RpcUnavailable, times: int = 1) -> None:
        """Let the next `times` calls of a method of the port raise `error`.

        For "send" nothing arrives and every transaction is answered with `UNKNOWN`, as the port promises.
        """
        failure = error("scripted failure") if isinstance(error, type) else error
        self._failures.setdefault(method, deque()).extend([failure] * times)

    def drop_next_send(self) -> None:
        """Accepted, but dropped: the next `send` says `ACCEPTED` and keeps nothing."""
        self._send_script.append("drop")

    def hide_next_send(self) -> None:
        """Error, but accepted: the next `send` says `UNKNOWN` (a lost reply) and keeps the transactions."""
        self._send_script.append("hide")

    # ------------------------------------------------------------------------------------------------ ChainPort

    async def head(self) -> Header:
        """See `ChainPort.head`."""
        self._count("head")
        return self.blocks[-1].header

    async def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """See `ChainPort.headers`."""
        self._count("headers")
        return [self.blocks[number].header if 0 <= number < len(self.blocks) else None for number in numbers]

    async def tagged(self, tag: BlockTag) -> Header:
        """See `ChainPort.tagged`."""
        self._count("tagged")
        return self._at(tag).header

    async def logs_of_blocks(self, hashes: Sequence[Hash32], query: LogFilter) -> list[list[RawLog]]:
        """See `ChainPort.logs_of_blocks`. Orphaned blocks are unknown, as in a node that has pruned them."""
        self._count("logs_of_blocks")
        known = {block.header.hash: block for block in self.blocks}
        if any(wanted not in known for wanted in hashes):
            raise RpcRejected(-32_000, "unknown block")
        return [[log for log in known[wanted].logs if _matches(log, query)] for wanted in hashes]

    async def logs_in_range(self, first: int, last: int, query: LogFilter) -> list[RawLog]:
        """See `ChainPort.logs_in_range`."""
        self._count("logs_in_range")
        if last >= len(self.blocks):
            raise RpcUnavailable(f"the node has not reached block {last}")
        return [log for block in self.blocks[first : last + 1] for log in block.logs if _matches(log, query)]

    async def receipts(self, hashes: Sequence[Hash32]) -> list[Receipt | None]:
        """See `ChainPort.receipts`."""
        self._count("receipts")
        return [self._receipts.get(wanted) for wanted in hashes]

    async def nonce(self, account: Address, tag: BlockTag) -> int:
        """See `ChainPort.nonce`."""
        self._count("nonce")
        return self._at(tag).world.nonces.get(account, 0)

    async def balances(self, accounts: Sequence[Address]) -> list[int]:
        """See `ChainPort.balances`."""
        self._count("balances")
        return [self.world.native.get(account, 0) for account in accounts]

    async def code(self, account: Address) -> bytes:
        """See `ChainPort.code`: one byte where there is a contract, which no artifact equals."""
        self._count("code")
        return b"\xfe" if account in {self.contract.address, *self.world.deployed_tokens} else b""

    async def calls(self, requests: Sequence[tuple[Address, Address, bytes]]) -> list[bytes | Exception]:
        """See `ChainPort.calls`."""
        self._count("calls")
        return [self._call(*request) for request in requests]

    async def send(self, raws: Sequence[bytes]) -> list[tuple[SendResult, str]]:
        """See `ChainPort.send`."""
        try:
            self._count("send")
        except RpcUnavailable as error:
            return [(SendResult.UNKNOWN, str(error))] * len(raws)
        script = self._send_script.popleft() if self._send_script else ""
        if script == "drop":
            return [(SendResult.ACCEPTED, "")] * len(raws)
        answers = [self.pool.take(raw, self.world) for raw in raws]
        return [(SendResult.UNKNOWN, "the answer was lost")] * len(raws) if script == "hide" else answers

    async def close(self) -> None:
        """See `ChainPort.close`."""
        self.is_closed = True

    # ------------------------------------------------------------------------------------------------ inside

    def _count(self, method: str) -> None:
        self.call_counts[method] += 1
        failures = self._failures.get(method)
        if failures:
            raise failures.popleft()

    def _at(self, tag: BlockTag) -> Block:
        depth = {BlockTag.LATEST: 0, BlockTag.SAFE: self.finality_depth // 2, BlockTag.FINALIZED: self.finality_depth}
        return self.blocks[max(len(self.blocks) - 1 - depth[tag], 0)]

    def _call(self, sender: Address, to: Address, data: bytes) -> bytes | Exception:
        try:
            if to == self.contract.address:
                return self.contract.view(self.world.copy(), Call(sender, data, self.head_timestamp))
            if to in self.world.deployed_tokens:
                return fake_world.call_token(self.world.copy(), to, sender, self.chain_id, data)
            if to in self.world.agreeing_wallets:
                return data[:4].ljust(32, b"\0")  # ERC-1271: the magic value is the function's own selector
        except CallReverted as error:
            return error
        return b""

    def _append(self, timestamp: int, transactions: tuple[PoolTransaction, ...], foreign: list[Emitted]) -> None:
        number = len(self.blocks)
        parent = self.blocks[-1].header.hash if self.blocks else Hash32("0x" + "00" * 32)
        seed = f"{number} {parent} {timestamp} {self._salt} {[sent.hash for sent in transactions]} {foreign}"
        block_hash = Hash32("0x" + keccak256(seed.encode()).hex())
        emitted: list[tuple[Hash32, Emitted]] = []
        receipts: list[Receipt] = []
        for sent in transactions:
            self.world, done = run(self.world, self.contract, sent, timestamp=timestamp, base_fee=self.base_fee)
            emitted += [(sent.hash, log) for log in done.emitted]
            receipts.append(
                Receipt(
                    transaction_hash=sent.hash,
                    block=BlockRef(number, block_hash),
                    succeeded=done.succeeded,
                    gas_used=done.gas_used,
                    gas_price=done.gas_price,
                )
            )
        stranger = Hash32("0x" + keccak256(_FOREIGN_TRANSACTION + block_hash.encode()).hex())
        emitted += [(stranger, log) for log in foreign]
        self._receipts.update({receipt.transaction_hash: receipt for receipt in receipts})
        self.blocks.append(
            Block(
                header=Header(
                    number=number,
                    hash=block_hash,
                    parent_hash=parent,
                    timestamp=timestamp,
                    base_fee_per_gas=self.base_fee,
                ),
                transactions=transactions,
                receipts=tuple(receipts),
                logs=tuple(
                    _raw_log(BlockRef(number, block_hash), sent, index, log)
                    for index, (sent, log) in enumerate(emitted)
                ),
                world=self.world.copy(),
            )
        )


def _raw_log(block: BlockRef, transaction: Hash32, index: int, emitted: Emitted) -> RawLog:
    return RawLog(
        block_number=block.number,
        block_hash=block.hash,
        transaction_hash=transaction,
        log_index=index,
        address=emitted.address,
        topics=emitted.topics,
        data="0x" + emitted.data.hex(),
    )


def _matches(log: RawLog, query: LogFilter) -> bool:
    if log.address not in query.addresses or len(log.topics) < len(query.topics):
        return False
    return all(not wanted or topic in wanted for topic, wanted in zip(log.topics, query.topics, strict=False))
