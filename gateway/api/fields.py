"""Types of request fields that several resources share, and the step from a request to a use case's arguments."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chain.primitives import Permit
from gateway.domain.errors import InvalidRequest

Id = Annotated[str, Meta(min_length=1, max_length=255)]
Word = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=5_000)]
Metadata = dict[str, str | None] | None
Hex = Annotated[str, Meta(min_length=4, max_length=16_386, description="0x and an even number of hex digits")]
UintText = Annotated[str, Meta(min_length=1, max_length=78, pattern="^[0-9]+$", description="a decimal uint256")]

_HEX_BYTES: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})+")
_SIGNATURE_BYTES: Final = 65
_V_OFFSET: Final = 27
_DIGITS_MAX: Final = 18
_WORD_MAX: Final = 2**256


class PermitParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An EIP-2612 permit that the wallet signed; it saves the wallet a transaction."""

    value: UintText
    deadline: Annotated[int, Meta(ge=0, le=2**53)]
    signature: Hex


def given(params: Struct, *, without: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names of the fields that a request has."""
    names = params.__struct_fields__
    return frozenset(name for name in names if name not in without and getattr(params, name) is not UNSET)


def known(params: Struct, *names: str) -> dict[str, Any]:
    """The named fields that a request has, by name."""
    return {name: getattr(params, name) for name in names if getattr(params, name) is not UNSET}


def metadata(value: "Metadata | UnsetType") -> "Metadata":
    """Metadata of a request that makes something: absent and cleared are the same."""
    return {} if value is UNSET or isinstance(value, msgspec.UnsetType) or value is None else value


def integral(value: Decimal, scale: int, *, param: str) -> int:
    """Return a decimal number as an integer of its `scale`-th parts.

    Raises:
        InvalidRequest: it has more digits than that, or is no number.
    """
    scaled = value * scale if value.is_finite() and abs(value.adjusted()) <= _DIGITS_MAX else None
    if scaled is None or scaled != scaled.to_integral_value():
        raise InvalidRequest(
            f"{param} has too many digits; it is counted in {scale}ths of one.", code="parameter_invalid", param=param
        )
    return int(scaled)


def hex_bytes(text: str, param: str) -> bytes:
    """Bytes of a hex text.

    Raises:
        InvalidRequest: it is none.
    """
    if not _HEX_BYTES.fullmatch(text):
        raise InvalidRequest(f"{param} must be 0x and an even number of hex digits.", code="hex_invalid", param=param)
    return bytes.fromhex(text[2:])


def signature(text: str) -> bytes:
    """A wallet's signature: 65 bytes, or more from a contract wallet.

    Raises:
        InvalidRequest: it is no hex, or shorter.
    """
    raw = hex_bytes(text, "signature")
    if len(raw) < _SIGNATURE_BYTES:
        raise InvalidRequest(
            f"A signature has at least {_SIGNATURE_BYTES} bytes, this one {len(raw)}.",
            code="signature_malformed",
            param="signature",
        )
    return raw


def permit(params: PermitParams | None) -> Permit | None:
    """Split a permit's signature into r, s and v.

    Raises:
        InvalidRequest: the value does not fit 256 bits, or the signature is not 65 bytes with v 27 or 28.
    """
    if params is None:
        return None
    raw = hex_bytes(params.signature, "permit[signature]")
    value = int(params.value)
    if value >= _WORD_MAX:
        raise InvalidRequest("permit[value] does not fit 256 bits.", code="parameter_invalid", param="permit[value]")
    v = raw[-1] + _V_OFFSET if raw[-1] < _V_OFFSET else raw[-1]
    if len(raw) != _SIGNATURE_BYTES or v not in {_V_OFFSET, _V_OFFSET + 1}:
        raise InvalidRequest(
            f"A permit's signature has {_SIGNATURE_BYTES} bytes: r, s, and v of 27 or 28.",
            code="signature_malformed",
            param="permit[signature]",
        )
    return Permit(value=value, deadline=params.deadline, v=v, r=raw[:32], s=raw[32:64])
