"""`Idempotency-Key`: one effect for one key, however often and however concurrently a request is repeated.

The answer is stored in the transaction of the effect, so that a crash leaves either both or neither. Requests that are
refused before any effect leave nothing behind, and may be corrected and sent again under the same key.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import msgspec

from gateway.api.endpoint import Api
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


def _in_flight(key: str) -> Conflict:
    return Conflict(
        f"A request with the Idempotency-Key '{key}' is being served right now. Try again in a moment.",
        code="idempotency_key_in_use",
    )


@contextmanager
def one_at_a_time(api: Api, scope: Scope, key: str | None) -> Iterator[None]:
    """Hold a key for the time of a request.

    Raises:
        Conflict: another request of this process holds it.
    """
    if key is None:
        yield
        return
    held = scope, key
    if held in api.in_flight:
        raise _in_flight(key)
    api.in_flight.add(held)
    try:
        yield
    finally:
        api.in_flight.discard(held)
