"""A short EVM program that calls one token several times in a row as one account. For simulations only, never deployed.

A node runs it in place of an account's code (state override of `eth_call`), so that "approve, pull, look at the
balances" is one call whose state is thrown away. Straight-line: no jump, no loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chain.primitives import Address
from chain.words import WORD_BYTES, read_uint

CALL_GAS: Final = 250_000
"""What our contract gives a token's call (`TokenCalls.CALL_GAS`)."""

_ANSWERS_AT: Final = 0x200  # memory: calldata of the call at 0, answers from here
_ANSWER_WORDS: Final = 4
_CALL, _MSTORE, _GAS, _RETURNDATASIZE, _SWAP1, _SUB, _RETURN = (
    b"\xf1",
    b"\x52",
    b"\x5a",
    b"\x3d",
    b"\x90",
    b"\x03",
    b"\xf3",
)
_PUSH1: Final = 0x60


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call ended.

    Attributes:
        succeeded: it did not revert.
        size: bytes that it returned.
        word: the first 32 of them, zero where there were fewer.
        gas: what it used, a few dozen of overhead included.
    """

    succeeded: bool
    size: int
    word: int
    gas: int


def calling(token: Address, calls: Sequence[bytes]) -> bytes:
    """Code that makes these calls in their order and returns how each ended; see `read_answers`."""
    program = b""
    for index, data in enumerate(calls):
        answer = _ANSWERS_AT + index * _ANSWER_WORDS * WORD_BYTES
        for at in range(0, len(data), WORD_BYTES):
            program += _push(data[at : at + WORD_BYTES].ljust(WORD_BYTES, b"\0")) + _push_number(at) + _MSTORE
        arguments = (WORD_BYTES, answer + 2 * WORD_BYTES, len(data), 0, 0)  # answer's size and place, calldata's, value
        program += _GAS + b"".join(_push_number(number) for number in arguments)
        program += _push(bytes.fromhex(token[2:])) + _push_number(CALL_GAS) + _CALL
        program += _push_number(answer) + _MSTORE
        program += _GAS + _SWAP1 + _SUB + _push_number(answer + 3 * WORD_BYTES) + _MSTORE
        program += _RETURNDATASIZE + _push_number(answer + WORD_BYTES) + _MSTORE
    total = len(calls) * _ANSWER_WORDS * WORD_BYTES
    return program + _push_number(total) + _push_number(_ANSWERS_AT) + _RETURN


def read_answers(returned: bytes) -> list[Answer]:
    """What the program returned, in the order of its calls.

    Raises:
        ValueError: another length.
    """
    count, rest = divmod(len(returned), _ANSWER_WORDS * WORD_BYTES)
    if rest:
        raise ValueError(f"{len(returned)} bytes are not whole answers")
    return [
        Answer(
            succeeded=read_uint(returned, index * _ANSWER_WORDS) == 1,
            size=read_uint(returned, index * _ANSWER_WORDS + 1),
            word=read_uint(returned, index * _ANSWER_WORDS + 2),
            gas=read_uint(returned, index * _ANSWER_WORDS + 3),
        )
        for index in range(count)
    ]


def _push(blob: bytes) -> bytes:
    return bytes([_PUSH1 + len(blob) - 1]) + blob


def _push_number(number: int) -> bytes:
    return _push(number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big"))
