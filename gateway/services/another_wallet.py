"""A page on which a payer lets another wallet, or the same one with a new agreement, pay for a subscription (SX-11).

Made at the payer's request, by whoever holds the address of an invoice of it: it can only make somebody pay.
"""

from datetime import datetime

from gateway.db import checkout_sessions
from gateway.db.engine import Connection
from gateway.db.pages import PageRequest
from gateway.domain.checkout import LIFE_MIN, CheckoutSession, Mode, Offer, Status
from gateway.domain.subscription import Subscription
from gateway.services import checkout
from gateway.services.checkout import NewSession
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin


async def page_for(
    conn: Connection, gateway: Gateway, subscription: Subscription, *, back_to: str, now: datetime, origin: Origin
) -> CheckoutSession:
    """An open session that sets up a wallet for a subscription and leads back; one that is there is used again.

    Raises:
        InvalidRequest: the subscription is over.
    """
    request = PageRequest(scope=subscription.scope, limit=1)
    found = (await checkout_sessions.page(conn, request, subscription=subscription.id, status=Status.OPEN)).items
    for session in found:
        is_ours = session.mode is Mode.SETUP and session.success_url == back_to and session.confirmed_at is None
        if is_ours and session.expires_at >= now + LIFE_MIN:
            return session
    wanted = NewSession(
        mode=Mode.SETUP,
        success_url=back_to,
        cancel_url=back_to,
        offer=Offer(),
        subscription_id=subscription.id,
    )
    return await checkout.create(conn, gateway, scope=subscription.scope, wanted=wanted, now=now, origin=origin)
