"""Links that wallets open (EIP-681), and the squares that cameras read them from: inline SVG, made here."""

import io
from typing import Final

import segno

from chain.checksum import checksum
from chain.primitives import Address
from gateway.domain.money import Token

_QUIET_MODULES: Final = 4
"""The white edge that ISO/IEC 18004 asks for; the page may be dark around it."""


class Svg(str):
    """An SVG element of ours: it stands in a page as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def transfer_uri(token: Token, recipient: Address, amount: int) -> str:
    """A transfer of so many base units of a token to a wallet."""
    to = checksum(token.address)
    return f"ethereum:{to}@{token.chain_id}/transfer?address={checksum(recipient)}&uint256={amount}"


def square(text: str) -> Svg:
    """A QR code. A screen reader is told nothing of it: the same link stands beside it."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out,
        kind="svg",
        border=_QUIET_MODULES,
        xmldecl=False,
        svgns=False,
        omitsize=True,
        nl=False,
        svgclass="code",
        lineclass=None,
        light="#fff",
        dark="#000",
    )
    return Svg(out.getvalue().decode().replace("<svg ", '<svg aria-hidden="true" ', 1))
