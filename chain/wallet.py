"""A plain account that sends one transaction and waits for it: wallets of the sandbox, one-off calls, tests.

Not for the gateway's own charges: it keeps nothing, so a crash forgets what was sent (`chain.lifecycle` is for those).
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from chain.errors import RpcRejected, RpcUnavailable
from chain.fees import FeePolicy, market_fees
from chain.port import ChainPort
from chain.primitives import (
    Address,
    BlockTag,
    Receipt,
    SendResult,
    TransactionRequest,
)
from chain.signer import Signer

GAS: Final = 1_000_000  # a registration with permit and first charge needs a third of it; what is unused costs nothing
FEE_POLICY: Final = FeePolicy(tip=10**9, cap=10**12)
WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Wallet:
    """An account with its key. `policy` is what it is willing to pay."""

    chain: ChainPort
    signer: Signer
    policy: FeePolicy = FEE_POLICY

    @property
    def address(self) -> Address:
        """Whose account it is."""
        return self.signer.address

    async def send(self, to: Address, data: bytes, *, gas: int = GAS, wait_seconds: float = WAIT_SECONDS) -> Receipt:
        """Call `to` with `data`, and return the receipt once it is mined; look at `succeeded`.

        Raises:
            RpcRejected: the node did not take it.
            RpcUnavailable: no receipt within `wait_seconds`: it may still be mined later.
        """
        head = await self.chain.head()
        signed = self.signer.sign(
            TransactionRequest(
                chain_id=self.chain.chain_id,
                nonce=await self.chain.nonce(self.address, BlockTag.LATEST),
                to=to,
                data=data,
                gas=gas,
                fees=market_fees(head.base_fee_per_gas, self.policy),
            )
        )
        [(result, words)] = await self.chain.send([signed.raw])
        if result not in (SendResult.ACCEPTED, SendResult.ALREADY_KNOWN, SendResult.UNKNOWN):
            raise RpcRejected(0, f"{result}: {words}")
        for _ in range(max(int(wait_seconds / _POLL_SECONDS), 1)):
            [receipt] = await self.chain.receipts([signed.hash])
            if receipt is not None:
                return receipt
            await asyncio.sleep(_POLL_SECONDS)
        raise RpcUnavailable(f"no receipt of {signed.hash} within {wait_seconds:g} s ({result} {words})")
