"""Whose turn it is: faults, unbelievable answers, other chains, lag, and what is never shown."""

import logging

import pytest

from chain.errors import RpcUnavailable, WrongChain
from chain.json_rpc import JsonRpcChain
from chain.local_node import DevelopmentChain
from chain.primitives import (
    ZERO_ADDRESS,
    LogFilter,
    SendResult,
)
from tests.chain.misbehaving import (
    SECRET,
    Fault,
    Proxy,
    Twist,
    answering,
    changed,
    cutting,
    hanging,
    resetting,
    with_error,
    with_result,
)

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
