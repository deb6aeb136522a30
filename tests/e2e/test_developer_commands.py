"""`dues trigger`, `listen`, `events`, `clock` and `explain` as a developer runs them beside a sandbox that is up."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import stripe

from gateway.cli.acts_table import ACTS
from gateway.cli.trigger import NOT_MADE
from gateway.domain.events import EventType
from gateway.sandbox.merchant import Shop
from gateway.sandbox.world import Options, World, opened

pytestmark = pytest.mark.xdist_group("sandbox")

SECONDS_MAX = 90
TRIED = ("customer.subscription.renewed", "charge.refunded", "push_payment.unmatched")
EVERY = os.environ.get("DUES_TRIGGER") == "all"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    options = Options(data_dir=tmp_path_factory.mktemp("sandbox") / ".dues", fresh=True, port=None)
    with opened(options, lambda _: None) as running:
        yield running


def start(world: World, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-m", "gateway", *words],
        cwd=world.folder.root.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def run(world: World, *words: str, status: int = 0) -> str:
    process = start(world, *words)
    out, err = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == status, (words, out, err)
    return out if status == 0 else err


def test_every_event_of_the_catalog_is_made_or_named_with_why_not(world: World) -> None:
    assert set(ACTS) | set(NOT_MADE) == set(EventType)
    assert not set(ACTS) & set(NOT_MADE)
    listed = [json.loads(line) for line in run(world, "trigger", "--list", "--json").splitlines()]
    assert {each["event"] for each in listed} == {each.value for each in EventType}
    assert {each["event"] for each in listed if each["not_made"]} == {each.value for each in NOT_MADE}


@pytest.mark.parametrize("event", [each.value for each in ACTS] if EVERY else TRIED)
def test_an_event_happens_on_the_chain(world: World, event: str) -> None:
    happened = json.loads(run(world, "trigger", event, "--json"))
    assert event in {each["type"] for each in happened}
    sequence = [each["sequence"] for each in happened]
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))


class Receiver(http.server.BaseHTTPRequestHandler):
    """A merchant's server under development."""

    heard: list[tuple[bytes, dict[str, str]]]
    answer = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.heard.append((body, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_events_are_forwarded_with_signatures_that_both_libraries_accept(world: World) -> None:
    Receiver.heard = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = f"http://127.0.0.1:{server.server_port}/hook?a=b"
    listening = start(world, "listen", "--forward-to", target, "--event", "product.*", "--limit", "2")
    assert listening.stderr is not None
    secret = listening.stderr.readline().removeprefix("signing secret: ").strip()
    assert listening.stderr.readline().startswith("listening at ")
    shop = Shop(world.merchant.key, world.api_url)
    shop.catalog()
    shop.catalog()
    out, err = listening.communicate(timeout=SECONDS_MAX)
    server.shutdown()
    server.server_close()
    assert listening.returncode == 0, err
    assert [line.rpartition("  → ")[2] for line in out.splitlines()] == ["200", "200"]
    for body, headers in Receiver.heard:
        event: Any = stripe.Webhook.construct_event(body, headers["stripe-signature"], secret)
        assert event.type == "product.created"
        assert standardwebhooks.Webhook(secret).verify(body, headers)["id"] == event.id
    assert len(Receiver.heard) == 2


def test_a_listener_goes_on_where_it_was_when_the_api_was_away(world: World) -> None:
    shop = Shop(world.merchant.key, world.api_url)
    newest = max((event["sequence"] for event in shop.events()), default=0)
    listening = start(world, "listen", "--limit", "4", "--json")
    assert listening.stderr is not None
    assert listening.stderr.readline().startswith("listening at ")
    shop.catalog()
    [api] = [child for child in world.children._children if child.name == "api"]
    api.kill()
    assert "opening it again" in listening.stderr.readline()
    until = time.monotonic() + SECONDS_MAX
    while time.monotonic() < until:
        try:
            shop.catalog()
            break
        except stripe.APIConnectionError:
            time.sleep(0.2)
    out, err = listening.communicate(timeout=SECONDS_MAX)
    assert listening.returncode == 0, err
    assert [json.loads(line)["event"]["sequence"] for line in out.splitlines()] == [newest + n for n in range(1, 5)]


def test_the_log_is_listed_and_replayed(world: World) -> None:
    shop = Shop(world.merchant.key, world.api_url)
    endpoint = shop.endpoint(world.webhook_url)
    world.consumer.secret = str(endpoint["secret"])
    count = len(shop.events())
    listed = [json.loads(line) for line in run(world, "events", "list", "--json").splitlines()]
    assert [each["sequence"] for each in listed] == list(range(1, len(listed) + 1))
    assert len(listed) >= count
    queued = json.loads(run(world, "events", "replay", "--endpoint", str(endpoint["id"]), "--json"))
    hidden = sum(each["type"] == "customer.subscription.opened" for each in listed)
    assert queued["queued"] == len(listed) - hidden
    until = time.monotonic() + SECONDS_MAX
    while len(world.consumer.heard()) < queued["queued"] and time.monotonic() < until:
        time.sleep(0.2)
    assert len(world.consumer.heard()) == queued["queued"]
    assert world.consumer.refused == []


def test_clock_and_explain_say_why_a_payment_was_not_collected(world: World) -> None:
    happened = json.loads(run(world, "trigger", "customer.subscription.past_due", "--json"))
    subscription = next(e["data"]["object"] for e in happened if e["type"] == "customer.subscription.past_due")
    told = run(world, "explain", subscription["id"])
    assert f"{subscription['id']} is past_due: insufficient balance" in told
    assert "charge_intent processing → succeeded" in told
    assert "charge_intent" in told.partition("open")[2]
    assert "fails by" in told
    moved = run(world, "clock", "advance", subscription["test_clock"], "+1d")
    assert subscription["test_clock"] in moved
    assert "ready" in moved


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("trigger", "invoice.lost"), "invoice.lost is not an event of the catalog"),
        (("trigger", "webhook_endpoint.disabled"), "comes 72 hours after"),
        (("trigger",), "Name an event, or see --list"),
        (("explain", "sub_x"), "No such subscription: 'sub_x' (404 resource_missing"),
        (("events", "replay", "--endpoint", "we_x"), "No such webhook_endpoint: 'we_x'"),
        (("events", "replay", "evt_1", "--after", "3", "--endpoint", "we_x"), "give event ids or a range, not both"),
        (("clock", "advance", "clock_x", "+1d"), "No such test_clock: 'clock_x'"),
        (("clock", "create", "--at", "soon"), "soon is neither a moment"),
        (("listen", "--secret", "whsec_!"), "--secret: a webhook secret is whsec_ followed by base64"),
        (("listen", "--forward-to", "localhost:3000"), "--forward-to: localhost:3000 is not an http(s) URL"),
        (("explain", "sub_x", "--api", "ftp://x", "--key", "y"), "--api: ftp://x is not an http(s) URL"),
        (("explain", "sub_x", "--api", "http://127.0.0.1:9", "--key", "y"), "http://127.0.0.1:9 does not answer"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_a_wrong_word_ends_in_one_precise_line(world: World, words: tuple[str, ...], told: str) -> None:
    process = start(world, *words)
    _, err = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode != 0
    assert err.count("\n") == 1, err
    assert told in err


def test_without_a_sandbox_they_say_what_to_give(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "explain", "sub_x"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "give --api and --key, or start `dues sandbox`" in done.stderr
