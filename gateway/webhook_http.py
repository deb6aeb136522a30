"""Outgoing HTTP to URLs that strangers chose: aiohttp behind a guard that looks at every address before it is dialled.

The guard stands where the socket is made, after resolving, so that neither a name that resolves to a private address,
nor one that changes between check and use, nor an IP literal gets past it. Redirects are not followed, proxies and
cookies of the environment are not used, answers are read only as far as they are kept.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.domain.destination import check_url, is_dialable
from gateway.domain.errors import InvalidRequest
from gateway.services.ports import ANSWER_BYTES_MAX, HttpAnswer, HttpFailed, HttpFault

TIMEOUT_SECONDS: Final = 10.0  # PRODUCT: a receiver stores and answers; whoever works longer is tried again
CONNECT_TIMEOUT_SECONDS: Final = 5.0
CONNECTIONS_MAX: Final = 256  # file handles; the number in flight is bounded per endpoint by the service
RESOLVER_THREADS: Final = 32  # `getaddrinfo` blocks for seconds on a dead name server, and must not hold up the others
USER_AGENT: Final = "Dues/1 (webhooks)"

_AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
_log = logging.getLogger(__name__)


class AddressRefused(OSError):
    """The guard does not allow this address to be dialled."""


class GuardedHttp:
    """`HttpPort` over aiohttp. Made by `opened`."""

    def __init__(self, session: aiohttp.ClientSession, *, allow_private: bool, livemode: bool) -> None:
        self._session = session
        self._allow_private = allow_private
        self._livemode = livemode

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """See `HttpPort.post`."""
        loop = asyncio.get_running_loop()
        started = loop.time()

        def elapsed_ms() -> int:
            return round((loop.time() - started) * 1000)

        try:
            check_url(url, allow_private=self._allow_private, livemode=self._livemode)
            async with self._session.post(url, data=body, headers=dict(headers), allow_redirects=False) as answer:
                kept = await _read_at_most(answer.content, ANSWER_BYTES_MAX)
                return HttpAnswer(status=answer.status, body=kept, latency_ms=elapsed_ms())
        except InvalidRequest as error:
            raise HttpFailed(HttpFault.URL_REFUSED, error.message, elapsed_ms()) from None
        except TimeoutError:
            raise HttpFailed(HttpFault.TIMEOUT, f"no answer within {TIMEOUT_SECONDS:g} s", elapsed_ms()) from None
        except aiohttp.ClientConnectorDNSError:
            raise HttpFailed(HttpFault.DNS, "the host has no address", elapsed_ms()) from None
        except aiohttp.ClientSSLError as error:
            raise HttpFailed(HttpFault.TLS, type(error).__name__, elapsed_ms()) from None
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, AddressRefused):
                raise HttpFailed(HttpFault.ADDRESS_REFUSED, str(error.os_error), elapsed_ms()) from None
            raise HttpFailed(HttpFault.CONNECT, type(error.os_error).__name__, elapsed_ms()) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise HttpFailed(HttpFault.CUT_OFF, type(error).__name__, elapsed_ms()) from None


@asynccontextmanager
async def opened(*, allow_private: bool, livemode: bool = False) -> AsyncIterator[GuardedHttp]:
    """A client for the life of a process. `allow_private` is the operator's word for development, off by default."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=None, sock_connect=CONNECT_TIMEOUT_SECONDS)
    resolver = _ThreadResolver()
    connector = aiohttp.TCPConnector(
        limit=CONNECTIONS_MAX,
        resolver=resolver,
        socket_factory=lambda info: _guarded_socket(info, allow_private=allow_private),
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": USER_AGENT},
    ) as session:
        yield GuardedHttp(session, allow_private=allow_private, livemode=livemode)


def _guarded_socket(info: _AddressInfo, *, allow_private: bool) -> socket.socket:
    family, kind, protocol, _, address = info
    literal = str(address[0])
    if not is_dialable(ip_address(literal), allow_private=allow_private):
        _log.warning("a webhook endpoint resolved to an address that is not public", extra={"address": literal})
        raise AddressRefused("the host's address is not public")
    return socket.socket(family, kind, protocol)


async def _read_at_most(stream: aiohttp.StreamReader, limit: int) -> bytes:
    kept = bytearray()
    while len(kept) < limit:
        chunk = await stream.read(limit - len(kept))
        if not chunk:
            break
        kept += chunk
    return bytes(kept)


class _ThreadResolver(AbstractResolver):
    """The system's resolver on threads of its own, so that a slow name delays nobody else's work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="webhook-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        infos = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(sockaddr[0]),
                port=int(sockaddr[1]),
                family=found,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, _, protocol, _, sockaddr in infos
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
