"""Binding of `DuesMandates`: calldata of its functions and the answers of its views. Events are in `chain.logs`.

Batches are packed by hand exactly as the contract reads them (14 or 26 bytes an item), everything else is plain ABI
encoding. Nothing here talks to a node.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from chain.eip712 import mandate_words
from chain.errors import AnswerInvalid
from chain.keccak import selector
from chain.primitives import (
    Address,
    ChargeItem,
    FailReason,
    MandateId,
    MandateTerms,
    Permit,
    SimulatedOutcome,
)
from chain.words import WORD_BYTES, address_word, bool_word, bytes_tail, read_bytes, uint_word

_MANDATE_TUPLE: Final = "(address,address,address,uint96,uint8,uint32,uint16,uint40,uint16,uint8,uint64,uint256)"

SUBSCRIBE: Final = selector(f"subscribe({_MANDATE_TUPLE},bytes,bytes,uint96)")
CHARGE: Final = selector("charge(uint96,uint16,uint96)")
CHARGE_BATCH: Final = selector("chargeBatch(bytes)")
CHARGE_BATCH_AMOUNTS: Final = selector("chargeBatchAmounts(bytes)")
SIMULATE: Final = selector("simulate(bytes)")
CANCEL: Final = selector("cancel(uint96)")
CANCEL_WITH_SIGNATURE: Final = selector("cancelWithSig(uint96,bytes)")
REVOKE_UNREGISTERED: Final = selector(f"revokeUnregistered({_MANDATE_TUPLE})")
SET_PLAN_OPEN: Final = selector("setPlanOpen(uint24,bool)")
SET_OPERATOR: Final = selector("setOperator(address,bool)")
SET_TOKEN: Final = selector("setToken(address,bool)")
SET_PAUSED: Final = selector("setPaused(bool)")
SET_FEE_RECIPIENT: Final = selector("setFeeRecipient(address)")
TRANSFER_OWNERSHIP: Final = selector("transferOwnership(address)")
ACCEPT_OWNERSHIP: Final = selector("acceptOwnership()")
MANDATE: Final = selector("mandate(uint96)")
PLAN: Final = selector("plan(uint24)")
QUOTE: Final = selector("quote(uint96,uint16)")
OWNER: Final = selector("owner()")
OPERATORS: Final = selector("operators(address)")
TOKENS: Final = selector("tokens(address)")
PAUSED: Final = selector("paused()")
DOMAIN_SEPARATOR: Final = selector("domainSeparator()")

OPERATOR_SELECTORS: Final = frozenset({SUBSCRIBE, CHARGE, CHARGE_BATCH, CHARGE_BATCH_AMOUNTS, CANCEL_WITH_SIGNATURE})
"""What a gateway's hot key ever calls: the default list of the signing policy."""

_ID_BYTES: Final = 12
_PERIOD_BYTES: Final = 2
_AMOUNT_BYTES: Final = 12
ITEM_BYTES: Final = _ID_BYTES + _PERIOD_BYTES
ITEM_WITH_AMOUNT_BYTES: Final = ITEM_BYTES + _AMOUNT_BYTES
_OUTCOME_BYTES: Final = 5


def subscribe_data(
    terms: MandateTerms, *, signature: bytes = b"", permit: Permit | None = None, first_amount: int = 0
) -> bytes:
    """Calldata of `subscribe`.

    Args:
        terms: what the payer agreed to.
        signature: over `mandate_digest`; empty when the payer itself sends the transaction.
        permit: token approval to try first; its failure is ignored by the contract, the allowance decides.
        first_amount: base units to collect for the current period in the same transaction, all or nothing; 0 = none.
    """
    permit_bytes = b"" if permit is None else permit_words(permit)
    signature_tail = bytes_tail(signature)
    head_bytes = (12 + 3) * WORD_BYTES
    return b"".join(
        (
            SUBSCRIBE,
            mandate_words(terms),
            uint_word(head_bytes),
            uint_word(head_bytes + len(signature_tail)),
            uint_word(first_amount, 96),
            signature_tail,
            bytes_tail(permit_bytes),
        )
    )


