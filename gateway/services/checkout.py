"""Checkout sessions as the merchant sees them: making one with frozen terms, ending one (MX-13, PM-16, PM-17).

What the payer does on the page is in `checkout_payer`; how a session ends by itself in `checkout_following`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from gateway.db import catalog, checkout_sessions, invoices, mandates, subscriptions
from gateway.db.engine import Connection, rehearsal
from gateway.domain import checkout as domain
from gateway.domain.beginning import Schedule
from gateway.domain.catalog import Customer, PaymentMethod, Price, Scope
from gateway.domain.checkout import LIFE, LIFE_MIN, CheckoutSession, LineItem, Mode, Offer, Status
from gateway.domain.errors import Conflict, DomainError, InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.period import to_unix
from gateway.domain.subscription import Subscription, modifiable
from gateway.domain.transition import Action, StatusReason
from gateway.services import invoicing
from gateway.services import subscriptions as subscription_services
from gateway.services.catalog import CustomerFields, create_customer, customer_of
from gateway.services.changes import Changes
from gateway.services.discounts import DiscountRequest
from gateway.services.gateway import Gateway
from gateway.services.items import NewItem
from gateway.services.recording import Origin
from gateway.services.subscriptions import PaymentBehavior

BATCH: Final = 500
_TOKEN_BYTES: Final = 24
_PARAMS: Final = (("items", "line_items"), ("default_tax_rates", "subscription_data[default_tax_rates]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """What a session is asked for with; `offer` has no amounts yet."""

    mode: Mode
    success_url: str
    offer: Offer
    cancel_url: str | None = None
    customer_id: str | None = None
    customer_email: str | None = None
    client_reference_id: str | None = None
    locale: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    subscription_id: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A subscription that was made, or would be."""

    subscription: Subscription
    invoice: Invoice | None
    mandate: Mandate | None
    recurring: int

    @property
    def total(self) -> int:
        """The first charge, in minor units; 0 where it is still to come."""
        return 0 if self.invoice is None else self.invoice.amount_due


async def create(
    conn: Connection, gateway: Gateway, *, scope: Scope, wanted: NewSession, now: datetime, origin: Origin
) -> CheckoutSession:
    """Open a session. Its amounts are those of a rehearsal: the subscription is made, looked at, and undone.

    Raises:
        InvalidRequest: the terms make no subscription, or there would be nothing to collect.
        NotFound: what they name does not exist.
    """
    now = now.replace(microsecond=0)
    expires_at = wanted.expires_at or now + LIFE
    if not now + LIFE_MIN <= expires_at <= now + LIFE:
        raise InvalidRequest(
            "expires_at must lie between 30 minutes and 24 hours from now.",
            code="invalid_expires_at",
            param="expires_at",
        )
    customer = None
    if wanted.customer_id is not None:
        customer = await customer_of(conn, scope, wanted.customer_id, param="customer")
    session = CheckoutSession(
        id=new_id("cs", now),
        scope=scope,
        mode=wanted.mode,
        status=Status.OPEN,
        reason=StatusReason("awaiting_payer", Action.CUSTOMER_ACTION),
        created_at=now,
        expires_at=expires_at,
        token=secrets.token_urlsafe(_TOKEN_BYTES),
        success_url=wanted.success_url,
        cancel_url=wanted.cancel_url,
        offer=wanted.offer,
        customer_id=wanted.customer_id,
        email=wanted.customer_email or (customer.email if customer else None),
        is_email_given=wanted.customer_id is not None or wanted.customer_email is not None,
        client_reference_id=wanted.client_reference_id,
        locale=wanted.locale,
        metadata=dict(wanted.metadata),
        test_clock_id=customer.test_clock_id if customer else None,
    )
    if wanted.mode is Mode.SETUP:
        session = await _of_subscription(conn, session, wanted)
    else:
        session = await _priced(conn, gateway, session, now=now, origin=origin)
    changes = Changes()
    changes.insert(domain.create(session))
    await changes.write(conn, gateway, origin)
    return session


