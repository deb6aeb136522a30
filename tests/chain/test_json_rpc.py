"""Against a real anvil, directly or through a proxy that misbehaves on demand."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chain import erc20, logs, mandates
from chain.errors import AnswerInvalid, CallReverted, RpcRejected, RpcUnavailable, WrongChain
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

Answers = list[dict[str, Any]]
Twist = Callable[[Answers], Answers]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "k3y-that-nobody-may-see"
NOBODY = hash32("0x" + "ab" * 32)
MakeRequest = Callable[..., TransactionRequest]


class Proxy:
    """Hands everything to a real node, unless a fault or a twist of the answers is due."""

    def __init__(self, upstream: str) -> None:
        self.faults: deque[Fault] = deque()
        self.twists: deque[Twist] = deque()
        self.requests: list[list[dict[str, Any]]] = []
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/{key}", self._answer)
        self._server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self._server.make_url(f"/{SECRET}"))

    @property
    def methods(self) -> list[list[str]]:
        """Methods of each request, without the checks of the chain id."""
        named = [[call["method"] for call in calls] for calls in self.requests]
        return [methods for methods in named if methods != ["eth_chainId"]]

    def twist_next(self, twist: Twist) -> None:
        """Change the answers of the next request that is not the check of the chain id."""
        self.twists.append(twist)

    async def start(self) -> None:
        self._session = aiohttp.ClientSession()
        await self._server.start_server(access_log=None, shutdown_timeout=0.01)

    async def stop(self) -> None:
        await self._server.close()
        assert self._session is not None
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        calls = await request.json()
        self.requests.append(calls)
        is_check = calls[0]["method"] == "eth_chainId"
        if self.faults and not is_check:
            return await self.faults.popleft()(request)
        assert self._session is not None
        async with self._session.post(self._upstream, json=calls) as response:
            answers = await response.json()
        if self.twists and not is_check:
            answers = self.twists.popleft()(answers)
        return web.json_response(answers)


async def make_proxy(node: LocalNode) -> AsyncIterator[Proxy]:
    proxy = Proxy(node.url)
    await proxy.start()
    yield proxy
    await proxy.stop()


first = pytest.fixture(make_proxy, name="first")
second = pytest.fixture(make_proxy, name="second")


@pytest.fixture
async def both(node: LocalNode, first: Proxy, second: Proxy) -> AsyncIterator[JsonRpcChain]:
    """A port over two endpoints, the first of them preferred."""
    async with JsonRpcChain([first.url, second.url], chain_id=node.chain_id, timeout_seconds=0.5) as port:
        yield port


def answering(status: int, body: bytes = b"") -> Fault:
    async def fault(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    return fault


async def hanging(_: web.Request) -> web.Response:
    await asyncio.sleep(1)
    return web.Response()


async def resetting(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cutting(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'[{"jsonrpc":"2.0","id":0,"resu')
    assert request.transport is not None
    request.transport.abort()
    return response


def with_result(result: object) -> Twist:
    return lambda answers: [{**answer, "result": result} for answer in answers]


def with_error(code: int, message: str) -> Twist:
    return lambda answers: [{"id": each["id"], "error": {"code": code, "message": message}} for each in answers]


def changed(**changes: object) -> Twist:
    """Change fields of the first result (an object, or the first element of a list)."""

    def twist(answers: Answers) -> Answers:
        result = answers[-1]["result"]
        target = result[0] if isinstance(result, list) else result
        target.update(changes)
        return answers

    return twist


FAULTS: dict[str, Fault] = {
    "429": answering(429),
    "500": answering(500),
    "503 with a body": answering(503, b"[]"),
    "a time-out": hanging,
    "a reset": resetting,
    "a cut body": cutting,
    "HTML": answering(200, b"<html>"),
    "nothing": answering(200),
    "a forbidden key": answering(403, b"bad key"),
    "a redirect": answering(302),
}
TWISTS: dict[str, Twist] = {
    "a missing answer": lambda answers: answers[1:],
    "an answer too many": lambda answers: [*answers, {**answers[0], "id": 99}],
    "an answer without result": lambda answers: [{"id": answer["id"]} for answer in answers],
    "a rate limit inside": with_error(429, "compute units exceeded"),
    "a rate limit in words": with_error(-32_005, "daily request count exceeded, request rate limited"),
    "no header": with_result(None),
    "no object": with_result("0x1"),
    "a short hash": changed(hash="0x1"),
    "no number": changed(number="soon"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault_the_next_endpoint_answers(both: JsonRpcChain, first: Proxy, fault: str) -> None:
    first.faults.append(FAULTS[fault])
    assert (await both.head()).number == 0
    assert not first.faults


@pytest.mark.parametrize("twist", TWISTS)
async def test_after_an_unbelievable_answer_the_next_endpoint_answers(
    both: JsonRpcChain, first: Proxy, second: Proxy, twist: str
) -> None:
    first.twist_next(TWISTS[twist])
    assert (await both.head()).number == 0
    assert (len(first.methods), len(second.methods)) == (1, 1)


async def test_when_all_fail_each_is_named_by_host_and_no_key_is_shown(
    both: JsonRpcChain, first: Proxy, second: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first.faults.append(answering(429))
    second.faults.append(resetting)
    with pytest.raises(RpcUnavailable) as failure:
        await both.head()
    assert str(failure.value).count("127.0.0.1:") == 2
    assert "answered HTTP 429; " in str(failure.value)
    first.faults.append(answering(500))
    second.faults.append(cutting)
    await both.send([b"\x02"])
    shown = f"{failure.value!r} {failure.getrepr(style='long')} {caplog.text} {both._rpc.endpoints}"
    assert SECRET not in shown


async def test_one_endpoint_is_pinned_until_it_fails(both: JsonRpcChain, first: Proxy, second: Proxy) -> None:
    for _ in range(3):
        await both.head()
    assert (len(first.methods), len(second.methods)) == (3, 0)
    first.faults.append(answering(429))
    for _ in range(3):
        await both.head()
    assert (len(first.methods), len(second.methods)) == (4, 3)


async def test_an_endpoint_of_another_chain_is_asked_nothing_else(first: Proxy) -> None:
    async with JsonRpcChain([first.url], chain_id=1) as port:
        with pytest.raises(WrongChain, match="serves chain 31337, expected chain 1") as failure:
            await port.head()
        [(result, words)] = await port.send([b"\x02"])
    assert (failure.value.expected, failure.value.found) == (1, 31_337)
    assert result is SendResult.UNKNOWN
    assert "serves chain 31337" in words
    assert first.methods == []


async def test_the_chain_id_is_checked_before_first_use_and_after_each_failure(
    both: JsonRpcChain, first: Proxy
) -> None:
    await both.head()
    await both.head()
    first.faults.append(answering(500))
    await both.head()
    both._rpc.rotate()
    await both.head()
    checks = [calls for calls in first.requests if calls[0]["method"] == "eth_chainId"]
    assert len(checks) == 2


async def test_a_lagging_endpoint_is_passed_over(both: JsonRpcChain, first: Proxy, levers: DevelopmentChain) -> None:
    await levers.mine(10)
    assert (await both.head()).number == 10
    first.twist_next(changed(number="0x6"))
    assert (await both.head()).number == 10
    assert both._rpc.pinned is both._rpc.endpoints[1]


async def test_a_chain_that_went_back_everywhere_is_believed(both: JsonRpcChain, levers: DevelopmentChain) -> None:
    snapshot = await levers.snapshot()
    await levers.mine(10)
    assert (await both.head()).number == 10
    await levers.revert(snapshot)
    assert (await both.head()).number == 0
    assert (await both.head()).number == 0


async def test_big_requests_are_cut_into_bounded_batches(first: Proxy, levers: DevelopmentChain) -> None:
    await levers.mine(25)
    async with JsonRpcChain([first.url], chain_id=31_337, batch_max=10) as port:
        headers = await port.headers(range(27))
        assert [header.number for header in headers if header] == list(range(26))
        assert headers[26] is None
        assert [len(methods) for methods in first.methods] == [10, 10, 7]
        assert port.round_trips == 4
        assert port.call_counts == {"eth_chainId": 1, "eth_getBlockByNumber": 27}


async def test_answers_in_another_order_find_their_calls(first: Proxy, levers: DevelopmentChain) -> None:
    await levers.mine(5)
    first.twist_next(lambda answers: answers[::-1])
    async with JsonRpcChain([first.url], chain_id=31_337) as port:
        assert [header.number for header in await port.headers([3, 1, 4]) if header] == [3, 1, 4]


async def test_empty_questions_cost_nothing(both: JsonRpcChain) -> None:
    query = LogFilter(addresses=(ZERO_ADDRESS,))
    assert await both.headers([]) == await both.receipts([]) == await both.balances([]) == []
    assert await both.calls([]) == await both.send([]) == await both.logs_of_blocks([], query) == []
    assert both.round_trips == 0


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
