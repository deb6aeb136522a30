"""Everything that the sandbox starts, in order: chain, contracts, books, Redis, API, workers, a merchant, a consumer.

API and workers run as they would in production: each in a process of its own, with `dues api` and `dues worker`.
"""

import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.checksum import checksum
from chain.erc20 import mint_data, token_description
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, LOCAL_CHAIN_ID, LocalNode, NodeOptions
from chain.primitives import Address
from chain.signer import DevelopmentSigner
from chain.stage import Stage, set_stage
from chain.wallet import Wallet
from gateway import clock
from gateway.composition import gateway_of
from gateway.config import Config, load
from gateway.db import accounts, migrate
from gateway.domain.catalog import Account
from gateway.domain.ids import new_id
from gateway.sandbox import redis_server, settings
from gateway.sandbox.backstage import Backstage
from gateway.sandbox.children import Child, Children
from gateway.sandbox.consumer import PATH, Consumer
from gateway.sandbox.errors import SandboxFailed
from gateway.sandbox.folder import Folder
from gateway.sandbox.interruptions import interruptions
from gateway.sandbox.ports import HOST, Ports, reserved
from gateway.sandbox.settings import Deployed
from gateway.services import api_keys

BLOCK_SECONDS: Final = 1
"""The chain mines at once for a transaction, and once a second besides, so that confirmations come by themselves."""

MERCHANT: Final = "Lighthouse Press"
PURSE: Final = 10_000
"""Whole test tokens of the wallet that buys from a program beside the sandbox."""

