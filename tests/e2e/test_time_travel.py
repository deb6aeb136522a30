"""One clock for rows, workers and blocks: a year in one request, and a worker killed in the middle of one."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from chain.checksum import checksum
from chain.erc20 import permit_nonce
from chain.local_node import LOCAL_CHAIN_ID
from chain.logs import contract_logs, decode_logs
from chain.primitives import Charged
from gateway.sandbox.merchant import MONTHLY_CENTS, Shop, sign_action
from gateway.sandbox.narration import Narrator, Step
from gateway.sandbox.world import Options, World, opened

pytestmark = pytest.mark.xdist_group("sandbox")

DAY_SECONDS = 86_400
TOKENS = 1_000
BASE_UNITS_A_CENT = 10_000
PERIODS_ALLOWED = 12
KILLS = 6


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    options = Options(data_dir=tmp_path_factory.mktemp("sandbox") / "d", fresh=True, port=None)
    with opened(options, lambda _: None) as running:
        yield running


@pytest.fixture
def step(world: World) -> Iterator[Step]:
    with Narrator(check=world.children.check).step("a test") as telling:
        yield telling


@dataclass(frozen=True)
class Subscribed:
    shop: Shop
    clock_id: str
    subscription_id: str
    mandate_id: str

    def advance(self, days: int) -> None:
        now = int(self.shop.clock_now(self.clock_id)["frozen_time"])
        self.shop.advance(self.clock_id, now + days * DAY_SECONDS)

    @property
    def is_ready(self) -> bool:
        return bool(self.shop.clock_now(self.clock_id)["status"] == "ready")

    @property
    def status(self) -> str:
        return str(self.shop.subscription(self.subscription_id)["status"])

    def charged(self, world: World) -> list[Charged]:
        """What the contract says was collected, in the order of the chain."""
        head = world.backstage.call(world.chain.head())
        logs = world.backstage.call(world.chain.logs_in_range(0, head.number, contract_logs(world.deployed.contract)))
        return [e for e in decode_logs(logs) if isinstance(e, Charged) and e.mandate_id == self.mandate_id]


def subscribed(world: World, step: Step, wallet: int) -> Subscribed:
    """An active monthly subscription on a clock of its own."""
    shop = Shop(world.merchant.key, world.api_url)
    clock_id = str(shop.clock(world.backstage.call(world.chain.head()).timestamp)["id"])
    _, price = shop.catalog()
    customer_id = str(shop.customer(clock_id)["id"])
    subscriber = world.subscribers[wallet]
    token = world.deployed.token
    world.fund(subscriber.address, TOKENS * 10**6)
    method = shop.payment_method(
        customer_id, chain_id=LOCAL_CHAIN_ID, token=checksum(token), owner=checksum(subscriber.address)
    )
    created = shop.subscribe(customer_id, str(price["id"]), str(method["id"]))
    intent_id = str(created["latest_invoice"]["charge_intent"])
    nonce = world.backstage.call(permit_nonce(world.chain, token, subscriber.address))
    shop.confirm(intent_id, *sign_action(subscriber, shop.intent(intent_id)["next_action"], nonce))
    subscription_id = str(created["id"])
    step.wait("it is active", lambda: shop.subscription(subscription_id)["status"] == "active")
    charge = shop.charge(str(shop.intent(intent_id)["latest_charge"]))
    mandate_id = str(charge["payment_method_details"]["erc20_allowance"]["mandate_onchain_id"])
    return Subscribed(shop, clock_id, subscription_id, mandate_id)


def test_twelve_renewals_happen_in_order_when_a_clock_is_advanced_by_a_year(world: World, step: Step) -> None:
    it = subscribed(world, step, 0)
    it.advance(366)
    step.wait("the year is over", lambda: it.is_ready)

    invoices = sorted(it.shop.invoices(it.subscription_id), key=lambda invoice: int(invoice["period_start"]))
    assert len(invoices) == 1 + 12
    assert all(earlier["period_end"] == later["period_start"] for earlier, later in pairwise(invoices))
    charged = it.charged(world)
    assert [charge.period for charge in charged] == list(range(1, PERIODS_ALLOWED + 1))
    assert {charge.amount for charge in charged} == {MONTHLY_CENTS * BASE_UNITS_A_CENT}
    assert [i["status"] for i in invoices] == ["paid"] * PERIODS_ALLOWED + ["open"]
    # The allowance that the wallet gave covered twelve periods, so the thirteenth asks for the wallet again.
    assert it.status == "past_due"


def test_a_worker_that_is_killed_again_and_again_charges_every_period_once(world: World, step: Step) -> None:
    it = subscribed(world, step, 1)
    it.advance(100)
    for kill in range(KILLS):
        lives = log_of(world).count("worker started")
        time.sleep(0.15 + 0.1 * kill)  # somewhere in its work
        world.worker.kill()
        step.wait("it runs again", lambda lives=lives: log_of(world).count("worker started") > lives)  # type: ignore[misc]
    step.wait("the clock has arrived", lambda: it.is_ready)
    assert world.worker.restarts == KILLS
    assert [charge.period for charge in it.charged(world)] == [1, 2, 3, 4]
    assert it.status == "active"


def log_of(world: World) -> str:
    return world.worker.log.read_text(encoding="utf-8")
