"""Code for tokens that no test contract has, put at an address of a development node."""

from chain.erc20 import BALANCE_OF, DECIMALS
from chain.keccak import keccak256
from chain.local_node import DevelopmentChain
from chain.primitives import Address

SHARES = Address("0x" + keccak256(b"a token of shares")[-20:].hex())


class Setter(DevelopmentChain):
    """A development chain whose accounts can be given code."""

    async def doubling(self, implementation: Address) -> Address:
        """A token that does what `implementation` does, and says twice the balance that it has stored."""
        delegate = bytes.fromhex(
            "365f5f37"  # calldatacopy(0, 0, calldatasize)
            "60205f365f73" + implementation[2:] + "5af4"  # delegatecall into memory 0, 32 bytes
            "503d5f5f3e"  # returndatacopy(0, 0, returndatasize)
        )
        # memory 0 times 2 if the selector is balanceOf's, else times 1
        scale = bytes.fromhex("5f3560e01c63" + BALANCE_OF.hex() + "14600101" + "5f51025f52")
        await self.put(SHARES, delegate + scale + bytes.fromhex("3d5ff3"))
        return SHARES

    async def counting(self, implementation: Address, decimals: int) -> Address:
        """A token that does what `implementation` does, and says that it has `decimals`."""
        forward = bytes.fromhex(
            "365f5f37"  # calldatacopy(0, 0, calldatasize)
            "5f5f365f73" + implementation[2:] + "5af4"  # delegatecall
            "3d5f5f3e"  # returndatacopy(0, 0, returndatasize)
        )
        asked = bytes.fromhex("5f3560e01c63" + DECIMALS.hex() + "14")
        ended = len(asked) + 3 + len(forward) + 6
        code = asked + bytes([0x60, ended + 4, 0x57]) + forward + bytes([0x60, ended, 0x57]) + bytes.fromhex("3d5ffd")
        code += bytes.fromhex(f"5b3d5ff35b60{decimals:02x}5f5260205ff3")
        token = Address("0x" + keccak256(b"decimals" + bytes([decimals]))[-20:].hex())
        await self.put(token, code)
        return token

    async def put(self, account: Address, code: bytes) -> None:
        """Give `account` this code."""
        await self._ask("anvil_setCode", account, "0x" + code.hex())