_MERCHANT_KEY: Final = 2
_SUBSCRIBER_KEYS: Final = (3, 4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line.

    Attributes:
        beside: a merchant's program that runs in the place of the consumer, on its port.
    """

    data_dir: Path
    fresh: bool
    port: int | None
    beside: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """Who sells: an account, its test key, and the wallet that payments go to."""

    account_id: str
    key: str
    payout: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A running sandbox."""

    folder: Folder
    ports: Ports
    children: Children
    worker: Child
    backstage: Backstage
    chain: JsonRpcChain
    stage: Stage
    deployed: Deployed
    merchant: Merchant
    subscribers: tuple[DevelopmentSigner, ...]
    consumer: Consumer

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return f"http://{HOST}:{self.ports.api}"

    @property
    def webhook_url(self) -> str:
        """Where the consumer listens."""
        return f"http://{HOST}:{self.ports.webhooks}{PATH}"

    @property
    def shop_url(self) -> str:
        """Where a program beside the sandbox listens."""
        return f"http://{HOST}:{self.ports.webhooks}"

    @property
    def purse_key(self) -> str:
        """Key of the wallet that buys there: one of those that every development chain knows."""
        return DEVELOPMENT_KEYS[_SUBSCRIBER_KEYS[0]]

    @property
    def chain_url(self) -> str:
        """Where the local chain answers JSON-RPC."""
        return f"http://{HOST}:{self.ports.chain}"

    def fund(self, wallet: Address, amount: int) -> str:
        """Give `wallet` test tokens (base units), and return the hash of the transaction."""
        receipt = self.backstage.call(self.stage.owner.send(self.deployed.token, mint_data(wallet, amount)))
        if not receipt.succeeded:
            raise SandboxFailed(f"minting test tokens failed in {receipt.transaction_hash}")
        return receipt.transaction_hash

    def wallet(self, signer: DevelopmentSigner) -> Wallet:
        """`signer` as an account that can send transactions of its own."""
        return Wallet(self.chain, signer)


@contextmanager
def opened(options: Options, say: Callable[[str], None]) -> Iterator[World]:
    """Start everything; end everything when the block is left, in whatever way.

    Raises:
        SandboxFailed: a part did not start; the message says which one and shows the end of its log.
        ChainError: the local chain did not do what it was told.
    """
    warm = threading.Thread(target=_warm_up, daemon=True)  # importing web3 takes seconds: while the rest starts
    warm.start()
    with ExitStack() as stack:
        folder = Folder.take(options.data_dir, fresh=options.fresh)
        stack.callback(folder.release)
        ports = stack.enter_context(reserved(options.port, say=say))
        with interruptions.held():
            node = LocalNode.start(NodeOptions(port=ports.chain, block_seconds=BLOCK_SECONDS, mixed_mining=True))
            stack.callback(node.stop)
        children = stack.enter_context(Children(folder.logs))
        redis = redis_server.arguments(redis_server.find(), port=ports.redis, folder=folder.redis)
        children.start("redis", redis, port=ports.redis)
        backstage = stack.enter_context(Backstage())
        chain = JsonRpcChain([node.url], chain_id=LOCAL_CHAIN_ID)
        stack.callback(lambda: backstage.call(chain.close()))
        warm.join()
        stage = set_stage(node.url, chain)
        description = backstage.call(token_description(chain, stage.token))
        deployed = Deployed(contract=stage.contract, token=stage.token, description=description)
        config = load(settings.write(folder, ports, deployed), {})
        merchant = backstage.call(_furnish(config))
        worker = _start_gateway(children, folder, ports)
        consumer = Consumer()
        if options.beside is None:
            backstage.call(consumer.start(ports.webhooks))
            stack.callback(lambda: backstage.call(consumer.stop()))
        world = World(
            folder=folder,
            ports=ports,
            children=children,
            worker=worker,
            backstage=backstage,
            chain=chain,
            stage=stage,
            deployed=deployed,
            merchant=merchant,
            subscribers=tuple(DevelopmentSigner(DEVELOPMENT_KEYS[key]) for key in _SUBSCRIBER_KEYS),
            consumer=consumer,
        )
        folder.describe(_facts(world))
        if options.beside is not None:
            _start_beside(world, options.beside)
        yield world


def _start_beside(world: World, program: Path) -> None:
    """Start a merchant's program, which is told where Dues answers, and fund a wallet that can buy from it."""
    told = {
        "SHOP_API_URL": world.api_url,
        "SHOP_API_KEY": world.merchant.key,
        "SHOP_PORT": str(world.ports.webhooks),
    }
    world.children.start("shop", [sys.executable, str(program)], environ=told, port=world.ports.webhooks)
    world.fund(world.subscribers[0].address, PURSE * 10**world.deployed.description.decimals)


def _warm_up() -> None:
    import chain.deploy  # noqa: F401, PLC0415 - only so that it is imported when it is needed


def _start_gateway(children: Children, folder: Folder, ports: Ports) -> Child:
    dues = [sys.executable, "-m", "gateway", "--config", str(folder.settings)]
    worker = children.start("worker", [*dues, "worker"], supervised=True)
    children.start("api", [*dues, "api"], port=ports.api, supervised=True)
    return worker


async def _furnish(config: Config) -> Merchant:
    """Make the schema, and a merchant with a key, as `dues migrate` and `dues keys create` do."""
    await migrate.upgrade(config.database_url.reveal())
    books = gateway_of(config).books
    now = clock.now()
    payout = DevelopmentSigner(DEVELOPMENT_KEYS[_MERCHANT_KEY]).address
    account = Account(id=new_id("acct", now), name=MERCHANT, payout_address=payout, created_at=now)
    try:
        async with books.write() as conn:
            await accounts.add(conn, account)
            _, key = await api_keys.mint(
                conn, account_id=account.id, livemode=False, pepper=config.pepper.reveal().encode(), now=now
            )
    finally:
        await books.close()
    return Merchant(account_id=account.id, key=key, payout=payout)


def _facts(world: World) -> dict[str, object]:
    return {
        "run": secrets.token_hex(4),
        "api_url": world.api_url,
        "api_key": world.merchant.key,
        "chain_url": world.chain_url,
        "chain_id": LOCAL_CHAIN_ID,
        "contract": checksum(world.deployed.contract),
        "token": checksum(world.deployed.token),
        "payout_address": checksum(world.merchant.payout),
        "subscribers": [checksum(signer.address) for signer in world.subscribers],
        "settings": str(world.folder.settings),
        "logs": str(world.folder.logs),
        "outbox": str(world.folder.outbox),
    }
