"""Setup intents on the wire: asking a wallet for a mandate without charging it."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.period import to_unix
from gateway.domain.setup_intent import SetupIntent, Status
from gateway.domain.transition import Action
from gateway.wire import catalog, payments
from gateway.wire.common import Reason, reason, unix
from gateway.wire.related import Related

_REFUSED = frozenset({Action.CUSTOMER_ACTION, Action.NEW_PAYMENT_METHOD})
_ASKING = frozenset({"mandate_unsigned", "payment_method_missing"})


class SetupIntentObject(Struct, frozen=True, kw_only=True):
    """How one mandate gets signed and registered."""

    id: str
    object: Literal["setup_intent"] = "setup_intent"
    cancellation_reason: str | None
    client_secret: str
    created: int
    customer: str
    description: str | None
    last_setup_error: payments.PaymentError | None
    livemode: bool
    mandate: str | None
    metadata: Mapping[str, str]
    next_action: payments.NextAction | None
    payment_method: str | None
    payment_method_types: Sequence[str] = (catalog.ERC20_ALLOWANCE,)
    status: str
    status_reason: Reason
    subscription: str
    succeeded_at: int | None
    usage: Literal["off_session"] = "off_session"


def setup_intent(value: SetupIntent, related: Related) -> SetupIntentObject:
    """Render a setup intent; while the wallet has to act, with what it has to sign and to allow."""
    mandate = related.mandates.get(value.mandate_id) if value.mandate_id is not None else None
    waits = value.status is Status.REQUIRES_ACTION and mandate is not None
    return SetupIntentObject(
        id=value.id,
        cancellation_reason=value.reason.code if value.status is Status.CANCELED else None,
        client_secret=value.client_secret,
        created=to_unix(value.created_at),
        customer=value.customer_id,
        description=value.description,
        last_setup_error=_error(value),
        livemode=value.scope.livemode,
        mandate=value.mandate_id,
        metadata=value.metadata,
        next_action=payments.next_action(mandate, related)
        if waits and mandate is not None and mandate.status is not MandateStatus.REVOKED
        else None,
        payment_method=value.payment_method_id,
        status=value.status.value,
        status_reason=reason(value.reason),
        subscription=value.subscription_id,
        succeeded_at=unix(value.succeeded_at),
    )


def _error(value: SetupIntent) -> payments.PaymentError | None:
    refused = value.reason.action in _REFUSED and value.reason.code not in _ASKING
    if not refused or value.status not in {Status.REQUIRES_ACTION, Status.REQUIRES_PAYMENT_METHOD}:
        return None
    return payments.PaymentError(
        code="setup_failed",
        decline_code=value.reason.code,
        message=payments.failure_message(value.reason.code),
        charge=None,
        payment_method=value.payment_method_id,
        evidence=value.reason.evidence,
    )
