"""Where a contract will stand before it exists: CREATE2 by the deployment proxy that stands on most chains. No I/O.

The proxy (https://github.com/Arachnid/deterministic-deployment-proxy) takes a salt and creation code, and has no owner
and no state: the address follows from these two alone, so the same pair gives the same address on every chain, and
whoever sends it. Constructor arguments are part of the creation code: another owner is another address.
"""

from dataclasses import dataclass
from typing import Final

from chain import artifacts
from chain.keccak import keccak256
from chain.primitives import ZERO_ADDRESS, Address
from chain.words import address_word, uint_word

PROXY: Final = Address("0x4e59b44847b379578588920ca78fbf26c0b4956c")
PROXY_CODE: Final = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe036016000816020"
    "82378035828234f58015156039578182fd5b8082525050506014600cf3"
)
"""What stands there; other code at that address is another contract and is not sent anything."""

_CREATE2_PREFIX: Final = b"\xff"
_ADDRESS_BYTES: Final = 20


def create2_address(deployer: Address, salt: bytes, creation_code: bytes) -> Address:
    """Address of what `deployer` creates from `creation_code` with a salt of 32 bytes (EIP-1014)."""
    preimage = _CREATE2_PREFIX + bytes.fromhex(deployer[2:]) + salt + keccak256(creation_code)
    return Address("0x" + keccak256(preimage)[-_ADDRESS_BYTES:].hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class MandatesDeployment:
    """One `DuesMandates` to be: everything that its address depends on.

    Attributes:
        owner: may name operators and tokens, and pause; must not be the zero address.
        fee_recipient: zero = no fee is taken.
        salt: any number below 2^256; another one gives another address.
    """

    owner: Address
    fee_recipient: Address = ZERO_ADDRESS
    salt: int = 0

    @property
    def creation_code(self) -> bytes:
        """Creation code with its arguments.

        Raises:
            ArtifactInvalid: the artifact is missing.
        """
        code = artifacts.load(artifacts.MANDATES).creation_code
        return code + address_word(self.owner) + address_word(self.fee_recipient)

    @property
    def address(self) -> Address:
        """Where it will stand, on every chain that has the proxy."""
        return create2_address(PROXY, uint_word(self.salt), self.creation_code)

    @property
    def calldata(self) -> bytes:
        """What the proxy is sent: salt and creation code."""
        return uint_word(self.salt) + self.creation_code
