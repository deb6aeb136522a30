"""The official `stripe` and `standardwebhooks` packages for Node, unmodified, against a really listening API."""

import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gateway.db.engine import Books
from gateway.domain.api_key import KeyKind
from tests.api.desk import Desk
from tests.conformance.peer import ROOT, Peer
from tests.conformance.shop import WALLET, listening

SCRIPTS = ROOT / "tests" / "conformance" / "node"


@pytest.fixture
async def today(sqlite_books: Books) -> AsyncIterator[Desk]:
    """A desk whose time is that of the machine, because verifiers look at their own clock."""
    async with Desk.opened(sqlite_books, now=datetime.now(UTC).replace(microsecond=0)) as opened:
        yield opened


async def run(desk: Desk, script: str) -> list[str]:
    node = shutil.which("node")
    assert node is not None, "the tests need Node.js"
    async with listening(desk) as url:
        return await Peer(desk).run(
            [node, str(SCRIPTS / script)],
            DUES_URL=url,
            DUES_KEY=desk.key,
            DUES_PUBLISHABLE=await desk.minted(kind=KeyKind.PUBLISHABLE),
            DUES_WALLET=json.dumps(Desk.wallet_body(WALLET)["erc20_allowance"]),
        )


async def test_ST_09_SX_23_the_node_sdk_runs_the_main_flow(today: Desk) -> None:
    claims = await run(today, "main_flow.mjs")
    assert len(claims) == 12, claims


async def test_FR_33_both_node_libraries_verify_deliveries_while_a_secret_rotates(today: Desk) -> None:
    claims = await run(today, "webhooks.mjs")
    assert len(claims) == 2, claims
