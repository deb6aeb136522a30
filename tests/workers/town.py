"""A merchant with subscribers on a real node, a real Redis and a real database, served by worker processes that die.

One `Town` lives for many renewals: each moves its test clock on by a month while a worker process is killed, and then
asks chain, books and receiver what came of it.
"""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import standardwebhooks
import stripe
from aiohttp import web
from aiohttp.test_utils import TestServer

from chain import eip712
from chain.erc20 import approve_data, mint_data
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, DevelopmentChain, LocalNode
from chain.logs import contract_logs, decode_logs
from chain.primitives import BlockTag, Charged
from chain.signer import DevelopmentSigner
from chain.stage import Stage, set_stage
from chain.wallet import Wallet
from gateway import clock, composition, failpoints
from gateway import config as settings
from gateway.db import (
    accounts,
    catalog,
    charge_intents,
    events,
    mandates,
    subscriptions,
    test_clocks,
    transactions,
    webhooks,
)
from gateway.db import charges as charge_rows
from gateway.db.pages import PageRequest
from gateway.domain import signatures
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.period import from_unix
from gateway.domain.subscription import Subscription
from gateway.domain.test_clock import Status as ClockStatus
from gateway.services import billing, collection, indexing, intents, settlement, submission
from gateway.services import subscriptions as subscription_services
from gateway.services import test_clocks as clock_services
from gateway.services.gateway import Gateway
from gateway.services.items import NewItem
from gateway.services.recording import Origin
from tests import factories
from tests.workers.forks import ForkServer

SECRET = signatures.new_secret(bytes(range(32)))
PATIENCE_SECONDS = 40.0
DAY = timedelta(days=1)

_CONFIG = """\
database_url = {database}
redis_url = {redis}
public_url = "http://127.0.0.1"
pepper = "{pepper}"
allow_private_webhooks = true

[mail]
sender = "billing@example.com"
folder = "outbox"

[billing]
finalization_delay_seconds = 60

[[chains]]
chain_id = 31337
name = "local"
rpc_urls = [{rpc}]
contract = "{contract}"
confirmations = 2
start_block = {start_block}
local = true

[[tokens]]
chain_id = 31337
address = "{token}"
symbol = "USDC"
decimals = 6
currency = "usd"

[[signers]]
chain_id = 31337
development_key = "{key}"
"""


@dataclass
class Receiver:
    """The merchant's webhook endpoint: verifies both signatures of everything, and remembers it."""

    heard: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            stripe.Webhook.construct_event(body, request.headers["Stripe-Signature"], SECRET)
            standardwebhooks.Webhook(SECRET).verify(body, dict(request.headers))
        except (stripe.SignatureVerificationError, standardwebhooks.WebhookVerificationError) as error:
            self.refused.append(str(error))
            return web.Response(status=400)
        self.heard.append(json.loads(body))
        return web.Response()


