"""Errors of this package: one tree, so that a caller can say what it means to survive.

    ChainError
    ├── RpcUnavailable         the endpoint did not answer usefully; decides nothing, try again later
    │   └── AnswerInvalid      it answered something that cannot be true; another endpoint may do better
    ├── RpcRejected            the endpoint understood and refused
    ├── CallReverted           the EVM executed the call and it reverted
    ├── WrongChain             the endpoint serves another chain than configured
    ├── NotReadable            an account does not answer as the contract it was taken for
    ├── SigningRefused         the signer's policy does not allow these bytes to be signed
    ├── KeystoreInvalid        a key could not be opened
    ├── ArtifactInvalid        a generated ABI file is missing or does not fit
    └── LocalNodeFailed        the development node could not be started or steered

No message holds an endpoint's URL (it may carry an API key): endpoints are named by host.
"""

from collections.abc import Mapping
from typing import Final

from chain.primitives import Address

_SHOWN_BYTES_MAX: Final = 68  # a selector and two words: enough to recognise an unknown error in a log line


class ChainError(Exception):
    """Base of everything that `chain` raises on purpose."""


class RpcUnavailable(ChainError):
    """Time-out, reset, 429, 5xx, cut body: decides nothing, whatever was asked may or may not have happened."""


class AnswerInvalid(RpcUnavailable):
    """The answer contradicts the question (foreign address, wrong hash, unreadable field), so it was thrown away."""


class RpcRejected(ChainError):
    """The node answered with a JSON-RPC error.

    Attributes:
        code: JSON-RPC error code.
        message: the node's own words.
        data: revert bytes or other detail as the node sent it, empty if none.
    """

    def __init__(self, code: int, message: str, data: str = "") -> None:
        super().__init__(f"node refused with {code}: {message}")
        self.code = code
        self.message = message
        self.data = data


class CallReverted(ChainError):
    """An `eth_call` (or a simulated transaction) reverted.

    Attributes:
        data: raw revert bytes; empty for a bare revert.
        name: name of the Solidity error where an ABI knows its selector, else empty.
        arguments: its arguments by name; addresses as canonical text, integers as int, bytes as bytes.
    """

    def __init__(self, data: bytes, name: str = "", arguments: Mapping[str, object] | None = None) -> None:
        self.data = data
        self.name = name
        self.arguments = dict(arguments or {})
        listed = ", ".join(
            f"{key}={'0x' + value.hex() if isinstance(value, bytes) else value}"
            for key, value in self.arguments.items()
        )
        raw = f"0x{data[:_SHOWN_BYTES_MAX].hex()}{'…' if len(data) > _SHOWN_BYTES_MAX else ''}"
        super().__init__(f"call reverted: {name}({listed})" if name else f"call reverted with {raw}")


class WrongChain(ChainError):
    """The endpoint serves chain `found`, this port was configured for `expected` (EIP-155 ids)."""

    def __init__(self, expected: int, found: int, host: str = "") -> None:
        where = f"{host} serves" if host else "the endpoint serves"
        super().__init__(f"{where} chain {found}, expected chain {expected}")
        self.expected = expected
        self.found = found


class NotReadable(ChainError):
    """`account` has no code, or its answer to `what` is not what the interface promises."""

    def __init__(self, account: Address, what: str) -> None:
        super().__init__(f"{account} does not answer {what} as expected")
        self.account = account
        self.what = what


class SigningRefused(ChainError):
    """The signing policy forbids this transaction; the message names the rule and both values."""


class KeystoreInvalid(ChainError):
    """A key file is missing, has another format, or another password. The message never holds key or password."""


class ArtifactInvalid(ChainError):
    """A file of `chain/abi` is missing or unreadable, or deployed code differs from it."""


class LocalNodeFailed(ChainError):
    """The local development node is missing, died, or refused a control call."""
