"""Every reason why a pull can fail, what has to be done about it, and whether it uses up a retry."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from chain.primitives import FailReason
from gateway.domain.transition import Action, StatusReason


class FailureCode(StrEnum):
    """Stable names; `decline_code` on the wire."""

    INSUFFICIENT_BALANCE = "insufficient_balance"
    INSUFFICIENT_ALLOWANCE = "insufficient_allowance"
    MANDATE_REVOKED = "mandate_revoked"
    MANDATE_ENDED = "mandate_ended"
    AMOUNT_ABOVE_MANDATE = "amount_above_mandate"
    ALLOWANCE_REVOKED = "allowance_revoked"
    PERMIT_EXPIRED = "permit_expired"
    SIGNATURE_INVALID = "signature_invalid"
    PERIOD_TOO_LATE = "period_too_late"
    PERIOD_UNDERPAID = "period_underpaid"
    PLAN_CLOSED = "plan_closed"
    WALLET_BLOCKED = "wallet_blocked"
    TOKEN_PAUSED = "token_paused"  # noqa: S105 - a failure code
    UNSUPPORTED_TOKEN = "unsupported_token"  # noqa: S105 - a failure code
    WALLET_REJECTED = "wallet_rejected"
    RPC_UNAVAILABLE = "rpc_unavailable"
    GAS_TOO_HIGH = "gas_too_high"
    OPERATOR_UNFUNDED = "operator_unfunded"
    OPERATOR_MISCONFIGURED = "operator_misconfigured"
    NONCE_CONFLICT = "nonce_conflict"
    TX_DROPPED = "tx_dropped"
    NOT_DUE = "not_due"
    CONFIRMING = "confirming"
    ALREADY_PAID = "already_paid"
    REVERSED = "reversed"


_ACTIONS: Final[Mapping[FailureCode, Action]] = {
    FailureCode.INSUFFICIENT_BALANCE: Action.CUSTOMER_ACTION,
    FailureCode.INSUFFICIENT_ALLOWANCE: Action.CUSTOMER_ACTION,
    FailureCode.MANDATE_REVOKED: Action.CUSTOMER_ACTION,
    FailureCode.MANDATE_ENDED: Action.CUSTOMER_ACTION,
    FailureCode.AMOUNT_ABOVE_MANDATE: Action.CUSTOMER_ACTION,
    FailureCode.ALLOWANCE_REVOKED: Action.CUSTOMER_ACTION,
    FailureCode.PERMIT_EXPIRED: Action.CUSTOMER_ACTION,
    FailureCode.SIGNATURE_INVALID: Action.CUSTOMER_ACTION,
    FailureCode.PERIOD_TOO_LATE: Action.CUSTOMER_ACTION,
    FailureCode.PERIOD_UNDERPAID: Action.CUSTOMER_ACTION,
    FailureCode.PLAN_CLOSED: Action.NEW_PAYMENT_METHOD,
    FailureCode.WALLET_BLOCKED: Action.NEW_PAYMENT_METHOD,
    FailureCode.TOKEN_PAUSED: Action.NEW_PAYMENT_METHOD,
    FailureCode.UNSUPPORTED_TOKEN: Action.NEW_PAYMENT_METHOD,
    FailureCode.WALLET_REJECTED: Action.CUSTOMER_ACTION,
    FailureCode.RPC_UNAVAILABLE: Action.WAIT,
    FailureCode.GAS_TOO_HIGH: Action.WAIT,
    FailureCode.OPERATOR_UNFUNDED: Action.WAIT,
    FailureCode.OPERATOR_MISCONFIGURED: Action.WAIT,
    FailureCode.NONCE_CONFLICT: Action.WAIT,
    FailureCode.TX_DROPPED: Action.WAIT,
    FailureCode.NOT_DUE: Action.WAIT,
    FailureCode.CONFIRMING: Action.WAIT,
    FailureCode.ALREADY_PAID: Action.SUCCESS,
    FailureCode.REVERSED: Action.RETRY,
}

_USES_A_RETRY: Final = frozenset({Action.CUSTOMER_ACTION, Action.NEW_PAYMENT_METHOD})

_ON_CHAIN: Final[Mapping[FailReason, FailureCode]] = {
    FailReason.UNKNOWN: FailureCode.MANDATE_REVOKED,
    FailReason.NOT_STARTED: FailureCode.NOT_DUE,
    FailReason.NOT_DUE: FailureCode.NOT_DUE,
    FailReason.TOO_LATE: FailureCode.PERIOD_TOO_LATE,
    FailReason.CANCELED: FailureCode.MANDATE_REVOKED,
    FailReason.ENDED: FailureCode.MANDATE_ENDED,
    FailReason.PLAN_CLOSED: FailureCode.PLAN_CLOSED,
    FailReason.AMOUNT_TOO_HIGH: FailureCode.AMOUNT_ABOVE_MANDATE,
    FailReason.ALLOWANCE: FailureCode.INSUFFICIENT_ALLOWANCE,
    FailReason.BALANCE: FailureCode.INSUFFICIENT_BALANCE,
    FailReason.TOKEN_REJECTED: FailureCode.WALLET_BLOCKED,
    FailReason.TOKEN_FALSE: FailureCode.UNSUPPORTED_TOKEN,
    FailReason.ALREADY_PAID: FailureCode.ALREADY_PAID,
}


_NEEDS_WALLET: Final = frozenset(
    {
        FailureCode.INSUFFICIENT_ALLOWANCE,
        FailureCode.ALLOWANCE_REVOKED,
        FailureCode.MANDATE_REVOKED,
        FailureCode.MANDATE_ENDED,
        FailureCode.AMOUNT_ABOVE_MANDATE,
        FailureCode.PERMIT_EXPIRED,
        FailureCode.SIGNATURE_INVALID,
    }
)


def needs_wallet(code: FailureCode) -> bool:
    """Whether the wallet has to approve or sign something before it can work (ST-14); topping up is not that."""
    return code in _NEEDS_WALLET


def action_of(code: FailureCode) -> Action:
    """Who has to act on a failure."""
    return _ACTIONS[code]


def uses_a_retry(code: FailureCode) -> bool:
    """Whether a failure counts against the subscriber's attempts; infrastructure never does (C05)."""
    return _ACTIONS[code] in _USES_A_RETRY


def from_chain(reason: FailReason) -> FailureCode:
    """Failure code of a contract reason other than `NONE`."""
    return _ON_CHAIN[reason]


def failed(code: FailureCode, evidence: Mapping[str, Any]) -> StatusReason:
    """Reason of a status that a failure led to."""
    return StatusReason(code, action_of(code), evidence)
