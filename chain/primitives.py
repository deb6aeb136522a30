"""The vocabulary of a chain: addresses, hashes, blocks, logs, and what our contract says.

Standard library only, no I/O: `gateway.domain` may import this module (and no other of `chain`), so that both sides
speak of the same types. Encoding, hashing and signing belong to the other modules of this package.
"""

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, NewType

Address = NewType("Address", str)
"""An account: `0x` and 40 lower-case hex digits. Checksummed (EIP-55) only where a person reads it."""

Hash32 = NewType("Hash32", str)
"""A transaction or block hash: `0x` and 64 lower-case hex digits."""

MandateId = NewType("MandateId", str)
"""First 12 bytes of a mandate's EIP-712 digest: `0x` and 24 lower-case hex digits."""

ZERO_ADDRESS: Final = Address("0x" + "0" * 40)

_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}")
_HASH32: Final = re.compile(r"0x[0-9a-f]{64}")
_MANDATE_ID: Final = re.compile(r"0x[0-9a-f]{24}")


def address(text: str) -> Address:
    """Return `text` in canonical form; letter case is ignored (`chain.checksum` judges EIP-55).

    Raises:
        ValueError: it is not 20 bytes of hex with the prefix 0x.
    """
    lowered = text.lower()
    if not _ADDRESS.fullmatch(lowered):
        raise ValueError(f"not an address: {text!r}; expected 0x and 40 hex digits")
    return Address(lowered)


def hash32(text: str) -> Hash32:
    """Return `text` in canonical form.

    Raises:
        ValueError: it is not 32 bytes of hex with the prefix 0x.
    """
    lowered = text.lower()
    if not _HASH32.fullmatch(lowered):
        raise ValueError(f"not a 32-byte hash: {text!r}; expected 0x and 64 hex digits")
    return Hash32(lowered)


def mandate_id(text: str) -> MandateId:
    """Return `text` in canonical form.

    Raises:
        ValueError: it is not 12 bytes of hex with the prefix 0x.
    """
    lowered = text.lower()
    if not _MANDATE_ID.fullmatch(lowered):
        raise ValueError(f"not a mandate id: {text!r}; expected 0x and 24 hex digits")
    return MandateId(lowered)


class PeriodUnit(IntEnum):
    """The unit a mandate counts its periods in, as the contract numbers them."""

    SECONDS = 0
    MONTHS = 1


class FailReason(IntEnum):
    """Why the contract refuses an item; numbers as in `DuesMandates.Fail`."""

    NONE = 0
    UNKNOWN = 1
    NOT_STARTED = 2
    NOT_DUE = 3
    TOO_LATE = 4
    CANCELED = 5
    ENDED = 6
    PLAN_CLOSED = 7
    AMOUNT_TOO_HIGH = 8
    ALLOWANCE = 9
    BALANCE = 10
    TOKEN_REJECTED = 11
    TOKEN_FALSE = 12
    ALREADY_PAID = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateTerms:
    """What a payer signs (EIP-712 `Mandate`). Amounts in base units of the token, times in unix seconds.

    Attributes:
        amount: most that may be collected in one period, inclusive (uint96).
        every: length of one period, in `unit`s (uint32, at least 1).
        start: first instant of period 1; period k is [start + (k-1)·every, start + k·every) (uint40).
        periods: number of the last period; 0 means until canceled (uint16).
        arrears: how many past periods may still be collected, 0 to 8.
        deadline: last second in which the signature may be used to register (uint64).
    """

    payer: Address
    payee: Address
    token: Address
    amount: int
    unit: PeriodUnit
    every: int
    fee_bps: int
    start: int
    periods: int
    arrears: int
    deadline: int
    salt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An EIP-2612 approval that the payer signed; `value` in base units, `deadline` in unix seconds."""

    value: int
    deadline: int
    v: int
    r: bytes
    s: bytes


@dataclass(frozen=True, slots=True)
class ChargeItem:
    """One pull: at most once per (mandate, period). `amount` in base units."""

    mandate_id: MandateId
    period: int
    amount: int


@dataclass(frozen=True, slots=True)
class SimulatedOutcome:
    """What `simulate` says of one item: `FailReason.NONE` means that it would be collected."""

    reason: FailReason
    token_error: bytes


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block, named so that a re-org cannot be overlooked."""

    number: int
    hash: Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The part of a block header that is followed. `timestamp` in unix seconds, fee in wei."""

    number: int
    hash: Hash32
    parent_hash: Hash32
    timestamp: int
    base_fee_per_gas: int

    @property
    def ref(self) -> BlockRef:
        """Number and hash."""
        return BlockRef(self.number, self.hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLog:
    """A log as the node gave it; topics and data are `0x` hex."""

    block_number: int
    block_hash: Hash32
    transaction_hash: Hash32
    log_index: int
    address: Address
    topics: tuple[str, ...]
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The outcome of a mined transaction; `succeeded` is status 1, `gas_price` in wei is what was really paid."""

    transaction_hash: Hash32
    block: BlockRef
    succeeded: bool
    gas_used: int
    gas_price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """What `logs` returns: any of the addresses, and per topic position any of the values (empty = all)."""

    addresses: tuple[Address, ...]
    topics: tuple[tuple[str, ...], ...] = ()


