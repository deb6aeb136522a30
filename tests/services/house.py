"""A whole gateway in one object: books, a chain in memory, an operator and wallets. Time is a field that tests move."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chain import eip712
from chain.logs import decode_logs
from chain.primitives import Address, Charged, Permit
from chain.signer import DevelopmentSigner
from chain.testing import FakeChain
from gateway.db import accounts, catalog, charge_intents, charges, events, invoices, mandates, subscriptions
from gateway.db import setup_intents as setup_rows
from gateway.db.engine import Books
from gateway.db.events import EventRecord
from gateway.db.pages import PageRequest
from gateway.domain.catalog import Scope
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.period import to_unix
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.subscription import Subscription
from gateway.services import (
    collection,
    indexing,
    intents,
    registrations,
    rounds,
    setup_intents,
    submission,
)
from gateway.services import subscriptions as subscription_services
from gateway.services.gateway import Gateway, Network
from gateway.services.items import NewItem
from gateway.services.recording import Origin
from tests import factories

ROUNDS_MAX = 40
CONFIRMATIONS = 2


def signer(number: int) -> DevelopmentSigner:
    """A key that follows from `number`."""
    return DevelopmentSigner(f"0x{number:064x}")


@dataclass
class House:
    """Everything that the main job needs, without HTTP and without processes."""

    gateway: Gateway
    chain: FakeChain
    operator: DevelopmentSigner
    now: datetime
    wallets: dict[Address, DevelopmentSigner] = field(default_factory=dict)
    scope: Scope = factories.SCOPE

    @classmethod
    async def build(cls, books: Books, *, now: datetime = factories.NOW, **settings: Any) -> "House":
        """Books with one merchant and one monthly price of 10 USD; a chain with one token and a funded operator."""
        chain = FakeChain(contract=factories.CONTRACT, chain_id=factories.CHAIN_ID, timestamp=to_unix(now))
        chain.deploy_token(factories.TOKEN)
        operator = signer(0xAA)
        chain.world.operators.add(operator.address)
        chain.fund_native(operator.address)
        network = Network(
            chain_id=factories.CHAIN_ID,
            name="fake",
            contract=factories.CONTRACT,
            livemode=False,
            confirmations=CONFIRMATIONS,
        )
        gateway = Gateway(
            books=books,
            networks={network.chain_id: network},
            tokens={(factories.CHAIN_ID, factories.TOKEN): factories.USDC},
            public_url="http://localhost",
            **settings,
        )
        house = cls(gateway, chain, operator, now)
        async with books.write() as conn:
            await accounts.add(conn, factories.account())
            await catalog.add_products(conn, [factories.product()])
            await catalog.add_prices(conn, [factories.price()])
        chain.mine(timestamp=chain.head_timestamp + 1)
        await submission.open_lane(gateway, chain, operator)
        return house

    @property
    def origin(self) -> Origin:
        return Origin(self.now)

    async def subscribe(
        self,
        number: int = 1,
        *,
        balance: int = 1_000_000_000,
        allowance: int | None = None,
        test_clock_id: str | None = None,
        token: Address = factories.TOKEN,
        **options: Any,
    ) -> Subscription:
        """A customer with a funded wallet opens a subscription; nothing is signed yet."""
        wallet = signer(0x1000 + number)
        self.wallets[wallet.address] = wallet
        await self.give(wallet, token, balance, allowance)
        customer = factories.customer(id=factories.numbered("cus", number), test_clock_id=test_clock_id)
        method = factories.payment_method(
            id=factories.numbered("pm", number),
            customer_id=customer.id,
            owner=wallet.address,
            token=token,
            spender=self.gateway.networks[self.chain.chain_id].contract,
        )
        async with self.gateway.books.write() as conn:
            await catalog.add_customers(conn, [customer])
            await catalog.add_payment_methods(conn, [method])
            return await subscription_services.create(
                conn,
                self.gateway,
                scope=self.scope,
                customer_id=customer.id,
                items=options.pop("items", [NewItem(price_id=factories.PRICE_ID)]),
                default_payment_method_id=method.id,
                now=self.now,
                origin=self.origin,
                **options,
            )

    async def give(self, wallet: DevelopmentSigner, token: Address, balance: int, allowance: int | None) -> None:
        """Let a wallet hold so much, and allow our contract so much (default: the same), on the chain."""
        self.chain.fund(token, wallet.address, balance, allowance)
        self.chain.mine(timestamp=self.chain.head_timestamp + 1)

    async def sign(self, subscription: Subscription, permit: Permit | None = None) -> ChargeIntent:
        """The wallet signs the mandate, and the intent is confirmed with it."""
        mandate = await self.mandate(subscription)
        digest = eip712.mandate_digest(mandate.terms, mandate.chain_id, mandate.contract)
        intent = await self.intent(subscription)
        async with self.gateway.books.write() as conn:
            return await intents.confirm(
                conn,
                self.gateway,
                scope=self.scope,
                intent_id=intent.id,
                signature=self.wallets[mandate.terms.payer].sign_digest(digest),
                permit=permit,
                now=self.now,
                origin=self.origin,
            )

    async def setup(self, of: Subscription) -> SetupIntent:
        """The newest setup intent."""
        async with self.gateway.books.read() as conn:
            request = PageRequest(scope=self.scope, limit=1)
            return (await setup_rows.page(conn, request, subscription=of.id)).items[0]

    async def sign_setup(self, of: Subscription, permit: Permit | None = None) -> SetupIntent:
        """The wallet signs the mandate of the newest setup intent, which is confirmed with it."""
        setup = await self.setup(of)
        async with self.gateway.books.write() as conn:
            mandate = (await mandates.load(conn, [setup.mandate_id or ""]))[setup.mandate_id or ""]
            digest = eip712.mandate_digest(mandate.terms, mandate.chain_id, mandate.contract)
            return await setup_intents.confirm(
                conn,
                self.gateway,
                scope=self.scope,
                intent_id=setup.id,
                signature=self.wallets[mandate.terms.payer].sign_digest(digest),
                permit=permit,
                now=self.now,
                origin=self.origin,
            )

    async def active(self, number: int = 1, **options: Any) -> Subscription:
        """A subscription whose first period is paid and final."""
        opened = await self.subscribe(number, **options)
        await self.sign(opened)
        await self.pump()
        return await self.subscription(opened)

    async def bill(self) -> int:
        """Renew and finalise what is due."""
        return await rounds.bill(self.gateway, {self.chain.chain_id: self.chain}, now=self.now)

    async def collect(self) -> int:
        done = await collection.collect_due(self.gateway, self.chain, self.operator, now=self.now)
        return done + await registrations.register_due(self.gateway, self.chain, self.operator, now=self.now)

    async def send(self) -> int:
        return await submission.advance(self.gateway, self.chain, self.operator, now=self.now, owner="test")

    async def watch(self) -> int:
        """Follow the chain and settle what is final; returns how much was settled."""
        await indexing.converge(self.gateway, self.chain, now=self.now)
        return (await rounds.heed(self.gateway, self.chain, now=self.now)).settled

    async def pump(self) -> None:
        """Let every role work, and the chain mine, until nothing is left to do now.

        A round in which nothing was done may still wait for confirmations: the one after it mines what they take, and
        when nothing is done then either, all is at rest.
        """
        was_quiet = False
        for _ in range(ROUNDS_MAX):
            done = await self.bill() + await self.collect()
            await self.send()
            for _ in range(CONFIRMATIONS + 1 if was_quiet else 1):
                self.chain.mine(timestamp=max(self.chain.head_timestamp + 1, to_unix(self.now)))
            done += await self.watch()
            if was_quiet and not done:
                return
            was_quiet = not done
        raise AssertionError("the gateway does not come to rest")

    async def go_to(self, at: datetime) -> None:
        """Move rows and chain to `at`, and do what is due there."""
        self.now = at
        self.chain.mine(timestamp=max(self.chain.head_timestamp + 1, to_unix(at)))
        await self.pump()

    async def renew(self, subscription: Subscription) -> None:
        """Go to the end of the current period, and then past the hour of the draft."""
        current = await self.subscription(subscription)
        await self.go_to(current.period_end)
        await self.go_to(self.now + self.gateway.finalization_delay)

    async def subscription(self, of: Subscription) -> Subscription:
        async with self.gateway.books.read() as conn:
            return (await subscriptions.load(conn, [of.id]))[of.id]

    async def mandate(self, of: Subscription) -> Mandate:
        async with self.gateway.books.read() as conn:
            assert of.mandate_id is not None
            return (await mandates.load(conn, [of.mandate_id]))[of.mandate_id]

    async def invoice(self, of: Subscription) -> Invoice:
        """The newest invoice."""
        current = await self.subscription(of)
        async with self.gateway.books.read() as conn:
            assert current.latest_invoice_id is not None
            return (await invoices.load(conn, [current.latest_invoice_id]))[current.latest_invoice_id]

    async def intent(self, of: Subscription) -> ChargeIntent:
        """The intent of the newest invoice."""
        newest = await self.invoice(of)
        async with self.gateway.books.read() as conn:
            return (await charge_intents.of_invoices(conn, [newest.id]))[newest.id]

    async def charge(self, of: Subscription) -> Charge:
        """The newest charge of the newest intent."""
        intent = await self.intent(of)
        async with self.gateway.books.read() as conn:
            assert intent.latest_charge_id is not None
            return (await charges.load(conn, [intent.latest_charge_id]))[intent.latest_charge_id]

    async def event_types(self, object_id: str | None = None) -> list[str]:
        """Types of all events, oldest first."""
        found: list[EventRecord] = []
        async with self.gateway.books.read() as conn:
            while True:
                after = found[-1].id if found else None
                page = await events.page(conn, PageRequest(scope=self.scope, limit=100, starting_after=after))
                found.extend(page.items)
                if not page.has_more:
                    break
        found.reverse()
        return [str(event.type) for event in found if object_id in (None, event.object_id)]

    def charged(self) -> list[tuple[str, int, int]]:
        """(mandate, period, amount) of every `Charged` event on the canonical chain."""
        found = decode_logs(
            [log for block in self.chain.blocks for log in block.logs if log.address == factories.CONTRACT]
        )
        return [(event.mandate_id, event.period, event.amount) for event in found if isinstance(event, Charged)]

    def balance(self, wallet: Address) -> int:
        return self.chain.world.balances.get((factories.TOKEN, wallet), 0)

    def wallet(self, number: int = 1) -> Address:
        return signer(0x1000 + number).address
