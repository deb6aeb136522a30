"""Whom and what a checkout session makes besides the subscription: its customer, and the payment method."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chain.primitives import Address
from gateway.db import catalog, invoice_items
from gateway.db.engine import Connection
from gateway.db.pages import PageRequest
from gateway.domain.catalog import Customer, PaymentMethod
from gateway.domain.checkout import CheckoutSession
from gateway.services import checkout, payment_methods
from gateway.services.catalog import CustomerFields, create_customer
from gateway.services.checkout import Made
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

_METHODS_LOOKED_AT: Final = 100


@dataclass(frozen=True, slots=True)
class PayersWallet:
    """The wallet that was connected, and what it wants to pay with; texts as the page sends them."""

    owner: str
    chain_id: int
    token: str


async def made_for(
    conn: Connection,
    gateway: Gateway,
    session: CheckoutSession,
    wallet: PayersWallet,
    *,
    salt: int,
    at: datetime,
    origin: Origin,
) -> Made:
    """Customer, payment method and subscription of a session, as if it had been at `at`."""
    customer = await customer_for(conn, gateway, session, now=at, origin=origin)
    method = await method_for(conn, gateway, customer, wallet, now=at, origin=origin)
    return await checkout.make(conn, gateway, session, method, customer=customer, salt=salt, now=at, origin=origin)


async def customer_for(
    conn: Connection, gateway: Gateway, session: CheckoutSession, *, now: datetime, origin: Origin
) -> Customer:
    """The merchant's customer: the one it named, the one with this e-mail address, or a new one.

    Nobody has proved that the address is the payer's. So it finds only a customer who owns nothing that could be
    spent or billed with it: no balance, and nothing that waits for an invoice.
    """
    if session.customer_id is not None:
        return (await catalog.load_customers(conn, [session.customer_id]))[session.customer_id]
    if session.email is not None:
        known = await catalog.customers_by_contact(conn, session.scope, email=session.email, phone=None)
        alone = known[0] if len(known) == 1 else None
        if alone is not None and not alone.balance and not await invoice_items.pending_of(conn, [alone.id], lock=False):
            return alone
    fields = CustomerFields(given=frozenset(), email=session.email)
    return await create_customer(
        conn, gateway, scope=session.scope, fields=fields, test_clock_id=session.test_clock_id, now=now, origin=origin
    )


async def method_for(
    conn: Connection, gateway: Gateway, customer: Customer, wallet: PayersWallet, *, now: datetime, origin: Origin
) -> PaymentMethod:
    """The customer's payment method with this wallet, chain and token; a new one where there is none."""
    request = PageRequest(scope=customer.scope, limit=_METHODS_LOOKED_AT)
    owner, token = wallet.owner.lower(), wallet.token.lower()
    for known in (await catalog.page_payment_methods(conn, request, customer=customer.id)).items:
        if (known.owner, known.chain_id, known.token) == (Address(owner), wallet.chain_id, Address(token)):
            return known
    fresh = await payment_methods.create(
        conn,
        gateway,
        scope=customer.scope,
        chain_id=wallet.chain_id,
        token=wallet.token,
        owner=wallet.owner,
        metadata=None,
        now=now,
    )
    return await payment_methods.attach(
        conn, gateway, scope=customer.scope, method_id=fresh.id, customer_id=customer.id, now=now, origin=origin
    )
