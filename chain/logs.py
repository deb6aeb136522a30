"""Events of `DuesMandates` and of ERC-20 tokens: topics, filters, and decoding by fixed offsets.

The indexer decodes tens of thousands of logs a second, so nothing here goes through a generic ABI decoder: every field
stands at a known place of the hex text. The tests compare with `eth_abi`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from chain.errors import AnswerInvalid
from chain.keccak import topic
from chain.primitives import (
    Address,
    Approved,
    Canceled,
    Charged,
    ChargeFailed,
    ContractEvent,
    FailReason,
    FeeSkipped,
    LogFilter,
    LogPosition,
    MandateId,
    PeriodUnit,
    PlanCreated,
    PlanEvent,
    PlanOpened,
    RawLog,
    Subscribed,
    TokenEvent,
    Transferred,
)

_Event = TypeVar("_Event")

SUBSCRIBED: Final = topic("Subscribed(uint96,address,uint24,uint40,uint16)")
CHARGED: Final = topic("Charged(uint96,uint16,uint96)")
CHARGE_FAILED: Final = topic("ChargeFailed(uint96,uint16,uint8,bytes4)")
CANCELED: Final = topic("Canceled(uint96,address)")
PLAN_CREATED: Final = topic("PlanCreated(uint24,address,address,uint96,uint8,uint32,uint16,uint8)")
PLAN_OPENED: Final = topic("PlanOpened(uint24,bool)")
FEE_SKIPPED: Final = topic("FeeSkipped(uint96,uint16,uint96)")
TRANSFER: Final = topic("Transfer(address,address,uint256)")
APPROVAL: Final = topic("Approval(address,address,uint256)")

# Hex text of one 32-byte word, and where the meaningful end of it starts.
_WORD: Final = 64
_DATA_START: Final = 2
_TOPIC_CHARS: Final = 66
_ADDRESS_AT: Final = 26
_ID_AT: Final = 42
_ERC20_TOPICS: Final = 3


def contract_logs(contract: Address) -> LogFilter:
    """Everything that `contract` emits."""
    return LogFilter(addresses=(contract,))


def incoming_transfers(tokens: Sequence[Address], wallets: Sequence[Address]) -> LogFilter:
    """`Transfer` of any of `tokens` to any of `wallets`.

    Raises:
        ValueError: a list is empty, which a node would read as "any".
    """
    return LogFilter(addresses=_some(tokens, "tokens"), topics=((TRANSFER,), (), _address_topics(wallets, "wallets")))


def outgoing_transfers(tokens: Sequence[Address], wallets: Sequence[Address]) -> LogFilter:
    """`Transfer` of any of `tokens` from any of `wallets`.

    Raises:
        ValueError: a list is empty, which a node would read as "any".
    """
    return LogFilter(addresses=_some(tokens, "tokens"), topics=((TRANSFER,), _address_topics(wallets, "wallets")))


def approvals(tokens: Sequence[Address], owners: Sequence[Address], spender: Address) -> LogFilter:
    """`Approval` of any of `tokens` by any of `owners` for `spender`.

    Raises:
        ValueError: a list is empty, which a node would read as "any".
    """
    return LogFilter(
        addresses=_some(tokens, "tokens"),
        topics=((APPROVAL,), _address_topics(owners, "owners"), (address_topic(spender),)),
    )


def approvals_of(tokens: Sequence[Address], spender: Address) -> LogFilter:
    """`Approval` of any of `tokens` by anybody for `spender`.

    Raises:
        ValueError: there are no tokens, which a node would read as "any".
    """
    return LogFilter(addresses=_some(tokens, "tokens"), topics=((APPROVAL,), (), (address_topic(spender),)))


def address_topic(account: Address) -> str:
    """An indexed address as it stands in a topic."""
    return "0x" + account[2:].rjust(_WORD, "0")


def id_topic(mandate: MandateId) -> str:
    """An indexed mandate id as it stands in a topic."""
    return "0x" + mandate[2:].rjust(_WORD, "0")


def decode_logs(logs: Iterable[RawLog]) -> list[ContractEvent]:
    """The events of our contract that change a mandate or a charge, in the order of `logs`; others are left out.

    The caller has filtered by address: a topic alone does not prove who emitted it.

    Raises:
        AnswerInvalid: a log has our topic and not our shape.
    """
    return _decode(logs, _CONTRACT_DECODERS)


def decode_plan_logs(logs: Iterable[RawLog]) -> list[PlanEvent]:
    """The events of our contract that an audit needs besides: plans, and fees that could not be taken.

    Raises:
        AnswerInvalid: a log has our topic and not our shape.
    """
    return _decode(logs, _PLAN_DECODERS)


def decode_token_logs(logs: Iterable[RawLog]) -> list[TokenEvent]:
    """`Transfer` and `Approval` of ERC-20 tokens; ERC-721 events of the same topic (a fourth topic) are left out.

    Raises:
        AnswerInvalid: a log has such a topic and not such a shape.
    """
    return _decode((log for log in logs if len(log.topics) == _ERC20_TOPICS), _TOKEN_DECODERS)


def _decode(logs: Iterable[RawLog], decoders: dict[str, Callable[[RawLog, LogPosition], _Event]]) -> list[_Event]:
    events: list[_Event] = []
    for log in logs:
        decoder = decoders.get(log.topics[0]) if log.topics else None
        if decoder is None:
            continue
        at = LogPosition(
            block_number=log.block_number,
            block_hash=log.block_hash,
            transaction_hash=log.transaction_hash,
            log_index=log.log_index,
        )
        try:
            events.append(decoder(log, at))
        except (ValueError, IndexError) as error:
            raise AnswerInvalid(
                f"log {log.log_index} of block {log.block_number} has the topic of an event and not its shape: {error}"
            ) from error
    return events


def _subscribed(log: RawLog, at: LogPosition) -> Subscribed:
    start, periods = _data(log, 2)
    return Subscribed(
        at=at,
        mandate_id=_topic_id(log, 1),
        payer=_topic_address(log, 2),
        plan_id=int(log.topics[3], 16),
        start=int(start, 16),
        periods=int(periods, 16),
    )


def _charged(log: RawLog, at: LogPosition) -> Charged:
    period, amount = _data(log, 2)
    return Charged(at=at, mandate_id=_topic_id(log, 1), period=int(period, 16), amount=int(amount, 16))


def _charge_failed(log: RawLog, at: LogPosition) -> ChargeFailed:
    period, reason, token_error = _data(log, 3)
    return ChargeFailed(
        at=at,
        mandate_id=_topic_id(log, 1),
        period=int(period, 16),
        reason=FailReason(int(reason, 16)),
        token_error=bytes.fromhex(token_error[:8]),
    )


def _canceled(log: RawLog, at: LogPosition) -> Canceled:
    return Canceled(at=at, mandate_id=_topic_id(log, 1), by=_topic_address(log, 2))


def _plan_created(log: RawLog, at: LogPosition) -> PlanCreated:
    amount, unit, every, fee_bps, arrears = (int(word, 16) for word in _data(log, 5))
    return PlanCreated(
        at=at,
        plan_id=int(log.topics[1], 16),
        payee=_topic_address(log, 2),
        token=_topic_address(log, 3),
        amount=amount,
        unit=PeriodUnit(unit),
        every=every,
        fee_bps=fee_bps,
        arrears=arrears,
    )


def _plan_opened(log: RawLog, at: LogPosition) -> PlanOpened:
    [is_open] = _data(log, 1)
    return PlanOpened(at=at, plan_id=int(log.topics[1], 16), is_open=int(is_open, 16) != 0)


def _fee_skipped(log: RawLog, at: LogPosition) -> FeeSkipped:
    period, fee = _data(log, 2)
    return FeeSkipped(at=at, mandate_id=_topic_id(log, 1), period=int(period, 16), fee=int(fee, 16))


def _transferred(log: RawLog, at: LogPosition) -> Transferred:
    [amount] = _data(log, 1)
    return Transferred(
        at=at,
        token=log.address,
        sender=_topic_address(log, 1),
        recipient=_topic_address(log, 2),
        amount=int(amount, 16),
    )


def _approved(log: RawLog, at: LogPosition) -> Approved:
    [amount] = _data(log, 1)
    return Approved(
        at=at,
        token=log.address,
        owner=_topic_address(log, 1),
        spender=_topic_address(log, 2),
        amount=int(amount, 16),
    )


_CONTRACT_DECODERS: Final[dict[str, Callable[[RawLog, LogPosition], ContractEvent]]] = {
    SUBSCRIBED: _subscribed,
    CHARGED: _charged,
    CHARGE_FAILED: _charge_failed,
    CANCELED: _canceled,
}
_PLAN_DECODERS: Final[dict[str, Callable[[RawLog, LogPosition], PlanEvent]]] = {
    PLAN_CREATED: _plan_created,
    PLAN_OPENED: _plan_opened,
    FEE_SKIPPED: _fee_skipped,
}
_TOKEN_DECODERS: Final[dict[str, Callable[[RawLog, LogPosition], TokenEvent]]] = {
    TRANSFER: _transferred,
    APPROVAL: _approved,
}


def _data(log: RawLog, words: int) -> list[str]:
    if len(log.data) != _DATA_START + words * _WORD:
        raise ValueError(f"expected {words} words of data, found {len(log.data)} characters")
    return [log.data[at : at + _WORD] for at in range(_DATA_START, len(log.data), _WORD)]


def _topic_id(log: RawLog, index: int) -> MandateId:
    return MandateId("0x" + _topic(log, index)[_ID_AT:])


def _topic_address(log: RawLog, index: int) -> Address:
    return Address("0x" + _topic(log, index)[_ADDRESS_AT:])


def _topic(log: RawLog, index: int) -> str:
    text = log.topics[index]
    if len(text) != _TOPIC_CHARS:
        raise ValueError(f"topic {index} has {len(text)} characters")
    return text


def _some(accounts: Sequence[Address], name: str) -> tuple[Address, ...]:
    if not accounts:
        raise ValueError(f"{name} is empty: a node would read that as any")
    return tuple(accounts)


def _address_topics(accounts: Sequence[Address], name: str) -> tuple[str, ...]:
    return tuple(address_topic(account) for account in _some(accounts, name))
