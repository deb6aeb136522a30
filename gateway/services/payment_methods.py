"""Wallets that pay: making, attaching, detaching and describing them (FR-03)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from chain.checksum import parse_address
from chain.primitives import ZERO_ADDRESS, Address
from gateway.db import catalog
from gateway.db.engine import Connection
from gateway.domain import metadata as merchant_metadata
from gateway.domain.catalog import PaymentMethod, Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.events import EventType
from gateway.domain.ids import new_id
from gateway.domain.transition import Event, Moved
from gateway.services.catalog import customer_of
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin, record


def _address(text: str, param: str) -> Address:
    try:
        account = parse_address(text)
    except ValueError as error:
        raise InvalidRequest(f"Invalid address: {error}.", code="address_invalid", param=param) from None
    if account == ZERO_ADDRESS:
        raise InvalidRequest("The zero address belongs to nobody.", code="address_invalid", param=param)
    return account


async def create(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    chain_id: int,
    token: str,
    owner: str,
    metadata: Mapping[str, str | None] | None,
    now: datetime,
) -> PaymentMethod:
    """Describe a wallet and the token it pays with; our contract on that chain is the spender. Nothing is signed yet.

    Raises:
        InvalidRequest: an unknown chain or token, or an address that is none or has a wrong checksum.
    """
    group = "erc20_allowance"
    network = gateway.network(chain_id, livemode=scope.livemode, param=f"{group}[chain_id]")
    accepted = gateway.token(chain_id, _address(token, f"{group}[token]"), param=f"{group}[token]")
    wallet = _address(owner, f"{group}[owner]")
    if wallet in {network.contract, accepted.address}:
        raise InvalidRequest(
            "The owner must be a wallet, not the token or our contract.",
            code="address_invalid",
            param=f"{group}[owner]",
        )
    method = PaymentMethod(
        id=new_id("pm", now),
        scope=scope,
        created_at=now,
        chain_id=chain_id,
        token=accepted.address,
        owner=wallet,
        spender=network.contract,
        metadata=merchant_metadata.merge({}, metadata),
    )
    await catalog.add_payment_methods(conn, [method])
    return method


async def _locked(conn: Connection, scope: Scope, method_id: str, param: str | None = None) -> PaymentMethod:
    found = await catalog.get_payment_method(conn, scope, method_id, lock=True)
    if found is None:
        raise NotFound("payment_method", method_id, param=param)
    return found


async def _save(conn: Connection, gateway: Gateway, moved: Moved[PaymentMethod], origin: Origin) -> PaymentMethod:
    await catalog.save_payment_methods(conn, [moved.value])
    await record(conn, gateway, [moved], origin=origin)
    return moved.value


def _moved(before: PaymentMethod, after: PaymentMethod, event: EventType, now: datetime) -> Moved[PaymentMethod]:
    return Moved(value=after, before=before, events=(Event(type=event, object_id=after.id, at=now),))


async def update(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    method_id: str,
    metadata: Mapping[str, str | None] | None,
    now: datetime,
    origin: Origin,
) -> PaymentMethod:
    """Change the metadata; the wallet itself never changes.

    Raises:
        InvalidRequest: metadata beyond its limits.
        NotFound: there is no such payment method.
    """
    before = await _locked(conn, scope, method_id)
    after = replace(before, metadata=merchant_metadata.merge(before.metadata, metadata))
    return await _save(conn, gateway, _moved(before, after, EventType.PAYMENT_METHOD_UPDATED, now), origin)


async def attach(
    conn: Connection,
    gateway: Gateway,
    *,
    scope: Scope,
    method_id: str,
    customer_id: str,
    now: datetime,
    origin: Origin,
    param: str | None = None,
) -> PaymentMethod:
    """Give a wallet to a customer. Doing it again changes nothing.

    Raises:
        InvalidRequest: it belongs to another customer.
        NotFound: there is no such payment method or customer.
    """
    customer = await customer_of(conn, scope, customer_id, param="customer", lock=True)
    before = await _locked(conn, scope, method_id, param)
    if before.customer_id == customer.id:
        return before
    if before.customer_id is not None:
        raise InvalidRequest(
            "The payment method is attached to another customer already. Detach it first.",
            code="payment_method_attached",
            param=param,
        )
    after = replace(before, customer_id=customer.id)
    return await _save(conn, gateway, _moved(before, after, EventType.PAYMENT_METHOD_ATTACHED, now), origin)


async def detach(
    conn: Connection, gateway: Gateway, *, scope: Scope, method_id: str, now: datetime, origin: Origin
) -> PaymentMethod:
    """Take a wallet away from its customer, as its default too. Signed mandates stay as they are.

    Raises:
        InvalidRequest: it is attached to nobody.
        NotFound: there is no such payment method.
    """
    known = await catalog.get_payment_method(conn, scope, method_id)
    if known is None:
        raise NotFound("payment_method", method_id)
    if known.customer_id is None:
        raise InvalidRequest(
            "The payment method is not attached to a customer, so it cannot be detached.",
            code="payment_method_not_attached",
        )
    # The customer first, as `attach` does: two requests never wait for each other.
    customer = await catalog.get_customer(conn, scope, known.customer_id, lock=True)
    before = await _locked(conn, scope, method_id)
    if customer is not None and customer.default_payment_method_id == before.id:
        changed = replace(customer, default_payment_method_id=None)
        await catalog.save_customers(conn, [changed])
        moved = Moved(
            value=changed,
            before=customer,
            events=(Event(type=EventType.CUSTOMER_UPDATED, object_id=customer.id, at=now),),
        )
        await record(conn, gateway, [moved], origin=origin)
    after = replace(before, customer_id=None)
    return await _save(conn, gateway, _moved(before, after, EventType.PAYMENT_METHOD_DETACHED, now), origin)
