from collections.abc import Callable

import pytest
from eth_abi import encode

from chain import words
from chain.primitives import Address

ONE = Address("0x" + "1a" * 20)


def test_words_are_packed_as_the_abi_says() -> None:
    assert words.uint_word(2**256 - 1) == encode(["uint256"], [2**256 - 1])
    assert words.address_word(ONE) == encode(["address"], [ONE])
    assert words.bool_word(True) + words.bool_word(False) == encode(["bool", "bool"], [True, False])
    for blob in (b"", b"x", b"x" * 32, b"x" * 33):
        assert (32).to_bytes(32, "big") + words.bytes_tail(blob) == encode(["bytes"], [blob])
        assert words.read_bytes(encode(["uint8", "bytes"], [7, blob]), 1) == blob


@pytest.mark.parametrize(("number", "bits"), [(-1, 256), (2**256, 256), (2**24, 24)])
def test_what_does_not_fit_is_refused(number: int, bits: int) -> None:
    with pytest.raises(ValueError, match=f"{number} does not fit in uint{bits}"):
        words.uint_word(number, bits)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: words.read_uint(bytes(63), 1), "expected at least 2 words, found 63 bytes"),
        (lambda: words.read_address(b"\x01".rjust(12, b"\0") + bytes(20), 0), "word 0 is not an address"),
        (lambda: words.read_bytes((1).to_bytes(32, "big"), 0), "offset 1 points outside 32 bytes"),
        (lambda: words.read_bytes(encode(["bytes"], [b"x"])[:64], 0), "length 1 reaches outside 64 bytes"),
    ],
)
def test_what_ends_early_or_is_too_wide_is_refused(read: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read()