def permit_words(permit: Permit) -> bytes:
    """`abi.encode(value, deadline, v, r, s)`: the form in which `subscribe` takes a permit."""
    return (
        uint_word(permit.value)
        + uint_word(permit.deadline)
        + uint_word(permit.v, 8)
        + permit.r.rjust(WORD_BYTES, b"\0")
        + permit.s.rjust(WORD_BYTES, b"\0")
    )


def charge_data(item: ChargeItem) -> bytes:
    """Calldata of `charge`, for an operator or the payee itself; it reverts where a batch would go on."""
    return CHARGE + _id_word(item.mandate_id) + uint_word(item.period, 16) + uint_word(item.amount, 96)


def charge_batch_data(items: Iterable[tuple[MandateId, int]]) -> bytes:
    """Calldata of `chargeBatch`: each (mandate, period) at the mandate's full amount."""
    packed = b"".join(_packed_id(mandate) + _packed(period, _PERIOD_BYTES) for mandate, period in items)
    return CHARGE_BATCH + uint_word(WORD_BYTES) + bytes_tail(packed)


def charge_batch_amounts_data(items: Iterable[ChargeItem]) -> bytes:
    """Calldata of `chargeBatchAmounts`: each period at its own amount, at most the mandate's."""
    return CHARGE_BATCH_AMOUNTS + uint_word(WORD_BYTES) + bytes_tail(pack_items(items))


def simulate_data(items: Iterable[ChargeItem]) -> bytes:
    """Calldata of `simulate`: an `eth_call` from the zero address that says who would fail, and why."""
    return SIMULATE + uint_word(WORD_BYTES) + bytes_tail(pack_items(items))


def pack_items(items: Iterable[ChargeItem]) -> bytes:
    """26 bytes an item: id, period, amount.

    Raises:
        ValueError: a period does not fit 16 bits or an amount 96.
    """
    return b"".join(
        _packed_id(item.mandate_id) + _packed(item.period, _PERIOD_BYTES) + _packed(item.amount, _AMOUNT_BYTES)
        for item in items
    )


def unpack_items(packed: bytes) -> list[ChargeItem]:
    """Inverse of `pack_items`.

    Raises:
        ValueError: the length is not a multiple of 26.
    """
    if len(packed) % ITEM_WITH_AMOUNT_BYTES:
        raise ValueError(f"{len(packed)} bytes are not whole items of {ITEM_WITH_AMOUNT_BYTES}")
    return [
        ChargeItem(
            MandateId("0x" + packed[at : at + _ID_BYTES].hex()),
            int.from_bytes(packed[at + _ID_BYTES : at + ITEM_BYTES], "big"),
            int.from_bytes(packed[at + ITEM_BYTES : at + ITEM_WITH_AMOUNT_BYTES], "big"),
        )
        for at in range(0, len(packed), ITEM_WITH_AMOUNT_BYTES)
    ]


def decode_simulation(answer: bytes, expected: int) -> list[SimulatedOutcome]:
    """Outcomes of `simulate` in the order of the `expected` items asked about.

    Raises:
        AnswerInvalid: not the encoding of exactly `expected` outcomes, or a reason this binding does not know.
    """
    try:
        outcomes = read_bytes(answer, 0)
        decoded = [
            SimulatedOutcome(FailReason(outcomes[at]), outcomes[at + 1 : at + _OUTCOME_BYTES])
            for at in range(0, len(outcomes), _OUTCOME_BYTES)
        ]
    except ValueError as error:
        raise AnswerInvalid(f"simulate answered something that is not outcomes: {error}") from error
    if len(outcomes) != expected * _OUTCOME_BYTES:
        raise AnswerInvalid(f"simulate answered {len(outcomes)} bytes for {expected} items of {_OUTCOME_BYTES}")
    return decoded


