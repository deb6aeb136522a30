"""TCP ports of the sandbox: fixed ones that a person can remember, free ones where those are taken."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.sandbox.errors import SandboxFailed

HOST: Final = "127.0.0.1"
DEFAULTS: Final[Mapping[str, int]] = {"api": 8321, "webhooks": 8322, "redis": 8323, "chain": 8545}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each part listens."""

    api: int
    webhooks: int
    redis: int
    chain: int


def choose(api: int | None, *, say: Callable[[str], None]) -> Ports:
    """Take the usual ports, or free ones where those are taken; `say` hears of each that differs.

    Raises:
        SandboxFailed: the API's port was asked for by number, and it is taken.
    """
    if api is not None and not _is_free(api):
        raise SandboxFailed(f"--port: {api} is taken by another program; choose another one, or leave it out.")
    chosen: dict[str, int] = {}
    for name, usual in DEFAULTS.items():
        wanted = api if name == "api" and api is not None else usual
        port = wanted if wanted not in chosen.values() and _is_free(wanted) else _any_free()
        if port != wanted:
            say(f"port {wanted} is taken; the {name} listens on {port}")
        chosen[name] = port
    return Ports(**chosen)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