@dataclass
class Town:
    """Everything; made by `build`, ended by `close`."""

    gateway: Gateway
    chain: JsonRpcChain
    local: DevelopmentChain
    stage: Stage
    operator: DevelopmentSigner
    forks: ForkServer
    receiver: Receiver
    server: TestServer
    folder: Path
    clock_id: str = ""
    subscribed: list[Subscription] = field(default_factory=list)

    @classmethod
    async def build(cls, node: LocalNode, forks: ForkServer, folder: Path, *, database: str, redis: str) -> "Town":
        """Deploy, open the books, and pay the first period of one subscription; no worker process yet."""
        chain, local = JsonRpcChain([node.url], chain_id=node.chain_id), DevelopmentChain(node.url)
        stage = await asyncio.to_thread(set_stage, node.url, chain)
        receiver = Receiver()
        app = web.Application()
        app.router.add_post("/hook", receiver.receive)
        server = TestServer(app)
        await server.start_server()
        path = folder / "dues.toml"
        path.write_text(
            _CONFIG.format(
                database=json.dumps(database),
                redis=json.dumps(redis),
                rpc=json.dumps(node.url),
                pepper="00" * 32,
                contract=stage.contract,
                token=stage.token,
                start_block=(await chain.head()).number,
                key=DEVELOPMENT_KEYS[1],
            )
        )
        gateway = composition.gateway_of(settings.load(path, {}))
        operator = DevelopmentSigner(DEVELOPMENT_KEYS[1])
        town = cls(gateway, chain, local, stage, operator, forks, receiver, server, folder)
        await town._open_shop()
        return town

    async def close(self) -> None:
        await self.server.close()
        await self.chain.close()
        await self.local.close()
        await self.gateway.books.close()

    # ------------------------------------------------------------------------------------------------ lives

    @property
    def config(self) -> Path:
        return self.folder / "dues.toml"

    async def live(self, failpoint: str = "", *, config: Path | None = None) -> int:
        """Begin a life of the worker with all roles."""
        return await self.forks.start(config or self.config, self.folder / "worker.log", failpoint)

    def config_without_redis(self) -> Path:
        """Settings whose Redis is nowhere."""
        lines = self.config.read_text().splitlines()
        changed = ['redis_url = "redis://127.0.0.1:1/0"' if line.startswith("redis_url") else line for line in lines]
        path = self.folder / "without_redis.toml"
        path.write_text("\n".join(changed))
        return path

    async def die_at(self, failpoint: failpoints.Failpoint, nth: int = 1) -> None:
        """Let a worker live until it kills itself there."""
        pid = await self.live(f"{failpoint}:{nth}")
        status = await self.forks.wait(pid, PATIENCE_SECONDS)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            await self.forks.wait(pid, 5)
        assert status == -signal.SIGKILL, f"{failpoint} was not reached (status {status}): {self.log_tail()}"

    async def march(self, failpoint: str = "") -> bool:
        """Let a life march to its end; whether it was killed on the way."""
        pid = await self.forks.start(self.config, self.folder / "worker.log", failpoint, marches=True)
        status = await self.forks.wait(pid, PATIENCE_SECONDS)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            await self.forks.wait(pid, 5)
        assert status in {0, -signal.SIGKILL}, f"a life ended with {status} ({failpoint}): {self.log_tail()}"
        return status != 0

    async def recover(self, config: Path | None = None, *, lives: int = 1) -> None:
        """Let workers live until the clock has arrived and everybody was told, then end them politely."""
        begun = self._begun()
        pids = [await self.live(config=config) for _ in range(lives)]
        try:
            await self.until(partial(self._have_begun, begun + lives), "the workers take signals")
            await self.until(self.is_at_rest, "the gateway comes to rest")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
            statuses = [await self.forks.wait(pid, 15) for pid in pids]
        assert statuses == [0] * lives, f"SIGTERM ended the workers with {statuses}: {self.log_tail()}"

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await condition():  # noqa: ASYNC110  (rows of another process have no event)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {what}: {self.log_tail()}") from None

    async def is_at_rest(self) -> bool:
        """The clock arrived, nothing is open on the chain, and every delivery was accepted."""
        async with self.gateway.books.read() as conn:
            [time] = (await test_clocks.load(conn, [self.clock_id])).values()
            if time.status is not ClockStatus.READY:
                return False
            flying = await transactions.open_of_lane(conn, self.chain.chain_id, self.operator.address)
            # Enough for the events of a month; older ones were looked at when their month ended.
            owed = await webhooks.deliveries_of(conn, factories.SCOPE, endpoint_id=factories.ENDPOINT_ID, limit=200)
        return not flying and all(delivery.next_attempt_at is None for delivery in owed)

    def _begun(self) -> int:
        """How many lives have said that they serve; from then on SIGTERM ends them politely."""
        log = self.folder / "worker.log"
        return log.read_text().count("worker started") if log.exists() else 0

    async def _have_begun(self, count: int) -> bool:
        return self._begun() >= count

    def log_tail(self) -> str:
        log = self.folder / "worker.log"
        return log.read_text()[-3000:] if log.exists() else "(no log)"

    # ------------------------------------------------------------------------------------------------ renewals

    async def advance_a_month(self) -> None:
        """Ask the test clock for a moment shortly after the next renewal; a worker has to go there."""
        async with self.gateway.books.read() as conn:
            [current] = (await subscriptions.load(conn, [self.subscribed[0].id])).values()
        chain_time = await clock_services.chain_time({self.chain.chain_id: self.local})
        async with self.gateway.books.write() as conn:
            await clock_services.advance(
                conn,
                self.gateway,
                scope=factories.SCOPE,
                clock_id=self.clock_id,
                target=current.period_end + DAY,
                chain_time=chain_time,
                origin=Origin(clock.now()),
            )

    async def operator_nonce(self) -> int:
        return await self.chain.nonce(self.operator.address, BlockTag.LATEST)

    async def newest_intent(self, subscription: Subscription) -> ChargeIntent:
        async with self.gateway.books.read() as conn:
            [current] = (await subscriptions.load(conn, [subscription.id])).values()
            assert current.latest_invoice_id is not None
            return (await charge_intents.of_invoices(conn, [current.latest_invoice_id]))[current.latest_invoice_id]

    async def charged(self) -> Counter[tuple[str, int]]:
        """How often each (mandate, period) was collected on the chain."""
        head = await self.chain.head()
        logs = await self.chain.logs_in_range(0, head.number, contract_logs(self.stage.contract))
        return Counter((event.mandate_id, event.period) for event in decode_logs(logs) if isinstance(event, Charged))

    async def charge_statuses(self, intent: ChargeIntent) -> list[str]:
        """Statuses of every charge of an intent."""
        async with self.gateway.books.read() as conn:
            page = await charge_rows.page(conn, PageRequest(scope=factories.SCOPE, limit=100), charge_intent=intent.id)
        return sorted(str(charge.status) for charge in page.items)

    async def events(self) -> list[events.EventRecord]:
        async with self.gateway.books.read() as conn:
            return await events.after_sequence(conn, factories.SCOPE, 0, limit=10_000)

    # ------------------------------------------------------------------------------------------------ inside

    async def _open_shop(self) -> None:
        head_time = from_unix(await self.local.head_time())
        self.clock_id = await self._begin_clock(head_time)
        async with self.gateway.books.write() as conn:
            await catalog.add_products(conn, [factories.product()])
            await catalog.add_prices(conn, [factories.price()])
        await submission.open_lane(self.gateway, self.chain, self.operator)
        self.subscribed.append(await self._subscribe(head_time))

    async def _begin_clock(self, at: datetime) -> str:
        async with self.gateway.books.write() as conn:
            await accounts.add(conn, factories.account())
            await webhooks.add_endpoint(
                conn,
                factories.webhook_endpoint(
                    url=str(self.server.make_url("/hook")), secret=SECRET, created_at=clock.now()
                ),
            )
            made = await clock_services.create(
                conn,
                self.gateway,
                scope=factories.SCOPE,
                frozen_at=at,
                name=None,
                chain_time=at,
                origin=Origin(clock.now()),
            )
        return made.id

    async def _subscribe(self, now: datetime) -> Subscription:
        key = DevelopmentSigner(DEVELOPMENT_KEYS[2])
        wallet = Wallet(self.chain, key)
        await wallet.send(self.stage.token, mint_data(wallet.address, 10**15))
        await wallet.send(self.stage.token, approve_data(self.stage.contract, 10**15))
        origin = Origin(clock.now())
        async with self.gateway.books.write() as conn:
            await catalog.add_customers(conn, [factories.customer(test_clock_id=self.clock_id, created_at=now)])
            method = factories.payment_method(owner=wallet.address, token=self.stage.token, spender=self.stage.contract)
            await catalog.add_payment_methods(conn, [method])
            opened = await subscription_services.create(
                conn,
                self.gateway,
                scope=factories.SCOPE,
                customer_id=factories.CUSTOMER_ID,
                items=[NewItem(price_id=factories.PRICE_ID)],
                default_payment_method_id=method.id,
                now=now,
                origin=origin,
            )
        async with self.gateway.books.read() as conn:
            assert opened.mandate_id is not None
            mandate = (await mandates.load(conn, [opened.mandate_id]))[opened.mandate_id]
        digest = eip712.mandate_digest(mandate.terms, mandate.chain_id, mandate.contract)
        intent = await self.newest_intent(opened)
        async with self.gateway.books.write() as conn:
            await intents.confirm(
                conn,
                self.gateway,
                scope=factories.SCOPE,
                intent_id=intent.id,
                signature=key.sign_digest(digest),
                permit=None,
                now=now,
                origin=origin,
            )
        await self._pay_first(opened)
        return opened

    async def _pay_first(self, opened: Subscription) -> None:
        for _ in range(20):
            now = clock.now()
            await billing.renew_due(self.gateway, now=now)
            await billing.finalize_due(self.gateway, now=now)
            await collection.collect_due(self.gateway, self.chain, self.operator, now=now)
            await submission.advance(self.gateway, self.chain, self.operator, now=now, owner="opening")
            await self.local.mine()
            await indexing.converge(self.gateway, self.chain, now=now)
            await settlement.settle(self.gateway, chain_id=self.chain.chain_id, now=now)
            if (await self.newest_intent(opened)).status == "succeeded":
                return
        raise AssertionError(f"the first period was not paid: {await self.newest_intent(opened)}")