async def _of_subscription(conn: Connection, session: CheckoutSession, wanted: NewSession) -> CheckoutSession:
    """Mode `setup`: the terms are those of the subscription, which goes on as it is until the new wallet is set up."""
    if wanted.subscription_id is None:
        raise InvalidRequest(
            "In mode setup, a wallet is set up for a subscription: give subscription.",
            code="parameter_missing",
            param="subscription",
        )
    found = await subscriptions.get(conn, session.scope, wanted.subscription_id)
    if found is None or wanted.customer_id not in (None, found.customer_id):
        raise NotFound("subscription", wanted.subscription_id, param="subscription")
    modifiable(found)
    prices = await catalog.load_prices(conn, [item.price_id for item in found.items])
    products = await catalog.load_products(conn, [price.product_id for price in prices.values()])
    owner = (await catalog.load_customers(conn, [found.customer_id]))[found.customer_id]
    terms = await invoicing.terms_of(conn, [found], lock=False)
    offer = replace(
        session.offer,
        currency=found.currency,
        interval=found.interval.unit.value,
        interval_count=found.interval.count,
        recurring=invoicing.recurring_total(found, terms, session.created_at),
        lines=tuple(
            LineItem(
                price_id=item.price_id,
                quantity=item.quantity,
                description=products[prices[item.price_id].product_id].name,
                amount=prices[item.price_id].unit_amount * item.quantity,
            )
            for item in found.items
        ),
    )
    return replace(
        session,
        offer=offer,
        customer_id=found.customer_id,
        subscription_id=found.id,
        email=owner.email,
        is_email_given=True,
        test_clock_id=found.test_clock_id,
    )


async def _priced(
    conn: Connection, gateway: Gateway, session: CheckoutSession, *, now: datetime, origin: Origin
) -> CheckoutSession:
    """Fill in the amounts of the offer, and refuse what could not be sold."""
    async with rehearsal(conn):
        try:
            made = await make(conn, gateway, session, None, now=now, origin=origin)
        except DomainError as error:
            raise translated(error) from None
    if not made.recurring:
        raise InvalidRequest(
            "There is nothing to collect: every period is free. Create the subscription without a checkout session.",
            code="nothing_to_collect",
            param="line_items",
        )
    if made.invoice is not None and not made.invoice.total:
        raise InvalidRequest(
            "The first period would be free, so that no mandate could be asked for. Use a trial instead of a coupon.",
            code="nothing_to_collect",
            param="discounts",
        )
    prices = await catalog.load_prices(conn, [line.price_id for line in session.offer.lines])
    products = await catalog.load_products(conn, [price.product_id for price in prices.values()])
    subscription, invoice = made.subscription, made.invoice
    offer = replace(
        session.offer,
        currency=subscription.currency,
        interval=subscription.interval.unit.value,
        interval_count=subscription.interval.count,
        lines=tuple(_described(line, prices[line.price_id], products) for line in session.offer.lines),
        subtotal=0 if invoice is None else invoice.subtotal,
        discount=0 if invoice is None else sum(line.discount_amount for line in invoice.lines),
        tax=0
        if invoice is None
        else sum(t.amount for line in invoice.lines for t in line.tax_amounts if not t.inclusive),
        total=0 if invoice is None else invoice.total,
        recurring=made.recurring,
    )
    return replace(session, offer=offer)


def _described(line: LineItem, price: Price, products: Mapping[str, object]) -> LineItem:
    name = getattr(products[price.product_id], "name", "")
    return replace(line, description=name, amount=price.unit_amount * line.quantity)


def translated(error: DomainError) -> DomainError:
    """The same error, with the path of the field as checkout sessions call it."""
    param = error.param
    if param is not None:
        for theirs, ours in _PARAMS:
            if param == theirs or param.startswith(f"{theirs}["):
                param = ours + param.removeprefix(theirs)
        if param.startswith("trial_"):
            param = f"subscription_data[{param}]"
    error.param = param
    return error


