"""A gateway in this process on a real chain: real contract, token and wallets, and a test clock that moves it all.

What `House` is on a chain in memory. No HTTP, no Redis, no other process than anvil: a story takes seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chain.erc20 import allowance_data, approve_data, balance_of_data, mint_data, transfer_data
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, DevelopmentChain, LocalNode, NodeOptions
from chain.logs import contract_logs, decode_logs
from chain.mandates import cancel_data
from chain.primitives import ZERO_ADDRESS, Address, Charged
from chain.signer import DevelopmentSigner
from chain.stage import Stage, set_stage
from chain.wallet import Wallet
from gateway.db import accounts, catalog, test_clocks
from gateway.db.engine import Books
from gateway.domain.period import from_unix, to_unix
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import Subscription
from gateway.domain.test_clock import Status as ClockStatus
from gateway.domain.test_clock import TestClock
from gateway.services import submission
from gateway.services import test_clocks as clock_services
from gateway.services.gateway import Gateway, Network
from tests import factories
from tests.services.house import House

ETHER = 10**18
ROUNDS_MAX = 20_000


@dataclass
class Place(House):
    """A merchant with a monthly price of 10 USD on a chain of its own; wallets get gas and tokens as they appear."""

    stage: Stage = field(kw_only=True)
    local: DevelopmentChain = field(kw_only=True)
    clock: TestClock = field(kw_only=True, default_factory=factories.clock)
    merchant: DevelopmentSigner = field(default_factory=lambda: DevelopmentSigner(DEVELOPMENT_KEYS[3]))

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, books: Books, *, at: datetime = factories.NOW, settings: AccountSettings | None = None
    ) -> AsyncIterator["Place"]:
        """Begin at `at`, with a clock that stands there."""
        with LocalNode.start(NodeOptions(timestamp=to_unix(at) - 60)) as node:
            async with (
                DevelopmentChain(node.url) as local,
                JsonRpcChain([node.url], chain_id=node.chain_id) as chain,
            ):
                stage = await asyncio.to_thread(set_stage, node.url, chain)
                place = await cls._furnished(books, chain, local, stage, at=at)
                await place._open_shop(settings or AccountSettings())
                yield place

    @classmethod
    async def _furnished(
        cls, books: Books, chain: JsonRpcChain, local: DevelopmentChain, stage: Stage, *, at: datetime
    ) -> "Place":
        network = Network(
            chain_id=chain.chain_id,
            name="local",
            contract=stage.contract,
            livemode=False,
            confirmations=2,
            start_block=(await chain.head()).number,
            is_local=True,
        )
        usdc = replace(factories.USDC, chain_id=chain.chain_id, address=stage.token)
        gateway = Gateway(
            books=books,
            networks={chain.chain_id: network},
            tokens={(usdc.chain_id, usdc.address): usdc},
            public_url="http://localhost",
        )
        operator = DevelopmentSigner(DEVELOPMENT_KEYS[1])
        return cls(gateway, chain, operator, at, stage=stage, local=local)  # type: ignore[arg-type]

    async def _open_shop(self, settings: AccountSettings) -> None:
        self.wallets[self.merchant.address] = self.merchant
        async with self.gateway.books.write() as conn:
            await accounts.add(conn, factories.account(settings=settings, payout_address=self.merchant.address))
            await catalog.add_products(conn, [factories.product()])
            await catalog.add_prices(conn, [factories.price()])
            self.clock = await clock_services.create(
                conn,
                self.gateway,
                scope=self.scope,
                frozen_at=self.now,
                name=None,
                chain_time=from_unix(await self.local.head_time()),
                origin=self.origin,
            )
        await submission.open_lane(self.gateway, self.chain, self.operator)
        await self._arrive()

    # ------------------------------------------------------------------------------------------------ people

    async def subscribe(self, number: int = 1, **options: object) -> Subscription:
        """As `House.subscribe`, by a customer that lives on the clock."""
        options = {"test_clock_id": self.clock.id, "token": self.stage.token} | options
        return await super().subscribe(number, **options)  # type: ignore[arg-type]

    async def give(self, wallet: DevelopmentSigner, token: Address, balance: int, allowance: int | None) -> None:
        assert token == self.stage.token, "there is one token here"
        await self.local.set_balance(wallet.address, 100 * ETHER)
        await self.top_up(wallet.address, balance)
        await self.allow(wallet.address, balance if allowance is None else allowance)

    async def top_up(self, wallet: Address, amount: int) -> None:
        """Mint tokens to a wallet."""
        if amount:
            assert (await self.stage.owner.send(self.stage.token, mint_data(wallet, amount))).succeeded

    async def spend(self, wallet: Address) -> None:
        """The wallet sends all that it holds to somebody else."""
        data = transfer_data(factories.some_address("a shop"), await self.held(wallet))
        assert (await self.purse(wallet).send(self.stage.token, data)).succeeded

    async def allow(self, wallet: Address, amount: int) -> None:
        """The wallet lets the contract take so much from now on; 0 revokes."""
        assert (await self.purse(wallet).send(self.stage.token, approve_data(self.stage.contract, amount))).succeeded

    async def end_mandate(self, of: Subscription) -> None:
        """The payer ends the mandate on the chain."""
        mandate = await self.mandate(of)
        assert (
            await self.purse(mandate.terms.payer).send(self.stage.contract, cancel_data(mandate.onchain_id))
        ).succeeded

    def purse(self, wallet: Address) -> Wallet:
        """A wallet that can send transactions of its own."""
        return Wallet(self.chain, self.wallets[wallet])

    async def held(self, wallet: Address) -> int:
        """Tokens of a wallet, in base units."""
        return await self._token(balance_of_data(wallet))

    async def allowed(self, wallet: Address) -> int:
        """What the contract may still take from a wallet."""
        return await self._token(allowance_data(wallet, self.stage.contract))

    async def _token(self, data: bytes) -> int:
        [answer] = await self.chain.calls([(ZERO_ADDRESS, self.stage.token, data)])
        assert isinstance(answer, bytes)
        return int.from_bytes(answer, "big")

    async def periods(self) -> list[int]:
        """Numbers of the mandates' periods that the chain says were collected, in its order."""
        return [event.period for event in await self.collected()]

    async def collected(self) -> Sequence[Charged]:
        """Every `Charged` event of the contract."""
        head = await self.chain.head()
        logs = await self.chain.logs_in_range(0, head.number, contract_logs(self.stage.contract))
        return [event for event in decode_logs(logs) if isinstance(event, Charged)]

    # ------------------------------------------------------------------------------------------------ time

    async def pump(self) -> None:
        """Let every role work, and the chain mine, until nothing is left to do now."""
        quiet = 0
        while quiet < 4:
            done = await self.bill() + await self.collect()
            done += await self.send()
            await self.local.mine()
            done += await self.watch()
            quiet = 0 if done else quiet + 1

    async def advance(self, to: datetime | timedelta) -> None:
        """Advance the clock, and let the roles work until it has arrived."""
        target = to if isinstance(to, datetime) else self.clock.frozen_at + to
        async with self.gateway.books.write() as conn:
            self.clock = await clock_services.advance(
                conn,
                self.gateway,
                scope=self.scope,
                clock_id=self.clock.id,
                target=target,
                chain_time=from_unix(await self.local.head_time()),
                origin=self.origin,
            )
        await self._arrive()

    async def _arrive(self) -> None:
        for _ in range(ROUNDS_MAX):
            if self.clock.status is ClockStatus.READY:
                self.now = self.clock.frozen_at
                return
            await self.bill()
            await self.collect()
            await self.send()
            await self.watch()
            await clock_services.step(self.gateway, {self.chain.chain_id: self.local}, now=self.now)
            async with self.gateway.books.read() as conn:
                self.clock = (await test_clocks.load(conn, [self.clock.id]))[self.clock.id]
        raise AssertionError(f"the clock stands at {self.clock.frozen_at} and does not arrive")
