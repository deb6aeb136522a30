"""Keccak-256, and what is derived from signatures of functions, events and errors by it. No other hashing."""

from functools import cache

from eth_hash.auto import keccak as _keccak


def keccak256(preimage: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (the padding before FIPS 202)."""
    return bytes(_keccak(preimage))


@cache
def selector(signature: str) -> bytes:
    """First 4 bytes of a function's or error's canonical signature, such as `transfer(address,uint256)`."""
    return keccak256(signature.encode("ascii"))[:4]


@cache
def topic(signature: str) -> str:
    """`topics[0]` of an event by its canonical signature, as `0x` hex."""
    return "0x" + keccak256(signature.encode("ascii")).hex()
