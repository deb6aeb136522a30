"""`kill -9` at every named failpoint of the charging path, during a renewal: charged once, told, nothing stuck.

A real worker process with all roles, on a real node, Redis and database. Each test is one month in the life of the
same subscription: the worker dies at the failpoint, another one is started; then chain, books and merchant are asked.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from chain.local_node import LocalNode
from gateway import clock
from gateway.db import mails
from gateway.db.pages import PageRequest
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.mail import Mail
from gateway.domain.mail import Status as MailStatus
from gateway.domain.settings import MailKind
from gateway.failpoints import Failpoint
from gateway.mail_post import FolderPost
from gateway.services import mails as mail_service
from tests import factories
from tests.fixtures import postgres
from tests.fixtures.postgres import aside
from tests.workers.forks import ForkServer
from tests.workers.town import Town

GWEI = 10**9

NEED_A_FEE_SPIKE = {Failpoint.REPLACEMENT_SIGNED, Failpoint.REPLACEMENT_COMMITTED}
OF_A_RENEWAL = [failpoint for failpoint in Failpoint if failpoint not in NEED_A_FEE_SPIKE]
ON_POSTGRESQL = [
    Failpoint.RENEWAL_COMMITTED,
    Failpoint.CHARGE_SIGNED,
    Failpoint.CHARGE_COMMITTED,
    Failpoint.TRANSACTION_SENT,
    Failpoint.BLOCKS_WRITTEN,
    Failpoint.SETTLEMENT_WRITTEN,
    Failpoint.DELIVERY_SENT,
    Failpoint.MAIL_POSTED,
]
"""Both sides of the commit that owns the money, and one place of every other role."""
ONE_AFTER_ANOTHER = [
    Failpoint.RENEWAL_WRITTEN,
    Failpoint.RENEWAL_COMMITTED,
    Failpoint.INVOICE_WRITTEN,
    Failpoint.CHARGE_SIMULATED,
    Failpoint.CHARGE_SIGNED,
    Failpoint.CHARGE_COMMITTED,
    Failpoint.TRANSACTION_SENDING,
    Failpoint.TRANSACTION_SENT,
    Failpoint.RECEIPTS_READ,
    Failpoint.BLOCKS_WRITTEN,
    Failpoint.SETTLEMENT_WRITTEN,
    Failpoint.DELIVERY_SENT,
]
"""Each can still be reached after the deaths before it."""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all tests of this module: the town outlives each of them."""
    with asyncio.Runner() as one:
        yield one


@pytest.fixture(scope="module")
def node() -> Iterator[LocalNode]:
    with LocalNode.start() as running:
        yield running


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def town_at(
    runner: asyncio.Runner, node: LocalNode, forks: ForkServer, folder: Path, *, database: str, redis: str
) -> Iterator[Town]:
    town = runner.run(Town.build(node, forks, folder, database=database, redis=redis))
    yield town
    runner.run(town.close())


