"""A local chain for benchmarks: contract, token, funded wallets, and mandates registered by the operator."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chain import mandates
from chain.eip712 import mandate_digest
from chain.erc20 import approve_data, mint_data
from chain.fees import FeePolicy, market_fees
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, LOCAL_CHAIN_ID, DevelopmentChain
from chain.primitives import (
    Address,
    BlockTag,
    ChargeItem,
    MandateTerms,
    Receipt,
    SendResult,
    SignedTransaction,
    TransactionRequest,
)
from chain.signer import DevelopmentSigner, Signer
from chain.stage import Stage

WALLETS: Final = 100
PATIENCE_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 0.005
_CHUNK: Final = 200  # raw transactions in one request, and at most so many of one account in anvil's pool
_GAS: Final = 400_000
_GAS_PER_CHARGE: Final = 60_000
_GAS_MAX: Final = 16_777_216
_FEES: Final = FeePolicy(tip=10**9, cap=10**12)


def wallets() -> list[DevelopmentSigner]:
    """The same wallets in every run."""
    return [DevelopmentSigner((0x5EED0000 + number).to_bytes(32, "big")) for number in range(WALLETS)]


def operator() -> DevelopmentSigner:
    """Who charges in the benchmark: the second account of anvil."""
    return DevelopmentSigner(DEVELOPMENT_KEYS[1])


@dataclass(frozen=True, slots=True)
class Mined:
    """What a run of raw transactions took, from the first byte sent to the last receipt."""

    receipts: list[Receipt]
    seconds: float


async def send_all(chain: JsonRpcChain, signer: Signer, calls: Sequence[tuple[Address, bytes, int]]) -> Mined:
    """Sign (to, calldata, gas) in this order, send everything in batches, and wait for all receipts.

    Raises:
        RuntimeError: one was not taken, or did not succeed.
    """
    head = await chain.head()
    fees = market_fees(head.base_fee_per_gas * 2, _FEES)
    first = await chain.nonce(signer.address, BlockTag.LATEST)
    signed = [
        signer.sign(TransactionRequest(chain_id=LOCAL_CHAIN_ID, nonce=first + i, to=to, data=data, gas=gas, fees=fees))
        for i, (to, data, gas) in enumerate(calls)
    ]
    began = time.perf_counter()
    receipts: list[Receipt] = []
    for start in range(0, len(signed), _CHUNK):
        chunk = signed[start : start + _CHUNK]
        for result, words in await chain.send([each.raw for each in chunk]):
            if result not in {SendResult.ACCEPTED, SendResult.ALREADY_KNOWN}:
                raise RuntimeError(f"the node did not take a transaction: {result} {words}")
        receipts += await _mined(chain, chunk)
    seconds = time.perf_counter() - began
    if not all(receipt.succeeded for receipt in receipts):
        raise RuntimeError("a transaction of the benchmark reverted")
    return Mined(receipts, seconds)


async def _mined(chain: JsonRpcChain, chunk: Sequence[SignedTransaction]) -> list[Receipt]:
    hashes = [each.hash for each in chunk]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = await chain.receipts(hashes)
        if None not in found:
            return [receipt for receipt in found if receipt is not None]
        await asyncio.sleep(_POLL_SECONDS)
    raise RuntimeError("the node did not mine everything in time")


async def fund(stage: Stage, chain: JsonRpcChain, levers: DevelopmentChain, amount: int) -> None:
    """Give every wallet gas and `amount` base units, and let the contract take those."""
    for key in wallets():
        await levers.set_balance(key.address, 10**20)
        receipt = await stage.owner.send(stage.token, mint_data(key.address, amount))
        assert receipt.succeeded
    for key in wallets():
        await send_all(chain, key, [(stage.token, approve_data(stage.contract, amount), _GAS)])


async def register(chain: JsonRpcChain, contract: Address, terms: Iterable[MandateTerms]) -> Mined:
    """Register mandates, signed by their wallets and sent by the operator."""
    keys = {key.address: key for key in wallets()}
    calls = [
        (
            contract,
            mandates.subscribe_data(
                each, signature=keys[each.payer].sign_digest(mandate_digest(each, LOCAL_CHAIN_ID, contract))
            ),
            _GAS,
        )
        for each in terms
    ]
    return await send_all(chain, operator(), calls)


async def charge(chain: JsonRpcChain, contract: Address, items: Sequence[ChargeItem], batch: int) -> Mined:
    """Collect `items` with nothing but the calldata that the gateway would send: the limit of this chain here."""
    calls = [
        (
            contract,
            mandates.charge_batch_amounts_data(items[start : start + batch]),
            min(_GAS_PER_CHARGE * batch + 100_000, _GAS_MAX),
        )
        for start in range(0, len(items), batch)
    ]
    return await send_all(chain, operator(), calls)


async def noops(chain: JsonRpcChain, count: int) -> Mined:
    """Send transactions that do nothing: what one account gets through this node."""
    key = operator()
    return await send_all(chain, key, [(key.address, b"", 21_000)] * count)
