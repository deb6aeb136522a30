"""The code of docs/guides, copied as a reader would, against a listening API and what it really delivers."""

import asyncio
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.db.engine import Books
from gateway.domain import signatures
from tests.api.desk import Desk
from tests.conformance.peer import ROOT, Mailbox, Peer
from tests.conformance.shop import WALLET, listening

GUIDES = ROOT / "docs" / "guides"
MUTATIONS = int(os.environ.get("DUES_SIGNATURE_MUTATIONS", "20000"))
SECRET = signatures.new_secret(bytes(range(32)))
OLD = signatures.new_secret(bytes(range(32, 64)))

Headers = dict[str, str]
_ODD = ["t=,v1=", "v1,", "v1, v1,", "t=1e400,v1=0", "t=-1", "nan", "inf", "1" * 400, "=,=,=", "v1,=" * 9]
Hear = Callable[[bytes, Mapping[str, str], str], Any]


def blocks(guide: str, language: str) -> list[str]:
    text = (GUIDES / f"{guide}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def python(guide: str, name: str) -> Any:
    copied: dict[str, Any] = {}
    for code in blocks(guide, "python"):
        exec(code, copied)  # noqa: S102 - our own page
    return copied[name]


def in_node(guide: str, ending: str, *arguments: str) -> Any:
    """Run the page's code for Node with `ending` after it, and return what that prints."""
    node = shutil.which("node")
    assert node is not None, "the tests need Node.js"
    code = "\n".join(blocks(guide, "javascript")) + "\n" + ending
    done = subprocess.run(  # noqa: S603 - our own page
        [node, "--input-type=module", "-e", code, "--", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
async def today(sqlite_books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(sqlite_books, now=datetime.now(UTC).replace(microsecond=0)) as opened:
        yield opened


async def delivered(desk: Desk) -> tuple[bytes, Headers, str]:
    """One real delivery and its secret."""
    made = await desk.made("/v1/webhook_endpoints", {"url": "https://shop.example/hook", "enabled_events": ["*"]})
    await desk.made("/v1/customers", {"name": "Ada"})
    peer = Peer(desk, Mailbox())
    [sent] = (await peer._deliveries({}))["deliveries"]
    return sent["body"].encode(), sent["headers"], made["secret"]


async def test_the_consumers_of_the_webhooks_guide_hear_a_delivery_and_no_forgery(today: Desk) -> None:
    body, headers, secret = await delivered(today)
    event = json.loads(body)
    for name in ("hear", "hear_standard"):
        hear = python("webhooks", name)
        assert hear(body, headers, secret)["id"] == event["id"]
        assert hear(body.replace(b"Ada", b"Eve"), headers, secret) is None
        assert hear(body, {}, secret) is None
    told = in_node(
        "webhooks",
        """
        const [body, headers, secret] = process.argv.slice(1).map((each, n) => n === 1 ? JSON.parse(each) : each);
        const forged = body.replace("Ada", "Eve");
        console.log(JSON.stringify([hear, hearStandard].map((one) => [
          one(body, headers, secret)?.id, one(forged, headers, secret), one(body, {}, secret),
        ])));
        """,
        body.decode(),
        json.dumps(headers),
        secret,
    )
    assert told == [[event["id"], None, None]] * 2
    is_new, seen = python("webhooks", "is_new"), dict[str, int]()
    assert [is_new(event, seen), is_new(event, seen)] == [True, False]


async def test_the_clients_of_the_stripe_guide_reach_the_gateway(today: Desk) -> None:
    made = await today.subscription(WALLET)
    async with listening(today) as url:
        client = python("from-stripe", "connect")(today.key, url)
        customers = await asyncio.to_thread(client.v1.customers.list)
        why = await asyncio.to_thread(python("from-stripe", "why"), client, made["id"])
        ending = "console.log(JSON.stringify(await connect(process.argv[1], process.argv[2]).customers.list()));"
        in_js = await asyncio.to_thread(in_node, "from-stripe", ending, today.key, url)
    assert [each.id for each in customers.data] == [each["id"] for each in in_js["data"]] == [made["customer"]]
    assert "mandate pending: awaiting_signature" in why


async def test_the_client_of_the_frame_guide_changes_a_subscription(today: Desk) -> None:
    made = await today.subscription(WALLET)
    async with listening(today) as url:
        patch = python("from-frame", "patch")
        changed = await asyncio.to_thread(lambda: patch(url, today.key, made["id"], metadata={"order": "7"}))
        ended = await today.made(f"/v1/subscriptions/{made['id']}/cancel")
    assert (changed["metadata"], ended["status"]) == ({"order": "7"}, "canceled")


def mutations(count: int) -> Iterator[tuple[str, bytes, Headers, str]]:
    """Deliveries that differ in one way from one that was signed now: (how, body, headers, secret)."""
    chance = random.Random(7)  # noqa: S311 - the same mutations every time
    now = int(datetime.now(UTC).timestamp())
    body = json.dumps(
        {"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}
    ).encode()
    honest = {
        k.lower(): v
        for k, v in signatures.headers(message_id="evt_1", timestamp=now, body=body, secrets=[SECRET]).items()
    }
    digest = honest["stripe-signature"].partition("v1=")[2]
    ways: list[Callable[[], tuple[bytes, Headers, str]]] = [
        lambda: (_flipped(body, chance), honest, SECRET),
        lambda: (body[: chance.randrange(len(body))], honest, SECRET),
        lambda: (body + bytes([chance.randrange(256)]), honest, SECRET),
        lambda: (
            body,
            honest | _both(now + chance.choice([-1, 1]) * chance.randrange(1, 10**6), digest),
            SECRET,
        ),
        lambda: (body, honest | _signed(body, now, signatures.new_secret(chance.randbytes(32))), SECRET),
        lambda: (body, _signed(body, now - chance.randrange(400, 10**7), SECRET), SECRET),
        lambda: (body, {k: v for k, v in honest.items() if k not in {"stripe-signature", "webhook-signature"}}, SECRET),
        lambda: (body, honest | {name: _noise(chance) for name in ("stripe-signature", "webhook-signature")}, SECRET),
        lambda: (body, honest | _undated(digest, chance), SECRET),
        lambda: (body, honest, OLD),
        lambda: (chance.randbytes(chance.randrange(200)), honest, SECRET),
    ]
    for number in range(count):
        how = number % len(ways)
        yield (str(how), *ways[how]())


def _flipped(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    changed[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _both(at: int, digest: str) -> Headers:
    return {"stripe-signature": f"t={at},v1={digest}", "webhook-timestamp": str(at)}


def _undated(digest: str, chance: random.Random) -> Headers:
    return {"webhook-timestamp": _noise(chance), "stripe-signature": f"t={_noise(chance)},v1={digest}"}


def _signed(body: bytes, at: int, secret: str) -> Headers:
    made = signatures.headers(message_id="evt_1", timestamp=at, body=body, secrets=[secret])
    return {name.lower(): value for name, value in made.items()}


def _noise(chance: random.Random) -> str:
    kind = chance.randrange(4)
    if kind == 0:
        return ""
    if kind == 1:
        return "".join(chr(chance.randrange(32, 0x3000)) for _ in range(chance.randrange(1, 60)))
    if kind == 2:
        return chance.choice(_ODD)
    return f"t={chance.randrange(10**12)},v1={chance.randbytes(32).hex()}"


def test_S3_no_mutation_of_a_delivery_is_accepted_and_none_goes_unhandled(capsys: pytest.CaptureFixture[str]) -> None:
    tried = accepted = unhandled = 0
    for name in ("hear", "hear_standard"):
        hear: Hear = python("webhooks", name)
        for how, body, headers, secret in mutations(MUTATIONS // 2):
            tried += 1
            try:
                accepted += hear(body, headers, secret) is not None
            except Exception as error:  # noqa: BLE001 - this is what is counted
                unhandled += 1
                print(name, how, type(error).__name__, error, headers, body)
    with capsys.disabled():
        print(f"\nS3: {tried:,} mutations, {accepted} accepted, {unhandled} unhandled")
    assert (accepted, unhandled) == (0, 0)
