"""A local development chain: anvil as a child process, and the levers that a real chain does not have.

`LocalNode` owns the process, `DevelopmentChain` steers any anvil by its URL (another process may own it). Never for a
chain that somebody else uses.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from chain.errors import ChainError, LocalNodeFailed, RpcRejected
from chain.primitives import Address, Hash32, Header
from chain.rpc_answers import read_header, read_quantity
from chain.rpc_transport import Outcome, RpcCall, RpcTransport

LOCAL_CHAIN_ID: Final = 31_337
START_TIMEOUT_SECONDS: Final = 20.0
STOP_TIMEOUT_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02
_HOST: Final = "127.0.0.1"
_BINARY_VARIABLE: Final = "DUES_ANVIL"
_FINALITY_EPOCH_SLOTS: Final = 1  # anvil's `finalized` is two epochs behind the head: two blocks instead of 64
_STDERR_SHOWN: Final = 800

DEVELOPMENT_KEYS: Final = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
)
"""Keys of the accounts that anvil funds with 10,000 ether each (mnemonic "test test … junk"): known to everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """How the node mines and what it starts from.

    Attributes:
        chain_id: EIP-155 id.
        block_seconds: mine a block each so many seconds; None = one block for each transaction.
        mixed_mining: with `block_seconds`, mine at once for each transaction as well.
        timestamp: unix seconds of the genesis block; None = now.
        base_fee: of the first block, wei per gas; None = anvil's default.
        port: TCP port; None = a free one.
    """

    chain_id: int = LOCAL_CHAIN_ID
    block_seconds: int | None = None
    mixed_mining: bool = False
    timestamp: int | None = None
    base_fee: int | None = None
    port: int | None = None


