"""Asking wallets for mandates before anything is owed, at a merchant's request or because a trial begins (ST-24 on)."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from chain.primitives import Permit
from gateway.db import accounts, catalog, charge_intents, mandates, setup_intents, subscriptions
from gateway.db.engine import Connection
from gateway.domain import charge_intent as charge_domain
from gateway.domain import course, plan_change
from gateway.domain import metadata as merchant_metadata
from gateway.domain import setup_intent as domain
from gateway.domain.catalog import PaymentMethod, Price, Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.mandate import Mandate
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.setup_intent import SetupIntent, Status
from gateway.domain.subscription import Subscription, modifiable
from gateway.domain.transition import Action, Moved, StatusReason
from gateway.services import invoicing
from gateway.services import mandates as mandate_services
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

METHOD = "payment_method"


def blank(subscription: Subscription, now: datetime) -> SetupIntent:
    """A setup intent of a subscription that knows no wallet yet."""
    intent_id = new_id("seti", now)
    return SetupIntent(
        id=intent_id,
        scope=subscription.scope,
        customer_id=subscription.customer_id,
        status=Status.REQUIRES_PAYMENT_METHOD,
        reason=StatusReason("payment_method_missing", Action.CUSTOMER_ACTION),
        created_at=now,
        client_secret=f"{intent_id}_secret_{secrets.token_urlsafe(24)}",
        subscription_id=subscription.id,
        test_clock_id=subscription.test_clock_id,
    )


def begin(subscription: Subscription, mandate: Mandate | None, now: datetime) -> Moved[SetupIntent]:
    """Ask for a mandate; without one, for a wallet first."""
    intent = blank(subscription, now)
    return domain.create(intent if mandate is None else domain.with_mandate(intent, mandate))


async def method_of(conn: Connection, scope: Scope, customer_id: str, method_id: str, *, param: str) -> PaymentMethod:
    """A payment method that belongs to a customer.

    Raises:
        InvalidRequest: it is not attached to this customer.
        NotFound: there is no such payment method.
    """
    method = await catalog.get_payment_method(conn, scope, method_id)
    if method is None:
        raise NotFound("payment_method", method_id, param=param)
    if method.customer_id != customer_id:
        raise InvalidRequest(
            f"Payment method '{method.id}' is not attached to customer '{customer_id}'. Attach it first.",
            code="payment_method_not_attached",
            param=param,
        )
    return method


async def had_trial(
    conn: Connection, scope: Scope, prices: Iterable[Price], method: PaymentMethod, *, besides: str | None = None
) -> bool:
    """Whether the wallet has had its one trial of a product, where the merchant gives only one (SX-08)."""
    account = await accounts.get(conn, scope.account_id)
    if account is None or not account.settings.one_trial_per_wallet:
        return False
    products = sorted({price.product_id for price in prices})
    return await subscriptions.trials_of_wallet(conn, scope, method.owner, products, besides=besides)


def trial_used(param: str) -> InvalidRequest:
    """The error of a second trial."""
    return InvalidRequest(
        "This wallet has already had a trial of this product.", code="trial_already_used", param=param
    )


async def create(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    subscription_id: str,
    payment_method_id: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str | None] | None = None,
    now: datetime,
    origin: Origin,
) -> SetupIntent:
    """Ask a subscriber for a mandate, before it is needed or in the place of another one.

    Raises:
        InvalidRequest: the subscription is over or has an open setup intent, or the method is another customer's.
        NotFound: subscription or payment method do not exist.
    """
    subscription = await subscriptions.get(conn, scope, subscription_id, lock=True)
    if subscription is None:
        raise NotFound("subscription", subscription_id, param="subscription")
    modifiable(subscription)
    if await setup_intents.open_of_subscriptions(conn, [subscription.id]):
        raise InvalidRequest(
            f"Subscription '{subscription.id}' has an open setup intent. Confirm or cancel that one.",
            code="setup_intent_open",
            param="subscription",
        )
    changes = Changes()
    intent = domain.create(blank(subscription, now))
    wanted = payment_method_id
    if wanted is not None:
        method = await method_of(conn, scope, subscription.customer_id, wanted, param=METHOD)
        mandate = changes.insert(await next_mandate(conn, gateway, subscription, method, now))
        intent = domain.create(domain.with_mandate(intent.value, mandate))
    described = changes.insert(_described(intent, description, metadata))
    changes.update(course.await_setup(subscription, described.id, now))
    await changes.write(conn, gateway, origin)
    return described


def _described(
    moved: Moved[SetupIntent], description: str | None, metadata: Mapping[str, str | None] | None
) -> Moved[SetupIntent]:
    value = moved.value
    changed = replace(value, description=description, metadata=merchant_metadata.merge({}, metadata or {}))
    return replace(moved, value=changed)


async def _prices(conn: Connection, subscription: Subscription) -> Mapping[str, Price]:
    return await catalog.load_prices(conn, sorted({item.price_id for item in subscription.items}))


async def next_mandate(
    conn: Connection, gateway: Gateway, subscription: Subscription, method: PaymentMethod, now: datetime
) -> Moved[Mandate]:
    """A mandate for what is billed next, a change that waits for its signature and what is owed included.

    A period that is paid already is left out of it.
    """
    update = subscription.pending_update
    asked_for = subscription if update is None else plan_change.with_terms(subscription, update.terms)
    terms = await invoicing.terms_of(conn, [asked_for], lock=False)
    open_intents = await charge_intents.open_of_subscriptions(conn, [subscription.id])
    owed = [intent.amount for intent in open_intents if intent.status in charge_domain.PAYABLE]
    total = max([invoicing.recurring_total(asked_for, terms, now), *owed])
    paid = subscription.period_index > 0 and not open_intents
    start = subscription.period_end if paid else None
    if update is not None:
        start = plan_change.mandate_start(subscription, update, now)
    return await mandate_services.ask(conn, gateway, asked_for, method, total=total, start=start, now=now)


async def confirm(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    intent_id: str,
    payment_method_id: str | None = None,
    signature: bytes | None = None,
    permit: Permit | None = None,
    now: datetime,
    origin: Origin,
) -> SetupIntent:
    """Name the wallet, or take its signature and register the mandate (ST-26).

    `signature` was verified by the caller (`mandates.verify`) before this transaction.

    Raises:
        InvalidRequest: it is over or under way, or what it waits for is not given.
        NotFound: there is no such setup intent or payment method.
    """
    read = await setup_intents.get(conn, scope, intent_id)
    if read is None:
        raise NotFound("setup_intent", intent_id)
    # Locked in the usual order: the subscription before what hangs on it.
    subscription = (await subscriptions.load(conn, [read.subscription_id], lock=True))[read.subscription_id]
    intent = (await setup_intents.load(conn, [intent_id], lock=True))[intent_id]
    changes = Changes()
    match intent.status:
        case Status.REQUIRES_PAYMENT_METHOD:
            if payment_method_id is None:
                raise InvalidRequest(
                    "This setup intent needs a wallet: give payment_method.",
                    code="payment_method_missing",
                    param=METHOD,
                )
            method = await method_of(conn, scope, intent.customer_id, payment_method_id, param=METHOD)
            if subscription.trial_start is not None:
                prices = await _prices(conn, subscription)
                if await had_trial(conn, scope, prices.values(), method, besides=subscription.id):
                    raise trial_used(METHOD)
            mandate = changes.insert(await next_mandate(conn, gateway, subscription, method, now))
            changes.update(domain.ask(intent, mandate, now))
            if subscription.mandate_id is None:
                changes.update(course.draw_on(subscription, method.id, mandate.id, now))
        case Status.REQUIRES_ACTION:
            if payment_method_id not in {None, intent.payment_method_id}:
                raise InvalidRequest(
                    "This setup intent waits for another wallet. Cancel it to ask a new one.",
                    code="payment_method_unexpected",
                    param=METHOD,
                )
            await _take_signature(conn, gateway, intent, signature, permit, now=now, origin=origin)
            await _register(conn, intent, now, changes)
        case Status.PROCESSING | Status.SUCCEEDED | Status.CANCELED:
            raise InvalidRequest(
                f"Setup intent '{intent.id}' is {intent.status}; there is nothing to confirm.",
                code="setup_intent_unexpected_state",
            )
    await changes.write(conn, gateway, origin)
    return changes.current(intent)


async def _take_signature(
    conn: Connection,
    gateway: Gateway,
    intent: SetupIntent,
    signature: bytes | None,
    permit: Permit | None,
    *,
    now: datetime,
    origin: Origin,
) -> None:
    mandate = (await mandates.load(conn, [intent.mandate_id or ""]))[intent.mandate_id or ""]
    if signature is None:
        if mandate.status is MandateStatus.PENDING:
            raise InvalidRequest(
                "This setup intent needs the wallet's signature. Sign next_action[approve_allowance][eip712] and give "
                "it as signature.",
                code="signature_missing",
                param="signature",
            )
        return
    await mandate_services.sign(
        conn,
        gateway,
        scope=intent.scope,
        mandate_id=mandate.id,
        signature=signature,
        permit=permit,
        now=now,
        origin=origin,
    )


async def _register(conn: Connection, intent: SetupIntent, now: datetime, changes: Changes) -> None:
    """Plan the registration; a charge that waits for the same mandate is due now and registers it on its way."""
    waiting = [
        charge
        for charge in await charge_intents.open_of_subscriptions(conn, [intent.subscription_id], lock=True)
        if charge.mandate_id == intent.mandate_id and charge.status is charge_domain.Status.REQUIRES_ACTION
    ]
    for charge in waiting:
        changes.update(charge_domain.confirm(charge, now))
    changes.update(domain.confirm(intent, now, register=not waiting))


async def cancel(
    conn: Connection, gateway: Gateway, *, scope: Scope, intent_id: str, now: datetime, origin: Origin
) -> SetupIntent:
    """Ask no more. The subscription goes on without; its next invoice will need the wallet.

    Raises:
        InvalidRequest: it is over already.
        NotFound: there is no such setup intent.
    """
    read = await setup_intents.get(conn, scope, intent_id)
    if read is None:
        raise NotFound("setup_intent", intent_id)
    subscription = (await subscriptions.load(conn, [read.subscription_id], lock=True))[read.subscription_id]
    intent = (await setup_intents.load(conn, [intent_id], lock=True))[intent_id]
    if intent.status not in domain.OPEN:
        raise InvalidRequest(
            f"Setup intent '{intent.id}' is {intent.status} and cannot be canceled.",
            code="setup_intent_unexpected_state",
        )
    changes = Changes()
    canceled = changes.update(domain.cancel(intent, StatusReason("canceled_by_request"), now))
    if subscription.pending_update is not None and subscription.pending_update.setup_intent_id == intent.id:
        changes.update(plan_change.drop(subscription, now))
    elif subscription.pending_setup_intent_id == intent.id:
        changes.update(course.await_setup(subscription, None, now))
    await changes.write(conn, gateway, origin)
    return canceled
