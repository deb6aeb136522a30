"""Questions to a node that only an operator at a keyboard asks: estimates, storage, calls in an imagined state.

Not part of `ChainPort`: the gateway never asks them. State overrides and access lists are not offered by every
endpoint; one that refuses them is told apart from one that does not answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import msgspec

from chain.errors import AnswerInvalid, RpcRejected
from chain.json_rpc import call_answer
from chain.primitives import ZERO_ADDRESS, Address, BlockTag, address
from chain.rpc_answers import read_bytes, read_quantity
from chain.rpc_transport import Outcome, RpcCall, RpcTransport
from chain.words import uint_word

_TIMEOUT_SECONDS: Final = 30.0  # estimating a deployment takes a public endpoint seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What an account is taken to hold during one call.

    Attributes:
        code: runtime code in place of its own; None = its own.
        slots: storage words in place of its own; all others stay.
    """

    code: bytes | None = None
    slots: Mapping[int, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The form that `eth_call` takes."""
        form: dict[str, object] = {} if self.code is None else {"code": "0x" + self.code.hex()}
        if self.slots:
            form["stateDiff"] = {_word(slot): _word(value) for slot, value in self.slots.items()}
        return form


@dataclass(frozen=True, slots=True)
class ImaginedCall:
    """A call of `to` in a state that is not there."""

    to: Address
    data: bytes
    overrides: Mapping[Address, Override]


class _AccessedAccount(msgspec.Struct, frozen=True, rename="camel"):
    address: str
    storage_keys: tuple[str, ...] = ()


class _AccessList(msgspec.Struct, frozen=True, rename="camel"):
    access_list: tuple[_AccessedAccount, ...] = ()


class Inspection:
    """Asks the endpoints of one chain. All methods raise `RpcUnavailable` and `WrongChain` as `ChainPort` does."""

    def __init__(self, urls: Sequence[str], *, chain_id: int) -> None:
        """Prepare; nothing is sent before the first question."""
        self._rpc = RpcTransport(urls, chain_id=chain_id, timeout_seconds=_TIMEOUT_SECONDS)

    async def gas(self, sender: Address, to: Address, data: bytes) -> int:
        """Gas that the node expects a transaction to need.

        Raises:
            CallReverted: it would revert.
            RpcRejected: the node refuses it for another reason.
        """

        def read(outcomes: list[Outcome]) -> int:
            if isinstance(outcomes[0], RpcRejected):
                refusal = call_answer(outcomes[0])
                assert isinstance(refusal, Exception)  # noqa: S101  (a refusal stays one)
                raise refusal
            return read_quantity(outcomes[0])

        call = RpcCall("eth_estimateGas", [{"from": sender, "to": to, "data": "0x" + data.hex()}])
        return await self._rpc.ask([call], read)

    async def storage(self, account: Address, slots: Sequence[int]) -> list[int]:
        """Storage words at the newest block."""

        def read(outcomes: list[Outcome]) -> list[int]:
            return [int.from_bytes(read_bytes(_result(outcome)), "big") for outcome in outcomes]

        calls = [RpcCall("eth_getStorageAt", [account, _word(slot), BlockTag.LATEST]) for slot in slots]
        return await self._rpc.ask(calls, read)

    async def slots_read(self, to: Address, data: bytes) -> list[tuple[Address, int]]:
        """(account, slot) of every storage word that a call reads, by `eth_createAccessList`.

        Empty where the node does not offer that.
        """

        def read(outcomes: list[Outcome]) -> list[tuple[Address, int]]:
            if isinstance(outcomes[0], RpcRejected):
                return []
            try:
                found = msgspec.json.decode(outcomes[0], type=_AccessList)
                return [(address(a.address), int(key, 16)) for a in found.access_list for key in a.storage_keys]
            except ValueError as error:  # msgspec's errors are ValueErrors
                raise AnswerInvalid(f"eth_createAccessList answered something else: {error}") from None

        call = RpcCall(
            "eth_createAccessList", [{"from": ZERO_ADDRESS, "to": to, "data": "0x" + data.hex()}, BlockTag.LATEST]
        )
        return await self._rpc.ask([call], read)

    async def imagine(self, calls: Sequence[ImaginedCall]) -> list[bytes | Exception]:
        """Answers of calls in their imagined states, as `ChainPort.calls` returns them."""

        def read(outcomes: list[Outcome]) -> list[bytes | Exception]:
            return [call_answer(outcome) for outcome in outcomes]

        requests = [
            RpcCall(
                "eth_call",
                [
                    {"from": ZERO_ADDRESS, "to": call.to, "data": "0x" + call.data.hex()},
                    BlockTag.LATEST,
                    {account: override.as_json() for account, override in call.overrides.items()},
                ],
            )
            for call in calls
        ]
        return await self._rpc.ask(requests, read) if requests else []

    async def close(self) -> None:
        """Give the connections back."""
        await self._rpc.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _word(number: int) -> str:
    return "0x" + uint_word(number).hex()


def _result(outcome: Outcome) -> bytes:
    if isinstance(outcome, RpcRejected):
        raise outcome
    return outcome
