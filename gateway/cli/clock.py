"""`dues clock`: test clocks, which move rows, workers and the local chain's time together."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from gateway.cli import remote
from gateway.cli.app import CommandFailed
from gateway.cli.remote import Json, Remote

_STEP: Final = re.compile(r"\+([0-9]{1,5})([hdw])")
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_LOOK_SECONDS: Final = 0.25


@click.group(name="clock")
def command() -> None:
    """Create test clocks and advance them."""


@command.command(name="create")
@click.option("--at", "moment", help="Where it stands, ISO 8601. [default: now]")
@click.option("--name", help="What it is called.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
@remote.options
def create(api: str | None, key: str | None, moment: str | None, name: str | None, *, as_json: bool) -> None:
    """Create a test clock; customers made with it live in its time."""
    at = datetime.now(UTC) if moment is None else _moment(moment)
    made = remote.found(api, key).post("/v1/test_helpers/test_clocks", frozen_time=int(at.timestamp()), name=name)
    click.echo(json.dumps(made) if as_json else _line(made))


@command.command(name="advance")
@click.argument("clock_id")
@click.argument("to")
@click.option("--wait-seconds", type=click.IntRange(min=1), default=600, show_default=True, help="How long at most.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
@remote.options
def advance(api: str | None, key: str | None, clock_id: str, to: str, wait_seconds: int, *, as_json: bool) -> None:
    """Advance a clock to TO, and wait until all that falls due on the way is done.

    TO is a moment (2027-03-01, 2027-03-01T12:00) or a distance (+12h, +31d, +4w).
    """
    found = remote.found(api, key)
    path = f"/v1/test_helpers/test_clocks/{clock_id}"
    clock = found.get(path)
    step = _STEP.fullmatch(to)
    begin = datetime.fromtimestamp(clock["frozen_time"], UTC)
    target = _moment(to) if step is None else begin + timedelta(**{_UNITS[step[2]]: int(step[1])})
    found.post(f"{path}/advance", frozen_time=int(target.timestamp()))
    done = wait_until_ready(found, path, wait_seconds=wait_seconds)
    click.echo(json.dumps(done) if as_json else _line(done))


def wait_until_ready(found: Remote, path: str, *, wait_seconds: float) -> Json:
    """Watch a clock until it has come to where it goes; on a terminal, say where it is.

    Raises:
        CommandFailed: it failed, or is not there in time; it goes on by itself.
    """
    until, said = time.monotonic() + wait_seconds, 0
    while time.monotonic() < until:
        clock = found.get(path)
        if clock["status"] == "ready":
            return clock
        if clock["status"] != "advancing":
            raise CommandFailed(f"the clock is {clock['status']}: {clock['status_reason']['code']}")
        if clock["frozen_time"] != said:
            said = clock["frozen_time"]
            click.echo(f"  {datetime.fromtimestamp(said, UTC):%Y-%m-%d %H:%M} …", err=True)
        time.sleep(_LOOK_SECONDS)
    raise CommandFailed(f"the clock is not there after {wait_seconds:g} s; it goes on by itself")


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{text} is neither a moment (2027-03-01T12:00) nor a distance (+31d)") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _line(clock: Json) -> str:
    at = datetime.fromtimestamp(clock["frozen_time"], UTC)
    return f"{clock['id']}  {clock['status']}  {at:%Y-%m-%d %H:%M:%S} UTC"