async def make(
    conn: Connection,
    gateway: Gateway,
    session: CheckoutSession,
    method: PaymentMethod | None,
    *,
    customer: Customer | None = None,
    salt: int | None = None,
    now: datetime,
    origin: Origin,
) -> Made:
    """Make the subscription that a session is about. `now` and `salt` as in `subscriptions.create`.

    Raises:
        InvalidRequest: the terms cannot be met (any more).
        NotFound: what they name does not exist (any more).
    """
    offer = session.offer
    if customer is None:
        fields = CustomerFields(given=frozenset(), email=session.email)
        customer = await create_customer(
            conn,
            gateway,
            scope=session.scope,
            fields=fields,
            test_clock_id=session.test_clock_id,
            now=now,
            origin=origin,
        )
    entered = () if session.promotion_code_id is None else (session.promotion_code_id,)
    opened = await subscription_services.create(
        conn,
        gateway,
        scope=session.scope,
        customer_id=customer.id,
        items=[
            NewItem(price_id=line.price_id, quantity=line.quantity, tax_rate_ids=line.tax_rate_ids)
            for line in offer.lines
        ],
        default_payment_method_id=None if method is None else method.id,
        payment_behavior=PaymentBehavior.DEFAULT_INCOMPLETE,
        description=offer.description,
        metadata={**offer.metadata, **session.field_values},
        schedule=Schedule(trial_days=offer.trial_days, trial_end=offer.trial_end),
        discounts=[
            *(DiscountRequest(coupon_id=coupon_id) for coupon_id in offer.coupon_ids),
            *(DiscountRequest(promotion_code_id=code_id) for code_id in (*offer.promotion_code_ids, *entered)),
        ],
        default_tax_rate_ids=offer.default_tax_rate_ids,
        salt=salt,
        now=now,
        origin=origin,
    )
    terms = await invoicing.terms_of(conn, [opened], lock=False)
    invoice_id = opened.latest_invoice_id
    found = await invoices.load(conn, [invoice_id]) if invoice_id is not None else {}
    agreed = await mandates.load(conn, [opened.mandate_id]) if opened.mandate_id is not None else {}
    return Made(
        subscription=opened,
        invoice=found.get(invoice_id or ""),
        mandate=agreed.get(opened.mandate_id or ""),
        recurring=invoicing.recurring_total(opened, terms, now),
    )


async def expire(
    conn: Connection, gateway: Gateway, *, scope: Scope, session_id: str, now: datetime, origin: Origin
) -> CheckoutSession:
    """End an open session at the merchant's request.

    Raises:
        Conflict: the wallet has signed; what it signed for decides.
        InvalidRequest: it is over already.
        NotFound: there is no such session.
    """
    session = await checkout_sessions.get(conn, scope, session_id, lock=True)
    if session is None:
        raise NotFound(domain.KIND, session_id)
    if session.status is not Status.OPEN:
        raise InvalidRequest(
            f"Checkout session '{session.id}' is {session.status}; only an open one can be expired.",
            code="checkout_session_unexpected_state",
        )
    if session.confirmed_at is not None:
        raise Conflict(
            f"Checkout session '{session.id}' was signed at {to_unix(session.confirmed_at)}. Cancel subscription "
            f"'{session.subscription_id}' instead.",
            code="checkout_session_confirmed",
        )
    changes = Changes()
    after = changes.update(domain.expire(session, "expired_by_merchant", now))
    await changes.write(conn, gateway, origin)
    return after


async def expire_due(gateway: Gateway, *, now: datetime, limit: int = BATCH) -> int:
    """End a batch of sessions whose day is over and which no wallet has signed. Returns how many."""
    async with gateway.books.write() as conn:
        claims = await checkout_sessions.claim_due(conn, now=now, limit=limit)
        changes = Changes()
        for claim in claims:
            changes.update(domain.expire(claim.value, "time_over", claim.now))
        await changes.write(conn, gateway, Origin(now))
    return len(claims)
