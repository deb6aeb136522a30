"""A merchant's desk: the application, a key, and requests in one line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx
from litestar import Litestar
from sqlalchemy import func, select

from chain.checksum import checksum
from chain.signer import DevelopmentSigner
from gateway.api.app import create_app
from gateway.db import accounts, schema
from gateway.db.engine import Books
from gateway.domain.api_key import KeyKind
from gateway.services import api_keys
from tests import factories
from tests.fixtures.canaries import CANARIES
from tests.services.house import House

PEPPER = b"a pepper of the tests, 32 bytes.."
OTHER = "acct_2"


@dataclass
class Desk:
    house: House
    app: Litestar
    http: httpx.AsyncClient
    key: str
    other_key: str
    live_key: str
    rung: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def opened(cls, books: Books, *, now: datetime = factories.NOW) -> AsyncIterator["Desk"]:
        house = await House.build(books, now=now)
        rung: list[str] = []

        async def wake(role: str) -> None:
            rung.append(role)

        app = create_app(
            house.gateway,
            chains={factories.CHAIN_ID: house.chain},
            clock=lambda: house.now,
            pepper=PEPPER,
            wake=wake,
        )
        async with books.write() as conn:
            await accounts.add(conn, factories.account(id=OTHER))
        async with _client(app) as http:
            desk = cls(house, app, http, "", "", "", rung)
            desk.key = await desk.minted()
            desk.other_key = await desk.minted(account_id=OTHER)
            desk.live_key = await desk.minted(livemode=True)
            yield desk

    @classmethod
    @asynccontextmanager
    async def beside(cls, desk: "Desk", books: Books) -> AsyncIterator["Desk"]:
        """Another application over the same database, as in another process."""
        house = replace(desk.house, gateway=replace(desk.house.gateway, books=books))
        app = create_app(
            house.gateway, chains={factories.CHAIN_ID: house.chain}, clock=lambda: house.now, pepper=PEPPER
        )
        async with _client(app) as http:
            yield replace(desk, house=house, app=app, http=http)

    async def minted(
        self,
        *,
        account_id: str = factories.ACCOUNT_ID,
        livemode: bool = False,
        kind: KeyKind = KeyKind.SECRET,
        **more: Any,
    ) -> str:
        async with self.house.gateway.books.write() as conn:
            _, key = await api_keys.mint(
                conn, account_id=account_id, livemode=livemode, kind=kind, pepper=PEPPER, now=self.house.now, **more
            )
        return key

    async def send(self, method: str, path: str, *, key: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.key}"} | options.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.send("POST", path, json=body or {}, **options)

    async def form(self, path: str, body: str, **options: Any) -> httpx.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | options.pop("headers", {})
        return await self.send("POST", path, content=body, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("GET", path, **options)

    async def made(self, path: str, body: Any = None) -> Any:
        """The object that a POST makes."""
        answer = await self.post(path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def rows(self) -> dict[str, int]:
        """How many rows each table has: equal before and after a request that changed nothing."""
        async with self.house.gateway.books.read() as conn:
            return {
                table.name: (await conn.execute(select(func.count()).select_from(table))).scalar_one()
                for table in schema.metadata.sorted_tables
            }

    async def wallet(self, signer: DevelopmentSigner) -> Any:
        """A payment method of a new customer: `(customer, payment method)`."""
        customer = await self.made("/v1/customers", {"email": "ada@example.com"})
        method = await self.made("/v1/payment_methods", self.wallet_body(signer))
        attached = await self.made(f"/v1/payment_methods/{method['id']}/attach", {"customer": customer["id"]})
        return customer, attached

    @staticmethod
    def wallet_body(signer: DevelopmentSigner) -> Any:
        return {
            "type": "erc20_allowance",
            "erc20_allowance": {
                "chain_id": factories.CHAIN_ID,
                "token": checksum(factories.TOKEN),
                "owner": checksum(signer.address),
            },
        }

    async def subscription(self, signer: DevelopmentSigner, **body: Any) -> Any:
        """A subscription that waits for its wallet."""
        customer, method = await self.wallet(signer)
        return await self.made(
            "/v1/subscriptions",
            {
                "customer": customer["id"],
                "items": [{"price": factories.PRICE_ID}],
                "default_payment_method": method["id"],
                **body,
            },
        )


def _client(app: Litestar) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://dues.test", event_hooks={"response": [_read_along]})


async def _read_along(answer: httpx.Response) -> None:
    if answer.is_error:
        await answer.aread()
        CANARIES.read(answer.status_code, answer.text)
