"""Asking a payer for a mandate, and taking the signature.

The terms are fixed here, once; what the payer signs is what the contract enforces. Signatures are verified against the
chain before the transaction that stores them (`verify`), and again by the contract.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chain import eip712
from chain.port import ChainPort
from chain.primitives import MandateTerms, Permit
from gateway.db import accounts, mandates
from gateway.db.engine import Connection
from gateway.domain import mandate as domain
from gateway.domain.catalog import Account, PaymentMethod, Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.mandate import Mandate, Status
from gateway.domain.money import to_base_units
from gateway.domain.period import boundary, period_index, to_unix
from gateway.domain.subscription import FIRST_PAYMENT_WINDOW, Subscription
from gateway.domain.transition import Action, Moved, StatusReason
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

_SALT_BITS: Final = 256
MINING_MARGIN: Final = timedelta(hours=24)
"""How long after the first payment window a registration that was broadcast in time may still be mined (ST-31)."""

PERIODS_MAX: Final = 4094
"""Numbers that the contract's 12-bit counter can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateRequest:
    """What a mandate is asked for: `amount` base units at most per period.

    Attributes:
        start: first instant of its first period; None takes the subscription's grid as it is.
        salt: of terms that were shown before; None draws a new one.
    """

    payment_method: PaymentMethod
    account: Account
    subscription: Subscription
    amount: int
    arrears: int
    periods: int = 0
    start: datetime | None = None
    salt: int | None = None


def prepare(request: MandateRequest, now: datetime) -> Moved[Mandate]:
    """Fix the terms of a new mandate; its signature may be used a little longer than the first payment may take."""
    method, subscription = request.payment_method, request.subscription
    start = request.start or subscription.anchor
    unit, every = subscription.interval.on_chain
    terms = MandateTerms(
        payer=method.owner,
        payee=request.account.payout_address,
        token=method.token,
        amount=request.amount,
        unit=unit,
        every=every,
        fee_bps=0,
        start=to_unix(start),
        periods=request.periods,
        arrears=request.arrears,
        deadline=to_unix(max(now, start) + FIRST_PAYMENT_WINDOW + MINING_MARGIN),
        salt=secrets.randbits(_SALT_BITS) if request.salt is None else request.salt,
    )
    return domain.prepare(
        Mandate(
            id=new_id("mandate", now),
            scope=subscription.scope,
            customer_id=subscription.customer_id,
            payment_method_id=method.id,
            status=Status.PENDING,
            reason=StatusReason("awaiting_signature", Action.CUSTOMER_ACTION),
            created_at=now,
            chain_id=method.chain_id,
            contract=method.spender,
            onchain_id=eip712.mandate_id(terms, method.chain_id, method.spender),
            terms=terms,
            subscription_id=subscription.id,
        )
    )


async def ask(
    conn: Connection,
    gateway: Gateway,
    subscription: Subscription,
    method: PaymentMethod,
    *,
    total: int,
    start: datetime | None = None,
    periods: int | None = None,
    salt: int | None = None,
    now: datetime,
) -> Moved[Mandate]:
    """Fix the terms of a mandate that pays `total` minor units per period of a subscription.

    It lasts as long as the subscription does, or for so many `periods`.

    Raises:
        InvalidRequest: the method's chain or token is not configured, or cannot express the amount.
        NotFound: the merchant does not exist.
    """
    account = await accounts.get(conn, subscription.scope.account_id)
    if account is None:
        raise NotFound("account", subscription.scope.account_id)
    network = gateway.network(method.chain_id, livemode=subscription.scope.livemode, param="default_payment_method")
    token = gateway.token(method.chain_id, method.token, param="default_payment_method")
    request = MandateRequest(
        payment_method=method,
        account=account,
        subscription=subscription,
        amount=to_base_units(total, subscription.currency, token),
        arrears=network.arrears,
        periods=periods_until(subscription, start or subscription.anchor) if periods is None else periods,
        start=start,
        salt=salt,
    )
    return prepare(request, now)


def periods_until(subscription: Subscription, start: datetime | None = None) -> int:
    """Number of the last period from `start` that begins before the subscription's end; 0: no end (PM-09, SX-24)."""
    if subscription.ends_at is None:
        return 0
    start = start or subscription.anchor
    last = period_index(start, *subscription.interval.on_chain, subscription.ends_at)
    if last and boundary(start, subscription.interval, last - 1) == subscription.ends_at:
        last -= 1
    return min(max(last, 1), PERIODS_MAX)


def typed_data(mandate: Mandate) -> Mapping[str, Any]:
    """Return what `eth_signTypedData_v4` takes for a mandate."""
    return eip712.mandate_typed_data(mandate.terms, mandate.chain_id, mandate.contract)


async def verify(chain: ChainPort, mandate: Mandate, signature: bytes) -> None:
    """Check that the payer signed the terms (EIP-712; ECDSA first, then ERC-1271).

    Raises:
        InvalidRequest: it did not.
        RpcUnavailable: the chain could not be asked about a contract wallet.
    """
    digest = eip712.mandate_digest(mandate.terms, mandate.chain_id, mandate.contract)
    if not await eip712.verify_signature(chain, mandate.terms.payer, digest, signature):
        raise InvalidRequest(
            f"The signature is not {mandate.terms.payer}'s over mandate '{mandate.id}'. "
            "Let the wallet sign next_action[approve_allowance][eip712] with eth_signTypedData_v4.",
            code="signature_invalid",
            param="signature",
        )


async def sign(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    mandate_id: str,
    signature: bytes,
    permit: Permit | None,
    now: datetime,
    origin: Origin,
) -> Mandate:
    """Store a verified signature. Signing again before registration replaces it.

    Raises:
        InvalidRequest: the mandate can no longer be signed, or the time to sign it is over.
        NotFound: there is no such mandate.
    """
    mandate = await mandates.get(conn, scope, mandate_id, lock=True)
    if mandate is None:
        raise NotFound("mandate", mandate_id)
    if mandate.status not in {Status.PENDING, Status.SIGNED}:
        raise InvalidRequest(
            f"Mandate '{mandate.id}' is {mandate.status} and cannot be signed.", code="mandate_unexpected_state"
        )
    if to_unix(now) > mandate.terms.deadline:
        raise InvalidRequest(
            f"The time to sign mandate '{mandate.id}' is over. Create a new subscription.", code="mandate_expired"
        )
    changes = Changes()
    signed = changes.update(domain.sign(mandate, signature, permit, now))
    await changes.write(conn, gateway, origin)
    return signed
