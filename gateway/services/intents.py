"""Confirming and canceling a charge intent at a merchant's or a wallet's request."""

from datetime import datetime

from chain.primitives import Permit
from gateway.db import charge_intents, subscriptions
from gateway.db.engine import Connection
from gateway.domain import charge_intent as domain
from gateway.domain import course
from gateway.domain.catalog import Scope
from gateway.domain.charge_intent import ChargeIntent, Status
from gateway.domain.errors import Conflict, InvalidRequest, NotFound
from gateway.domain.transition import StatusReason
from gateway.services import mandates
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin


async def confirm(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    intent_id: str,
    signature: bytes | None = None,
    permit: Permit | None = None,
    now: datetime,
    origin: Origin,
) -> ChargeIntent:
    """Take the wallet's signature, if one is given, and make an attempt due now (ST-14, ST-15).

    `signature` was verified by the caller (`mandates.verify`) before this transaction.

    Raises:
        Conflict: an attempt is under way.
        InvalidRequest: the mandate is not signed, the intent is over, or its subscription is over or paused.
        NotFound: there is no such intent.
    """
    read = await charge_intents.get(conn, scope, intent_id)
    if read is None:
        raise NotFound("charge_intent", intent_id)
    # Locked in the usual order: the subscription before what hangs on it.
    owner = (await subscriptions.load(conn, [read.subscription_id], lock=True))[read.subscription_id]
    intent = await _locked(conn, scope, intent_id)
    if intent.status is Status.PROCESSING:
        raise Conflict(
            f"Charge intent '{intent.id}' is processing: the money may be moving. Wait for its outcome.",
            code="charge_intent_processing",
        )
    course.collectable(owner)
    if intent.mandate_id is None:
        raise InvalidRequest(
            f"Charge intent '{intent.id}' has no payment method to draw on.", code="payment_method_missing"
        )
    if signature is not None:
        await mandates.sign(
            conn,
            gateway,
            scope=scope,
            mandate_id=intent.mandate_id,
            signature=signature,
            permit=permit,
            now=now,
            origin=origin,
        )
    elif intent.status is Status.REQUIRES_ACTION and intent.next_attempt_at is None:
        raise InvalidRequest(
            "This charge intent needs the wallet's signature. Sign next_action[approve_allowance][eip712] and give it "
            "as signature.",
            code="signature_missing",
            param="signature",
        )
    changes = Changes()
    confirmed = changes.update(domain.confirm(intent, now))
    await changes.write(conn, gateway, origin)
    return confirmed


async def cancel(
    conn: Connection, gateway: Gateway, *, scope: Scope, intent_id: str, now: datetime, origin: Origin
) -> ChargeIntent:
    """Give up collecting for an intent. An attempt under way forbids it (ST-47).

    Raises:
        Conflict: an attempt is under way.
        IllegalTransition: it is over already.
        NotFound: there is no such intent.
    """
    intent = await _locked(conn, scope, intent_id)
    if intent.status is Status.PROCESSING:
        raise Conflict(
            f"Charge intent '{intent.id}' is processing: the money may be moving. Wait for its outcome.",
            code="charge_intent_processing",
        )
    changes = Changes()
    canceled = changes.update(domain.cancel(intent, StatusReason("canceled_by_request"), now))
    await changes.write(conn, gateway, origin)
    return canceled


async def _locked(conn: Connection, scope: Scope, intent_id: str) -> ChargeIntent:
    found = await charge_intents.get(conn, scope, intent_id, lock=True)
    if found is None:
        raise NotFound("charge_intent", intent_id)
    return found
