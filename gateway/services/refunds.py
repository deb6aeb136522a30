"""Asking merchants for refunds, and taking back what was asked. The merchant's own wallet sends; the watcher books.

`gateway.services.transfers` finds the transfer; nothing here touches a key or a chain.
"""

from collections.abc import Mapping

from chain.primitives import Address
from gateway.db import accounts, blocks, catalog, charge_intents, charges, refunds
from gateway.db.engine import Connection
from gateway.domain import metadata as merchant_metadata
from gateway.domain import refund as domain
from gateway.domain.catalog import Scope
from gateway.domain.charge import Charge
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.refund import Motive, Refund, Status
from gateway.domain.transition import Action, Moved, StatusReason
from gateway.services import times
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin


async def create(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    charge_id: str | None = None,
    charge_intent_id: str | None = None,
    amount: int | None = None,
    motive: Motive | None = None,
    metadata: Mapping[str, str | None] | None = None,
    origin: Origin,
) -> Refund:
    """Prepare the transfer that returns `amount` minor units (None = the rest) of a charge to its payer.

    The charge is locked, and all its refunds count: two requests at once never ask for more than was collected.

    Raises:
        InvalidRequest: not exactly one of charge and intent, or the charge cannot return so much.
        NotFound: there is no such charge or intent.
    """
    if (charge_id is None) == (charge_intent_id is None):
        raise InvalidRequest("Give charge or charge_intent, and not both.", code="parameter_conflict", param="charge")
    charge = await _charge(conn, scope, charge_id, charge_intent_id)
    intent = (await charge_intents.load(conn, [charge.charge_intent_id]))[charge.charge_intent_id]
    others = (await refunds.of_charges(conn, [charge.id])).get(charge.id, [])
    portion = domain.portion(charge, others, amount)
    account = await accounts.get(conn, scope.account_id)
    recipient = charge.payer or await _owner(conn, charge.payment_method_id)
    if account is None or recipient is None:
        raise InvalidRequest(
            f"The wallet that paid charge '{charge.id}' is not known any more.", code="charge_not_refundable"
        )
    now = await times.of_clock(conn, intent.test_clock_id, origin.system_now)
    final = (await blocks.cursor(conn, charge.chain_id)).final_number
    refund = Refund(
        id=new_id("re", now),
        scope=scope,
        charge_id=charge.id,
        charge_intent_id=charge.charge_intent_id,
        customer_id=charge.customer_id,
        status=Status.REQUIRES_ACTION,
        reason=StatusReason("awaiting_transfer", Action.WAIT),
        created_at=now,
        amount=portion.amount,
        currency=charge.currency,
        chain_id=charge.chain_id,
        token=charge.token,
        token_amount=portion.token_amount,
        sender=account.payout_address,
        recipient=recipient,
        watched_from=-1 if final is None else final,
        motive=motive,
        metadata=merchant_metadata.merge({}, metadata),
        test_clock_id=intent.test_clock_id,
    )
    changes = Changes()
    changes.insert(domain.ask(refund))
    await changes.write(conn, gateway, origin)
    return refund


async def _owner(conn: Connection, method_id: str | None) -> Address | None:
    """The wallet of a payment method."""
    if method_id is None:
        return None
    method = (await catalog.load_payment_methods(conn, [method_id])).get(method_id)
    return None if method is None else method.owner


async def _charge(conn: Connection, scope: Scope, charge_id: str | None, intent_id: str | None) -> Charge:
    """The charge to return, locked."""
    param = "charge"
    if intent_id is not None:
        param = "charge_intent"
        intent = await charge_intents.get(conn, scope, intent_id)
        if intent is None:
            raise NotFound("charge_intent", intent_id, param=param)
        charge_id = intent.latest_charge_id
        if charge_id is None:
            raise InvalidRequest(
                f"Charge intent '{intent.id}' has collected nothing.", code="charge_not_refundable", param=param
            )
    charge = await charges.get(conn, scope, charge_id or "", lock=True)
    if charge is None:
        raise NotFound("charge", charge_id or "", param=param)
    return charge


async def update(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    refund_id: str,
    metadata: Mapping[str, str | None] | None,
    origin: Origin,
) -> Refund:
    """Change the merchant's notes on a refund, in any status.

    Raises:
        InvalidRequest: metadata beyond its limits.
        NotFound: there is no such refund.
    """
    before = await _locked(conn, scope, refund_id)
    now = await times.of_clock(conn, before.test_clock_id, origin.system_now)
    merged = merchant_metadata.merge(before.metadata, metadata)
    return await _save(conn, gateway, domain.describe(before, merged, now), origin)


async def cancel(conn: Connection, gateway: Gateway, *, scope: Scope, refund_id: str, origin: Origin) -> Refund:
    """Take a refund back that was asked for and not sent.

    Raises:
        IllegalTransition: its transfer is final, or it was canceled before.
        NotFound: there is no such refund.
    """
    before = await _locked(conn, scope, refund_id)
    now = await times.of_clock(conn, before.test_clock_id, origin.system_now)
    return await _save(conn, gateway, domain.cancel(before, now), origin)


async def _save(conn: Connection, gateway: Gateway, moved: Moved[Refund], origin: Origin) -> Refund:
    changes = Changes()
    after = changes.update(moved)
    await changes.write(conn, gateway, origin)
    return after


async def _locked(conn: Connection, scope: Scope, refund_id: str) -> Refund:
    found = await refunds.get(conn, scope, refund_id, lock=True)
    if found is None:
        raise NotFound("refund", refund_id)
    return found
