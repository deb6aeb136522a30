import inspect
from collections.abc import Callable

import pytest
from eth_abi import encode

from chain import artifacts, logs, mandates
from chain.errors import AnswerInvalid
from chain.keccak import selector, topic
from chain.primitives import (
    Address,
    ChargeItem,
    FailReason,
    MandateId,
    MandateTerms,
    Permit,
    SimulatedOutcome,
    mandate_id,
)

ID = mandate_id("0x0102030405060708090a0b0c")
ACCOUNT = Address("0x" + "ab" * 20)
STRUCT = "(address,address,address,uint96,uint8,uint32,uint16,uint40,uint16,uint8,uint64,uint256)"


def abi_call(signature: str, *values: object) -> bytes:
    """The oracle: eth-abi's encoding of a call."""
    types = next(entry for entry in artifacts.load("DuesMandates").abi if entry.signature == signature)
    return selector(signature) + encode([parameter.canonical for parameter in types.inputs], values)


def as_tuple(terms: MandateTerms) -> tuple[object, ...]:
    return tuple(getattr(terms, name) for name in MandateTerms.__slots__)


def test_every_selector_is_a_function_of_the_contract() -> None:
    known = {selector(entry.signature) for entry in artifacts.load("DuesMandates").abi if entry.type == "function"}
    bound = {name: value for name, value in inspect.getmembers(mandates) if name.isupper() and type(value) is bytes}
    assert len(bound) == 23
    assert set(bound.values()) <= known


def test_every_topic_is_an_event_of_the_contract() -> None:
    known = {topic(entry.signature) for entry in artifacts.load("DuesMandates").abi if entry.type == "event"}
    bound = {logs.SUBSCRIBED, logs.CHARGED, logs.CHARGE_FAILED, logs.CANCELED, logs.PLAN_CREATED, logs.PLAN_OPENED}
    assert bound | {logs.FEE_SKIPPED} <= known


@pytest.mark.parametrize("signature", [b"", b"\x11" * 65, b"\x22" * 97])
@pytest.mark.parametrize("permit", [None, Permit(value=9, deadline=8, v=27, r=b"\x01" * 32, s=b"\x02" * 31)])
def test_subscribe_is_encoded_as_the_abi_says(
    make_terms: Callable[..., MandateTerms], signature: bytes, permit: Permit | None
) -> None:
    terms = make_terms(salt=2**256 - 1)
    words = b"" if permit is None else encode(["uint256"] * 5, [9, 8, 27, int("01" * 32, 16), int("02" * 31, 16)])
    assert mandates.subscribe_data(terms, signature=signature, permit=permit, first_amount=7) == abi_call(
        f"subscribe({STRUCT},bytes,bytes,uint96)", as_tuple(terms), signature, words, 7
    )


@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_batches_are_packed_as_the_contract_reads_them(count: int) -> None:
    items = [ChargeItem(ID, period, 2**96 - 1 - period) for period in range(1, count + 1)]
    ids = b"".join(bytes.fromhex(ID[2:]) + item.period.to_bytes(2, "big") for item in items)
    amounts = b"".join(
        bytes.fromhex(ID[2:]) + item.period.to_bytes(2, "big") + item.amount.to_bytes(12, "big") for item in items
    )
    pairs = [(item.mandate_id, item.period) for item in items]
    assert mandates.charge_batch_data(pairs) == abi_call("chargeBatch(bytes)", ids)
    assert mandates.charge_batch_amounts_data(items) == abi_call("chargeBatchAmounts(bytes)", amounts)
    assert mandates.simulate_data(items) == abi_call("simulate(bytes)", amounts)
    assert mandates.unpack_items(mandates.pack_items(items)) == items


def test_the_other_calls_are_encoded_as_the_abi_says(make_terms: Callable[..., MandateTerms]) -> None:
    number = int(ID, 16)
    terms = make_terms()
    assert mandates.charge_data(ChargeItem(ID, 3, 4)) == abi_call("charge(uint96,uint16,uint96)", number, 3, 4)
    assert mandates.cancel_data(ID) == abi_call("cancel(uint96)", number)
    signed = mandates.cancel_with_signature_data(ID, b"\x33" * 65)
    assert signed == abi_call("cancelWithSig(uint96,bytes)", number, b"\x33" * 65)
    assert mandates.revoke_unregistered_data(terms) == abi_call(f"revokeUnregistered({STRUCT})", as_tuple(terms))
    assert mandates.set_plan_open_data(5, is_open=True) == abi_call("setPlanOpen(uint24,bool)", 5, True)
    assert mandates.set_operator_data(ACCOUNT, allowed=True) == abi_call("setOperator(address,bool)", ACCOUNT, True)
    assert mandates.set_token_data(ACCOUNT, allowed=False) == abi_call("setToken(address,bool)", ACCOUNT, False)
    assert mandates.set_paused_data(paused=True) == abi_call("setPaused(bool)", True)
    assert mandates.set_fee_recipient_data(ACCOUNT) == abi_call("setFeeRecipient(address)", ACCOUNT)
    assert mandates.transfer_ownership_data(ACCOUNT) == abi_call("transferOwnership(address)", ACCOUNT)
    assert mandates.accept_ownership_data() == abi_call("acceptOwnership()")
    assert mandates.is_operator_data(ACCOUNT) == abi_call("operators(address)", ACCOUNT)
    assert mandates.is_token_allowed_data(ACCOUNT) == abi_call("tokens(address)", ACCOUNT)
    assert mandates.mandate_data(ID) == abi_call("mandate(uint96)", number)
    assert mandates.plan_data(6) == abi_call("plan(uint24)", 6)
    assert mandates.quote_data(ID, 7) == abi_call("quote(uint96,uint16)", number, 7)


@pytest.mark.parametrize(
    "item", [ChargeItem(ID, 65_536, 1), ChargeItem(ID, -1, 1), ChargeItem(ID, 1, 2**96), ChargeItem(ID, 1, -1)]
)
def test_an_item_that_does_not_fit_is_refused(item: ChargeItem) -> None:
    with pytest.raises(ValueError, match="does not fit in uint"):
        mandates.pack_items([item])


def test_a_plan_number_has_24_bits() -> None:
    with pytest.raises(ValueError, match="does not fit in uint24"):
        mandates.set_plan_open_data(2**24, is_open=True)


def test_an_id_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="not a mandate id"):
        mandates.charge_batch_data([(MandateId("0x0102"), 1)])


def test_packed_items_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="27 bytes are not whole items of 26"):
        mandates.unpack_items(bytes(27))


def test_simulated_outcomes_survive_the_round_trip() -> None:
    outcomes = [SimulatedOutcome(reason, bytes([reason]) * 4) for reason in FailReason]
    answer = mandates.encode_simulation(outcomes)
    packed = b"".join(bytes([outcome.reason]) + outcome.token_error for outcome in outcomes)
    assert answer == encode(["bytes"], [packed])
    assert mandates.decode_simulation(answer, len(outcomes)) == outcomes


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        bytes(32),
        encode(["bytes"], [bytes(4)]),
        encode(["bytes"], [bytes(10)]),
        encode(["bytes"], [b"\x63" + bytes(4)]),
        (2**255).to_bytes(32, "big") + bytes(64),
        (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big") + bytes(32),
    ],
)
def test_a_simulation_of_another_shape_is_not_believed(answer: bytes) -> None:
    with pytest.raises(AnswerInvalid, match="simulate answered"):
        mandates.decode_simulation(answer, 1)
