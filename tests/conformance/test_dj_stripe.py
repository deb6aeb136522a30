"""dj-stripe, unmodified, reads Dues into its models. It pins an older SDK, so it lives in an environment of its own."""

import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gateway.db.engine import Books
from tests.api.desk import Desk
from tests.conformance.peer import ROOT, Peer
from tests.conformance.shop import WALLET, listening

PYTHON = os.environ.get("DUES_CONFORMANCE_PYTHON", "")
FLOW = ROOT / "tests" / "conformance" / "djstripe" / "flow.py"

pytestmark = pytest.mark.skipif(not PYTHON, reason="`make conformance` makes the environment of dj-stripe")


@pytest.fixture
async def today(sqlite_books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(sqlite_books, now=datetime.now(UTC).replace(microsecond=0)) as opened:
        yield opened


async def test_dj_stripe_keeps_its_rows_from_the_api_and_from_webhooks(today: Desk) -> None:
    async with listening(today) as url:
        claims = await Peer(today).run(
            [PYTHON, "-X", "faulthandler", "-W", "ignore", str(FLOW)],
            DUES_URL=url,
            DUES_KEY=today.key,
            DUES_WALLET=json.dumps(Desk.wallet_body(WALLET)["erc20_allowance"]),
        )
    assert len(claims) == 8, claims
