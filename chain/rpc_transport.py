"""JSON-RPC batches over HTTP to one of several endpoints: what is unavailable, what is refused, whose turn it is.

One endpoint is pinned and keeps serving until it errs (time-out, reset, 429, 5xx, cut or unbelievable answer, another
chain id); then the next one is. So hash, header and logs of one round come from one view of the chain. Endpoint URLs
may carry API keys: they are never shown, endpoints are named by host.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from chain.errors import AnswerInvalid, RpcRejected, RpcUnavailable, WrongChain

_Result = TypeVar("_Result")

BATCH_MAX: Final = 100  # public endpoints refuse more (Alchemy and Infura: 100 to 1,000)
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024  # 100,000 logs; more is an answer that should have been asked for in parts
TIMEOUT_SECONDS: Final = 10.0

_HTTP_TOO_MANY: Final = 429
_HTTP_SERVER_ERROR: Final = 500
_CODE_RATE_LIMITED: Final = 429  # Alchemy answers HTTP 200 with this code inside
_CODE_TOO_LARGE: Final = -32_005  # EIP-1474 "limit exceeded": what the caller halves its range for
_RATE_WORDS: Final = ("rate limit", "too many requests", "request count", "capacity", "throughput", "try again later")


@dataclass(frozen=True, slots=True)
class RpcCall:
    """One JSON-RPC call: method and positional parameters (anything msgspec can write as JSON)."""

    method: str
    params: Sequence[object]


class _RpcError(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""
    data: object = None


class _Answer(msgspec.Struct, frozen=True):
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: _RpcError | None = None


_DECODER: Final = msgspec.json.Decoder(list[_Answer] | _Answer)
_ENCODER: Final = msgspec.json.Encoder()

Outcome = bytes | RpcRejected
"""Raw JSON of a result, or the refusal of that one call."""


@dataclass(slots=True)
class Endpoint:
    """One URL, and what is known of it. The URL is kept out of `repr`."""

    url: str = field(repr=False)
    host: str
    verified: bool = False


class RpcTransport:
    """Sends batches to the pinned endpoint and moves on when it fails.

    Attributes:
        round_trips: HTTP requests made so far, checks of chain ids included.
        calls: JSON-RPC calls made so far, by method.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        chain_id: int,
        timeout_seconds: float = TIMEOUT_SECONDS,
        batch_max: int = BATCH_MAX,
    ) -> None:
        """Prepare; nothing is sent before the first call.

        Raises:
            ValueError: no URL, or one that is not http(s); the message shows its position, not the URL.
        """
        if not urls:
            raise ValueError(f"no endpoint for chain {chain_id}")
        self.chain_id: Final = chain_id
        self.endpoints: Final = [_endpoint(url, at) for at, url in enumerate(urls, start=1)]
        self.round_trips = 0
        self.calls: Final[Counter[str]] = Counter()
        self._batch_max = batch_max
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None
        self._pinned = 0

    @property
    def pinned(self) -> Endpoint:
        """The endpoint whose turn it is."""
        return self.endpoints[self._pinned]

    def rotate(self) -> None:
        """Make the next endpoint the pinned one."""
        self._pinned = (self._pinned + 1) % len(self.endpoints)

    async def ask(self, calls: Sequence[RpcCall], read: Callable[[list[Outcome]], _Result]) -> _Result:
        """Have `calls` answered by one endpoint and read by `read`; an endpoint that fails either is passed over.

        Raises:
            RpcUnavailable: every endpoint failed; the message names each by host.
            WrongChain: every endpoint serves another chain.
            RpcRejected: as `read` raises it.
        """
        failures: list[RpcUnavailable | WrongChain] = []
        for _ in self.endpoints:
            endpoint = self.pinned
            try:
                return read(await self.exchange(endpoint, calls))
            except (RpcUnavailable, WrongChain) as error:
                endpoint.verified = False
                failures.append(error)
                if endpoint is self.pinned:  # a concurrent call may have moved on already
                    self.rotate()
        if all(isinstance(failure, WrongChain) for failure in failures):
            raise failures[0]
        if len(failures) == 1:
            raise failures[0]
        raise RpcUnavailable("; ".join(str(failure) for failure in failures))

    async def exchange(self, endpoint: Endpoint, calls: Sequence[RpcCall]) -> list[Outcome]:
        """Have `calls` answered by this endpoint, in parts of at most `batch_max`, in their order.

        Raises:
            RpcUnavailable: it did not answer usefully.
            WrongChain: it serves another chain; nothing but its chain id was asked.
            RpcRejected: it refused a whole part.
        """
        if not endpoint.verified:
            await self._verify(endpoint)
        outcomes: list[Outcome] = []
        for start in range(0, len(calls), self._batch_max):
            outcomes += await self._post(endpoint, calls[start : start + self._batch_max])
        return outcomes

    async def close(self) -> None:
        """Close the connections; the transport may be used again afterwards."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _verify(self, endpoint: Endpoint) -> None:
        [found] = await self._post(endpoint, [RpcCall("eth_chainId", [])])
        if isinstance(found, RpcRejected):
            raise RpcUnavailable(f"{endpoint.host} does not say its chain id: {found}")
        try:
            chain_id = int(msgspec.json.decode(found, type=str), 16)
        except (ValueError, msgspec.DecodeError):
            raise AnswerInvalid(f"{endpoint.host} gave an unreadable chain id") from None
        if chain_id != self.chain_id:
            raise WrongChain(self.chain_id, chain_id, endpoint.host)
        endpoint.verified = True

    async def _post(self, endpoint: Endpoint, calls: Sequence[RpcCall]) -> list[Outcome]:
        body = _ENCODER.encode(
            [
                {"jsonrpc": "2.0", "id": at, "method": call.method, "params": call.params}
                for at, call in enumerate(calls)
            ]
        )
        self.round_trips += 1
        self.calls.update(call.method for call in calls)
        try:
            status, answer = await self._read(endpoint, body)
        except TimeoutError:
            raise RpcUnavailable(f"{endpoint.host} gave no answer within {self._timeout_seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # The library's own message may hold the URL.
            raise RpcUnavailable(f"{endpoint.host} is out of reach: {type(error).__name__}") from None
        if status == _HTTP_TOO_MANY or status >= _HTTP_SERVER_ERROR:
            raise RpcUnavailable(f"{endpoint.host} answered HTTP {status}")
        return _matched(endpoint.host, status, answer, len(calls))

    async def _read(self, endpoint: Endpoint, body: bytes) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, headers={"Content-Type": "application/json"})
        async with self._session.post(endpoint.url, data=body, allow_redirects=False) as response:
            parts: list[bytes] = []
            size = 0
            async for part in response.content.iter_any():
                size += len(part)
                if size > ANSWER_BYTES_MAX:
                    raise RpcRejected(_CODE_TOO_LARGE, f"answer of {endpoint.host} exceeds {ANSWER_BYTES_MAX} bytes")
                parts.append(part)
            return response.status, b"".join(parts)


async def gather_first_success(tasks: set[asyncio.Task[None]], is_done: Callable[[], bool]) -> set[asyncio.Task[None]]:
    """Wait until `is_done` says so or all tasks ended; returns those still running."""
    pending = tasks
    while pending and not is_done():
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    return pending


def _endpoint(url: str, position: int) -> Endpoint:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"endpoint {position} is not an http(s) URL with a host")
    return Endpoint(url, f"{host}:{port}" if port else host)


def _matched(host: str, status: int, answer: bytes, expected: int) -> list[Outcome]:
    try:
        decoded = _DECODER.decode(answer)
    except msgspec.DecodeError:
        raise RpcUnavailable(f"{host} answered HTTP {status} with {len(answer)} bytes that are not JSON-RPC") from None
    if isinstance(decoded, _Answer):  # one error for the whole batch
        error = decoded.error or _RpcError(message="a batch was answered with a single object")
        raise _refusal(host, error)
    by_id = {found.id: found for found in decoded}
    if len(by_id) != expected or set(by_id) != set(range(expected)):
        raise AnswerInvalid(f"{host} answered {len(decoded)} of {expected} calls of a batch")
    return [_outcome(host, by_id[at]) for at in range(expected)]


def _outcome(host: str, answer: _Answer) -> Outcome:
    if answer.error is None:
        result = bytes(answer.result)
        if not result:
            raise AnswerInvalid(f"{host} answered a call with neither result nor error")
        return result
    refusal = _refusal(host, answer.error)
    if isinstance(refusal, RpcUnavailable):
        raise refusal
    return refusal


def _refusal(host: str, error: _RpcError) -> RpcUnavailable | RpcRejected:
    words = error.message.lower()
    if error.code == _CODE_RATE_LIMITED or any(word in words for word in _RATE_WORDS):
        return RpcUnavailable(f"{host} limits the rate: {error.message[:200]}")
    return RpcRejected(error.code, error.message, error.data if isinstance(error.data, str) else "")
