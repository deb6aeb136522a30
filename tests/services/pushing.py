"""Customers who push: sending invoices in a `House`, paying them by transfers, and looking at what became of it."""

from dataclasses import replace
from typing import Any

from chain.primitives import Address
from gateway.db import accounts, catalog, charges, pushes
from gateway.db.pages import PageRequest
from gateway.domain.charge import Charge
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.invoice import Invoice
from gateway.domain.push import PushPayment, amount_to_send
from gateway.domain.push import Status as PushStatus
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import CollectionMethod, Subscription
from gateway.services import invoices as invoice_services
from gateway.services import subscriptions as subscription_services
from gateway.services.collection_methods import CollectionChange
from gateway.services.subscriptions import SubscriptionChanges
from tests import factories
from tests.services.house import House, signer

SENT = CollectionMethod.SEND_INVOICE
UNITS = 10_000_000
STRANGER = signer(0x9999).address


async def sent(house: House, number: int = 1, **options: Any) -> Subscription:
    """A subscription whose first invoice is sent; its wallet has allowed nothing."""
    return await house.subscribe(number, allowance=0, collection_method=SENT, **options)


async def push(house: House, amount: int, *, sender: Address | None = None, recipient: Address | None = None) -> None:
    """Somebody sends; the transfer becomes final, and everything that follows happens."""
    wallet = sender or house.wallet()
    house.chain.mint(factories.TOKEN, wallet, amount)
    house.chain.transfer(factories.TOKEN, wallet, recipient or factories.PAYEE, amount)
    await finalise(house)


async def finalise(house: House) -> None:
    for _ in range(4):
        house.chain.mine(timestamp=house.chain.head_timestamp + 1)
        await house.watch()


async def exact(house: House, subscription: Subscription) -> int:
    return amount_to_send(await house.invoice(subscription), factories.USDC)


async def pushed(house: House) -> list[PushPayment]:
    """All push payments, oldest first."""
    async with house.gateway.books.read() as conn:
        return list(reversed((await pushes.page(conn, PageRequest(scope=house.scope, limit=50))).items))


async def settled(house: House) -> list[Charge]:
    async with house.gateway.books.read() as conn:
        page = await charges.page(conn, PageRequest(scope=house.scope, limit=50))
    return [charge for charge in page.items if charge.status is ChargeStatus.SUCCEEDED]


async def in_the_books(house: House) -> int:
    """Base units that the books know of: charges, credit, and what is in doubt."""
    kept = sum(charge.token_amount for charge in await settled(house))
    for payment in await pushed(house):
        kept += payment.credited_token_amount if payment.status is PushStatus.APPLIED else payment.token_amount
    return kept


async def balance_of(house: House, number: int = 1) -> int:
    async with house.gateway.books.read() as conn:
        customers = await catalog.load_customers(conn, [factories.numbered("cus", number)])
    return customers[factories.numbered("cus", number)].balance


async def void(house: House, invoice: Invoice) -> None:
    async with house.gateway.books.write() as conn:
        await invoice_services.void(
            conn, house.gateway, scope=house.scope, invoice_id=invoice.id, now=house.now, origin=house.origin
        )


async def settings(house: House, **changes: Any) -> None:
    async with house.gateway.books.write() as conn:
        account = await accounts.get(conn, house.scope.account_id)
        assert account is not None
        await accounts.save(conn, replace(account, settings=AccountSettings(**changes)))


async def change(house: House, subscription: Subscription, **wanted: Any) -> Subscription:
    async with house.gateway.books.write() as conn:
        return await subscription_services.update(
            conn,
            house.gateway,
            scope=house.scope,
            subscription_id=subscription.id,
            changes=SubscriptionChanges(given=frozenset(), collection=CollectionChange(**wanted)),
            now=house.now,
            origin=house.origin,
        )
