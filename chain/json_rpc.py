"""`ChainPort` over raw JSON-RPC: the hot path of following, asking and sending. No web3, no retries of its own.

Every answer is checked (chain id, numbers, hashes, addresses, topics) before it leaves this module. Reads go to the
pinned endpoint and on to the next when it fails; signed bytes go to all endpoints at once.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, Self

from chain.errors import AnswerInvalid, ChainError, RpcRejected, RpcUnavailable
from chain.keccak import keccak256
from chain.primitives import Address, BlockTag, Hash32, Header, LogFilter, RawLog, Receipt, SendResult
from chain.reverts import decode_revert
from chain.rpc_answers import filter_json, read_bytes, read_header, read_logs, read_quantity, read_receipt
from chain.rpc_transport import (
    BATCH_MAX,
    TIMEOUT_SECONDS,
    Endpoint,
    Outcome,
    RpcCall,
    RpcTransport,
    gather_first_success,
)
from chain.send_errors import TEXT_MAX, best, meaning_of

_log: Final = logging.getLogger(__name__)

LAG_MAX_BLOCKS: Final = 3  # an endpoint further behind the newest head ever seen is passed over, if another is not
_REVERT_CODE: Final = 3  # geth's code for "execution reverted", taken over by the others
_REVERT_WORDS: Final = ("revert", "vm execution error")


class JsonRpcChain:
    """One chain through one or more HTTP endpoints. See `chain.port.ChainPort` for the methods."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        chain_id: int,
        timeout_seconds: float = TIMEOUT_SECONDS,
        batch_max: int = BATCH_MAX,
    ) -> None:
        """Prepare; nothing is sent before the first call.

        Args:
            urls: http(s) endpoints, the preferred one first.
            chain_id: EIP-155 id that every endpoint must serve.
            timeout_seconds: for each HTTP request, connecting included.
            batch_max: most JSON-RPC calls in one HTTP request.

        Raises:
            ValueError: no URL, or one that is not http(s).
        """
        self._rpc = RpcTransport(urls, chain_id=chain_id, timeout_seconds=timeout_seconds, batch_max=batch_max)
        self._newest_seen = 0
        self._stragglers: set[asyncio.Task[None]] = set()

    @property
    def chain_id(self) -> int:
        """See `ChainPort.chain_id`."""
        return self._rpc.chain_id

    @property
    def round_trips(self) -> int:
        """HTTP requests made so far."""
        return self._rpc.round_trips

    @property
    def call_counts(self) -> Mapping[str, int]:
        """JSON-RPC calls made so far, by method."""
        return self._rpc.calls

    async def head(self) -> Header:
        """See `ChainPort.head`. An endpoint that lags is passed over unless all of them do."""
        best_header: Header | None = None
        for _ in self._rpc.endpoints:
            header = await self.tagged(BlockTag.LATEST)
            if header.number + LAG_MAX_BLOCKS >= self._newest_seen:
                self._newest_seen = max(self._newest_seen, header.number)
                return header
            if best_header is None or header.number > best_header.number:
                best_header = header
            self._rpc.rotate()
        # All of them are behind what one of them once showed: the chain itself went back.
        assert best_header is not None  # noqa: S101  (there is at least one endpoint)
        self._newest_seen = best_header.number
        return best_header

    async def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """See `ChainPort.headers`."""

        def read(outcomes: list[Outcome]) -> list[Header | None]:
            return [read_header(_result(outcome), number) for outcome, number in zip(outcomes, numbers, strict=True)]

        return await self._rpc.ask([_block_call(hex(number)) for number in numbers], read) if numbers else []

    async def tagged(self, tag: BlockTag) -> Header:
        """See `ChainPort.tagged`."""

        def read(outcomes: list[Outcome]) -> Header:
            header = read_header(_result(outcomes[0]))
            if header is None:
                raise RpcUnavailable(f"the node knows no block {tag}")
            return header

        return await self._rpc.ask([_block_call(tag)], read)

    async def logs_of_blocks(self, hashes: Sequence[Hash32], query: LogFilter) -> list[list[RawLog]]:
        """See `ChainPort.logs_of_blocks`."""

        def read(outcomes: list[Outcome]) -> list[list[RawLog]]:
            found = [read_logs(_result(outcome), query) for outcome in outcomes]
            for logs, block in zip(found, hashes, strict=True):
                if any(log.block_hash != block for log in logs):
                    raise AnswerInvalid(f"asked for logs of block {block}, got logs of another")
            return found

        calls = [RpcCall("eth_getLogs", [{"blockHash": block, **filter_json(query)}]) for block in hashes]
        return await self._rpc.ask(calls, read) if hashes else []

    async def logs_in_range(self, first: int, last: int, query: LogFilter) -> list[RawLog]:
        """See `ChainPort.logs_in_range`.

        The header of `last` is asked for in the same batch: an endpoint that has not reached it would answer too few
        logs without saying so, and is passed over.
        """

        def read(outcomes: list[Outcome]) -> list[RawLog]:
            header = read_header(_result(outcomes[0]), last)
            if header is None:
                raise AnswerInvalid(f"the node has not reached block {last}")
            logs = read_logs(_result(outcomes[1]), query)
            for log in logs:
                if not first <= log.block_number <= last:
                    raise AnswerInvalid(f"asked for logs of {first} to {last}, got one of {log.block_number}")
                if log.block_number == last and log.block_hash != header.hash:
                    raise AnswerInvalid(f"logs of block {last} carry another hash than its header")
            return logs

        wanted = {"fromBlock": hex(first), "toBlock": hex(last), **filter_json(query)}
        return await self._rpc.ask([_block_call(hex(last)), RpcCall("eth_getLogs", [wanted])], read)

    async def receipts(self, hashes: Sequence[Hash32]) -> list[Receipt | None]:
        """See `ChainPort.receipts`."""

        def read(outcomes: list[Outcome]) -> list[Receipt | None]:
            return [read_receipt(_result(outcome), sent) for outcome, sent in zip(outcomes, hashes, strict=True)]

        calls = [RpcCall("eth_getTransactionReceipt", [sent]) for sent in hashes]
        return await self._rpc.ask(calls, read) if hashes else []

    async def nonce(self, account: Address, tag: BlockTag) -> int:
        """See `ChainPort.nonce`."""
        return await self._rpc.ask([RpcCall("eth_getTransactionCount", [account, tag])], _first_quantity)

    async def balances(self, accounts: Sequence[Address]) -> list[int]:
        """See `ChainPort.balances`."""

        def read(outcomes: list[Outcome]) -> list[int]:
            return [read_quantity(_result(outcome)) for outcome in outcomes]

        calls = [RpcCall("eth_getBalance", [account, BlockTag.LATEST]) for account in accounts]
        return await self._rpc.ask(calls, read) if accounts else []

    async def code(self, account: Address) -> bytes:
        """See `ChainPort.code`."""

        def read(outcomes: list[Outcome]) -> bytes:
            return read_bytes(_result(outcomes[0]))

        return await self._rpc.ask([RpcCall("eth_getCode", [account, BlockTag.LATEST])], read)

    async def calls(self, requests: Sequence[tuple[Address, Address, bytes]]) -> list[bytes | Exception]:
        """See `ChainPort.calls`. A call that the node itself refuses is returned as `RpcRejected`, not raised."""

        def read(outcomes: list[Outcome]) -> list[bytes | Exception]:
            return [call_answer(outcome) for outcome in outcomes]

        calls = [
            RpcCall("eth_call", [{"from": sender, "to": to, "data": "0x" + data.hex()}, BlockTag.LATEST])
            for sender, to, data in requests
        ]
        return await self._rpc.ask(calls, read) if requests else []

    async def send(self, raws: Sequence[bytes]) -> list[tuple[SendResult, str]]:
        """See `ChainPort.send`. To every endpoint at once; returns as soon as each transaction was taken by one.

        Never raises `RpcUnavailable`: an endpoint that does not answer says nothing about the transaction, so it counts
        as `UNKNOWN`.
        """
        if not raws:
            return []
        answers: list[list[tuple[SendResult, str]]] = [[] for _ in raws]

        async def offer(endpoint: Endpoint) -> None:
            for collected, answer in zip(answers, await self._offer(endpoint, raws), strict=True):
                collected.append(answer)

        def all_taken() -> bool:
            return all(any(_is_taken(result) for result, _ in collected) for collected in answers)

        tasks = {asyncio.create_task(offer(endpoint)) for endpoint in self._rpc.endpoints}
        late = await gather_first_success(tasks, all_taken)
        self._stragglers |= late
        for task in late:
            task.add_done_callback(self._stragglers.discard)
        return [best(collected) for collected in answers]

    async def close(self) -> None:
        """See `ChainPort.close`."""
        for task in list(self._stragglers):
            task.cancel()
        await asyncio.gather(*self._stragglers, return_exceptions=True)
        await self._rpc.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _offer(self, endpoint: Endpoint, raws: Sequence[bytes]) -> list[tuple[SendResult, str]]:
        calls = [RpcCall("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws]
        try:
            outcomes = await self._rpc.exchange(endpoint, calls)
        except ChainError as error:
            endpoint.verified = False
            _log.warning("sending %d transactions: %s", len(raws), error)
            return [(SendResult.UNKNOWN, str(error)[:TEXT_MAX])] * len(raws)
        return [_send_answer(endpoint, outcome, raw) for outcome, raw in zip(outcomes, raws, strict=True)]


def _block_call(number_or_tag: str) -> RpcCall:
    return RpcCall("eth_getBlockByNumber", [number_or_tag, False])


def _result(outcome: Outcome) -> bytes:
    if isinstance(outcome, RpcRejected):
        raise outcome
    return outcome


def _first_quantity(outcomes: list[Outcome]) -> int:
    return read_quantity(_result(outcomes[0]))


def call_answer(outcome: Outcome) -> bytes | Exception:
    """What an `eth_call` came to: its answer, `CallReverted`, or the node's refusal of the call itself."""
    if not isinstance(outcome, RpcRejected):
        return read_bytes(outcome)
    if outcome.code == _REVERT_CODE or any(word in outcome.message.lower() for word in _REVERT_WORDS):
        try:
            return decode_revert(bytes.fromhex(outcome.data.removeprefix("Reverted ").removeprefix("0x")))
        except ValueError:
            return decode_revert(b"")
    return outcome


def _send_answer(endpoint: Endpoint, outcome: Outcome, raw: bytes) -> tuple[SendResult, str]:
    if isinstance(outcome, RpcRejected):
        return meaning_of(outcome.message), outcome.message[:TEXT_MAX]
    try:
        named = read_bytes(outcome)
    except AnswerInvalid as error:
        return SendResult.UNKNOWN, str(error)[:TEXT_MAX]
    if named != keccak256(raw):
        return SendResult.UNKNOWN, f"{endpoint.host} took the bytes under another hash: 0x{named.hex()}"
    return SendResult.ACCEPTED, ""


def _is_taken(result: SendResult) -> bool:
    return result in (SendResult.ACCEPTED, SendResult.ALREADY_KNOWN)
