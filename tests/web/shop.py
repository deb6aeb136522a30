"""A merchant with hosted pages on a real node: the application under uvicorn, and the workers' steps by hand."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from chain import erc20
from chain.errors import RpcUnavailable
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, LOCAL_CHAIN_ID, DevelopmentChain, LocalNode
from chain.primitives import Address
from chain.signer import DevelopmentSigner
from chain.stage import Stage, set_stage
from chain.wallet import Wallet
from gateway.api.app import create_app
from gateway.db import accounts, catalog, migrate
from gateway.db.engine import Books
from gateway.domain.api_key import KeyKind
from gateway.domain.money import Token
from gateway.services import (
    api_keys,
    billing,
    checkout,
    collection,
    indexing,
    pushes,
    registrations,
    settlement,
    submission,
)
from gateway.services.gateway import Gateway, MailPolicy, Network
from gateway.web import pages
from tests import factories

PEPPER = b"a pepper of the tests, 32 bytes.."
CONFIRMATIONS = 3
UNIT = 1_000_000


class Line(JsonRpcChain):
    """The way to the node, which tests may cut."""

    is_cut = False

    async def calls(self, requests: Any) -> Any:
        if self.is_cut:
            raise RpcUnavailable("the line is cut")
        return await super().calls(requests)

    async def code(self, account: Address) -> bytes:
        if self.is_cut:
            raise RpcUnavailable("the line is cut")
        return await super().code(account)


@dataclass
class Shop:
    """Everything; `now` is the application's clock, which tests may move ahead of the node's."""

    gateway: Gateway
    chain: Line
    local: DevelopmentChain
    stage: Stage
    operator: DevelopmentSigner
    plain_token: Address
    url: str = ""
    key: str = ""
    node_url: str = ""
    ahead: timedelta = field(default_factory=timedelta)

    moved: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved + self.ahead

    async def travel(self, time: timedelta) -> None:
        """Let time pass for the application and its chain; for good, as a chain does not go back."""
        self.moved += time
        await self.local.set_time(int(self.now().timestamp()))

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path, node: LocalNode) -> AsyncIterator["Shop"]:
        chain, local = Line([node.url], chain_id=LOCAL_CHAIN_ID), DevelopmentChain(node.url)
        stage = await asyncio.to_thread(set_stage, node.url, chain)
        plain = await asyncio.to_thread(_another_token, node.url, stage.contract)
        database = f"sqlite:///{folder}/shop.db"
        await migrate.upgrade(database)
        told = await erc20.token_description(chain, stage.token)
        network = Network(
            chain_id=LOCAL_CHAIN_ID,
            name="Localnet",
            contract=stage.contract,
            livemode=False,
            confirmations=CONFIRMATIONS,
            start_block=(await chain.head()).number,
            is_local=True,
            explorer_url="https://explorer.example/",
        )
        common = {"chain_id": LOCAL_CHAIN_ID, "decimals": 6, "currency": "usd"}
        usdc = Token(
            address=stage.token, symbol="USDC", permit_name=told.name, permit_version=told.permit_version, **common
        )
        usdt = Token(address=plain, symbol="USDT", **common)
        port = _free_port()
        gateway = Gateway(
            books=Books.open(database),
            networks={LOCAL_CHAIN_ID: network},
            tokens={(LOCAL_CHAIN_ID, token.address): token for token in (usdc, usdt)},
            public_url=f"http://localhost:{port}",
            mail=MailPolicy(sender="billing@dues.example", in_test_mode=True),
        )
        shop = cls(
            gateway,
            chain,
            local,
            stage,
            DevelopmentSigner(DEVELOPMENT_KEYS[1]),
            plain,
            url=gateway.public_url,
            node_url=node.url,
        )
        async with gateway.books.write() as conn:
            await accounts.add(conn, factories.account(payout_address=factories.PAYEE))
            await catalog.add_products(conn, [factories.product()])
            await catalog.add_prices(conn, [factories.price()])
            _, shop.key = await api_keys.mint(
                conn,
                account_id=factories.ACCOUNT_ID,
                livemode=False,
                kind=KeyKind.SECRET,
                pepper=PEPPER,
                now=shop.now(),
            )
        await submission.open_lane(gateway, chain, shop.operator)
        app = create_app(gateway, chains={LOCAL_CHAIN_ID: chain}, clock=shop.now, pepper=PEPPER, pages=pages.handlers)
        server = uvicorn.Server(
            uvicorn.Config(
                app, host="127.0.0.1", port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1
            )
        )
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.02)
        try:
            yield shop
        finally:
            server.should_exit = True
            await serving
            await chain.close()
            await local.close()
            await gateway.books.close()

    async def made(self, path: str, body: Any) -> Any:
        """The object that a POST of the merchant's makes."""
        async with httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}) as client:
            answer = await client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def found(self, path: str) -> Any:
        """The object at a path, for the merchant."""
        async with httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}) as client:
            return (await client.get(path)).json()

    async def rpc(self, method: str, params: Any) -> Any:
        """What the node answers to a wallet that passes a call on."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with httpx.AsyncClient() as client:
            return (await client.post(self.node_url, json=call)).json()

    async def post(self, url: str, body: Any, **headers: str) -> httpx.Response:
        """A post as a script of the page at `url` sends it."""
        async with httpx.AsyncClient(headers=headers or {"Sec-Fetch-Site": "same-origin"}) as client:
            return await client.post(url, json=body)

    async def call(self, key: bytes, to: Address, data: bytes) -> None:
        """Send a transaction from a wallet of a test."""
        await Wallet(self.chain, DevelopmentSigner(key)).send(to, data)

    async def session(self, **wanted: Any) -> Any:
        """A checkout session for the monthly price of 10 USD."""
        return await self.made(
            "/v1/checkout/sessions",
            {
                "mode": "subscription",
                "success_url": f"{self.url}/healthz?session_id={{CHECKOUT_SESSION_ID}}",
                "cancel_url": "https://shop.example/pricing",
                "line_items": [{"price": factories.PRICE_ID}],
                **wanted,
            },
        )

    async def invoice(self, **wanted: Any) -> Any:
        """The first invoice of a new subscription to the monthly price of 10 USD; a sent one, unless told otherwise."""
        customer = await self.made("/v1/customers", {"email": "ada@example.com", "name": "Ada Lovelace"})
        terms = wanted or {"collection_method": "send_invoice", "days_until_due": 14}
        body = {"customer": customer["id"], "items": [{"price": factories.PRICE_ID}], **terms}
        bought = await self.made("/v1/subscriptions", body)
        return await self.found(f"/v1/invoices/{bought['latest_invoice']}")

    async def fund(self, wallet: Address, amount: int, token: Address | None = None) -> None:
        """Give tokens, and the coin for fees, to a wallet."""
        await self.local.set_balance(wallet, 10**18)
        owner = Wallet(self.chain, DevelopmentSigner(DEVELOPMENT_KEYS[0]))
        await owner.send(token or self.stage.token, erc20.mint_data(wallet, amount))

    async def work(self, *, blocks: int = 0) -> None:
        """Let every role do what it has to do at today's block; mine so many blocks on top."""
        await self.local.mine(1)  # a node that mines on demand would simulate in the past
        for _ in range(3):
            now = self.now()
            await billing.renew_due(self.gateway, now=now)
            await billing.finalize_due(self.gateway, now=now)
            await checkout.expire_due(self.gateway, now=now)
            await collection.collect_due(self.gateway, self.chain, self.operator, now=now)
            await registrations.register_due(self.gateway, self.chain, self.operator, now=now)
            await submission.advance(self.gateway, self.chain, self.operator, now=now, owner="test")
            await self._watch()
        if blocks:
            await self.local.mine(blocks)
            await self._watch()

    async def _watch(self) -> None:
        await indexing.converge(self.gateway, self.chain, now=self.now())
        await settlement.settle(self.gateway, chain_id=self.chain.chain_id, now=self.now())
        await pushes.watch(self.gateway, self.chain, now=self.now())


def _another_token(url: str, contract: Address) -> Address:
    from chain.deploy import Administrator, account_from_key  # noqa: PLC0415  (imports web3)

    administrator = Administrator(url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=LOCAL_CHAIN_ID)
    token = administrator.deploy("TestUSDC")
    administrator.allow_token(contract, token)
    administrator.close()
    return token


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
