"""From revert bytes to the error's name and arguments, for every error of the generated ABIs and Solidity's own two."""

from collections.abc import Callable
from functools import cache
from typing import Final

from chain import artifacts
from chain.errors import CallReverted
from chain.keccak import selector
from chain.words import WORD_BYTES, read_address, read_bytes, read_uint

_SELECTOR_BYTES: Final = 4
_SOLIDITY_ERRORS: Final = (
    artifacts.AbiEntry("error", "Error", (artifacts.AbiParameter("string", "message"),)),
    artifacts.AbiEntry("error", "Panic", (artifacts.AbiParameter("uint256", "code"),)),
)


def decode_revert(data: bytes) -> CallReverted:
    """The exception that stands for these revert bytes; undecodable bytes are kept as they are, without a name."""
    entry = _errors().get(data[:_SELECTOR_BYTES])
    if entry is None:
        return CallReverted(data)
    try:
        arguments = {
            parameter.name or str(index): _value(parameter.type, data[_SELECTOR_BYTES:], index)
            for index, parameter in enumerate(entry.inputs)
        }
    except ValueError:
        return CallReverted(data)
    return CallReverted(data, entry.name, arguments)


@cache
def _errors() -> dict[bytes, artifacts.AbiEntry]:
    known = [entry for name in artifacts.names() for entry in artifacts.load(name).abi if entry.type == "error"]
    return {selector(entry.signature): entry for entry in (*known, *_SOLIDITY_ERRORS)}


def _text(data: bytes, index: int) -> str:
    return read_bytes(data, index).decode("utf-8", errors="replace")


def _value(kind: str, data: bytes, index: int) -> object:
    readers: dict[str, Callable[[bytes, int], object]] = {
        "address": read_address,
        "string": _text,
        "bytes": read_bytes,
        "bool": lambda blob, at: read_uint(blob, at) != 0,
    }
    if kind in readers:
        return readers[kind](data, index)
    if kind.startswith("uint"):
        return read_uint(data, index)
    if kind.startswith("bytes"):
        return read_uint(data, index).to_bytes(WORD_BYTES, "big")[: int(kind.removeprefix("bytes"))]
    raise ValueError(f"no reader for {kind}")