def encode_simulation(outcomes: Sequence[SimulatedOutcome]) -> bytes:
    """What the contract returns for these outcomes; the inverse of `decode_simulation`, for fakes."""
    packed = b"".join(bytes([outcome.reason]) + outcome.token_error.ljust(4, b"\0") for outcome in outcomes)
    return uint_word(WORD_BYTES) + bytes_tail(packed)


def cancel_data(mandate: MandateId) -> bytes:
    """Calldata of `cancel`, for the payer or the payee."""
    return CANCEL + _id_word(mandate)


def cancel_with_signature_data(mandate: MandateId, signature: bytes) -> bytes:
    """Calldata of `cancelWithSig`: anyone relays what the payer signed over `cancel_digest`."""
    return CANCEL_WITH_SIGNATURE + _id_word(mandate) + uint_word(2 * WORD_BYTES) + bytes_tail(signature)


def revoke_unregistered_data(terms: MandateTerms) -> bytes:
    """Calldata of `revokeUnregistered`: the payer kills a mandate that was signed and not registered yet."""
    return REVOKE_UNREGISTERED + mandate_words(terms)


def set_plan_open_data(plan: int, *, is_open: bool) -> bytes:
    """Calldata of `setPlanOpen`, for the payee of the plan."""
    return SET_PLAN_OPEN + uint_word(plan, 24) + bool_word(is_open)


def set_operator_data(operator: Address, *, allowed: bool) -> bytes:
    """Calldata of `setOperator`, for the owner."""
    return SET_OPERATOR + address_word(operator) + bool_word(allowed)


def set_token_data(token: Address, *, allowed: bool) -> bytes:
    """Calldata of `setToken`, for the owner."""
    return SET_TOKEN + address_word(token) + bool_word(allowed)


def set_paused_data(*, paused: bool) -> bytes:
    """Calldata of `setPaused`, for the owner."""
    return SET_PAUSED + bool_word(paused)


def set_fee_recipient_data(recipient: Address) -> bytes:
    """Calldata of `setFeeRecipient`, for the owner."""
    return SET_FEE_RECIPIENT + address_word(recipient)


def transfer_ownership_data(owner: Address) -> bytes:
    """Calldata of `transferOwnership`: the first of two steps, for the owner."""
    return TRANSFER_OWNERSHIP + address_word(owner)


def accept_ownership_data() -> bytes:
    """Calldata of `acceptOwnership`: the second step, for the new owner."""
    return ACCEPT_OWNERSHIP


def is_operator_data(account: Address) -> bytes:
    """Calldata of the view `operators(address)`."""
    return OPERATORS + address_word(account)


def is_token_allowed_data(token: Address) -> bytes:
    """Calldata of the view `tokens(address)`."""
    return TOKENS + address_word(token)


def mandate_data(mandate: MandateId) -> bytes:
    """Calldata of the view `mandate(uint96)`."""
    return MANDATE + _id_word(mandate)


def plan_data(plan: int) -> bytes:
    """Calldata of the view `plan(uint24)`."""
    return PLAN + uint_word(plan, 24)


def quote_data(mandate: MandateId, period: int) -> bytes:
    """Calldata of the view `quote(uint96,uint16)`."""
    return QUOTE + _id_word(mandate) + uint_word(period, 16)


def _id_word(mandate: MandateId) -> bytes:
    return _packed_id(mandate).rjust(WORD_BYTES, b"\0")


def _packed_id(mandate: MandateId) -> bytes:
    packed = bytes.fromhex(mandate[2:])
    if len(packed) != _ID_BYTES:
        raise ValueError(f"not a mandate id: {mandate!r}")
    return packed


def _packed(number: int, length: int) -> bytes:
    try:
        return number.to_bytes(length, "big")
    except OverflowError:
        raise ValueError(f"{number} does not fit in uint{length * 8}") from None
