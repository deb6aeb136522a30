"""The pool of `FakeChain` and the execution of what comes out of it: a real node's rules, which anvil does not keep.

geth's, to be exact: a replacement must offer a tenth more on both fees, a transaction under the base fee or behind a
missing nonce waits instead of being lost, and bytes that are mined are "nonce too low" afterwards.
"""

from dataclasses import dataclass
from typing import Final

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from chain import fake_world
from chain.errors import CallReverted
from chain.fake_contract import Call, FakeContract
from chain.fake_world import Emitted, World
from chain.keccak import keccak256
from chain.mandates import CHARGE_BATCH, CHARGE_BATCH_AMOUNTS, ITEM_BYTES, ITEM_WITH_AMOUNT_BYTES
from chain.primitives import Address, Fees, Hash32, SendResult

_GAS_TRANSFER: Final = 21_000
_GAS_CALL: Final = 60_000
_GAS_ITEM: Final = 30_000  # near what an item really costs: too small a limit fails here too
_BUMP_PERCENT: Final = 110
_DYNAMIC_FEE_TYPE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTransaction:
    """Signed bytes, taken apart."""

    hash: Hash32
    sender: Address
    nonce: int
    to: Address
    data: bytes
    gas: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class Execution:
    """What a mined transaction did."""

    succeeded: bool
    gas_used: int
    gas_price: int
    emitted: list[Emitted]


class FakePool:
    """What waits to be mined.

    Attributes:
        waiting: by hash.
    """

    def __init__(self, chain_id: int) -> None:
        self.waiting: dict[Hash32, PoolTransaction] = {}
        self._chain_id = chain_id

    def take(self, raw: bytes, world: World) -> tuple[SendResult, str]:
        """Judge signed bytes against the state at the head, in geth's order, and keep them if they pass."""
        sent = take_apart(raw, self._chain_id)
        if sent is None:
            return SendResult.UNKNOWN, "invalid sender"
        if sent.hash in self.waiting:
            return SendResult.ALREADY_KNOWN, "already known"
        if sent.nonce < world.nonces.get(sent.sender, 0):
            return SendResult.NONCE_TOO_LOW, "nonce too low"
        if world.native.get(sent.sender, 0) < sent.gas * sent.fees.max_fee_per_gas:
            return SendResult.INSUFFICIENT_FUNDS, "insufficient funds for gas * price + value"
        rival = next((tx for tx in self.waiting.values() if (tx.sender, tx.nonce) == (sent.sender, sent.nonce)), None)
        if rival is not None and not _outbids(sent.fees, rival.fees):
            return SendResult.REPLACEMENT_UNDERPRICED, "replacement transaction underpriced"
        if rival is not None:
            del self.waiting[rival.hash]
        self.waiting[sent.hash] = sent
        return SendResult.ACCEPTED, ""

    def pick(self, world: World, base_fee: int) -> tuple[PoolTransaction, ...]:
        """Take out what the next block holds: by sender in nonce order, without gaps, at or above the base fee.

        What can never be mined any more (its nonce is used) is forgotten.
        """
        nonces = dict(world.nonces)
        chosen: list[PoolTransaction] = []
        for sent in sorted(self.waiting.values(), key=lambda tx: (tx.sender, tx.nonce)):
            if sent.nonce == nonces.get(sent.sender, 0) and sent.fees.max_fee_per_gas >= base_fee:
                chosen.append(sent)
                nonces[sent.sender] = sent.nonce + 1
        self.waiting = {sent.hash: sent for sent in self.waiting.values() if sent.nonce >= nonces.get(sent.sender, 0)}
        return tuple(chosen)


def run(
    world: World, contract: FakeContract, sent: PoolTransaction, *, timestamp: int, base_fee: int
) -> tuple[World, Execution]:
    """The state after a transaction, and what it did. Gas figures are made up but of the right size."""
    needed = _gas_needed(sent)
    succeeded = sent.gas >= needed
    after, emitted = world.copy(), []
    if succeeded and sent.data:
        try:
            emitted = _execute(after, contract, sent, timestamp)
        except CallReverted:
            succeeded, after = False, world.copy()
    gas_used = min(needed, sent.gas)
    price = min(sent.fees.max_fee_per_gas, base_fee + sent.fees.max_priority_fee_per_gas)
    after.nonces[sent.sender] = sent.nonce + 1
    after.native[sent.sender] = after.native.get(sent.sender, 0) - gas_used * price
    return after, Execution(succeeded, gas_used, price, emitted)


def take_apart(raw: bytes, chain_id: int) -> PoolTransaction | None:
    """The fields of a signed EIP-1559 transaction; `None` if it is not one for `chain_id`."""
    try:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        sender = Account.recover_transaction(raw)
    except Exception:  # noqa: BLE001  (the decoder raises whatever its layers raise; all of it means "not a transaction")
        return None
    if int(fields["type"]) != _DYNAMIC_FEE_TYPE or int(fields["chainId"]) != chain_id:
        return None
    return PoolTransaction(
        hash=Hash32("0x" + keccak256(raw).hex()),
        sender=Address(sender.lower()),
        nonce=int(fields["nonce"]),
        to=Address("0x" + bytes(fields["to"]).hex()),
        data=bytes(fields["data"]),
        gas=int(fields["gas"]),
        fees=Fees(
            max_fee_per_gas=int(fields["maxFeePerGas"]),
            max_priority_fee_per_gas=int(fields["maxPriorityFeePerGas"]),
        ),
    )


def _execute(world: World, contract: FakeContract, sent: PoolTransaction, timestamp: int) -> list[Emitted]:
    if sent.to == contract.address:
        return contract.execute(world, Call(sent.sender, sent.data, timestamp))
    if sent.to in world.deployed_tokens:
        return fake_world.execute_token(world, sent.to, sent.sender, sent.data)
    return []


def _gas_needed(sent: PoolTransaction) -> int:
    if not sent.data:
        return _GAS_TRANSFER
    size = {CHARGE_BATCH: ITEM_BYTES, CHARGE_BATCH_AMOUNTS: ITEM_WITH_AMOUNT_BYTES}.get(sent.data[:4])
    if size is None:
        return _GAS_CALL
    return _GAS_CALL + int.from_bytes(sent.data[36:68], "big") // size * _GAS_ITEM


def _outbids(new: Fees, old: Fees) -> bool:
    return (
        new.max_fee_per_gas * 100 >= old.max_fee_per_gas * _BUMP_PERCENT
        and new.max_priority_fee_per_gas * 100 >= old.max_priority_fee_per_gas * _BUMP_PERCENT
    )
