"""What the payer does on the page of a checkout session before signing: say who it is, connect a wallet.

It changes the session alone. What a wallet is shown comes from a rehearsal with a fixed moment and salt;
`checkout_signing` makes the same again, and refuses if it has become anything else.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from gateway.db import catalog, checkout_sessions, discounts, mandates, setup_intents
from gateway.db.engine import Connection, rehearsal
from gateway.db.pages import PageRequest
from gateway.domain import checkout as domain
from gateway.domain.checkout import CheckoutSession, Draft, Mode, Status
from gateway.domain.errors import Conflict, InvalidRequest
from gateway.services import checkout
from gateway.services import subscriptions as subscription_services
from gateway.services.catalog import check_email
from gateway.services.changes import Changes
from gateway.services.checkout_parts import PayersWallet, made_for, method_for
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin
from gateway.services.subscriptions import SubscriptionChanges

_SALT_BITS: Final = 256


async def open_session(conn: Connection, session_id: str) -> CheckoutSession:
    """Lock a session that the payer may still change; its token was compared before.

    Raises:
        Conflict: it is over, or was signed already.
    """
    session = (await checkout_sessions.load(conn, [session_id], lock=True))[session_id]
    if session.status is not Status.OPEN or session.confirmed_at is not None:
        raise Conflict("This checkout was used already, or its time is over.", code="checkout_session_over")
    return session


async def describe(
    conn: Connection,
    gateway: Gateway,
    *,
    session_id: str,
    email: str | None,
    answers: Mapping[str, str],
    promotion_code: str | None,
    now: datetime,
    origin: Origin,
) -> CheckoutSession:
    """Take the payer's e-mail address, answers and promotion code (MX-11, SX-16).

    Raises:
        Conflict: the session is over.
        InvalidRequest: an address that cannot be one, an answer that does not fit, a code that cannot be redeemed.
    """
    session = await open_session(conn, session_id)
    if not session.is_email_given:
        check_email(email or "")
    code_id = await _code(conn, session, promotion_code, now) if promotion_code else None
    changes = Changes()
    after = changes.update(
        domain.describe(
            session, email=email, answers=domain.checked_answers(session.offer, answers), promotion_code_id=code_id
        )
    )
    if code_id is not None:
        async with rehearsal(conn):
            made = await checkout.make(conn, gateway, after, None, now=now, origin=origin)
            if made.invoice is not None and not made.invoice.total:
                raise InvalidRequest("This code cannot be used here.", code="promotion_code_too_much", param="code")
    await changes.write(conn, gateway, origin)
    return after


async def _code(conn: Connection, session: CheckoutSession, text: str, now: datetime) -> str:
    refused = InvalidRequest("There is no such code, or it is over.", code="promotion_code_invalid", param="code")
    if not session.offer.allow_promotion_codes:
        raise refused
    request = PageRequest(scope=session.scope, limit=1)
    found = (await discounts.page_codes(conn, request, active=True, code=text.strip().upper())).items
    if not found or not found[0].valid_at(now) or found[0].customer_id not in (None, session.customer_id):
        raise refused
    return found[0].id


async def connect(
    conn: Connection, gateway: Gateway, *, session_id: str, wallet: PayersWallet, now: datetime, origin: Origin
) -> CheckoutSession:
    """Fix what a connected wallet is asked to sign. Connecting the same one again keeps it while it is fresh.

    Raises:
        Conflict: the session is over.
        InvalidRequest: the wallet, chain or token cannot pay this, or the terms cannot be met any more.
    """
    session = await open_session(conn, session_id)
    if not session.knows_payer:
        raise InvalidRequest("Say who you are first.", code="payer_unknown", param="email")
    now = now.replace(microsecond=0)
    if session.mode is Mode.SETUP:
        return await _connect_to_subscription(conn, gateway, session, wallet, now=now, origin=origin)
    salt = secrets.randbits(_SALT_BITS)
    async with rehearsal(conn):
        made = await made_for(conn, gateway, session, wallet, salt=salt, at=now, origin=origin)
    if made.mandate is None:
        raise InvalidRequest("There is nothing to collect.", code="nothing_to_collect")
    kept = session.draft
    same = kept is not None and (kept.payer, kept.chain_id, kept.terms.token) == (
        made.mandate.terms.payer,
        made.mandate.chain_id,
        made.mandate.terms.token,
    )
    if same and session.is_draft_fresh(now):
        return session
    draft = Draft(
        payer=made.mandate.terms.payer,
        chain_id=made.mandate.chain_id,
        contract=made.mandate.contract,
        terms=made.mandate.terms,
        at=now,
        total=made.total,
        recurring=made.recurring,
        discount=0 if made.invoice is None else sum(line.discount_amount for line in made.invoice.lines),
        trial_end=made.subscription.trial_end,
    )
    return await _propose(conn, gateway, session, draft, origin)


async def disconnect(conn: Connection, gateway: Gateway, *, session_id: str, origin: Origin) -> CheckoutSession:
    """Forget the connected wallet, so that another one can be chosen.

    Raises:
        Conflict: the session is over.
    """
    return await _propose(conn, gateway, await open_session(conn, session_id), None, origin)


async def _propose(
    conn: Connection, gateway: Gateway, session: CheckoutSession, draft: Draft | None, origin: Origin
) -> CheckoutSession:
    changes = Changes()
    after = changes.update(domain.propose(session, draft))
    await changes.write(conn, gateway, origin)
    return after


async def _connect_to_subscription(
    conn: Connection,
    gateway: Gateway,
    session: CheckoutSession,
    wallet: PayersWallet,
    *,
    now: datetime,
    origin: Origin,
) -> CheckoutSession:
    """Ask the wallet for a mandate of the subscription, whose present wallet goes on until that is registered."""
    owner = (await catalog.load_customers(conn, [session.customer_id or ""]))[session.customer_id or ""]
    method = await method_for(conn, gateway, owner, wallet, now=now, origin=origin)
    changed = await subscription_services.update(
        conn,
        gateway,
        scope=session.scope,
        subscription_id=session.subscription_id or "",
        changes=SubscriptionChanges(given=frozenset({"default_payment_method"}), default_payment_method_id=method.id),
        now=now,
        origin=origin,
    )
    asked = (await setup_intents.load(conn, [changed.pending_setup_intent_id or ""])).get(
        changed.pending_setup_intent_id or ""
    )
    if asked is None or asked.mandate_id is None:
        raise InvalidRequest("This wallet pays already.", code="payment_method_unchanged")
    mandate = (await mandates.load(conn, [asked.mandate_id]))[asked.mandate_id]
    draft = Draft(
        payer=mandate.terms.payer,
        chain_id=mandate.chain_id,
        contract=mandate.contract,
        terms=mandate.terms,
        at=now,
        total=0,
        recurring=session.offer.recurring,
        trial_end=changed.trial_end,
        setup_intent_id=asked.id,
    )
    return await _propose(conn, gateway, session, draft, origin)
