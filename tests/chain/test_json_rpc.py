"""Every method of the port against a real anvil, directly or through a proxy that lies."""

from collections.abc import Callable

import pytest

from chain import erc20, logs, mandates
from chain.errors import AnswerInvalid, CallReverted, RpcRejected, RpcUnavailable
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, DevelopmentChain, LocalNode
from chain.port import ChainPort
from chain.primitives import (
    ZERO_ADDRESS,
    Address,
    BlockTag,
    Hash32,
    LogFilter,
    SendResult,
    TransactionRequest,
    hash32,
)
from chain.signer import DevelopmentSigner
from chain.stage import Stage
from tests.chain.misbehaving import (
    SECRET,
    Answers,
    Proxy,
    answering,
    changed,
    cutting,
    hanging,
    with_error,
    with_result,
)

NOBODY = hash32("0x" + "ab" * 32)
MakeRequest = Callable[..., TransactionRequest]


async def test_headers_are_a_chain_of_hashes(chain: JsonRpcChain, levers: DevelopmentChain) -> None:
    await levers.mine(3)
    headers = [header for header in await chain.headers([1, 2, 3]) if header]
    assert [header.parent_hash for header in headers[1:]] == [header.hash for header in headers[:2]]
    assert headers[-1] == await chain.head()
    assert (await chain.tagged(BlockTag.FINALIZED)).number == 1


async def test_accounts_are_read(chain: JsonRpcChain, stage: Stage) -> None:
    assert await chain.balances([stage.contract, stage.payer.address]) == [0, 10_000 * 10**18]
    assert (await chain.nonce(stage.owner.address, BlockTag.LATEST)) == 4
    assert await chain.code(stage.payer.address) == b""
    assert len(await chain.code(stage.contract)) > 10_000


async def mint(stage: Stage, amount: int) -> Hash32:
    receipt = await stage.owner.send(stage.token, erc20.mint_data(stage.payer.address, amount))
    return receipt.block.hash


async def test_logs_come_by_block_hash_and_by_range(
    chain: JsonRpcChain, stage: Stage, levers: DevelopmentChain
) -> None:
    blocks = [await mint(stage, amount) for amount in (5, 6)]
    await levers.mine(2)
    query = logs.incoming_transfers([stage.token], [stage.payer.address])
    by_hash = await chain.logs_of_blocks(blocks, query)
    head = await chain.head()
    by_range = await chain.logs_in_range(0, head.number, query)
    assert [each for found in by_hash for each in found] == by_range
    assert [event.amount for event in logs.decode_token_logs(by_range)] == [5, 6]
    assert await chain.logs_in_range(head.number, head.number, query) == []


async def test_logs_of_an_unknown_block_are_an_error_not_an_empty_answer(chain: JsonRpcChain) -> None:
    with pytest.raises(RpcRejected, match=r"[Bb]lock"):
        await chain.logs_of_blocks([NOBODY], LogFilter(addresses=(ZERO_ADDRESS,)))


async def test_logs_beyond_the_head_are_unavailable_not_empty(chain: JsonRpcChain, stage: Stage) -> None:
    with pytest.raises(RpcUnavailable, match="has not reached block 1000"):
        await chain.logs_in_range(0, 1000, logs.contract_logs(stage.contract))