class LocalNode:
    """A running anvil. Ends with `stop`, with its `with` block, or with this process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, chain_id: int) -> None:
        self._process = process
        self.port: Final = port
        self.chain_id: Final = chain_id

    @classmethod
    def start(cls, options: NodeOptions | None = None) -> Self:
        """Start anvil and wait until it answers; takes about 0.2 s.

        Raises:
            LocalNodeFailed: there is no anvil, it died (its words are in the message), or it did not answer in time.
        """
        options = options or NodeOptions()
        port = options.port or _free_port()
        arguments = [str(find_anvil()), *_arguments(options, port)]
        with tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(  # noqa: S603  (our own arguments, no shell)
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # so that Ctrl-C reaches the owner first, and the launcher's child can be ended
            )
            node = cls(process, port, options.chain_id)
            atexit.register(node.stop)
            try:
                node._wait_until_listening()
            except LocalNodeFailed as failure:
                node.stop()
                stderr.seek(0)
                words = stderr.read().decode(errors="replace").strip()[-_STDERR_SHOWN:]
                raise LocalNodeFailed(f"{failure}{': ' + words if words else ''}") from None
        return node

    @property
    def url(self) -> str:
        """Where it answers JSON-RPC over HTTP."""
        return f"http://{_HOST}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process; does nothing if it has ended."""
        atexit.unregister(self.stop)
        if not self.is_running:
            return
        _signal_group(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            _signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if not self.is_running:
                raise LocalNodeFailed(f"anvil ended with status {self._process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex((_HOST, self.port)) == 0:
                    return
            time.sleep(_POLL_SECONDS)
        raise LocalNodeFailed(f"anvil did not listen within {START_TIMEOUT_SECONDS:g} s")


class DevelopmentChain:
    """Levers of an anvil: time, blocks, balances, re-orgs. Errors are `LocalNodeFailed` with the node's words."""

    def __init__(self, url: str, *, chain_id: int = LOCAL_CHAIN_ID) -> None:
        """Prepare; nothing is sent before the first call.

        Raises:
            ValueError: not an http(s) URL.
        """
        self._rpc = RpcTransport([url], chain_id=chain_id, timeout_seconds=60.0)

    async def head(self) -> Header:
        """Newest block."""
        header = read_header(await self._ask("eth_getBlockByNumber", "latest", False))
        if header is None:
            raise LocalNodeFailed("the node has no latest block")
        return header

    async def head_number(self) -> int:
        """Number of the newest block."""
        return (await self.head()).number

    async def head_time(self) -> int:
        """Unix seconds of the newest block."""
        return (await self.head()).timestamp

    async def mine(self, blocks: int = 1, *, seconds_apart: int = 1) -> None:
        """Mine empty or pending blocks."""
        await self._ask("anvil_mine", hex(blocks), hex(seconds_apart))

    async def set_time(self, unix: int) -> Header:
        """Mine a block at exactly `unix` seconds; later blocks go on from there with the real clock. Idempotent.

        Raises:
            LocalNodeFailed: that is in the chain's past; chain time cannot go back.
        """
        head = await self.head()
        if unix == head.timestamp:
            return head
        if unix < head.timestamp:
            raise LocalNodeFailed(f"chain time is {head.timestamp} and cannot go back to {unix}")
        await self._ask("evm_setNextBlockTimestamp", unix)
        await self._ask("evm_mine")
        return await self.head()

    async def reach(self, unix: int) -> None:
        """Mine a block at `unix` seconds in one round trip, unless the newest one is there or further."""
        if await self.head_time() >= unix:
            return

        def read(outcomes: list[Outcome]) -> None:
            for outcome in outcomes:
                if isinstance(outcome, RpcRejected):
                    raise LocalNodeFailed(f"the chain cannot be brought to {unix}: {outcome}")

        await self._rpc.ask([RpcCall("evm_setNextBlockTimestamp", [unix]), RpcCall("evm_mine", [])], read)

    async def set_balance(self, account: Address, wei: int) -> None:
        """Give an account this native balance."""
        await self._ask("anvil_setBalance", account, hex(wei))

    async def set_base_fee(self, wei: int) -> None:
        """Base fee of the next block, wei per gas."""
        await self._ask("anvil_setNextBlockBaseFeePerGas", hex(wei))

    async def set_automine(self, *, enabled: bool) -> None:
        """Mine a block for each transaction, or only on `mine`."""
        await self._ask("evm_setAutomine", enabled)

    async def reorg(self, depth: int) -> None:
        """Replace the newest `depth` blocks by as many empty ones. Their transactions are lost, not back in the pool.

        anvil takes an offset of the clock back with the block that carried it, so the time is put right again: the next
        block is later than every block that was there before.
        """
        before = await self.head_time()
        await self._ask("anvil_reorg", depth, [])
        if await self.head_time() <= before:
            await self._ask("evm_setNextBlockTimestamp", before + 1)

    async def drop_transaction(self, transaction: Hash32) -> None:
        """Lose a pending transaction (one that waits for a lower nonce cannot be dropped)."""
        await self._ask("anvil_dropTransaction", transaction)

    async def snapshot(self) -> int:
        """Remember the state; the id serves for one `revert`."""
        return read_quantity(await self._ask("evm_snapshot"))

    async def revert(self, snapshot: int) -> None:
        """Go back to a snapshot, blocks and time included.

        Raises:
            LocalNodeFailed: there is no such snapshot, or it was used.
        """
        if not msgspec.json.decode(await self._ask("evm_revert", hex(snapshot))):
            raise LocalNodeFailed(f"there is no snapshot {snapshot}: each serves once")

    async def close(self) -> None:
        """Give the connection back."""
        await self._rpc.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, method: str, *params: object) -> bytes:
        def read(outcomes: list[Outcome]) -> bytes:
            [outcome] = outcomes
            if isinstance(outcome, RpcRejected):
                raise outcome
            return outcome

        try:
            return await self._rpc.ask([RpcCall(method, params)], read)
        except ChainError as error:
            raise LocalNodeFailed(f"{method}: {error}") from error


def find_anvil() -> Path:
    """The anvil binary: environment variable DUES_ANVIL, the project's `node_modules`, or the PATH.

    Raises:
        LocalNodeFailed: none of them has it.
    """
    named = os.environ.get(_BINARY_VARIABLE)
    if named:
        if not os.access(named, os.X_OK):
            raise LocalNodeFailed(f"{_BINARY_VARIABLE} names {named}, which cannot be executed")
        return Path(named)
    modules = Path(__file__).resolve().parent.parent / "node_modules"
    # The platform package holds the binary itself; `.bin/anvil` is a launcher that costs a Node.js process beside it.
    candidates = [*sorted(modules.glob("@foundry-rs/anvil-*/bin/anvil")), modules / ".bin" / "anvil"]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    on_path = shutil.which("anvil")
    if on_path is None:
        raise LocalNodeFailed(f"anvil not found: run `npm ci`, put it on the PATH, or set {_BINARY_VARIABLE}")
    return Path(on_path)


def _arguments(options: NodeOptions, port: int) -> Sequence[str]:
    arguments = ["--host", _HOST, "--port", str(port), "--chain-id", str(options.chain_id), "--quiet"]
    arguments += ["--slots-in-an-epoch", str(_FINALITY_EPOCH_SLOTS), "--enable-tx-gas-limit", "--no-request-size-limit"]
    if options.block_seconds is not None:
        arguments += ["--block-time", str(options.block_seconds)]
        arguments += ["--mixed-mining"] if options.mixed_mining else []
    if options.timestamp is not None:
        arguments += ["--timestamp", str(options.timestamp)]
    if options.base_fee is not None:
        arguments += ["--block-base-fee-per-gas", str(options.base_fee)]
    return arguments


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
