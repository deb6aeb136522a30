import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from chain import local_node
from chain.checksum import parse_address
from chain.errors import LocalNodeFailed
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, DevelopmentChain, LocalNode, NodeOptions
from chain.primitives import Fees, Hash32, TransactionRequest
from chain.signer import DevelopmentSigner

START = 1_700_000_000
MakeRequest = Callable[..., TransactionRequest]


def test_a_node_ends_with_its_owner_and_frees_its_port() -> None:
    with LocalNode.start() as node:
        assert node.is_running
    assert not node.is_running
    with LocalNode.start(NodeOptions(port=node.port)) as again:
        assert again.port == node.port


def test_a_missing_binary_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUES_ANVIL", str(tmp_path / "anvil"))
    with pytest.raises(LocalNodeFailed, match=r"DUES_ANVIL names .* which cannot be executed"):
        LocalNode.start()
    monkeypatch.delenv("DUES_ANVIL")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(local_node, "__file__", str(tmp_path / "chain" / "local_node.py"))
    with pytest.raises(LocalNodeFailed, match="anvil not found: run `npm ci`"):
        LocalNode.start()


def test_a_node_that_dies_at_once_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "anvil"
    broken.write_text("#!/bin/sh\necho no disk left >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("DUES_ANVIL", str(broken))
    with pytest.raises(LocalNodeFailed, match="anvil ended with status 3: no disk left"):
        LocalNode.start()


async def test_a_killed_node_is_a_clear_failure(node: LocalNode, levers: DevelopmentChain) -> None:
    os.kill(node._process.pid, signal.SIGKILL)
    node._process.wait()
    with pytest.raises(LocalNodeFailed, match=r"anvil_mine: 127\.0\.0\.1:.* is out of reach"):
        await levers.mine()
    node.stop()


async def test_time_is_set_absolutely_and_never_back(levers: DevelopmentChain) -> None:
    assert (await levers.set_time(START + 40 * 86_400)).timestamp == START + 40 * 86_400
    head = await levers.head()
    assert await levers.set_time(START + 40 * 86_400) == head
    with pytest.raises(LocalNodeFailed, match=f"chain time is {head.timestamp} and cannot go back to {START}"):
        await levers.set_time(START)
    await levers.mine(3, seconds_apart=12)
    assert await levers.head_time() - head.timestamp in range(36, 40)


async def test_time_goes_on_after_a_reorg_that_took_the_jump_away(levers: DevelopmentChain) -> None:
    await levers.set_time(START + 86_400)
    await levers.mine(2)
    before = await levers.head_time()
    await levers.reorg(3)
    await levers.mine()
    assert await levers.head_time() > before
    await levers.set_time(before + 100)
    assert await levers.head_time() == before + 100


async def until_mined(chain: JsonRpcChain, transaction: Hash32) -> None:
    """Mining follows a send at once, but not within it."""
    for _ in range(1000):
        if await chain.receipts([transaction]) != [None]:
            return
    raise AssertionError(f"{transaction} was not mined")


async def test_a_reorg_replaces_blocks_and_the_same_bytes_can_be_mined_again(
    chain: JsonRpcChain, levers: DevelopmentChain, make_request: MakeRequest
) -> None:
    signer = DevelopmentSigner(DEVELOPMENT_KEYS[0])
    signed = signer.sign(make_request(to=signer.address))
    await chain.send([signed.raw])
    await until_mined(chain, signed.hash)
    [before] = await chain.headers([1])
    await levers.reorg(1)
    [after] = await chain.headers([1])
    assert before != after
    assert await chain.receipts([signed.hash]) == [None]
    await chain.send([signed.raw])
    await until_mined(chain, signed.hash)


async def test_a_pending_transaction_can_be_lost(
    chain: JsonRpcChain, levers: DevelopmentChain, make_request: MakeRequest
) -> None:
    await levers.set_automine(enabled=False)
    signer = DevelopmentSigner(DEVELOPMENT_KEYS[0])
    signed = signer.sign(make_request(to=signer.address))
    await chain.send([signed.raw])
    await levers.drop_transaction(signed.hash)
    await levers.mine()
    assert await chain.receipts([signed.hash]) == [None]


async def test_balances_fees_and_snapshots_are_at_hand(chain: JsonRpcChain, levers: DevelopmentChain) -> None:
    wallet = parse_address("0x" + "77" * 20)
    snapshot = await levers.snapshot()
    await levers.set_balance(wallet, 5)
    await levers.set_base_fee(77 * 10**9)
    await levers.mine()
    assert await chain.balances([wallet]) == [5]
    assert (await chain.head()).base_fee_per_gas == 77 * 10**9
    await levers.revert(snapshot)
    assert await chain.balances([wallet]) == [0]
    with pytest.raises(LocalNodeFailed, match="each serves once"):
        await levers.revert(snapshot)


async def test_a_block_can_be_mined_each_second_and_for_each_transaction(make_request: MakeRequest) -> None:
    with LocalNode.start(NodeOptions(block_seconds=3600, mixed_mining=True, base_fee=10**9)) as node:
        async with JsonRpcChain([node.url], chain_id=node.chain_id) as port:
            signer = DevelopmentSigner(DEVELOPMENT_KEYS[0])
            fees = Fees(max_fee_per_gas=4 * 10**9, max_priority_fee_per_gas=1)
            await port.send([signer.sign(make_request(to=signer.address, fees=fees)).raw])
            for _ in range(100):
                if (await port.head()).number:
                    break
            assert (await port.head()).number == 1


@pytest.mark.parametrize(("key", "address"), [(0, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")])
def test_the_development_keys_are_those_that_anvil_funds(key: int, address: str) -> None:
    assert DevelopmentSigner(DEVELOPMENT_KEYS[key]).address == parse_address(address)


async def test_each_development_account_is_funded(chain: JsonRpcChain) -> None:
    accounts = [DevelopmentSigner(key).address for key in DEVELOPMENT_KEYS]
    assert await chain.balances(accounts) == [10_000 * 10**18] * 10
