from collections.abc import Callable

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from chain import logs
from chain.errors import AnswerInvalid
from chain.primitives import (
    Address,
    Approved,
    Canceled,
    Charged,
    ChargeFailed,
    FailReason,
    FeeSkipped,
    LogPosition,
    MandateId,
    PeriodUnit,
    PlanCreated,
    PlanOpened,
    RawLog,
    Subscribed,
    Transferred,
    hash32,
)

MakeLog = Callable[..., RawLog]
ID = MandateId("0x0102030405060708090a0b0c")
ONE = Address("0x" + "1a" * 20)
TWO = Address("0x" + "2b" * 20)
AT = LogPosition(
    block_number=5,
    block_hash=hash32("0x" + "b1" * 32),
    transaction_hash=hash32("0x" + "71" * 32),
    log_index=0,
)


def word(kind: str, value: object) -> str:
    return "0x" + encode([kind], [value]).hex()


def data(kinds: list[str], *values: object) -> str:
    """The oracle: eth-abi's encoding."""
    return "0x" + encode(kinds, values).hex()


@given(st.integers(0, 2**96 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**96 - 1))
def test_charged_is_read_as_the_abi_writes_it(number: int, period: int, amount: int) -> None:
    log = RawLog(
        block_number=5,
        block_hash=AT.block_hash,
        transaction_hash=AT.transaction_hash,
        log_index=0,
        address=ONE,
        topics=(logs.CHARGED, word("uint96", number)),
        data=data(["uint16", "uint96"], period, amount),
    )
    expected = Charged(at=AT, mandate_id=MandateId(f"0x{number:024x}"), period=period, amount=amount)
    assert logs.decode_logs([log]) == [expected]


def test_each_event_of_a_mandate_is_read_as_the_abi_writes_it(make_log: MakeLog) -> None:
    number = int(ID, 16)
    raw = [
        make_log(
            topics=(logs.SUBSCRIBED, word("uint96", number), word("address", ONE), word("uint24", 9)),
            data=data(["uint40", "uint16"], 1_700_000_000, 12),
        ),
        make_log(
            topics=(logs.CHARGE_FAILED, word("uint96", number)),
            data=data(["uint16", "uint8", "bytes4"], 3, 10, b"\x08\xc3\x79\xa0"),
        ),
        make_log(topics=(logs.CANCELED, word("uint96", number), word("address", TWO))),
    ]
    assert logs.decode_logs(raw) == [
        Subscribed(at=AT, mandate_id=ID, payer=ONE, plan_id=9, start=1_700_000_000, periods=12),
        ChargeFailed(at=AT, mandate_id=ID, period=3, reason=FailReason.BALANCE, token_error=b"\x08\xc3\x79\xa0"),
        Canceled(at=AT, mandate_id=ID, by=TWO),
    ]


def test_each_event_of_a_plan_is_read_as_the_abi_writes_it(make_log: MakeLog) -> None:
    raw = [
        make_log(
            topics=(logs.PLAN_CREATED, word("uint24", 9), word("address", ONE), word("address", TWO)),
            data=data(["uint96", "uint8", "uint32", "uint16", "uint8"], 10**6, 1, 3, 250, 2),
        ),
        make_log(topics=(logs.PLAN_OPENED, word("uint24", 9)), data=data(["bool"], False)),
        make_log(topics=(logs.FEE_SKIPPED, word("uint96", int(ID, 16))), data=data(["uint16", "uint96"], 4, 25_000)),
    ]
    assert logs.decode_plan_logs(raw) == [
        PlanCreated(
            at=AT,
            plan_id=9,
            payee=ONE,
            token=TWO,
            amount=10**6,
            unit=PeriodUnit.MONTHS,
            every=3,
            fee_bps=250,
            arrears=2,
        ),
        PlanOpened(at=AT, plan_id=9, is_open=False),
        FeeSkipped(at=AT, mandate_id=ID, period=4, fee=25_000),
    ]


def test_token_events_are_read_as_the_abi_writes_them(make_log: MakeLog) -> None:
    pair = (word("address", ONE), word("address", TWO))
    value = data(["uint256"], 2**256 - 1)
    raw = [make_log(topics=(logs.TRANSFER, *pair), data=value), make_log(topics=(logs.APPROVAL, *pair), data=value)]
    token = raw[0].address
    assert logs.decode_token_logs(raw) == [
        Transferred(at=AT, token=token, sender=ONE, recipient=TWO, amount=2**256 - 1),
        Approved(at=AT, token=token, owner=ONE, spender=TWO, amount=2**256 - 1),
    ]


def test_an_erc_721_transfer_is_not_money(make_log: MakeLog) -> None:
    topics = (logs.TRANSFER, word("address", ONE), word("address", TWO), word("uint256", 1))
    assert logs.decode_token_logs([make_log(topics=topics)]) == []


def test_foreign_and_anonymous_logs_are_left_out(make_log: MakeLog) -> None:
    assert logs.decode_logs([make_log(), make_log(topics=("0x" + "77" * 32,))]) == []


@pytest.mark.parametrize(
    ("topics", "log_data"),
    [
        ((logs.CHARGED,), data(["uint16", "uint96"], 1, 1)),
        ((logs.CHARGED, word("uint96", 1)), "0x"),
        ((logs.CHARGED, word("uint96", 1)), data(["uint16", "uint96", "uint8"], 1, 1, 1)),
        ((logs.CHARGED, "0x01"), data(["uint16", "uint96"], 1, 1)),
        ((logs.CHARGED, word("uint96", 1)), "0x" + "zz" * 64),
        ((logs.CHARGE_FAILED, word("uint96", 1)), data(["uint16", "uint8", "bytes4"], 1, 99, b"")),
    ],
)
def test_our_topic_with_another_shape_is_not_believed(
    make_log: MakeLog, topics: tuple[str, ...], log_data: str
) -> None:
    with pytest.raises(AnswerInvalid, match="has the topic of an event and not its shape"):
        logs.decode_logs([make_log(topics=topics, data=log_data)])


def test_filters_name_wallets_at_their_topic() -> None:
    incoming = logs.incoming_transfers([ONE], [TWO])
    assert incoming.topics == ((logs.TRANSFER,), (), (word("address", TWO),))
    assert logs.outgoing_transfers([ONE], [TWO]).topics == ((logs.TRANSFER,), (word("address", TWO),))
    approvals = logs.approvals([ONE], [TWO], ONE)
    assert approvals.topics == ((logs.APPROVAL,), (word("address", TWO),), (word("address", ONE),))
    assert logs.contract_logs(ONE).addresses == (ONE,)


@pytest.mark.parametrize(
    "build",
    [
        lambda: logs.incoming_transfers([], [TWO]),
        lambda: logs.incoming_transfers([ONE], []),
        lambda: logs.outgoing_transfers([ONE], []),
        lambda: logs.approvals([ONE], [], TWO),
    ],
)
def test_an_empty_list_never_becomes_any(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="is empty"):
        build()
