"""`dues trigger`: make an event of the catalog happen in the sandbox, by doing what leads to it on API and chain."""

import json
import time
from collections.abc import Mapping
from typing import Final

import click

from gateway.cli import remote
from gateway.cli.app import CommandFailed
from gateway.cli.remote import Json, Remote
from gateway.domain.events import EventType

WAIT_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.1

_E = EventType
NOT_MADE: Final[Mapping[EventType, str]] = {
    _E.SETUP_INTENT_SETUP_FAILED: "needs a contract wallet that refuses its own signature",
    _E.CHECKOUT_SESSION_COMPLETED: "happens on the hosted page: open a session's url and pay there",
    _E.PAYMENT_METHOD_ALLOWANCE_RUNNING_OUT: "comes with the last periods of an allowance: advance a clock by years",
    _E.CHARGE_REVERSED: "needs a re-org below finality, which halts the chain",
    _E.CHARGE_INTENT_REVERSED: "needs a re-org below finality, which halts the chain",
    _E.WEBHOOK_ENDPOINT_DISABLED: "comes 72 hours after the first try that failed, on the real clock",
}
"""What this command cannot make yet, and why."""


@click.command(name="trigger")
@click.argument("event", required=False)
@click.option("--list", "as_list", is_flag=True, help="Name every event of the catalog.")
@click.option("--json", "as_json", is_flag=True, help="Print what happened as JSON.")
@remote.options
def command(api: str | None, key: str | None, event: str | None, *, as_list: bool, as_json: bool) -> None:
    """Make EVENT happen in the sandbox that runs here, really: signatures, transactions and time on its chain.

    Objects are new ones; subscriptions live on a test clock of their own. The event is printed once it is in the log.
    """
    names = {each.value: each for each in EventType}
    if as_list:
        for name, kind in sorted(names.items()):
            why = NOT_MADE.get(kind)
            click.echo(
                json.dumps({"event": name, "not_made": why}) if as_json else name + (f"  ({why})" if why else "")
            )
        return
    if event is None:
        raise click.UsageError("Name an event, or see --list.")
    if event not in names:
        raise CommandFailed(f"{event} is not an event of the catalog; `dues trigger --list` names them")
    if (why := NOT_MADE.get(names[event])) is not None:
        raise CommandFailed(f"{event} cannot be made: it {why}")
    from gateway.cli.acts import Stage  # noqa: PLC0415 - the chain's packages take their time to load
    from gateway.cli.acts_table import ACTS  # noqa: PLC0415 - same

    facts, found = remote.sandbox_facts(), remote.found(api, key)
    newest = found.get("/v1/events", limit=1)["data"]
    before = int(newest[0]["sequence"]) if newest else 0
    ACTS[names[event]](Stage(found, facts))
    happened = _awaited(found, event, before)
    if as_json:
        click.echo(json.dumps(happened))
        return
    for each in happened:
        mark = "*" if each["type"] == event else " "
        click.echo(
            f"{mark} {each['sequence']:>6}  {each['type']}  {each['id']}  {each['data']['object'].get('id', '')}"
        )


def _awaited(found: Remote, event: str, before: int) -> list[Json]:
    """Everything that happened, once the event is among it."""
    until = time.monotonic() + WAIT_SECONDS
    while not found.get("/v1/events", after_sequence=before, limit=1, type=event)["data"]:
        if time.monotonic() > until:
            raise CommandFailed(f"{event} did not happen within {WAIT_SECONDS:g} s; see `dues doctor`")
        time.sleep(_LOOK_SECONDS)
    happened: list[Json] = []
    while True:
        page = found.get("/v1/events", after_sequence=before, limit=100)
        happened += page["data"]
        if not page["has_more"]:
            return happened
        before = int(page["data"][-1]["sequence"])
