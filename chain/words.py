"""32-byte words of the ABI encoding, packed and read by hand. No knowledge of any contract.

Encoders refuse what does not fit, because a truncated amount or address would be somebody else's.
"""

from typing import Final

from chain.primitives import Address

WORD_BYTES: Final = 32
_ADDRESS_BYTES: Final = 20


def uint_word(number: int, bits: int = 256) -> bytes:
    """Big-endian word of an unsigned integer of at most `bits` bits.

    Raises:
        ValueError: negative, or too large for `bits`.
    """
    if number < 0 or number.bit_length() > bits:
        raise ValueError(f"{number} does not fit in uint{bits}")
    return number.to_bytes(WORD_BYTES, "big")


def address_word(account: Address) -> bytes:
    """Left-padded word of an address."""
    return bytes.fromhex(account[2:]).rjust(WORD_BYTES, b"\0")


def bool_word(flag: bool) -> bytes:  # noqa: FBT001  (a value to encode, not a mode)
    """The word 1 or 0."""
    return flag.to_bytes(WORD_BYTES, "big")


def bytes_tail(blob: bytes) -> bytes:
    """Length word and zero-padded content of a dynamic `bytes`."""
    return len(blob).to_bytes(WORD_BYTES, "big") + blob + b"\0" * (-len(blob) % WORD_BYTES)


def read_uint(data: bytes, index: int) -> int:
    """Word `index` of `data` as an unsigned integer.

    Raises:
        ValueError: `data` ends before that word does.
    """
    word = data[index * WORD_BYTES : (index + 1) * WORD_BYTES]
    if len(word) != WORD_BYTES:
        raise ValueError(f"expected at least {index + 1} words, found {len(data)} bytes")
    return int.from_bytes(word, "big")


def read_address(data: bytes, index: int) -> Address:
    """Word `index` of `data` as an address.

    Raises:
        ValueError: `data` is too short, or the upper 12 bytes are not zero.
    """
    number = read_uint(data, index)
    if number.bit_length() > _ADDRESS_BYTES * 8:
        raise ValueError(f"word {index} is not an address: 0x{number:064x}")
    return Address(f"0x{number:040x}")


def read_bytes(data: bytes, index: int) -> bytes:
    """The dynamic `bytes` whose offset stands in word `index`.

    Raises:
        ValueError: offset or length point outside `data`.
    """
    offset = read_uint(data, index)
    if offset + WORD_BYTES > len(data):
        raise ValueError(f"offset {offset} points outside {len(data)} bytes")
    length = int.from_bytes(data[offset : offset + WORD_BYTES], "big")
    start = offset + WORD_BYTES
    if start + length > len(data):
        raise ValueError(f"length {length} reaches outside {len(data)} bytes")
    return data[start : start + length]