LIES: dict[str, dict[str, object]] = {
    "of another contract": {"address": "0x" + "00" * 20},
    "of another event": {"topics": ["0x" + "11" * 32]},
    "without topics": {"topics": []},
    "for another wallet": {"topics": [logs.TRANSFER, "0x" + "00" * 32, "0x" + "00" * 32]},
    "from outside the range": {"blockNumber": "0x2710"},
    "of another hash than the header": {"blockHash": "0x" + "ab" * 32},
    "with a cut hash": {"transactionHash": "0xab"},
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_log_that_was_not_asked_for_is_not_believed(stage: Stage, first: Proxy, lie: str) -> None:
    block = await mint(stage, 5)
    query = logs.incoming_transfers([stage.token], [stage.payer.address])
    async with JsonRpcChain([first.url], chain_id=31_337) as port:
        head = await port.head()
        first.twist_next(changed(**LIES[lie]))
        with pytest.raises(AnswerInvalid):
            await port.logs_in_range(0, head.number, query)
        if lie != "from outside the range":
            first.twist_next(changed(**LIES[lie]))
            with pytest.raises(AnswerInvalid):
                await port.logs_of_blocks([block], query)


async def test_a_node_that_has_not_reached_the_range_is_passed_over(
    both: JsonRpcChain, stage: Stage, first: Proxy, second: Proxy
) -> None:
    await mint(stage, 5)
    head = await both.head()

    def lagging(answers: Answers) -> Answers:
        return [{**answers[0], "result": None}, {**answers[1], "result": []}]

    first.twist_next(lagging)
    query = logs.incoming_transfers([stage.token], [stage.payer.address])
    assert len(await both.logs_in_range(0, head.number, query)) == 1
    assert second.methods == [["eth_getBlockByNumber", "eth_getLogs"]]


async def test_logs_in_another_order_are_put_right_and_removed_ones_left_out(stage: Stage, first: Proxy) -> None:
    for amount in (5, 6, 7):
        await mint(stage, amount)
    query = logs.incoming_transfers([stage.token], [stage.payer.address])

    def shuffled(answers: Answers) -> Answers:
        found = answers[1]["result"]
        gone = {**found[0], "removed": True, "logIndex": "0x9"}
        return [answers[0], {**answers[1], "result": [*found[::-1], gone]}]

    async with JsonRpcChain([first.url], chain_id=31_337) as port:
        head = await port.head()
        first.twist_next(shuffled)
        found = await port.logs_in_range(0, head.number, query)
    assert [event.amount for event in logs.decode_token_logs(found)] == [5, 6, 7]


async def test_a_refused_range_is_refused_to_the_caller(stage: Stage, first: Proxy) -> None:
    async with JsonRpcChain([first.url], chain_id=31_337) as port:
        first.twist_next(with_error(-32_005, "query returned more than 10000 results"))
        with pytest.raises(RpcRejected, match="more than 10000 results") as refusal:
            await port.logs_in_range(0, 0, logs.contract_logs(stage.contract))
    assert refusal.value.code == -32_005


async def test_a_receipt_of_another_transaction_is_not_believed(stage: Stage, first: Proxy) -> None:
    receipt = await stage.owner.send(stage.token, erc20.mint_data(stage.payer.address, 1))
    async with JsonRpcChain([first.url], chain_id=31_337) as port:
        assert await port.receipts([receipt.transaction_hash, NOBODY]) == [receipt, None]
        first.twist_next(changed(transactionHash=NOBODY))
        with pytest.raises(AnswerInvalid, match="asked for the receipt of"):
            await port.receipts([receipt.transaction_hash])
        first.twist_next(changed(status=""))
        with pytest.raises(AnswerInvalid, match="unreadable receipt"):
            await port.receipts([receipt.transaction_hash])


async def test_calls_answer_in_order_and_name_their_reverts(chain: JsonRpcChain, stage: Stage) -> None:
    answers = await chain.calls(
        [
            (ZERO_ADDRESS, stage.token, erc20.DECIMALS),
            (stage.payer.address, stage.contract, mandates.simulate_data([])),
            (stage.payer.address, stage.token, erc20.transfer_data(stage.owner.address, 1)),
            (ZERO_ADDRESS, stage.contract, b"\x00\x00\x00\x00"),
            (ZERO_ADDRESS, ZERO_ADDRESS, b""),
        ]
    )
    assert answers[0] == (6).to_bytes(32, "big")
    reverts = [(each.name, each.arguments) for each in answers[1:4] if isinstance(each, CallReverted)]
    assert reverts == [
        ("SimulationOnly", {"caller": stage.payer.address}),
        ("Error", {"message": "ERC20: transfer amount exceeds balance"}),
        ("", {}),
    ]
    assert answers[4] == b""


async def test_a_call_that_the_node_refuses_does_not_spoil_the_others(stage: Stage, first: Proxy) -> None:
    async with JsonRpcChain([first.url], chain_id=31_337) as port:
        first.twist_next(lambda answers: [{"id": 0, "error": {"code": -32_000, "message": "out of gas"}}, answers[1]])
        refused, decimals = await port.calls([(ZERO_ADDRESS, stage.token, erc20.DECIMALS)] * 2)
    assert isinstance(refused, RpcRejected)
    assert decimals == (6).to_bytes(32, "big")


async def test_sending_goes_to_all_endpoints_and_one_success_is_enough(
    both: JsonRpcChain, first: Proxy, second: Proxy, levers: DevelopmentChain, make_request: MakeRequest
) -> None:
    await levers.set_automine(enabled=False)
    signer = DevelopmentSigner(DEVELOPMENT_KEYS[0])
    raws = [signer.sign(make_request(nonce=nonce, to=signer.address)).raw for nonce in range(3)]
    first.faults.append(hanging)
    assert await both.send(raws) == [(SendResult.ACCEPTED, "")] * 3
    second.faults.append(answering(500))
    first.faults.clear()
    assert {result for result, _ in await both.send(raws)} == {SendResult.ALREADY_KNOWN}
    assert second.methods[0] == ["eth_sendRawTransaction"] * 3


async def test_sending_to_nobody_is_unknown_not_an_error(both: JsonRpcChain, first: Proxy, second: Proxy) -> None:
    first.faults.append(answering(500))
    second.faults.append(cutting)
    [(result, words)] = await both.send([b"\x02\x01"])
    assert result is SendResult.UNKNOWN
    assert "127.0.0.1" in words


async def test_a_hash_that_is_not_that_of_our_bytes_is_not_success(
    first: Proxy, node: LocalNode, make_request: MakeRequest
) -> None:
    signer = DevelopmentSigner(DEVELOPMENT_KEYS[0])
    async with JsonRpcChain([first.url], chain_id=node.chain_id) as port:
        first.twist_next(with_result(NOBODY))
        [(result, words)] = await port.send([signer.sign(make_request(to=signer.address)).raw])
    assert result is SendResult.UNKNOWN
    assert "under another hash" in words


@pytest.mark.parametrize("url", ["", "ftp://host/x", "http://", "host:8545", "http://[", "http://host:99999/" + SECRET])
def test_what_is_no_endpoint_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"endpoint 2 is not an http\(s\) URL with a host") as refusal:
        JsonRpcChain(["http://localhost:1", url], chain_id=1)
    assert SECRET not in str(refusal.value)


def test_a_chain_needs_an_endpoint() -> None:
    with pytest.raises(ValueError, match="no endpoint for chain 5"):
        JsonRpcChain([], chain_id=5)


async def test_a_port_can_be_closed_twice_and_used_again(node: LocalNode) -> None:
    port: ChainPort = JsonRpcChain([node.url], chain_id=node.chain_id)
    await port.close()
    await port.head()
    await port.close()
    await port.close()
    assert await port.balances([Address("0x" + "77" * 20)]) == [0]
    await port.close()