@pytest.fixture(scope="module")
def sqlite_town(  # noqa: PLR0917  (fixtures)
    runner: asyncio.Runner,
    node: LocalNode,
    forks: ForkServer,
    sqlite_template: Path,
    redis_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("sqlite_town")
    shutil.copyfile(sqlite_template, folder / "dues.db")
    database = f"sqlite:///{folder / 'dues.db'}"
    yield from town_at(runner, node, forks, folder, database=database, redis=f"redis://127.0.0.1:{redis_port}/1")


@pytest.fixture(scope="module")
def postgres_town(  # noqa: PLR0917  (fixtures)
    runner: asyncio.Runner,
    node: LocalNode,
    forks: ForkServer,
    postgres_server: URL,
    postgres_template: str,
    redis_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Town]:
    name = f"dues_town_{os.getpid()}"
    aside(postgres._command(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}"))
    folder = tmp_path_factory.mktemp("postgres_town")
    database = postgres_server.set(database=name).render_as_string(hide_password=False)
    yield from town_at(runner, node, forks, folder, database=database, redis=f"redis://127.0.0.1:{redis_port}/2")
    aside(postgres._command(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


async def receipts(town: Town, invoice_id: str) -> list[Mail]:
    """Mails that tell of an invoice's payment, once the claim of a worker that died has ended."""
    outbox = FolderPost(town.folder / "outbox")
    await mail_service.deliver_due(town.gateway, outbox, now=clock.now() + mail_service.LEASE)
    async with town.gateway.books.read() as conn:
        newest = await mails.page(conn, PageRequest(scope=factories.SCOPE, limit=50))
    return [mail for mail in newest.items if mail.kind is MailKind.RECEIPT and mail.object_id == invoice_id]


async def a_renewal_survives(
    town: Town, deaths: Sequence[Failpoint], *, spike: bool = False, config: Path | None = None, lives: int = 1
) -> None:
    """Advance a month, die at each of `deaths`, recover; then ask everybody what happened.

    With `spike` the base fee rises sixtyfold after the first death. `config` is that of the last life, `lives` how many
    workers there are in it.
    """
    [subscription] = town.subscribed
    nonce = await town.operator_nonce()
    before = await town.newest_intent(subscription)
    await town.advance_a_month()
    for number, failpoint in enumerate(deaths):
        await town.die_at(failpoint)
        if spike and number == 0:
            await town.local.set_base_fee(60 * GWEI)
            await town.local.mine()
    await town.recover(config, lives=lives)

    intent = await town.newest_intent(subscription)
    assert intent.id != before.id
    assert intent.mandate_period == (before.mandate_period or 0) + 1
    # Charged once: on the chain, and in the books; and not one transaction more than needed.
    assert intent.status is IntentStatus.SUCCEEDED
    assert set((await town.charged()).values()) == {1}
    assert await town.charge_statuses(intent) == ["succeeded"]
    assert await town.operator_nonce() == nonce + 1
    # Told: each event was written once, without a gap, and heard at least once.
    written = await town.events()
    assert [event.sequence for event in written] == list(range(1, len(written) + 1))
    paid = [event.id for event in written if event.type == "invoice.paid" and event.object_id == intent.invoice_id]
    assert len(paid) == 1
    heard = {event["id"] for event in town.receiver.heard}
    assert {event.id for event in written if event.type != "customer.subscription.opened"} <= heard
    assert town.receiver.refused == []
    # Written to: one receipt, which was taken.
    [receipt] = await receipts(town, intent.invoice_id)
    assert receipt.status is MailStatus.SENT
    assert (town.folder / "outbox" / f"{receipt.id}.eml").is_file()


@pytest.mark.parametrize("failpoint", OF_A_RENEWAL)
def test_a_worker_killed_there_charges_once_and_loses_nothing(
    runner: asyncio.Runner, sqlite_town: Town, failpoint: Failpoint
) -> None:
    runner.run(a_renewal_survives(sqlite_town, [failpoint]))


def test_a_worker_that_dies_at_every_step_of_one_renewal_charges_once(
    runner: asyncio.Runner, sqlite_town: Town
) -> None:
    runner.run(a_renewal_survives(sqlite_town, ONE_AFTER_ANOTHER))


def test_a_worker_that_dies_while_it_outbids_a_fee_spike_charges_once(
    runner: asyncio.Runner, sqlite_town: Town
) -> None:
    deaths = [Failpoint.CHARGE_COMMITTED, Failpoint.REPLACEMENT_SIGNED, Failpoint.REPLACEMENT_COMMITTED]
    runner.run(a_renewal_survives(sqlite_town, deaths, spike=True))


def test_without_redis_a_renewal_happens_all_the_same(runner: asyncio.Runner, sqlite_town: Town) -> None:
    config = sqlite_town.config_without_redis()
    runner.run(a_renewal_survives(sqlite_town, [], config=config))


def test_three_workers_with_all_roles_charge_once(runner: asyncio.Runner, sqlite_town: Town) -> None:
    runner.run(a_renewal_survives(sqlite_town, [], lives=3))


def test_three_workers_on_postgresql_charge_once(runner: asyncio.Runner, postgres_town: Town) -> None:
    runner.run(a_renewal_survives(postgres_town, [], lives=3))


@pytest.mark.parametrize("failpoint", ON_POSTGRESQL)
def test_the_same_on_postgresql(runner: asyncio.Runner, postgres_town: Town, failpoint: Failpoint) -> None:
    runner.run(a_renewal_survives(postgres_town, [failpoint]))
