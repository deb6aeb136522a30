"""The signature that ends a checkout: verified over what was shown, then the same is made, and its charge is due."""

from datetime import datetime

from chain import eip712
from chain.port import ChainPort
from chain.primitives import Permit
from gateway.db import charge_intents
from gateway.db.engine import Connection
from gateway.domain import charge_intent as intent_domain
from gateway.domain import checkout as domain
from gateway.domain.checkout import CheckoutSession, Draft, Mode, PaymentStatus
from gateway.domain.errors import Conflict, InvalidRequest
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.services import intents
from gateway.services import mandates as mandate_services
from gateway.services import setup_intents as setup_services
from gateway.services.changes import Changes
from gateway.services.checkout import Made
from gateway.services.checkout_parts import PayersWallet, made_for
from gateway.services.checkout_payer import open_session
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin


async def verify(chain: ChainPort, draft: Draft, signature: bytes) -> None:
    """Check that the connected wallet signed what it was shown (EIP-712; ECDSA first, then ERC-1271).

    Raises:
        InvalidRequest: it did not.
        RpcUnavailable: the chain could not be asked about a contract wallet.
    """
    digest = eip712.mandate_digest(draft.terms, draft.chain_id, draft.contract)
    if not await eip712.verify_signature(chain, draft.payer, digest, signature):
        raise InvalidRequest("The signature is not this wallet's.", code="signature_invalid", param="signature")


async def sign(
    conn: Connection,
    gateway: Gateway,
    *,
    session_id: str,
    signature: bytes,
    permit: Permit | None,
    signed: Draft,
    now: datetime,
    origin: Origin,
) -> CheckoutSession:
    """Take the signature, which `verify` has checked over `signed`: make the subscription, and its charge due.

    Raises:
        Conflict: the session is over, or what was signed is not what it is about any more: show it again.
        InvalidRequest: the terms cannot be met any more.
    """
    session = await open_session(conn, session_id)
    draft = session.draft
    if draft is None or draft != signed or not session.is_draft_fresh(now):
        raise Conflict("The terms were shown too long ago. Look at them again.", code="checkout_draft_stale")
    if session.mode is Mode.SETUP:
        setup_id = draft.setup_intent_id or ""
        await setup_services.confirm(
            conn,
            gateway,
            scope=session.scope,
            intent_id=setup_id,
            signature=signature,
            permit=permit,
            now=now,
            origin=origin,
        )
        return await _confirm(
            conn, gateway, session, customer_id=session.customer_id or "", setup_id=setup_id, now=now, origin=origin
        )
    wallet = PayersWallet(draft.payer, draft.chain_id, draft.terms.token)
    made = await made_for(conn, gateway, session, wallet, salt=draft.terms.salt, at=draft.at, origin=origin)
    if made.mandate is None or made.mandate.terms != draft.terms:
        raise Conflict("The terms have changed. Look at them again.", code="checkout_draft_stale")
    pending = made.subscription.pending_setup_intent_id
    await _take_signature(conn, gateway, made, signature=signature, permit=permit, now=now, origin=origin)
    return await _confirm(
        conn,
        gateway,
        session,
        customer_id=made.subscription.customer_id,
        made=made,
        setup_id=pending,
        now=now,
        origin=origin,
    )


async def sent(
    conn: Connection, gateway: Gateway, *, session_id: str, mandate_id: str, now: datetime, origin: Origin
) -> CheckoutSession:
    """The wallet sent allowance, agreement and first payment itself (EIP-5792): make what the chain will tell of.

    Nothing is signed here and nothing is believed: the subscription stays `incomplete` until the chain has the money,
    and its invoice can be paid by a signature if it never gets it. `mandate_id` is what the page was shown.

    Raises:
        Conflict: the session is over, or what was sent is not what it is about any more: show it again.
        InvalidRequest: the terms cannot be met any more.
    """
    session = await open_session(conn, session_id)
    draft = session.draft
    stale = Conflict("The terms have changed. Look at them again.", code="checkout_draft_stale")
    if draft is None or session.mode is Mode.SETUP or draft.trial_end is not None or not draft.total:
        raise stale
    if eip712.mandate_id(draft.terms, draft.chain_id, draft.contract) != mandate_id:
        raise stale
    wallet = PayersWallet(draft.payer, draft.chain_id, draft.terms.token)
    made = await made_for(conn, gateway, session, wallet, salt=draft.terms.salt, at=draft.at, origin=origin)
    if made.mandate is None or made.mandate.terms != draft.terms:
        raise stale
    customer_id = made.subscription.customer_id
    return await _confirm(conn, gateway, session, customer_id=customer_id, made=made, now=now, origin=origin)


async def _take_signature(
    conn: Connection,
    gateway: Gateway,
    made: Made,
    *,
    signature: bytes,
    permit: Permit | None,
    now: datetime,
    origin: Origin,
) -> None:
    """Hand the signature to what waits for it: a setup intent, the first charge, or the mandate alone."""
    opened, scope = made.subscription, made.subscription.scope
    pending = opened.pending_setup_intent_id
    if pending is not None:
        await setup_services.confirm(
            conn,
            gateway,
            scope=scope,
            intent_id=pending,
            signature=signature,
            permit=permit,
            now=now,
            origin=origin,
        )
    elif opened.status is SubscriptionStatus.ACTIVE:
        # The customer's credit paid the first period: the signature waits for the second.
        await mandate_services.sign(
            conn,
            gateway,
            scope=scope,
            mandate_id=opened.mandate_id or "",
            signature=signature,
            permit=permit,
            now=now,
            origin=origin,
        )
    else:
        found = await charge_intents.of_invoices(conn, [opened.latest_invoice_id or ""])
        await intents.confirm(
            conn,
            gateway,
            scope=scope,
            intent_id=found[opened.latest_invoice_id or ""].id,
            signature=signature,
            permit=permit,
            now=now,
            origin=origin,
        )


async def _confirm(
    conn: Connection,
    gateway: Gateway,
    session: CheckoutSession,
    *,
    customer_id: str,
    made: Made | None = None,
    setup_id: str | None = None,
    now: datetime,
    origin: Origin,
) -> CheckoutSession:
    changes = Changes()
    after = changes.update(
        domain.confirm(
            session,
            customer_id=customer_id,
            subscription_id=made.subscription.id if made is not None else session.subscription_id or "",
            setup_intent_id=setup_id,
            invoice_id=None if made is None else made.subscription.latest_invoice_id,
            now=now,
        )
    )
    if made is not None and made.subscription.status is SubscriptionStatus.ACTIVE:
        after = changes.update(domain.complete(after, PaymentStatus.NO_PAYMENT_REQUIRED, now))
    await changes.write(conn, gateway, origin)
    return after


async def try_again(
    conn: Connection, gateway: Gateway, *, session: CheckoutSession, now: datetime, origin: Origin
) -> None:
    """The payer says that what was missing is there: make the charge, or the registration, due now.

    Raises:
        Conflict: an attempt is under way.
    """
    if session.setup_intent_id is not None:
        await setup_services.confirm(
            conn, gateway, scope=session.scope, intent_id=session.setup_intent_id, now=now, origin=origin
        )
        return
    found = (await charge_intents.of_invoices(conn, [session.invoice_id or ""])).get(session.invoice_id or "")
    if found is not None and found.status in intent_domain.PAYABLE:
        await intents.confirm(conn, gateway, scope=session.scope, intent_id=found.id, now=now, origin=origin)
