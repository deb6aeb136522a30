"""Shapes of the JSON-RPC answers that are read, and their translation into `chain.primitives`, with every check.

A node may lag, lie or be another software than thought. What contradicts the question raises `AnswerInvalid`, so that
the transport can ask another endpoint.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from chain.errors import AnswerInvalid
from chain.primitives import Address, BlockRef, Hash32, Header, LogFilter, RawLog, Receipt

_HASH_CHARS: Final = 66


class BlockAnswer(msgspec.Struct, rename="camel", frozen=True):
    """The fields of `eth_getBlockByNumber` that are read. Chains without EIP-1559 send no base fee."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    base_fee_per_gas: str = "0x0"


class LogAnswer(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """One element of `eth_getLogs`."""

    address: str
    topics: tuple[str, ...]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str
    removed: bool = False


class ReceiptAnswer(msgspec.Struct, rename="camel", frozen=True):
    """The fields of `eth_getTransactionReceipt` that are read."""

    transaction_hash: str
    block_number: str
    block_hash: str
    gas_used: str
    status: str = ""
    effective_gas_price: str = "0x0"


_BLOCK: Final = msgspec.json.Decoder(BlockAnswer | None)
_LOGS: Final = msgspec.json.Decoder(list[LogAnswer])
_RECEIPT: Final = msgspec.json.Decoder(ReceiptAnswer | None)
_TEXT: Final = msgspec.json.Decoder(str)


def read_header(result: bytes, number: int | None = None) -> Header | None:
    """A block header; `None` for `null`.

    Raises:
        AnswerInvalid: unreadable, or of another number than asked for.
    """
    try:
        block = _BLOCK.decode(result)
        if block is None:
            return None
        header = Header(
            number=int(block.number, 16),
            hash=_hash(block.hash),
            parent_hash=_hash(block.parent_hash),
            timestamp=int(block.timestamp, 16),
            base_fee_per_gas=int(block.base_fee_per_gas, 16),
        )
    except (ValueError, msgspec.DecodeError) as error:
        raise AnswerInvalid(f"unreadable block header: {error}") from None
    if number is not None and header.number != number:
        raise AnswerInvalid(f"asked for block {number}, got block {header.number}")
    return header


def read_receipt(result: bytes, transaction: Hash32) -> Receipt | None:
    """A receipt; `None` for `null`, which also means "not indexed yet".

    Raises:
        AnswerInvalid: unreadable, without status (before Byzantium), or of another transaction.
    """
    try:
        found = _RECEIPT.decode(result)
        if found is None:
            return None
        receipt = Receipt(
            transaction_hash=_hash(found.transaction_hash),
            block=BlockRef(int(found.block_number, 16), _hash(found.block_hash)),
            succeeded=int(found.status, 16) == 1,
            gas_used=int(found.gas_used, 16),
            gas_price=int(found.effective_gas_price, 16),
        )
    except (ValueError, msgspec.DecodeError) as error:
        raise AnswerInvalid(f"unreadable receipt of {transaction}: {error}") from None
    if receipt.transaction_hash != transaction:
        raise AnswerInvalid(f"asked for the receipt of {transaction}, got {receipt.transaction_hash}")
    return receipt


def read_logs(result: bytes, query: LogFilter) -> list[RawLog]:
    """Logs in chain order, each checked against `query`; those that a re-org removed are left out.

    Raises:
        AnswerInvalid: unreadable, or a log that was not asked for.
    """
    try:
        answers = _LOGS.decode(result)
        logs = [
            RawLog(
                block_number=int(log.block_number, 16),
                block_hash=Hash32(log.block_hash),
                transaction_hash=Hash32(log.transaction_hash),
                log_index=int(log.log_index, 16),
                address=Address(log.address.lower()),
                topics=log.topics,
                data=log.data,
            )
            for log in answers
            if not log.removed
        ]
    except (ValueError, msgspec.DecodeError) as error:
        raise AnswerInvalid(f"unreadable logs: {error}") from None
    _check_logs(logs, query)
    if any(_position(left) >= _position(right) for left, right in pairwise(logs)):
        logs.sort(key=_position)
    return logs


def read_quantity(result: bytes) -> int:
    """A hex number.

    Raises:
        AnswerInvalid: something else.
    """
    try:
        return int(_TEXT.decode(result), 16)
    except (ValueError, msgspec.DecodeError) as error:
        raise AnswerInvalid(f"unreadable number: {error}") from None


def read_bytes(result: bytes) -> bytes:
    """Hex bytes.

    Raises:
        AnswerInvalid: something else.
    """
    try:
        return bytes.fromhex(_TEXT.decode(result).removeprefix("0x"))
    except (ValueError, msgspec.DecodeError) as error:
        raise AnswerInvalid(f"unreadable bytes: {error}") from None


def filter_json(query: LogFilter) -> dict[str, object]:
    """A filter as `eth_getLogs` takes it, without the range; `null` stands for "any" at a topic position."""
    topics = [list(values) or None for values in query.topics]
    return {"address": list(query.addresses), "topics": topics} if topics else {"address": list(query.addresses)}


def _check_logs(logs: Sequence[RawLog], query: LogFilter) -> None:
    addresses = frozenset(query.addresses)
    wanted = [(at, frozenset(values)) for at, values in enumerate(query.topics) if values]
    for log in logs:
        if log.address not in addresses:
            raise AnswerInvalid(f"log of {log.address} in block {log.block_number}, which was not asked for")
        if any(at >= len(log.topics) or log.topics[at] not in values for at, values in wanted):
            raise AnswerInvalid(f"log {log.log_index} of block {log.block_number} does not match the topics asked for")
        if len(log.block_hash) != _HASH_CHARS or len(log.transaction_hash) != _HASH_CHARS:
            raise AnswerInvalid(f"log {log.log_index} of block {log.block_number} has a hash of a wrong length")


def _position(log: RawLog) -> tuple[int, int]:
    return log.block_number, log.log_index


def _hash(text: str) -> Hash32:
    if len(text) != _HASH_CHARS:
        raise ValueError(f"not a hash: {text[:_HASH_CHARS]!r}")
    return Hash32(text.lower())
