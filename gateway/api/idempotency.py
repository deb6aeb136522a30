"""`Idempotency-Key`: one effect for one key, however often and however concurrently a request is repeated.

The answer is stored in the transaction of the effect, so that a crash leaves either both or neither. Requests that are
refused before any effect leave nothing behind, and may be corrected and sent again under the same key.
"""

import hashlib
from collections.abc import Iterator, MutableSet
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from gateway.api.forms import Tree
from gateway.api.problems import IdempotencyMismatch
from gateway.db import idempotency
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope
from gateway.domain.errors import Conflict, InvalidRequest

KEY_LENGTH_MAX: Final = 255
REPLAYED: Final = "Idempotent-Replayed"

_canonical: Final = msgspec.json.Encoder(order="sorted")


def key_of(header: str | None) -> str | None:
    """The key that a request carries, if it carries one.

    Raises:
        InvalidRequest: it is empty, too long, or not printable ASCII.
    """
    if header is None:
        return None
    if not 1 <= len(header) <= KEY_LENGTH_MAX or not header.isascii() or not header.isprintable():
        raise InvalidRequest(
            f"An Idempotency-Key has 1 to {KEY_LENGTH_MAX} printable ASCII characters.", code="idempotency_key_invalid"
        )
    return header


def fingerprint(method: str, path: str, tree: Tree) -> bytes:
    """What makes two requests the same: method, path and parameters, whatever their order and encoding."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), _canonical.encode(tree)))).digest()


def _mismatch(key: str) -> IdempotencyMismatch:
    return IdempotencyMismatch(
        f"The Idempotency-Key '{key}' was used before for another request. Use a new key for each request."
    )


def _in_flight(key: str) -> Conflict:
    return Conflict(
        f"A request with the Idempotency-Key '{key}' is being served right now. Try again in a moment.",
        code="idempotency_key_in_use",
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with; `replayed` when it was answered before."""

    body: bytes
    status: int = 200
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """The promise that a request with a key has one effect; without a key every request is another one."""

    scope: Scope
    key: str | None
    fingerprint: bytes
    method: str
    path: str
    now: datetime

    async def look_up(self, conn: Connection) -> Answer | None:
        """The stored answer, if there is one yet; reads only.

        Raises:
            IdempotencyMismatch: the key was used for another request.
        """
        if self.key is None:
            return None
        found = await idempotency.find(conn, self.scope, self.key)
        return None if found is None else self._same(found)

    async def claim(self, conn: Connection) -> Answer | None:
        """Take the key in the transaction of the effect: the stored answer, or None when the effect is ours to have.

        Raises:
            IdempotencyMismatch: the key was used for another request.
            Conflict: another process is serving it.
        """
        if self.key is None:
            return None
        found = await idempotency.claim(
            conn,
            self.scope,
            self.key,
            fingerprint=self.fingerprint,
            method=self.method,
            path=self.path,
            now=self.now,
        )
        match found:
            case idempotency.Fresh():
                return None
            case idempotency.Stored():
                return self._same(found)
            case idempotency.Mismatch():
                raise _mismatch(self.key)
            case idempotency.InFlight():
                raise _in_flight(self.key)

    async def store(self, conn: Connection, body: bytes) -> Answer:
        """Write the answer down, with the effect."""
        if self.key is not None:
            await idempotency.store(conn, self.scope, self.key, status_code=200, body=body)
        return Answer(body)

    def _same(self, found: idempotency.Stored) -> Answer:
        if found.fingerprint != self.fingerprint:
            raise _mismatch(self.key or "")
        return Answer(found.body, found.status_code, replayed=True)


@contextmanager
def one_at_a_time(in_flight: MutableSet[tuple[Scope, str]], once: Once) -> Iterator[None]:
    """Hold a key for the time of a request.

    Raises:
        Conflict: another request of this process holds it.
    """
    if once.key is None:
        yield
        return
    held = once.scope, once.key
    if held in in_flight:
        raise _in_flight(once.key)
    in_flight.add(held)
    try:
        yield
    finally:
        in_flight.discard(held)