class BlockTag(StrEnum):
    """Tags of the JSON-RPC interface that are used here; `pending` is never trusted."""

    LATEST = "latest"
    SAFE = "safe"
    FINALIZED = "finalized"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """Where a decoded event stands; (block hash, log index) is its identity."""

    block_number: int
    block_hash: Hash32
    transaction_hash: Hash32
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """A mandate was registered."""

    at: LogPosition
    mandate_id: MandateId
    payer: Address
    plan_id: int
    start: int
    periods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A period was collected; `amount` in base units, fee included."""

    at: LogPosition
    mandate_id: MandateId
    period: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeFailed:
    """A pull inside a batch failed; nothing moved. `token_error`: the first 4 bytes that the token reverted with."""

    at: LogPosition
    mandate_id: MandateId
    period: int
    reason: FailReason
    token_error: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """A mandate ended for ever."""

    at: LogPosition
    mandate_id: MandateId
    by: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCreated:
    """Terms that mandates share were seen for the first time; they never change. Units as in `MandateTerms`."""

    at: LogPosition
    plan_id: int
    payee: Address
    token: Address
    amount: int
    unit: PeriodUnit
    every: int
    fee_bps: int
    arrears: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOpened:
    """The payee closed its plan for charges, or opened it again."""

    at: LogPosition
    plan_id: int
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSkipped:
    """A period was collected, but the operator's share of it could not be taken; `fee` in base units."""

    at: LogPosition
    mandate_id: MandateId
    period: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """ERC-20 `Transfer`; `amount` in base units of `token`."""

    at: LogPosition
    token: Address
    sender: Address
    recipient: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """ERC-20 `Approval`; `amount` is the allowance after it, in base units of `token`."""

    at: LogPosition
    token: Address
    owner: Address
    spender: Address
    amount: int


ContractEvent = Subscribed | Charged | ChargeFailed | Canceled
PlanEvent = PlanCreated | PlanOpened | FeeSkipped
TokenEvent = Transferred | Approved


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """EIP-1559 fees of one transaction, wei per gas."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRequest:
    """Everything that is signed. `gas` is the limit; `value` is always zero here, so it is not a field."""

    chain_id: int
    nonce: int
    to: Address
    data: bytes
    gas: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Bytes that may leave, and the hash under which their receipt will be found."""

    raw: bytes
    hash: Hash32


class SendResult(StrEnum):
    """What a node's answer to `eth_sendRawTransaction` means. None of them decides an outcome: receipts do."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already_known"
    NONCE_TOO_LOW = "nonce_too_low"
    NONCE_TOO_HIGH = "nonce_too_high"
    REPLACEMENT_UNDERPRICED = "replacement_underpriced"
    FEE_CAP_TOO_LOW = "fee_cap_too_low"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    UNKNOWN = "unknown"
